//! What the page says when the server cannot help.
//!
//! The browser's `fetch` is replaced: a real server is not busy when a test wants it to be.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::Desktop;
use serde_json::json;

use super::visit;

/// Answers the next `translate` with `reply`, and the ones after it for real.
fn once(reply: &str) -> String {
    format!(
        "const real = window.fetch;
        window.fetch = (path, options) => {{
            if (path !== 'translate') return real(path, options);
            window.fetch = real;
            {reply}
        }}"
    )
}

/// Answers that the server is busy for so many seconds.
fn busy(seconds: u32) -> String {
    once(&format!(
        "const headers = {{ 'Retry-After': '{seconds}' }};
        return Promise.resolve(Response.json({{ error: 'busy' }}, {{ status: 503, headers }}));"
    ))
}

#[tokio::test]
async fn a_busy_server_is_asked_again() -> Result<()> {
    visit("a_busy_server_is_asked_again", Desktop, async |page| {
        page.open("#en/de/").await?;
        page.eval(&busy(3600)).await?;
        page.write("source-text", "Good morning.").await?;
        page.until("return !document.getElementById('notice').hidden").await?;
        let notice = page.element("notice").await?.text().await?;
        ensure!(notice.contains("The server is busy right now"), "the notice says {notice:?}");
        ensure!(notice.contains("Trying again in 3"), "the notice says {notice:?}");

        // Asked at once, it is busy for another second, and then it is asked without a press.
        page.eval(&busy(1)).await?;
        page.eval("document.querySelector('#notice button').click()").await?;
        page.until_translated("Guten Morgen.").await?;
        ensure!(!page.element("notice").await?.is_displayed().await?, "the notice stays");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_lost_connection_keeps_the_text() -> Result<()> {
    visit("a_lost_connection_keeps_the_text", Desktop, async |page| {
        page.open("#en/de/").await?;
        let offline = "return Promise.reject(new TypeError('Failed to fetch'));";
        page.eval(&once(offline)).await?;
        page.write("source-text", "Good morning.").await?;
        page.until("return !document.getElementById('notice').hidden").await?;
        let notice = page.element("notice").await?.text().await?;
        ensure!(notice.contains("cannot be reached"), "the notice says {notice:?}");
        let kept = page.eval("return document.getElementById('source-text').value").await?;
        ensure!(kept == json!("Good morning."), "the text is {kept}");
        page.eval("document.querySelector('#notice button').click()").await?;
        page.until_translated("Guten Morgen.").await
    })
    .await
}

#[tokio::test]
async fn a_late_answer_to_an_older_text_is_not_shown() -> Result<()> {
    visit("a_late_answer_to_an_older_text_is_not_shown", Desktop, async |page| {
        page.open("#en/de/").await?;
        // The first answer is held back until `answer` is called, whatever is aborted meanwhile.
        let late = "return new Promise((resolve) => {
                window.answer = () => resolve(Response.json({ translatedText: 'too late' }));
            });";
        page.eval(&once(late)).await?;
        page.write("source-text", "Good").await?;
        page.until("return typeof window.answer === 'function'").await?;
        page.write("source-text", " morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        let after = "window.answer(); const done = arguments[0]; setTimeout(() => done(true), 200)";
        page.client.execute_async(after, vec![]).await?;
        page.until_translated("Guten Morgen.").await
    })
    .await
}

#[tokio::test]
async fn a_refusal_is_put_into_words() -> Result<()> {
    visit("a_refusal_is_put_into_words", Desktop, async |page| {
        page.open("#en/de/").await?;
        let refusal = "const error = 'Slowdown: 20 per 1 minute';
            return Promise.resolve(Response.json({ error }, { status: 429 }));";
        page.eval(&once(refusal)).await?;
        page.write("source-text", "Good morning.").await?;
        page.until("return !document.getElementById('notice').hidden").await?;
        let notice = page.element("notice").await?.text().await?;
        ensure!(notice.contains("20 per 1 minute"), "the notice says {notice:?}");
        ensure!(notice.contains("then try again"), "the notice says {notice:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_text_that_the_server_cannot_read_is_not_shown_as_a_translation() -> Result<()> {
    let test = "a_text_that_the_server_cannot_read_is_not_shown_as_a_translation";
    visit(test, Desktop, async |page| {
        page.open("#auto/de/").await?;
        page.eval("document.getElementById('source-text').value = '市場は教会の後ろにあります。'")
            .await?;
        page.write("source-text", " ").await?;
        page.until("return !document.getElementById('notice').hidden").await?;
        let notice = page.element("notice").await?.text().await?;
        ensure!(notice.contains("seems to be in Japanese"), "the notice says {notice:?}");
        let left = page.eval("return document.getElementById('translation').textContent").await?;
        ensure!(left == json!(""), "the translation is {left}");
        ensure!(!page.element("copy").await?.is_enabled().await?, "there is nothing to copy");
        let height =
            "const { top, bottom } = document.getElementById('notice').getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight";
        page.tools.screen(360, false).await?;
        ensure!(page.eval(height).await? == json!(true), "the notice is not on the screen");
        Ok(())
    })
    .await
}
