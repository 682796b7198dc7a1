//! The pages beside the translation, and what all of them have in common.

use anyhow::{Result, ensure};
use dragoman_e2e::{Options, browser::Screen::Desktop};
use serde_json::json;

use super::{layout::fits, visit, visit_with};

#[tokio::test]
async fn no_request_leaves_the_server() -> Result<()> {
    visit("no_request_leaves_the_server", Desktop, async |page| {
        for path in ["#en/de/Good%20morning.", "docs", "experts", "recommend", "suggestions"] {
            page.open(path).await?;
            let requests = "const all = performance.getEntriesByType('resource');
                const away = all.filter(({ name }) => new URL(name).origin !== location.origin);
                return [all.length, away.map(({ name }) => name)]";
            let requests = page.eval(requests).await?;
            ensure!(requests[0].as_u64() > Some(3), "/{path} loaded only {} files", requests[0]);
            ensure!(requests[1] == json!([]), "/{path} asks {}", requests[1]);
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_api_page_tries_a_call() -> Result<()> {
    visit("the_api_page_tries_a_call", Desktop, async |page| {
        page.open("docs").await?;
        let paths = "return [...document.querySelectorAll('.endpoint .path')]
            .map((path) => path.textContent)";
        let paths = page.eval(paths).await?;
        let paths = paths.as_array().map(Vec::as_slice).unwrap_or_default();
        for path in ["/translate", "/detect", "/languages", "/health"] {
            ensure!(paths.contains(&json!(path)), "{path} is not among {paths:?}");
        }
        page.eval("document.querySelector('#get-health form').requestSubmit()").await?;
        let answer = "return document.querySelector('#get-health .answer').textContent";
        page.until(&format!("{answer} !== ''")).await?;
        let answer = page.eval(answer).await?;
        ensure!(answer.as_str().is_some_and(|text| text.contains("\"ok\"")), "{answer}");
        let curl = "return document.querySelector('#post-translate .curl').textContent";
        let curl = page.eval(curl).await?;
        let line = curl.as_str().unwrap_or_default();
        ensure!(line.starts_with("curl http://") && line.contains("\"target\":"), "{line}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_experts_page_lists_the_register() -> Result<()> {
    visit("the_experts_page_lists_the_register", Desktop, async |page| {
        page.open("experts").await?;
        let names = "return [...document.querySelectorAll('.register tbody th')]
            .map((name) => name.textContent)";
        let names = page.eval(names).await?;
        let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(names.contains(&json!("pair.en-de")), "the experts are {names:?}");
        ensure!(names.contains(&json!("free.0")), "the experts are {names:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_interface_speaks_the_languages_of_the_model() -> Result<()> {
    visit("the_interface_speaks_the_languages_of_the_model", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.choose("interface-language", "de").await?;
        page.until("return document.documentElement.lang === 'de'").await?;
        page.until_translated("Guten Morgen.").await?;
        let copy = page.element("copy").await?.text().await?;
        ensure!(copy == "Kopieren", "the button says {copy:?}");
        let source = "return document.getElementById('source-language').selectedOptions[0].text";
        ensure!(page.eval(source).await? == json!("Englisch"), "languages are named in English");

        // In every language no page shows a text without a translation, or one too long for a
        // small phone with large text.
        for language in ["de", "fr", "es", "nl", "it", "pt"] {
            let choose =
                format!("localStorage.setItem('dragoman.interface', JSON.stringify('{language}'))");
            page.eval(&choose).await?;
            for path in ["", "recommend", "insights", "experts", "docs", "suggestions"] {
                page.open(path).await?;
                let missing = "const done = arguments[0];
                    import(new URL('static/i18n.js', location.href)).then((strings) => {
                        const template = document.querySelector('template');
                        if (template) strings.localise(template.content);
                        done([strings.language, [...strings.missing]]);
                    })";
                let found = page.client.execute_async(missing, vec![]).await?;
                ensure!(found == json!([language, []]), "/{path} in {language}: {found}");
                page.tools.screen(360, false).await?;
                page.eval("document.documentElement.style.fontSize = '200%'").await?;
                fits(page, &format!("/{path} in {language}")).await?;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_card_tells_where_an_added_expert_comes_from() -> Result<()> {
    let options = Options { bundled: true, ..Options::default() };
    visit_with("a_card_tells_where_an_added_expert_comes_from", Desktop, options, async |page| {
        if std::env::var_os("DRAGOMAN_TEST_URL").is_some() {
            return Ok(()); // that server's model has other experts
        }
        page.open("experts").await?;
        let facts = "return [...document.querySelectorAll('[data-expert=\"domain.it\"] dt')]
            .map((name) => name.textContent)";
        let facts = page.eval(facts).await?;
        ensure!(facts == json!(["Covers", "Data", "Training", "Size", "Load"]), "{facts}");
        // A row for each pair and one for their mean; in the domain every one of them gains.
        let gains = "const table = document.querySelector('[data-expert=\"domain.it\"] .gains');
            const column = [...table.querySelectorAll('thead th')]
                .findIndex((head) => head.textContent === 'chrF++ it');
            return [...table.querySelectorAll('tbody tr')].map((row) =>
                row.querySelectorAll('td')[column].querySelector('.gain')?.textContent[0])";
        let gains = page.eval(gains).await?;
        ensure!(gains == json!(vec!["+"; 7]), "the gains are {gains}");
        // Names and dates are not broken.
        let broken = "return [...document.querySelectorAll('.register th, .created')]
            .filter((node) => node.getClientRects().length > 1).length";
        ensure!(page.eval(broken).await? == json!(0), "a name or a date is broken");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_keeper_looks_through_suggestions() -> Result<()> {
    let test = "the_keeper_looks_through_suggestions";
    let options = Options::default().env("DRAGOMAN_ADMIN_KEY", "let me in");
    visit_with(test, Desktop, options, async |page| {
        page.open("suggestions").await?;
        let send = "const done = arguments[0];
            Promise.all(['Hi.', 'Hello.'].map((q) => fetch('suggest', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ q, s: 'Servus.', source: 'en', target: 'de' }),
            }))).then((replies) => done(replies.every(({ ok }) => ok)))";
        ensure!(page.client.execute_async(send, vec![]).await? == json!(true));

        let count = "document.querySelectorAll('.suggestion').length";
        let enter = async |key: &str| {
            page.write("key", key).await?;
            page.eval("document.getElementById('key-form').requestSubmit()").await
        };
        enter("guess").await?;
        page.until("return document.getElementById('notice').textContent !== ''").await?;
        enter("let me in").await?;
        page.until(&format!("return {count} === 2")).await?;
        page.eval("document.querySelector('.suggestion button').click()").await?; // approves
        page.until(&format!("return {count} === 1")).await?;
        let filter = "[...document.querySelectorAll('#filter button')]";
        let labels = page.eval(&format!("return {filter}.map((one) => one.textContent)")).await?;
        ensure!(labels == json!(["Pending 1", "Approved 1", "Rejected 0"]), "{labels}");
        page.eval(&format!("{filter}[1].click()")).await?;
        page.until(&format!("return {filter}[1].ariaPressed === 'true' && {count} === 1")).await?;
        page.eval("[...document.querySelectorAll('.suggestion button')].at(-1).click()").await?;
        page.until(&format!("return {count} === 0")).await?;
        page.until("return document.querySelector('#suggestions .empty') !== null").await
    })
    .await
}
