//! The page that recommends.

use anyhow::{Context, Result, ensure};
use dragoman_e2e::browser::Screen::{Desktop, Phone};
use serde_json::{Value, json};

use super::{page::Page, visit};

/// Adds a few items and what two users did with them, past the page.
pub(super) async fn stock(page: &Page) -> Result<()> {
    let script = r#"
        const send = (path, body) => fetch(path, { method: "POST", body: JSON.stringify(body) });
        const items = [["lamp", "Home", "Desk lamp"], ["chair", "Home", "Oak chair"],
            ["novel", "Books", "A novel"], ["atlas", "Books", "An atlas"], ["poems", "Books", "Poems"]];
        await send("api/items", items.map(([ItemId, category, Comment]) =>
            ({ ItemId, Categories: [category], Comment })));
        await send("api/users", [{ UserId: "u1", Comment: "Anna <b>Holt</b>" }, { UserId: "u2", Comment: "Ben" }]);
        const read = ([UserId, ItemId]) => ({ FeedbackType: "read", UserId, ItemId, Value: 1 });
        await send("api/feedback", [["u1", "novel"], ["u2", "novel"], ["u2", "atlas"]].map(read));
        document.body.dataset.stocked = "yes";
    "#;
    page.eval(&format!("(async () => {{ {script} }})()")).await?;
    page.until("return document.body.dataset.stocked === 'yes'").await
}

async fn offers(page: &Page) -> Result<Vec<Value>> {
    let ids = "return [...document.querySelectorAll('#list li')].map((row) => row.dataset.item)";
    Ok(page.eval(ids).await?.as_array().cloned().unwrap_or_default())
}

#[tokio::test]
async fn an_event_changes_the_list_at_once() -> Result<()> {
    visit("an_event_changes_the_list_at_once", Desktop, async |page| {
        page.open("recommend").await?;
        page.until("return !document.getElementById('nothing').hidden").await?;
        let command =
            page.eval("return document.getElementById('demo-command').textContent").await?;
        ensure!(command.to_string().contains("--url http://127.0.0.1"), "{command}");

        stock(page).await?;
        page.open("recommend?#u1").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await?;
        ensure!(offers(page).await?[0] == json!("atlas"), "{:?}", offers(page).await?);
        let because = "return document.querySelector('#list li .because').textContent";
        let because = page.eval(because).await?;
        ensure!(because.to_string().contains("A novel (read, 100 %)"), "{because}");
        let bars =
            "return [...document.querySelectorAll('#gate li')].map((row) => row.dataset.name)";
        ensure!(page.eval(bars).await? == json!(["neighbours", "content", "popularity"]));

        page.eval("document.querySelector('#list li[data-item=lamp] button').click()").await?;
        page.until("return document.querySelector('#history li').dataset.item === 'lamp'").await?;
        let after = offers(page).await?;
        ensure!(!after.contains(&json!("lamp")) && after.len() == 3, "{after:?}");
        let chair = after.iter().position(|id| id == "chair").context("a chair is offered")?;
        ensure!(chair < 2, "the chair is like the lamp: {after:?}");
        let moved =
            "return document.querySelector('#list li[data-item=chair] .moved')?.textContent";
        ensure!(page.eval(moved).await?.as_str().is_some_and(|text| text.starts_with('↑')));

        page.eval("document.querySelector('#history li button').click()").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await
    })
    .await
}

#[tokio::test]
async fn users_are_searched_and_shown_as_text() -> Result<()> {
    visit("users_are_searched_and_shown_as_text", Phone, async |page| {
        page.open("recommend").await?;
        stock(page).await?;
        page.reload().await?;
        page.eval("document.getElementById('person').value = ''").await?;
        page.write("person", "holt").await?;
        page.until("return document.querySelectorAll('#people li').length === 1").await?;
        let shown =
            page.eval("return document.querySelector('#people li span').textContent").await?;
        ensure!(shown == json!("Anna <b>Holt</b>"), "{shown}");
        page.write("person", "\u{E015}\u{E007}").await?; // the arrow down, and Enter
        page.until("return location.hash === '#u1'").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await?;

        page.eval("document.getElementById('options').open = true").await?;
        page.choose("category", "Home").await?;
        page.until("return document.querySelectorAll('#list li').length === 2").await?;
        page.click("new-user").await?;
        page.until("return location.hash.startsWith('#guest-')").await?;
        page.until("return !document.getElementById('history-empty').hidden").await?;
        let wide = "return document.documentElement.scrollWidth <= innerWidth";
        ensure!(page.eval(wide).await? == json!(true), "the page is wider than the screen");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_users_stand_side_by_side() -> Result<()> {
    visit("two_users_stand_side_by_side", Desktop, async |page| {
        page.open("recommend").await?;
        stock(page).await?;
        page.open("recommend?#u1").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await?;
        page.click("compare").await?;
        page.until("return document.querySelectorAll('#list-2 li').length === 3").await?;
        ensure!(page.eval("return location.hash").await? == json!("#u1,u2"), "the address forgets");

        // The address opens both again, and an event of one leaves the list of the other.
        page.reload().await?;
        page.until("return document.querySelectorAll('#list-2 li').length === 3").await?;
        page.eval("document.querySelector('#list li[data-item=lamp] button').click()").await?;
        page.until("return document.querySelectorAll('#list li').length === 3").await?;
        let second = page.eval("return document.querySelectorAll('#list-2 li').length").await?;
        ensure!(second == json!(3), "the other list has {second} items");

        page.click("compare").await?;
        page.until("return document.getElementById('list-2') === null").await?;
        ensure!(page.eval("return location.hash").await? == json!("#u1"), "u2 stays");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_user_can_be_seen_as_if_new() -> Result<()> {
    visit("a_user_can_be_seen_as_if_new", Desktop, async |page| {
        page.open("recommend").await?;
        stock(page).await?;
        page.open("recommend?#u1").await?;
        page.until("return document.querySelectorAll('#list li').length === 4").await?;
        page.eval("document.getElementById('as-new').click()").await?;
        // What this user read is on offer again, and nothing in the list rests on it.
        page.until("return document.querySelectorAll('#list li').length === 5").await?;
        let because = "return [...document.querySelectorAll('#list .because')]
            .map((node) => node.textContent).join('')";
        ensure!(page.eval(because).await? == json!(""), "the list rests on the history");
        let about = page.element("gate-about").await?.text().await?;
        ensure!(about.contains("without events"), "it says {about:?}");
        Ok(())
    })
    .await
}
