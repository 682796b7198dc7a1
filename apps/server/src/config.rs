//! The server's settings: a TOML file in sections, the environment over it, flags over both.
//!
//! A field's name is unique across all sections, so a file may leave the sections out, and an
//! environment variable is `DRAGOMAN_` and the name in capitals.

mod environment;
mod gorse;
mod limits;
mod monitoring;
mod names;
mod print;
mod read;
mod sections;

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{Error, Result};

pub(crate) use gorse::RESERVED;
pub use limits::LimitsConfig;
pub use monitoring::{MonitoringConfig, TracesSampler};
pub use sections::{
    DocumentsConfig, HttpConfig, KeysConfig, PagesConfig, QueueConfig, RecommendationConfig,
    RetrainingConfig, TranslationConfig,
};

/// Settings of a server; every field has a default.
///
/// In a limit that may be absent, a negative number means none, as upstream writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// What listens, and what it takes from the network.
    pub http: HttpConfig,
    /// What a request for a translation may hold.
    pub translation: TranslationConfig,
    /// Which documents are translated, and how long they are kept.
    pub documents: DocumentsConfig,
    /// The queue before the translation model, and its batches.
    pub queue: QueueConfig,
    /// How often a client may ask.
    pub limits: LimitsConfig,
    /// Who needs a key.
    pub keys: KeysConfig,
    /// The Gorse-compatible API and how its lists are made.
    pub recommendation: RecommendationConfig,
    /// When the model that recommends is trained again.
    pub training: RetrainingConfig,
    /// What an operator can read.
    pub monitoring: MonitoringConfig,
    /// The web pages.
    pub pages: PagesConfig,
}

impl ServerConfig {
    /// Reads and checks the settings at `path`.
    pub fn from_toml(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let refuse = |reason| Error::Config { name: path.display().to_string(), reason };
        Self::parse(&text).map_err(refuse)
    }

    /// Reads and checks settings written as TOML, in sections or without them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let config: Self = in_sections(table)?.try_into().map_err(|error| format!("{error}"))?;
        config.check()?;
        Ok(config)
    }

    /// The prefix of every path: empty, or `/` and no `/` at its end.
    pub fn prefix(&self) -> String {
        match self.http.url_prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        }
    }

    /// Says which field makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { http, translation, documents, queue, limits, keys, recommendation, .. } = self;
        for (name, size) in [
            ("client_timeout", http.client_timeout as usize),
            ("body_slots", http.body_slots),
            ("body_limit", translation.body_limit),
            ("document_limit", documents.document_limit),
            ("document_jobs", documents.document_jobs),
            ("document_memory", documents.document_memory),
            ("document_workers", documents.document_workers),
            ("document_time", documents.document_time as usize),
            ("queue_size", queue.queue_size),
            ("batch_sentences", queue.batch_sentences),
            ("batch_chars", queue.batch_chars),
            ("batch_workers", queue.batch_workers),
            ("remote_workers", queue.remote_workers),
            ("recommend_body_limit", recommendation.recommend_body_limit),
            ("recommend_row_limit", recommendation.recommend_row_limit),
            ("recommend_queue_size", recommendation.recommend_queue_size),
            ("default_n", recommendation.default_n),
            ("history_limit", recommendation.history_limit),
        ] {
            if size == 0 {
                return Err(format!("`{name}` must be at least 1"));
            }
        }
        for (name, size) in [
            ("queue_size", queue.queue_size),
            ("recommend_queue_size", recommendation.recommend_queue_size),
            ("body_slots", http.body_slots),
            ("document_workers", documents.document_workers),
        ] {
            if size > MAX_SLOTS {
                return Err(format!("`{name}` must be at most {MAX_SLOTS}"));
            }
        }
        if self.prefix().contains(['{', '}', '?', '#']) {
            return Err(format!("`url_prefix` must be a plain path, not `{}`", http.url_prefix));
        }
        for (name, address, example) in [
            ("api_keys_remote", &keys.api_keys_remote, "https://keys.example/check"),
            ("reranker_url", &recommendation.reranker_url, "http://127.0.0.1:11434/v1"),
        ] {
            if let Some(address) = address {
                read::check_address(name, address, example)?;
            }
        }
        limits.check()?;
        self.monitoring.check()?;
        if let Some(pattern) = &keys.require_api_key_origin {
            let parsed = regex::Regex::new(pattern);
            parsed.map_err(|error| format!("`require_api_key_origin`: {error}"))?;
        }
        Ok(())
    }
}

/// Slots of a queue at most.
const MAX_SLOTS: usize = (u32::MAX >> 3) as usize;

/// Moves fields that stand outside the sections into theirs.
fn in_sections(table: Table) -> Result<Table, String> {
    let mut sections = Table::new();
    let (own, loose): (Vec<_>, Vec<_>) =
        table.into_iter().partition(|(name, value)| value.is_table() || section(name).is_none());
    sections.extend(own);
    for (name, value) in loose {
        let section = section(&name).expect("those without one were left out");
        let fields = sections.entry(section).or_insert_with(|| Value::Table(Table::new()));
        let fields = fields.as_table_mut();
        let fields = fields.ok_or_else(|| format!("`{section}` must be a section"))?;
        if fields.insert(name.clone(), value).is_some() {
            return Err(format!("`{name}` stands in `[{section}]` and outside it"));
        }
    }
    Ok(sections)
}

/// The section that has a field `name`.
fn section(name: &str) -> Option<&'static str> {
    names::all().iter().find(|field| field.name == name).map(|field| field.section.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<ServerConfig> {
        let file = tempfile::NamedTempFile::new()?;
        fs_err::write(file.path(), text)?;
        ServerConfig::from_toml(file.path())
    }

    #[test]
    fn an_empty_file_is_the_default() -> anyhow::Result<()> {
        assert_eq!(load("")?, ServerConfig::default());
        Ok(())
    }

    #[test]
    fn the_default_written_out_is_read_back() -> anyhow::Result<()> {
        let mut config = ServerConfig::default();
        config.translation.load_only = vec!["en".into()];
        assert_eq!(load(&toml::to_string(&config)?)?, config);
        Ok(())
    }

    #[test]
    fn a_section_says_when_the_model_is_trained_again() -> anyhow::Result<()> {
        let config = load("[training]\nevery = \"1d\"\nconfig = \"shop.toml\"")?;
        assert_eq!(config.training.retrain_every.as_deref(), Some("1d"));
        assert_eq!(config, load("retrain_every = \"1d\"\nretrain_config = \"shop.toml\"")?);
        assert!(load("[training]\noften = \"1d\"").is_err());
        Ok(())
    }

    #[test]
    fn a_negative_limit_is_none() -> anyhow::Result<()> {
        let config = load("char_limit = 10\nreq_limit = -1\nalternatives_limit = -1")?;
        assert_eq!(config.translation.char_limit, Some(10));
        assert_eq!(config.limits.req_limit, None);
        assert_eq!(config.translation.alternatives_limit, None);
        Ok(())
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, name) in [
            ("prot = 1", "prot"),
            ("port = \"x\"", "port"),
            ("queue_size = 0", "queue_size"),
            ("url_prefix = \"a{b}\"", "url_prefix"),
            ("require_api_key_origin = \"(\"", "require_api_key_origin"),
            ("req_limit = 5000000000", "req_limit"),
            ("api_keys_remote = 'notaurl'", "`https://keys.example/check`, not `notaurl`"),
            ("reranker_url = 'http://'", "reranker_url"),
            ("limits_store = 'localhost:6379'", "`redis://127.0.0.1:6379`"),
            ("limits_store = 'memcached://localhost'", "limits_store"),
        ] {
            let error = load(text).expect_err(text).to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_flat_file_and_one_in_sections_say_the_same() -> anyhow::Result<()> {
        let flat = load("port = 1\nmetrics = false\nrecommend = false\nqueue_size = 7")?;
        let in_sections = load(
            "[http]\nport = 1\n[monitoring]\nmetrics = false\n[queue]\nqueue_size = 7\n\
             [recommendation]\nrecommend = false",
        )?;
        assert_eq!(flat, in_sections);
        assert_eq!((flat.http.port, flat.queue.queue_size), (1, 7));
        let error = load("port = 1\n[http]\nport = 2").expect_err("twice").to_string();
        assert!(error.contains("`port`") && error.contains("[http]"), "{error}");
        Ok(())
    }
}
