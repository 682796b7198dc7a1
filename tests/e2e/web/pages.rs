//! The pages beside the translation, and what all of them have in common.

use anyhow::{Result, ensure};
use dragoman_e2e::browser::Screen::Desktop;
use serde_json::json;

use super::visit;

#[tokio::test]
async fn no_request_leaves_the_server() -> Result<()> {
    visit("no_request_leaves_the_server", Desktop, async |page| {
        for path in ["#en/de/Good%20morning.", "docs", "experts", "recommend"] {
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
