//! A page in the browser, as a test uses it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dragoman_e2e::browser::{Browser, DevTools};
use fantoccini::{Client, Locator, elements::Element};
use serde_json::Value;

/// How long something may take to appear, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pages of the server at one address.
pub(crate) struct Page {
    pub(crate) client: Client,
    pub(crate) tools: DevTools,
    url: String,
}

impl Page {
    pub(crate) fn new(browser: &Browser, url: &str) -> Self {
        let (client, tools) = (browser.client.clone(), browser.tools.clone());
        Self { client, tools, url: url.trim_end_matches('/').to_owned() }
    }

    /// Opens `path`, and waits until its scripts have started.
    pub(crate) async fn open(&self, path: &str) -> Result<()> {
        self.client.goto(&format!("{}/{path}", self.url)).await?;
        self.until("return document.body?.dataset.ready === 'yes'").await
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) -> Result<()> {
        self.client.refresh().await?;
        self.until("return document.body?.dataset.ready === 'yes'").await
    }

    /// The element with this id.
    pub(crate) async fn element(&self, id: &str) -> Result<Element> {
        self.client.find(Locator::Id(id)).await.with_context(|| format!("looking for `#{id}`"))
    }

    pub(crate) async fn click(&self, id: &str) -> Result<()> {
        self.element(id).await?.click().await.with_context(|| format!("pressing `#{id}`"))
    }

    /// Types into the element with this id.
    pub(crate) async fn write(&self, id: &str, text: &str) -> Result<()> {
        self.element(id).await?.send_keys(text).await.with_context(|| format!("typing in `#{id}`"))
    }

    /// Chooses in the menu with this id.
    pub(crate) async fn choose(&self, id: &str, value: &str) -> Result<()> {
        let menu = self.element(id).await?;
        menu.select_by_value(value).await.with_context(|| format!("choosing {value} in `#{id}`"))
    }

    /// What `script` returns.
    pub(crate) async fn eval(&self, script: &str) -> Result<Value> {
        self.client.execute(script, vec![]).await.with_context(|| format!("running `{script}`"))
    }

    /// Waits until `script` returns true.
    pub(crate) async fn until(&self, script: &str) -> Result<()> {
        let started = Instant::now();
        while self.eval(script).await? != Value::Bool(true) {
            ensure!(started.elapsed() < PATIENCE, "in vain waited for `{script}`");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        Ok(())
    }

    /// Waits until the right leaf says `text`, in whatever case, and the server is not being asked.
    pub(crate) async fn until_translated(&self, text: &str) -> Result<()> {
        let quoted = Value::from(text.to_lowercase()).to_string();
        let said = "document.getElementById('translation').textContent.toLowerCase()";
        let quiet = "document.getElementById('target-leaf').ariaBusy !== 'true'";
        self.until(&format!("return {said} === {quoted} && {quiet}")).await
    }

    /// The state of the page in a line, for the message of a failing test.
    pub(crate) async fn state(&self) -> String {
        let script = "return [location.href, ...['notice', 'translation', 'status'].map(
            (id) => `${id}: ${document.getElementById(id)?.textContent}`)].join('; ')";
        match self.eval(script).await {
            Ok(state) => format!("the page was at {state}"),
            Err(error) => format!("the page did not answer: {error}"),
        }
    }
}
