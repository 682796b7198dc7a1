//! The log of a command, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
#[cfg(feature = "server")]
use tracing_subscriber::{Layer, Registry, fmt, prelude::*};

/// Starts the log.
pub(crate) fn start() {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Starts the log, and beside it `layer`, which sees what the log leaves out.
#[cfg(feature = "server")]
pub(crate) fn start_with(layer: impl Layer<Registry> + Send + Sync) {
    let log = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter());
    tracing_subscriber::registry().with(layer).with(log).init();
}

/// What the log says, by `DRAGOMAN_LOG`.
fn filter() -> EnvFilter {
    EnvFilter::try_from_env("DRAGOMAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"))
}
