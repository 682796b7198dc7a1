//! Starts a server for a test and talks to it.

use std::{net::TcpListener, sync::Arc};

use actix_web::dev::ServerHandle;
use anyhow::{Context, Result};
use dragoman_core::translate::Translate;
use dragoman_server::{ModelHandle, Models, RecommenderHandle, ServerConfig};
use dragoman_store::Store;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use crate::model::Tagger;

/// Settings written as a file without sections.
pub(crate) fn settings(text: &str) -> Result<ServerConfig> {
    ServerConfig::parse(text).map_err(anyhow::Error::msg)
}

/// A running server; it is stopped when the test ends.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) model: Arc<Tagger>,
    pub(crate) handle: ModelHandle,
    pub(crate) recommender: RecommenderHandle,
    pub(crate) server: ServerHandle,
    pub(crate) store: Store,
    _dir: tempfile::TempDir,
}

impl TestApp {
    /// Starts a server with the default settings.
    pub(crate) fn start() -> Result<Self> {
        Self::with(ServerConfig::default(), Tagger::default())
    }

    /// Starts a server with these settings.
    pub(crate) fn configured(config: ServerConfig) -> Result<Self> {
        Self::with(config, Tagger::default())
    }

    /// Starts a server of this model.
    pub(crate) fn with(config: ServerConfig, model: Tagger) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        Self::of(config, model, RecommenderHandle::default(), (store, dir))
    }

    /// Starts a server of these models and this store.
    pub(crate) fn of(
        config: ServerConfig,
        model: Tagger,
        recommender: RecommenderHandle,
        (store, dir): (Store, tempfile::TempDir),
    ) -> Result<Self> {
        let model = Arc::new(model);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let handle = ModelHandle::new(Arc::clone(&model) as Arc<dyn Translate>);
        let mut config = config;
        config.http.threads = 2;
        let models = Models { translator: handle.clone(), recommender: recommender.clone() };
        let server = dragoman_server::run(config, listener, models, store.clone())?;
        let app = Self {
            url,
            client: Client::new(),
            model,
            handle,
            recommender,
            server: server.handle(),
            store,
            _dir: dir,
        };
        actix_web::rt::spawn(server);
        Ok(app)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Posts `body` as JSON, and returns the status and the JSON of the reply.
    pub(crate) async fn json(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        answer(self.post(path).json(body)).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.server.stop(false)); // the command is sent when `stop` is called
    }
}

/// Sends a request, and returns the status and the JSON of the reply.
pub(crate) async fn answer(request: RequestBuilder) -> Result<(u16, Value)> {
    let reply = request.send().await?;
    let status = reply.status().as_u16();
    let text = reply.text().await?;
    let value = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
    Ok((status, value))
}

/// Sends a request, and returns the status and the text of the reply.
pub(crate) async fn text(request: RequestBuilder) -> Result<(u16, String)> {
    let reply = request.send().await?;
    Ok((reply.status().as_u16(), reply.text().await?))
}
