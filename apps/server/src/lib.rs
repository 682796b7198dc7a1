//! The suite over HTTP: the LibreTranslate API, pages and metrics, on actix-web.
//!
//! The way of a request, and of this list: fields are read however they were sent (`input`),
//! the caller is let in or not (`access`), languages are guessed (`dragoman-languages`), texts and HTML
//! are cut into sentences (`translate`, with [`dragoman_text`]), which share batches with those of
//! other requests (`batcher`), and everything is put back in its place.
//!
//! [`run`] wants a model as [`Translate`](dragoman_core::translate::Translate), a
//! [`Store`](dragoman_store::Store) and a listener, and gives a server to be awaited:
//!
//! ```no_run
//! use std::{net::TcpListener, sync::Arc};
//!
//! use dragoman_core::translate::Translate;
//! use dragoman_server::{ModelHandle, ServerConfig};
//! use dragoman_store::Store;
//!
//! fn serve(model: Arc<dyn Translate>) -> Result<(), Box<dyn std::error::Error>> {
//!     let config = ServerConfig::default();
//!     let listener = TcpListener::bind((config.http.host.as_str(), config.http.port))?;
//!     let store = Store::open("store".as_ref())?;
//!     let model = ModelHandle::new(model); // `model.swap(…)` serves another from then on
//!     actix_web::rt::System::new().block_on(async {
//!         let server = dragoman_server::run(config, listener, model, store)?;
//!         let handle = server.handle();
//!         // On a signal: `drop(handle.stop(true))` finishes what is in flight, then stops.
//!         Ok(server.await?)
//!     })
//! }
//! ```

mod error;
mod formula;
mod config;
pub mod telemetry;
mod metrics;
mod model;
mod client;
mod body;
mod input;
mod stream;
mod access;
mod edge;
mod queue;
mod batcher;
mod glossaries;
mod memory;
mod translate;
mod service;
mod documents;
mod recommend;
mod routes;
mod app;

pub use app::{Models, check, run};
pub use config::{
    DocumentsConfig, HttpConfig, KeysConfig, LimitsConfig, MonitoringConfig, PagesConfig,
    QueueConfig, RecommendationConfig, RetrainingConfig, ServerConfig, TracesSampler,
    TranslationConfig,
};
pub use error::{Error, Result};
pub use model::{Loaded, ModelHandle};
pub use recommend::{LoadedRecommender, RecommenderHandle};
