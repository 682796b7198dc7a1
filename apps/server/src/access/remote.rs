//! Keys that another server knows, asked as upstream asks.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use dragoman_store::KeyLimits;
use serde_json::Value;

use crate::{error::ServiceError, telemetry::block};

/// How long an answer is believed.
const MEMORY: Duration = Duration::from_secs(60);

/// How long the other server may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Answers kept at most.
const MAX_KEYS: usize = 10_000;

/// A server that knows keys.
pub(super) struct RemoteKeys {
    url: String,
    agent: ureq::Agent,
    known: Mutex<HashMap<String, (Instant, Option<KeyLimits>)>>,
}

impl RemoteKeys {
    pub(super) fn new(url: &str) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        Self { url: url.to_owned(), agent: config.build().into(), known: Mutex::default() }
    }

    /// What `key` allows, or `None` when the other server does not know it.
    pub(super) async fn limits(&self, key: &str) -> Result<Option<KeyLimits>, ServiceError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some((_, limits)) = known.filter(|(since, _)| since.elapsed() < MEMORY) {
            return Ok(limits);
        }
        let (agent, url, owned) = (self.agent.clone(), self.url.clone(), key.to_owned());
        let limits = block(move || ask(&agent, &url, &owned)).await??;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KEYS {
            known.clear();
        }
        known.insert(key.to_owned(), (Instant::now(), limits.clone()));
        Ok(limits)
    }
}

fn ask(agent: &ureq::Agent, url: &str, key: &str) -> Result<Option<KeyLimits>, ServiceError> {
    let failed = |reason: String| {
        tracing::error!(url, reason, "the key server does not answer");
        ServiceError::Internal("The server of API keys does not answer; try again later".into())
    };
    let reply = agent.post(url).send_form([("api_key", key)]);
    let text = reply.and_then(|mut reply| reply.body_mut().read_to_string());
    let text = text.map_err(|error| failed(error.to_string()))?;
    let reply: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if reply.get("error").is_some() {
        return Ok(None);
    }
    let number = |name: &str| reply.get(name).and_then(Value::as_u64);
    Ok(Some(KeyLimits {
        req_limit: number("req_limit").and_then(|limit| limit.try_into().ok()),
        char_limit: number("char_limit").and_then(|limit| limit.try_into().ok()),
    }))
}
