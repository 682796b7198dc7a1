//! What goes with a translation: history, alternatives, suggestions, copying, themes.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::Desktop;
use serde_json::json;

use super::visit;

#[tokio::test]
async fn the_chosen_theme_is_remembered() -> Result<()> {
    visit("the_chosen_theme_is_remembered", Desktop, async |page| {
        let background = "return getComputedStyle(document.body).backgroundColor";
        page.open("").await?;
        let light = page.eval(background).await?;
        page.click("theme-toggle").await?;
        let dark = page.eval(background).await?;
        ensure!(light != dark, "both themes are {light}");

        page.reload().await?;
        ensure!(page.eval(background).await? == dark, "the theme is forgotten");
        page.open("docs").await?;
        ensure!(page.eval(background).await? == dark, "the other pages have another theme");
        page.click("theme-toggle").await?;
        ensure!(page.eval(background).await? == light, "there is no way back");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_history_can_be_opened_deleted_and_switched_off() -> Result<()> {
    let test = "the_history_can_be_opened_deleted_and_switched_off";
    visit(test, Desktop, async |page| {
        let count = "return document.querySelectorAll('#history-list li').length";
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.open("").await?; // leaving the page must not lose what was translated
        page.reload().await?;
        page.click("history-open").await?;
        ensure!(page.eval(count).await? == json!(1), "the history has no entry");

        page.eval("document.querySelector('#history-list .entry').click()").await?;
        page.until_translated("Guten Morgen.").await?;

        page.click("history-open").await?;
        page.click("history-clear").await?;
        ensure!(page.eval(count).await? == json!(0), "the history is still there");
        page.eval("document.getElementById('history-keep').click()").await?;
        page.reload().await?;
        page.until_translated("Guten Morgen.").await?;
        page.reload().await?;
        page.click("history-open").await?;
        ensure!(page.eval(count).await? == json!(0), "it is kept although switched off");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn alternatives_come_on_demand() -> Result<()> {
    visit("alternatives_come_on_demand", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        ensure!(!page.element("alternatives").await?.is_displayed().await?, "nobody asked yet");
        page.click("alternatives-ask").await?;
        page.until("return !document.getElementById('alternatives').hidden").await?;
        let rows = page.eval("return document.querySelectorAll('#alternatives-list li').length");
        ensure!(rows.await?.as_u64() > Some(0), "the list is empty");
        page.write("source-text", " ").await?;
        page.until("return document.getElementById('alternatives').hidden").await
    })
    .await
}

#[tokio::test]
async fn a_better_translation_can_be_suggested() -> Result<()> {
    visit("a_better_translation_can_be_suggested", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.click("suggestion-open").await?;
        page.write("suggestion-text", " Schönen Morgen!").await?;
        page.click("suggestion-send").await?;
        page.until("return document.getElementById('suggestion-open').textContent === 'Thank you'")
            .await
    })
    .await
}

#[tokio::test]
async fn copying_says_that_it_worked() -> Result<()> {
    visit("copying_says_that_it_worked", Desktop, async |page| {
        page.open("#en/de/Good%20morning.").await?;
        page.until_translated("Guten Morgen.").await?;
        page.click("copy").await?;
        page.until("return document.getElementById('copy').textContent === 'Copied'").await
    })
    .await
}
