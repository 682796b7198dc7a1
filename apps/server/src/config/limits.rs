//! How often a client may ask, and where that is counted.

use serde::{Deserialize, Serialize};

use super::{print::without_secrets, read::limit};

/// The `limits_store` of a server that counts alone, as upstream writes it.
const IN_MEMORY: &str = "memory://";

/// How often a client may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Requests a minute from one address.
    #[serde(deserialize_with = "limit")]
    pub req_limit: Option<u32>,
    /// Requests an hour from one address.
    #[serde(deserialize_with = "limit")]
    pub hourly_req_limit: Option<u32>,
    /// Requests a day from one address.
    #[serde(deserialize_with = "limit")]
    pub daily_req_limit: Option<u32>,
    /// Answers of 429 within an hour after which an address is banned for that hour.
    #[serde(deserialize_with = "limit")]
    pub req_flood_threshold: Option<u32>,
    /// Suggestions a minute from one address.
    #[serde(deserialize_with = "limit")]
    pub suggest_limit: Option<u32>,
    /// Wrong keys a minute from one address; more are answered 429.
    #[serde(deserialize_with = "limit")]
    pub wrong_key_limit: Option<u32>,
    /// Where servers count these together, such as `redis://127.0.0.1:6379`; `memory://`: each server alone.
    /// Unless set, in a store in PostgreSQL.
    pub limits_store: Option<String>,
}

impl LimitsConfig {
    /// Refuses a `limits_store` that is neither the memory of each server nor an address that Redis's client takes.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(text) = &self.limits_store else { return Ok(()) };
        if self.is_alone() || redis::Client::open(text.as_str()).is_ok() {
            return Ok(());
        }
        let text = without_secrets(text);
        Err(format!(
            "`limits_store` must be an address such as `redis://127.0.0.1:6379` (or begin with `rediss://`, \
             `valkey://`, `valkeys://` or `unix://`), or `{IN_MEMORY}` where each server counts alone, not `{text}`"
        ))
    }

    /// Whether the settings ask each server to count alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.limits_store.as_deref().is_some_and(|text| matches!(text, IN_MEMORY | "memory:"))
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            req_limit: None,
            hourly_req_limit: None,
            daily_req_limit: None,
            req_flood_threshold: None,
            suggest_limit: Some(30),
            wrong_key_limit: Some(20),
            limits_store: None,
        }
    }
}
