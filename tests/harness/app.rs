//! A running server of the real binary, which stops with its test.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    binary::{self, Dragoman},
    model,
};

/// How long a connection is used again: shorter than the server keeps one open, so that none is closed while a
/// request is on its way.
const IDLE: Duration = Duration::from_secs(2);

/// Time a server has to answer for the first time, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of the log that a failing test shows.
const SHOWN: usize = 40;

/// How to start a server; the default serves the tests' model from a store of its own.
#[derive(Debug, Default)]
pub struct Options {
    /// Folder of the model.
    pub model: Option<PathBuf>,
    /// Serves what the binary carries instead.
    pub bundled: bool,
    /// Folder of the store; it is not deleted.
    pub store: Option<PathBuf>,
    /// More arguments.
    pub args: Vec<String>,
    /// More variables of the environment.
    pub env: Vec<(String, String)>,
}

impl Options {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The command, with its store in `folder` unless another is named.
    pub fn command(&self, folder: &Path) -> Result<Dragoman> {
        let mut command = Dragoman::new(["serve", "--host", "127.0.0.1", "--port", "0"])?
            .args(["--store".as_ref(), self.store.as_deref().unwrap_or(folder).as_os_str()]);
        if !self.bundled {
            let model = self.model.clone().map_or_else(model::dir, Ok)?;
            command = command.args(["--model".as_ref(), model.as_os_str()]);
        }
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        Ok(command.args(&self.args))
    }
}

/// A running server; it is killed when this is dropped.
#[derive(Debug)]
pub struct TestApp {
    /// Where it listens, such as `http://127.0.0.1:40001`, and its prefix if it has one.
    pub url: String,
    /// Speaks to it.
    pub client: Client,
    /// Folder of its store.
    pub store: PathBuf,
    child: Child,
    log: Log,
    /// The threads that read what it says.
    readers: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

impl TestApp {
    /// Starts a server of the tests' model.
    pub async fn spawn() -> Result<Self> {
        Self::start(Options::default()).await
    }

    /// Starts a server, and waits until it answers.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut child = options.command(folder.path())?.spawn()?;
        let log = Log::default();
        let readers = vec![
            log.follow(child.stdout.take().context("stdout is piped")?),
            log.follow(child.stderr.take().context("stderr is piped")?),
        ];
        let mut app = Self {
            url: String::new(),
            client: Client::builder().no_proxy().pool_idle_timeout(IDLE).build()?,
            store: options.store.unwrap_or_else(|| folder.path().into()),
            child,
            log,
            readers,
            _folder: folder,
        };
        app.url = app.await_address().await?;
        let health = app.get("/health").send().await?.status();
        ensure!(health == 200, "the server's health is {health}");
        Ok(app)
    }

    /// A request for `path`.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// A request that posts to `path`.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Posts `body` as JSON, and returns the status and the JSON of the reply.
    pub async fn json(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        answer(self.post(path).json(body)).await
    }

    /// Translates `q`, a string or an array of strings, which must succeed.
    pub async fn translate(&self, q: impl Into<Value>, from: &str, to: &str) -> Result<Value> {
        let body = json!({ "q": q.into(), "source": from, "target": to });
        let (status, mut reply) = self.json("/translate", &body).await?;
        ensure!(status == 200, "{status}: {reply}");
        Ok(reply["translatedText"].take())
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        binary::signal(&self.child, name)
    }

    /// Waits until the server has ended and all that it said is in the log.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = binary::wait(&mut self.child)?;
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| anyhow!("the log could not be read"))?;
        }
        Ok(status)
    }

    /// Waits until the server has said `text`: what it says may come later than its answer to a request.
    pub async fn until_logged(&self, text: &str) -> Result<()> {
        let started = Instant::now();
        while !self.log.text().contains(text) {
            ensure!(started.elapsed() < PATIENCE, "no `{text}` in:\n{}", self.log.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What the server has said so far; what it says next to an answer may not be there yet:
    /// [`Self::until_logged`] waits for it.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Memory that the server holds, in bytes; none where there is no `/proc`.
    pub fn resident_memory(&self) -> Option<u64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// The address that the server names when it listens.
    async fn await_address(&mut self) -> Result<String> {
        let address = regex::Regex::new(r"http://127\.0\.0\.1:[1-9][0-9]*[^\s]*")?;
        let started = Instant::now();
        loop {
            if let Some(found) = address.find(&self.log.text()) {
                return Ok(found.as_str().trim_end_matches('/').to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log.text());
            }
            ensure!(started.elapsed() < PATIENCE, "no address in:\n{}", self.log.text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
        let log = self.log.text();
        let hidden = log.lines().count().saturating_sub(SHOWN);
        // The test framework shows this for a test that failed, and for no other.
        println!("the end of the server's log:");
        log.lines().skip(hidden).for_each(|line| println!("  {line}"));
    }
}

/// Sends a request, and returns the status and the JSON of the reply.
pub async fn answer(request: RequestBuilder) -> Result<(u16, Value)> {
    let reply = request.send().await?;
    let status = reply.status().as_u16();
    let text = reply.text().await?;
    let value = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
    Ok((status, value))
}

/// The lines of both outputs of a process, as they come.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    /// Reads `pipe` to its end in a thread, so that the process never waits for a reader.
    fn follow(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.lock().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        })
    }

    fn text(&self) -> String {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
