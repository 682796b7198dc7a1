//! The server's settings: a TOML file, the environment over it, flags over both.

mod environment;

use std::{fmt, path::Path};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Error, Result, recommend::Settings};

/// Settings of a server; every field has a default.
///
/// In a limit that may be absent, a negative number means none, as upstream writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Path before everything, such as `/translator`; empty for none.
    pub url_prefix: String,
    /// Threads that speak HTTP; 0 for one a core, at most four.
    pub threads: usize,
    /// Seconds that requests in flight get when the server stops.
    pub shutdown_timeout: u64,

    /// Most characters a text may have.
    #[serde(deserialize_with = "limit")]
    pub char_limit: Option<usize>,
    /// Most texts an array may have.
    #[serde(deserialize_with = "limit")]
    pub batch_limit: Option<usize>,
    /// Most alternatives a request may ask for.
    #[serde(deserialize_with = "limit")]
    pub alternatives_limit: Option<usize>,
    /// Most bytes of a request's body.
    pub body_limit: usize,

    /// Sentences that may wait or be in work; when all are taken, the answer is 503.
    pub queue_size: usize,
    /// Most sentences in one batch.
    pub batch_sentences: usize,
    /// Most characters in one batch, counted as its sentences times the longest.
    pub batch_chars: usize,
    /// Milliseconds a sentence waits for others to share its batch.
    pub batch_wait_ms: u64,
    /// Batches translated at the same time; each uses all cores as it can.
    pub batch_workers: usize,
    /// Memory for translations of sentences seen before, in bytes; 0 for none.
    pub cache_bytes: usize,

    /// Languages to offer, by code; empty for all that the model has.
    #[serde(deserialize_with = "list")]
    pub load_only: Vec<String>,

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
    /// Whether the last address of `X-Forwarded-For` is the caller's: only behind a proxy.
    pub trust_forwarded_for: bool,

    /// Whether API keys are known.
    pub api_keys: bool,
    /// Whether every request needs a key.
    pub require_api_key: bool,
    /// Regular expression: a request whose `Origin` does not match needs a key.
    pub require_api_key_origin: Option<String>,
    /// Where to get a key, for the message.
    pub get_api_key_link: Option<String>,
    /// URL to ask about keys that the store does not know, by a form POST of `api_key`.
    pub api_keys_remote: Option<String>,
    /// Bearer token of the admin API; without one the API is off.
    pub admin_key: Option<String>,

    /// Whether to serve the Gorse-compatible API under `/api` and `/t/NAME/api`.
    pub recommend: bool,
    /// Key that `/api` asks for in `X-API-Key`, beside the keys of the store; without any it is open.
    pub recommend_api_key: Option<String>,
    /// Most bytes of a body of that API.
    pub recommend_body_limit: usize,
    /// Items in a list where the request does not say how many.
    pub default_n: usize,
    /// Whether feedback of an unknown user makes that user; else it is dropped.
    pub auto_insert_user: bool,
    /// Whether feedback on an unknown item makes that item; else it is dropped.
    pub auto_insert_item: bool,
    /// Feedback that says a user liked an item, such as `read>=3`; empty for all that is not negative.
    #[serde(deserialize_with = "list")]
    pub positive_feedback: Vec<String>,
    /// Feedback that says a user wants no more of an item, such as `rating<2`.
    #[serde(deserialize_with = "list")]
    pub negative_feedback: Vec<String>,
    /// How much a type of feedback counts for popularity, such as `buy=5`; 1 for the others.
    #[serde(deserialize_with = "list")]
    pub feedback_weights: Vec<String>,
    /// Whether items that a user touched may be recommended again.
    pub recommend_replacement: bool,
    /// Most events of a history that a model is given, the newest.
    pub history_limit: usize,
    /// Hours in which popularity fades by half.
    pub popularity_half_life: f64,
    /// Groups of users to compare, as `name=recommender:share`, with `model`, `live`, `popular` or
    /// `latest`; empty for one group.
    #[serde(deserialize_with = "list")]
    pub recommend_groups: Vec<String>,
    /// Names of recommenders that clients use, as `theirs=ours`, such as `most_starred=popular`.
    #[serde(deserialize_with = "list")]
    pub recommender_aliases: Vec<String>,

    /// Whether users may suggest better translations.
    pub suggestions: bool,
    /// Whether to serve the pages.
    pub web_ui: bool,
    /// Whether to serve `/metrics`.
    pub metrics: bool,
    /// Bearer token that `/metrics` asks for.
    pub metrics_auth_token: Option<String>,
    /// Language that the page starts with on the left.
    pub frontend_language_source: String,
    /// Language that the page starts with on the right.
    pub frontend_language_target: Option<String>,
    /// Milliseconds the page waits while one types.
    pub frontend_timeout: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 5000,
            url_prefix: String::new(),
            threads: 0,
            shutdown_timeout: 30,
            char_limit: None,
            batch_limit: None,
            alternatives_limit: Some(10),
            body_limit: 4 << 20,
            queue_size: 1024,
            batch_sentences: 64,
            batch_chars: 8192,
            batch_wait_ms: 2,
            batch_workers: 1,
            cache_bytes: 32 << 20,
            load_only: Vec::new(),
            req_limit: None,
            hourly_req_limit: None,
            daily_req_limit: None,
            req_flood_threshold: None,
            trust_forwarded_for: false,
            api_keys: false,
            require_api_key: false,
            require_api_key_origin: None,
            get_api_key_link: None,
            api_keys_remote: None,
            admin_key: None,
            recommend: true,
            recommend_api_key: None,
            recommend_body_limit: 64 << 20,
            default_n: 10,
            auto_insert_user: true,
            auto_insert_item: true,
            positive_feedback: Vec::new(),
            negative_feedback: Vec::new(),
            feedback_weights: Vec::new(),
            recommend_replacement: false,
            history_limit: 200,
            popularity_half_life: 24.0 * 21.0,
            recommend_groups: Vec::new(),
            recommender_aliases: Vec::new(),
            suggestions: true,
            web_ui: true,
            metrics: true,
            metrics_auth_token: None,
            frontend_language_source: "auto".into(),
            frontend_language_target: None,
            frontend_timeout: 500,
        }
    }
}

impl ServerConfig {
    /// Reads and checks the settings at `path`.
    pub fn from_toml(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let refuse = |reason| Error::Config { name: path.display().to_string(), reason };
        let config: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(refuse)?;
        Ok(config)
    }

    /// The prefix of every path: empty, or `/` and no `/` at its end.
    pub fn prefix(&self) -> String {
        match self.url_prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("/{prefix}"),
        }
    }

    /// Says which field makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, size) in [
            ("queue_size", self.queue_size),
            ("batch_sentences", self.batch_sentences),
            ("batch_chars", self.batch_chars),
            ("batch_workers", self.batch_workers),
            ("body_limit", self.body_limit),
            ("recommend_body_limit", self.recommend_body_limit),
            ("default_n", self.default_n),
            ("history_limit", self.history_limit),
        ] {
            if size == 0 {
                return Err(format!("`{name}` must be at least 1"));
            }
        }
        if self.queue_size > (u32::MAX >> 3) as usize {
            return Err(format!("`queue_size` must be at most {}", u32::MAX >> 3));
        }
        if self.prefix().contains(['{', '}', '?', '#']) {
            return Err(format!("`url_prefix` must be a plain path, not `{}`", self.url_prefix));
        }
        Settings::new(self)?;
        if let Some(pattern) = &self.require_api_key_origin {
            let parsed = regex::Regex::new(pattern);
            parsed.map_err(|error| format!("`require_api_key_origin`: {error}"))?;
        }
        Ok(())
    }
}

/// A number, or none when it is negative.
fn limit<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(i64::MIN..0) => Ok(None),
        Some(number) => T::try_from(number)
            .map(Some)
            .map_err(|_| de::Error::custom(format!("{number} is too large"))),
    }
}

/// A list, or a string of words between commas.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Words;
    impl<'de> de::Visitor<'de> for Words {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of strings, or words between commas")
        }

        fn visit_str<E>(self, words: &str) -> Result<Vec<String>, E> {
            let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(words.map(str::to_owned).collect())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut words: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::new();
            while let Some(word) = words.next_element()? {
                list.push(word);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(Words)
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
        let config = ServerConfig { load_only: vec!["en".into()], ..ServerConfig::default() };
        assert_eq!(load(&toml::to_string(&config)?)?, config);
        Ok(())
    }

    #[test]
    fn a_negative_limit_is_none() -> anyhow::Result<()> {
        let config = load("char_limit = 10\nreq_limit = -1\nalternatives_limit = -1")?;
        assert_eq!(config.char_limit, Some(10));
        assert_eq!(config.req_limit, None);
        assert_eq!(config.alternatives_limit, None);
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
        ] {
            let error = load(text).expect_err(text).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
