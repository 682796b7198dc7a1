//! Every page fits phones and wide screens, large text and both themes, and is accessible in all.

use anyhow::{Result, ensure};
use dragoman_e2e::{Options, browser::Screen::Desktop, skip::skip_unless_ci};
use serde_json::json;

use super::{axe, page::Page, recommend::stock, visit, visit_with};
use crate::expert::corpora;

/// Two phones, a laptop and a desktop.
const WIDTHS: [u32; 4] = [360, 390, 1280, 1920];

/// Checks the page as it is now on all screens, with text of its own size and twice as large.
async fn check(page: &Page, test: &str) -> Result<()> {
    let script = axe::script()?;
    if script.is_none() {
        skip_unless_ci(test, "there is no axe-core; `tests/run` installs it")?;
    }
    for dark in [false, true] {
        for width in WIDTHS {
            for size in [100, 200] {
                let what = format!("{width} pixels, text {size} %, dark {dark}");
                page.tools.screen(width, dark).await?;
                let resize = format!("document.documentElement.style.fontSize = '{size}%'");
                page.eval(&resize).await?;
                fits(page, &what).await?;
                // Colours and names change with the theme, and between a phone and a wide screen.
                let is_measured = size == 100 && [390, 1280].contains(&width);
                if let Some(script) = script.as_ref().filter(|_| is_measured) {
                    axe::check(page, script, &what).await?;
                }
            }
        }
    }
    Ok(())
}

/// Nothing is wider than the screen, and no control is cut off.
pub(super) async fn fits(page: &Page, what: &str) -> Result<()> {
    let cut_off = "const width = document.documentElement.clientWidth;
        const isShown = (node) => node.checkVisibility() && !node.closest('.scroll');
        const isOutside = ({ left, right }) => left < -1 || right > width + 1;
        return [document.documentElement.scrollWidth - width,
            [...document.querySelectorAll('button, a, select, input, textarea, h1, h2, h3, p, td, th')]
                .filter((node) => isShown(node) && isOutside(node.getBoundingClientRect()))
                .filter((node) => !node.matches('.skip, .switch input'))
                .map((node) => node.id || node.textContent.slice(0, 30))]";
    let found = page.eval(cut_off).await?;
    ensure!(found == json!([0, []]), "{what}: too wide by, and cut off: {found}");
    Ok(())
}

#[tokio::test]
async fn the_translation_page_fits_every_screen() -> Result<()> {
    let test = "the_translation_page_fits_every_screen";
    if std::env::var_os("DRAGOMAN_TEST_URL").is_some() {
        return Ok(()); // that server's model has other domains
    }
    let model = corpora::learned()?.join("model");
    let options = Options { model: Some(model), ..Options::default() };
    visit_with(test, Desktop, options.env("LT_SUGGESTIONS", "true"), async |page| {
        page.open("").await?;
        check(page, test).await?; // nothing is written yet
        page.open("#auto/de@house/Good%20morning.").await?;
        page.until("return !document.getElementById('compare').hidden").await?;
        page.eval("document.getElementById('trace-toggle').click()").await?;
        page.until("return document.querySelectorAll('.token').length > 0").await?;
        for (name, text) in [("letter.txt", "Good morning."), ("broken.docx", "no zip")] {
            page.eval(&super::documents::give(name, text)).await?;
        }
        let ended = "document.querySelectorAll('#document-list a, #document-list .failed').length";
        page.until(&format!("return {ended} === 2")).await?;
        for id in ["compare", "alternatives-ask", "suggestion-open"] {
            page.eval(&format!("document.getElementById('{id}').click()")).await?;
            let open = format!("return document.getElementById('{id}').ariaExpanded === 'true'");
            page.until(&open).await?;
        }
        check(page, test).await
    })
    .await
}

#[tokio::test]
async fn the_page_of_suggestions_fits_every_screen() -> Result<()> {
    let test = "the_page_of_suggestions_fits_every_screen";
    let options = Options::default().env("DRAGOMAN_ADMIN_KEY", "let me in");
    visit_with(test, Desktop, options, async |page| {
        page.open("suggestions").await?;
        let long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen".repeat(2);
        let send = "const [text, done] = arguments;
            fetch('suggest', {
                method: 'POST',
                headers: { 'Content-Type': 'application/json' },
                body: JSON.stringify({ q: 'Badge', s: text, source: 'en', target: 'de' }),
            }).then(({ ok }) => done(ok))";
        ensure!(page.client.execute_async(send, vec![json!(long)]).await? == json!(true));
        page.write("key", "let me in").await?;
        page.eval("document.getElementById('key-form').requestSubmit()").await?;
        page.until("return document.querySelectorAll('.suggestion').length === 1").await?;
        check(page, test).await
    })
    .await
}

#[tokio::test]
async fn the_recommendation_page_fits_every_screen() -> Result<()> {
    let test = "the_recommendation_page_fits_every_screen";
    visit(test, Desktop, async |page| {
        page.open("recommend").await?;
        stock(page).await?;
        page.open("recommend?#u1").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await?;
        check(page, test).await?;
        page.tools.screen(1280, false).await?;
        page.eval("document.getElementById('compare').click()").await?;
        page.until("return document.querySelectorAll('#list-2 li').length === 3").await?;
        check(page, test).await
    })
    .await
}

#[tokio::test]
async fn the_page_of_figures_fits_every_screen() -> Result<()> {
    let test = "the_page_of_figures_fits_every_screen";
    visit(test, Desktop, async |page| {
        page.open("recommend").await?;
        stock(page).await?;
        page.eval("fetch('api/recommend/u1')").await?;
        page.open("insights").await?;
        page.until("return document.querySelectorAll('.chart').length === 4").await?;
        page.until("return document.querySelector('#groups td') !== null").await?;
        let label = "return document.querySelectorAll('.chart svg')[2].getAttribute('aria-label')";
        let label = page.eval(label).await?;
        ensure!(label.as_str().is_some_and(|label| label.ends_with(": 3")), "{label}");
        check(page, test).await
    })
    .await
}

#[tokio::test]
async fn the_other_pages_fit_every_screen() -> Result<()> {
    let test = "the_other_pages_fit_every_screen";
    visit_with(test, Desktop, Options { bundled: true, ..Options::default() }, async |page| {
        for path in ["experts", "docs", "suggestions"] {
            page.open(path).await?;
            check(page, test).await?;
        }
        Ok(())
    })
    .await
}
