//! The pages, in a real browser.
//!
//! With `DRAGOMAN_TEST_URL` they are tested on a server that runs already, such as
//! `web/mock_server.py`; otherwise each test starts its own.

mod page;
mod typing;
mod panels;
mod experts;
mod domain;
mod quality;
mod trouble;
mod pages;
mod documents;
mod recommend;
mod layout;
mod axe;
mod words;
mod strings;

use anyhow::{Context, Result};
use dragoman_e2e::{
    Options, TestApp,
    browser::{Browser, Screen},
};

use page::Page;

/// Runs `steps` in a browser of its own.
async fn visit(
    test: &str,
    screen: Screen,
    steps: impl AsyncFnOnce(&Page) -> Result<()>,
) -> Result<()> {
    visit_with(test, screen, Options::default().env("LT_SUGGESTIONS", "true"), steps).await
}

/// The same, on a server of its own with these options.
async fn visit_with(
    test: &str,
    screen: Screen,
    options: Options,
    steps: impl AsyncFnOnce(&Page) -> Result<()>,
) -> Result<()> {
    let Some(browser) = Browser::open(test, screen).await? else { return Ok(()) };
    let running = std::env::var("DRAGOMAN_TEST_URL").ok();
    let app = match running {
        Some(_) => None,
        None => Some(TestApp::start(options).await?),
    };
    let url = running.or(app.as_ref().map(|app| app.url.clone())).context("a server runs")?;

    let page = Page::new(&browser, &url);
    let outcome = steps(&page).await;
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(page.state().await)),
    };
    browser.close().await?;
    outcome
}
