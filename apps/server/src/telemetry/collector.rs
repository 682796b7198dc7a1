//! Sends spans to the collector.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// How long the collector may take for a batch of spans, unless a variable says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of its answer that are read at most.
const ANSWER: u64 = 1 << 20;

/// Calls the collector from the thread that gathers spans, which nobody waits for.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    endpoint: String,
    /// Whether the last call failed, which the log says once.
    is_failing: AtomicBool,
}

impl Client {
    pub(super) fn new(endpoint: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(patience()))
            .http_status_as_error(false)
            .max_redirects(0) // OTLP has none
            .build()
            .new_agent();
        Self { agent, endpoint: endpoint.into(), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let answer = self.agent.run(request.map(|body| body.to_vec()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// Says once that the collector fails, and once that it does not any more.
    fn note(&self, failure: Option<String>) {
        let (endpoint, has_failed) = (&self.endpoint, failure.is_some());
        let did_fail = self.is_failing.swap(has_failed, Ordering::Relaxed);
        match failure {
            Some(failure) if !did_fail => {
                tracing::warn!(
                    "traces cannot be sent to `{endpoint}`: {failure}; they are lost until it answers"
                );
            }
            None if did_fail => tracing::info!("traces are sent to `{endpoint}` again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(request);
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        });
        Ok(answer?)
    }
}

/// What `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` or the variable for all signals says, in milliseconds.
fn patience() -> Duration {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let given = names.iter().find_map(|name| std::env::var(name).ok()?.trim().parse().ok());
    given.map_or(PATIENCE, Duration::from_millis)
}
