//! Two leaves: what is typed on the left appears translated on the right.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::{Desktop, Phone};
use serde_json::json;

use super::visit;

#[tokio::test]
async fn what_is_typed_appears_translated() -> Result<()> {
    visit("what_is_typed_appears_translated", Desktop, async |page| {
        page.open("").await?;
        page.choose("target-language", "de").await?;
        page.write("source-text", "Good morning.").await?;
        page.until_translated("Guten Morgen.").await?;

        let detected = page.element("detected").await?.text().await?;
        ensure!(detected.starts_with("English, "), "the detected language is {detected:?}");
        let count = page.element("count").await?.text().await?;
        ensure!(count.starts_with("13 "), "the count is {count:?}");
        let language = page.element("translation").await?.attr("lang").await?;
        ensure!(language.as_deref() == Some("de"), "the translation's language is {language:?}");
        let hash = page.eval("return location.hash").await?;
        ensure!(hash == json!("#auto/de/Good%20morning."), "the address ends in {hash}");

        page.click("clear").await?;
        page.until_translated("").await
    })
    .await
}

#[tokio::test]
async fn a_link_opens_its_translation() -> Result<()> {
    visit("a_link_opens_its_translation", Desktop, async |page| {
        page.open("#en/fr/The%20cat%20sleeps.").await?;
        page.until("return document.getElementById('copy').disabled === false").await?;
        let state = "return [...document.querySelectorAll('.language')].map((menu) => menu.value)
            .concat(document.getElementById('source-text').value)";
        let state = page.eval(state).await?;
        ensure!(state == json!(["en", "fr", "The cat sleeps."]), "the page shows {state}");
        // Another link in the same tab.
        page.eval("location.hash = '#en/de/Good%20morning.'").await?;
        page.until_translated("Guten Morgen.").await
    })
    .await
}

#[tokio::test]
async fn swapping_turns_languages_and_texts_around() -> Result<()> {
    visit("swapping_turns_languages_and_texts_around", Desktop, async |page| {
        page.open("").await?;
        page.choose("target-language", "de").await?;
        page.write("source-text", "Good morning.").await?;
        page.until_translated("Guten Morgen.").await?;

        page.click("swap").await?; // the source was only detected
        page.until_translated("Good morning.").await?;
        let state = "return [...document.querySelectorAll('.language')].map((menu) => menu.value)
            .concat(document.getElementById('source-text').value)";
        let swapped = page.eval(state).await?;
        ensure!(swapped == json!(["de", "en", "Guten Morgen."]), "the page shows {swapped}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_target_is_never_the_source() -> Result<()> {
    visit("a_target_is_never_the_source", Desktop, async |page| {
        page.open("#en/de/").await?;
        page.choose("source-language", "de").await?;
        let targets = "return [...document.getElementById('target-language').options]
            .map((option) => option.value)";
        let targets = page.eval(targets).await?;
        let targets = targets.as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(targets.contains(&json!("en")), "German reaches {targets:?}");
        ensure!(!targets.contains(&json!("de")), "German reaches {targets:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_keyboard_is_enough() -> Result<()> {
    visit("the_keyboard_is_enough", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        // Tab walks from the text to its actions and on to the translation's.
        page.eval("document.getElementById('source-text').focus()").await?;
        let mut visited = Vec::new();
        for _ in 0..3 {
            let active = page.client.active_element().await?;
            active.send_keys("\u{E004}").await?; // Tab
            visited.push(page.eval("return document.activeElement.id").await?);
        }
        ensure!(visited == ["clear", "translation", "alternatives-ask"], "Tab visits {visited:?}");
        let outline = page.eval("return getComputedStyle(document.activeElement).outlineStyle");
        ensure!(outline.await? == json!("solid"), "the focus cannot be seen");
        // Ctrl + Shift + Enter swaps.
        page.write("source-text", "\u{E009}\u{E008}\u{E007}").await?;
        page.until_translated("Good morning.").await
    })
    .await
}

#[tokio::test]
async fn a_phone_shows_the_page_without_scrolling_sideways() -> Result<()> {
    visit("a_phone_shows_the_page_without_scrolling_sideways", Phone, async |page| {
        for path in ["#en/de/Good%20morning.", "docs", "experts"] {
            page.open(path).await?;
            let width = page.eval("return [innerWidth, document.documentElement.scrollWidth]");
            let width = width.await?;
            ensure!(width == json!([390, 390]), "/{path} is {width} pixels wide");
        }
        Ok(())
    })
    .await
}
