//! A headless Chromium, driven through chromedriver; both end with the browser.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skip::skip_unless_ci;

/// Time chromedriver has to start, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often chromedriver is started before a test gives up.
const ATTEMPTS: usize = 5;

/// The screen that a browser begins with; [`DevTools`] changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1280 by 900 pixels.
    Desktop,
    /// 390 by 844 pixels, two to a dot, with touch.
    Phone,
}

/// A browser with an empty profile.
#[derive(Debug)]
pub struct Browser {
    /// Steers it.
    pub client: Client,
    /// Changes what the page sees of the machine.
    pub tools: DevTools,
    driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Opens a browser for `test`.
    ///
    /// Without chromedriver there is none: the reason is printed, and under `CI` it is an error.
    pub async fn open(test: &str, screen: Screen) -> Result<Option<Self>> {
        let Some(program) = find("chromedriver") else {
            skip_unless_ci(test, "there is no `chromedriver` in PATH; install chromium-driver")?;
            return Ok(None);
        };
        let driver = Driver::start(&program)?;
        let profile = tempfile::tempdir()?;
        let options = options(screen, &profile);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options)
            .connect(&driver.url)
            .await
            .context("opening a browser; chromedriver needs Chromium of the same version")?;
        let session = client.session_id().await?.context("a session has an identifier")?;
        let tools = DevTools { url: format!("{}/session/{session}/goog/cdp/execute", driver.url) };
        tools.focus().await?;
        Ok(Some(Self { client, tools, driver, _profile: profile }))
    }

    /// Closes the browser, and after it the driver.
    pub async fn close(self) -> Result<()> {
        let Self { client, driver, .. } = self;
        client.close().await?;
        drop(driver);
        Ok(())
    }
}

/// Commands to Chromium that WebDriver has no words for.
#[derive(Debug, Clone)]
pub struct DevTools {
    url: String,
}

impl DevTools {
    /// Shows the page on a screen of this width, in CSS pixels, in the light or the dark theme.
    ///
    /// Below 700 pixels the screen is that of a phone.
    pub async fn screen(&self, width: u32, dark: bool) -> Result<()> {
        let (height, mobile) = (900, width < 700);
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.execute("Emulation.setDeviceMetricsOverride", metrics).await?;
        let theme =
            json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.execute("Emulation.setEmulatedMedia", json!({ "features": [theme] })).await
    }

    /// Runs `script` in every page before the page's own scripts.
    pub async fn run_first(&self, script: &str) -> Result<()> {
        self.execute("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await
    }

    /// Makes the page believe that its window is in front: without that some versions of Chromium
    /// send no event when an element gets the focus.
    async fn focus(&self) -> Result<()> {
        self.execute("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await
    }

    async fn execute(&self, command: &str, params: Value) -> Result<()> {
        let body = json!({ "cmd": command, "params": params }).to_string();
        let reply = reqwest::Client::new().post(&self.url).body(body).send().await?;
        reply.error_for_status().with_context(|| format!("asking chromedriver for {command}"))?;
        Ok(())
    }
}

/// How Chromium is started: without a screen, and without calling home.
fn options(screen: Screen, profile: &TempDir) -> serde_json::Map<String, Value> {
    let mut args: Vec<String> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--lang=en",
        "--window-size=1280,900",
    ]
    .map(String::from)
    .to_vec();
    args.push(format!("--user-data-dir={}", profile.path().display()));
    let mut chrome = json!({ "args": args });
    if screen == Screen::Phone {
        let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true });
        chrome["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("browserName".into(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".into(), chrome);
    capabilities
}

/// A chromedriver on a port of its own; it is killed, with its browsers, when this is dropped.
#[derive(Debug)]
struct Driver {
    url: String,
    process: Child,
}

impl Driver {
    /// Starts a driver; one that ends before it listens is started again.
    ///
    /// Chromedriver takes a free port of IPv6, and ends if the same port of IPv4 belongs to
    /// somebody else, which happens where many tests run side by side.
    fn start(program: &Path) -> Result<Self> {
        for _ in 1..ATTEMPTS {
            match Self::start_once(program) {
                Err(error) => eprintln!("chromedriver is started again: {error:#}"),
                driver => return driver,
            }
        }
        Self::start_once(program)
    }

    fn start_once(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            // Quieter than this it would not name its port.
            .args(["--port=0", "--log-level=WARNING"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // so that its browsers can be ended with it
            .spawn()
            .context("starting chromedriver")?;
        let output = process.stdout.take().context("stdout is piped")?;
        let mut driver = Self { url: String::new(), process };
        driver.url = format!("http://127.0.0.1:{}", announced_port(output)?);
        Ok(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A driver that is killed leaves its browsers behind: the group is ended as a whole.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// Reads the port from what the driver says, and goes on reading, so that it never waits.
fn announced_port(output: impl Read + Send + 'static) -> Result<u16> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let mut announced = false;
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if announced {
                continue;
            }
            let port = line.split_once("started successfully on port ");
            if let Some(port) = port.and_then(|(_, port)| port.trim_end_matches('.').parse().ok()) {
                announced = true;
                let _ = sender.send(Ok(port)); // nobody listens any more if it was too late
            }
            said.push(line);
        }
        if !announced {
            let _ = sender.send(Err(said.join("\n")));
        }
    });
    let port = receiver.recv_timeout(PATIENCE).context("chromedriver does not name its port")?;
    port.map_err(|said| anyhow!("chromedriver ended before it named its port; it said:\n{said}"))
}

/// The first executable called `program` in `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
