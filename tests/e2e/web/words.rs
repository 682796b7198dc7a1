//! What a reader can do with the words of a translation, and what the page remembers of a choice.

use anyhow::{Context, Result, ensure};
use dragoman_e2e::browser::Screen::Desktop;
use serde_json::json;

use super::visit;

/// Replaces the browser's `fetch`: `translate` and `languages` may be answered by the test.
const ANSWERS: &str = "
    window.answers = {};
    window.asked = [];
    const real = window.fetch;
    window.fetch = (path, options) => {
        window.asked.push([path, options?.body ? JSON.parse(options.body) : null]);
        const answer = window.answers[path]?.(window.asked.at(-1)[1]);
        return answer ? Promise.resolve(answer) : real(path, options);
    }";

/// A domain `it` for English, which the server of the tests does not have.
const WITH_DOMAIN: &str = "
    window.answers.languages = () => Response.json([
        { code: 'en', name: 'English', targets: ['de', 'en'], domains: ['it'], domainTargets: { it: ['de'] } },
        { code: 'de', name: 'German', targets: ['de', 'en'] },
    ]);
    window.answers.translate = ({ domain }) => Response.json({ translatedText: domain ? 'Drücken.' : 'Presse.' });";

#[tokio::test]
async fn a_domain_is_kept_in_the_address_and_in_the_history() -> Result<()> {
    let test = "a_domain_is_kept_in_the_address_and_in_the_history";
    visit(test, Desktop, async |page| {
        page.tools.run_first(&format!("{ANSWERS};{WITH_DOMAIN}")).await?;
        page.open("#en/de/Press.").await?;
        page.until_translated("Presse.").await?;
        page.choose("domain", "it").await?;
        page.until_translated("Drücken.").await?;
        ensure!(page.eval("return location.hash").await? == json!("#en/de@it/Press."));

        page.reload().await?;
        page.until_translated("Drücken.").await?;
        page.choose("domain", "").await?;
        page.until_translated("Presse.").await?;
        page.click("history-open").await?;
        let with_domain = "[...document.querySelectorAll('#history-list .entry')]
            .find((entry) => entry.textContent.includes('IT'))";
        page.eval(&format!("{with_domain}.click()")).await?;
        page.until_translated("Drücken.").await
    })
    .await
}

#[tokio::test]
async fn a_suggestion_names_its_domain() -> Result<()> {
    visit("a_suggestion_names_its_domain", Desktop, async |page| {
        let taken = "window.answers.suggest = () => Response.json({ success: true })";
        page.tools.run_first(&format!("{ANSWERS};{WITH_DOMAIN};{taken}")).await?;
        page.open("#en/de@it/Press.").await?;
        page.until_translated("Drücken.").await?;
        page.click("suggestion-open").await?;
        page.write("suggestion-text", " Bitte.").await?;
        page.click("suggestion-send").await?;
        page.until("return window.asked.some(([path]) => path === 'suggest')").await?;
        let sent = page.eval("return window.asked.find(([path]) => path === 'suggest')[1]").await?;
        let expected = json!({
            "q": "Press.", "s": "Drücken. Bitte.", "source": "en", "target": "de", "domain": "it",
        });
        ensure!(sent == expected, "it sends {sent}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_open_page_gives_up_a_domain_that_is_gone() -> Result<()> {
    visit("an_open_page_gives_up_a_domain_that_is_gone", Desktop, async |page| {
        page.tools.run_first(&format!("{ANSWERS};{WITH_DOMAIN}")).await?;
        page.open("#en/de@it/Press.").await?;
        page.until_translated("Drücken.").await?;
        let gone = "window.answers.languages = () => Response.json([
                { code: 'en', name: 'English', targets: ['de', 'en'] },
                { code: 'de', name: 'German', targets: ['de', 'en'] },
            ]);
            window.answers.translate = ({ domain }) => domain
                ? Response.json({ error: 'Invalid request: there is no domain `it`' }, { status: 400 })
                : Response.json({ translatedText: 'Presse.' })";
        page.eval(gone).await?;
        page.write("source-text", " ").await?;
        page.until_translated("Presse.").await?;
        let notice = page.element("notice").await?.text().await?;
        ensure!(notice.contains("IT is no longer offered"), "the notice says {notice:?}");
        let hidden = page.eval("return document.getElementById('domain-field').hidden").await?;
        ensure!(hidden == json!(true), "the domain is still on offer");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_swap_can_be_undone() -> Result<()> {
    visit("a_swap_can_be_undone", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.click("swap").await?;
        page.until_translated("Good morning.").await?;
        page.write("source-text", "\u{E009}z\u{E000}").await?; // Ctrl and Z
        page.until_translated("Guten Morgen.").await?;
        let state = page.eval("return location.hash").await?;
        ensure!(state == json!("#en/de/Good%20morning."), "the page is at {state}");

        page.click("clear").await?;
        page.until_translated("").await?;
        page.write("source-text", "\u{E009}z\u{E000}").await?;
        page.until_translated("Guten Morgen.").await
    })
    .await
}

#[tokio::test]
async fn a_text_in_the_target_language_is_noticed() -> Result<()> {
    visit("a_text_in_the_target_language_is_noticed", Desktop, async |page| {
        // The browser is English, and the reader has chosen nothing: another target is taken.
        page.open("").await?;
        let target = "return document.getElementById('target-language').value";
        ensure!(
            page.eval(target).await? == json!("en"),
            "the target is not the browser's language"
        );
        page.write("source-text", "Good morning.").await?;
        page.until("return document.getElementById('target-language').value !== 'en'").await?;

        // A target that was chosen stays; a press takes another.
        page.choose("target-language", "en").await?;
        page.until("return !document.getElementById('same-language').hidden").await?;
        let hint = page.element("same-language").await?.text().await?;
        ensure!(hint.contains("in English already"), "the hint says {hint:?}");
        page.eval("document.querySelector('#same-language button').click()").await?;
        page.until("return document.getElementById('target-language').value !== 'en'").await?;
        page.until("return document.getElementById('same-language').hidden").await
    })
    .await
}

#[tokio::test]
async fn a_word_offers_what_other_wordings_say_there() -> Result<()> {
    visit("a_word_offers_what_other_wordings_say_there", Desktop, async |page| {
        let wordings = "window.answers.translate = ({ alternatives }) => Response.json({
            translatedText: 'Der alte Weg ist lang.',
            alternatives: alternatives ? ['Die alte Straße ist lang.', 'Der alte Pfad ist lang.',
                'Der alte Weg ist weit.'] : undefined,
        })";
        page.tools.run_first(&format!("{ANSWERS};{wordings}")).await?;
        page.open("#en/de/The%20old%20road%20is%20long.").await?;
        page.until_translated("Der alte Weg ist lang.").await?;
        page.eval("document.querySelectorAll('#translation .word-mark')[2].click()").await?;
        let choices = "return [...document.querySelectorAll('#word-choices strong')]
            .map((choice) => choice.textContent)";
        page.until("return document.querySelectorAll('#word-choices button').length > 0").await?;
        let found = page.eval(choices).await?;
        ensure!(found == json!(["Straße", "Pfad"]), "the choices are {found}");
        page.eval("document.querySelectorAll('#word-choices button')[1].click()").await?;
        page.until_translated("Der alte Pfad ist lang.").await?;

        // By keyboard: the last word, Enter, and the first choice.
        let output = page.element("translation").await?;
        output.send_keys("\u{E010}\u{E007}").await?; // End and Enter
        page.until("return document.activeElement.closest('#word-choices') !== null").await?;
        let found = page.eval(choices).await?;
        ensure!(found == json!(["weit"]), "the choices are {found}");
        page.client.active_element().await?.send_keys("\u{E007}").await?;
        page.until_translated("Der alte Weg ist weit.").await
    })
    .await
}

#[tokio::test]
async fn a_translation_is_read_aloud_where_there_is_a_voice() -> Result<()> {
    visit("a_translation_is_read_aloud_where_there_is_a_voice", Desktop, async |page| {
        let voices = "window.said = [];
            const voice = { lang: 'de-DE', localService: true };
            window.SpeechSynthesisUtterance = class extends EventTarget {
                constructor(text) { super(); this.text = text; }
            };
            Object.defineProperty(window, 'speechSynthesis', { value: {
                getVoices: () => [voice], cancel() {}, addEventListener() {},
                speak: ({ text, lang }) => window.said.push([text.toLowerCase(), lang]),
            } })";
        page.tools.run_first(voices).await?;
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        let hidden = page.eval("return document.getElementById('source-listen').hidden").await?;
        ensure!(hidden == json!(true), "no voice speaks English");
        page.click("target-listen").await?;
        let said = page.eval("return window.said").await?;
        ensure!(said == json!([["guten morgen.", "de"]]), "it says {said}");
        let pressed = page.element("target-listen").await?.attr("aria-pressed").await?;
        pressed
            .filter(|state| state == "true")
            .context("the button does not show that it speaks")?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_single_word_is_shown_as_in_a_dictionary() -> Result<()> {
    visit("a_single_word_is_shown_as_in_a_dictionary", Desktop, async |page| {
        let answers = "window.answers.translate = ({ q, target, alternatives }) => {
            const to = { bank: ['Bank', 'die Bank.', 'Ufer', 'Geldhaus am Ort hier'] };
            const back = { Bank: ['bank', 'bench'], Ufer: ['shore', 'Shore.'], 'die Bank': ['the bank'] };
            if (target === 'de') {
                const found = to[q] ?? [q];
                return Response.json({ translatedText: found[0], alternatives: alternatives ? found.slice(1) : [] });
            }
            const rows = q.map((word) => back[word] ?? [word]);
            return Response.json({
                translatedText: rows.map((row) => row[0]),
                alternatives: rows.map((row) => row.slice(1)),
            });
        }";
        page.tools.run_first(&format!("{ANSWERS};{answers}")).await?;
        page.open("#en/de/bank").await?;
        page.until("return !document.getElementById('dictionary').hidden").await?;
        let rows = "return [...document.querySelectorAll('#dictionary-list li')]
            .map((row) => [...row.children].map((part) => part.textContent))";
        let expected = json!([["Bank", "bank, bench"], ["die Bank", "the bank"], ["Ufer", "shore"]]);
        ensure!(page.eval(rows).await? == expected, "the rows are {}", page.eval(rows).await?);
        let title = page.eval("return document.getElementById('dictionary-title').textContent").await?;
        ensure!(title == json!("Translations of “bank”"), "the title is {title}");

        page.eval("document.querySelectorAll('#dictionary-list button')[2].click()").await?;
        page.until_translated("Ufer").await?;
        page.open("#en/de/The bank is closed.").await?;
        page.until("return document.getElementById('dictionary').hidden").await
    })
    .await
}
