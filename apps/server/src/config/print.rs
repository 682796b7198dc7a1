//! The settings as a file that says the same.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use super::{ServerConfig, names};

/// How a secret is shown.
const HIDDEN: &str = "***";

impl ServerConfig {
    /// Writes all settings as TOML, each with the environment variable that sets it. A field without
    /// a value is a comment, and so is one that holds a secret: read back, it is not set.
    pub fn to_toml(&self) -> String {
        let as_json = |config: &Self| serde_json::to_value(config).expect("settings are JSON");
        let (settings, default) = (as_json(self), as_json(&Self::default()));
        let mut text = String::new();
        let mut section = "";
        for field in names::all() {
            if field.section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                text += &format!("{gap}[{}]\n", field.section);
                section = &field.section;
            }
            let (name, variable) = (&field.name, &field.variable);
            let value = names::value(&settings, field);
            let written = value.to_string();
            let shown = without_secrets(&written);
            text += &match value {
                Value::Null if !names::value(&default, field).is_null() => {
                    format!("{name} = -1  # no limit; {variable}\n")
                }
                Value::Null => format!("# {name} =  # not set; {variable}\n"),
                Value::String(_) if is_secret(name) => {
                    format!("# {name} is set and not shown; {variable}\n")
                }
                _ if shown != written => {
                    format!("# {name} = {shown}  # its secrets are not shown; {variable}\n")
                }
                _ => format!("{name} = {written}  # {variable}\n"),
            };
        }
        text
    }
}

/// Whether the value of the field `name` is a secret, by what keys and tokens are called: a later one is
/// not forgotten.
fn is_secret(name: &str) -> bool {
    name.ends_with("_key") || name.ends_with("_token")
}

/// `text` with its addresses without users, passwords, keys and tokens.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        let parameter = r"(?<parameter>[?&][^=&\s]*(?i:key|token|password|secret)[^=&\s]*=)";
        let pattern = format!(r#"://[^/?#\s"]*@|{parameter}[^&#\s"]+"#);
        Regex::new(&pattern).expect("the pattern is fixed")
    });
    SECRET.replace_all(text, |found: &regex::Captures<'_>| match found.name("parameter") {
        Some(parameter) => format!("{}{HIDDEN}", parameter.as_str()),
        None => format!("://{HIDDEN}@"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back_without_its_secrets() -> Result<(), String> {
        let mut config = ServerConfig::default();
        config.http.host = "a \"quoted\" host".into();
        config.translation.char_limit = Some(5);
        config.translation.load_only = vec!["en".into(), "pt-BR".into()];
        config.recommendation.popularity_half_life = 12.5;
        config.translation.alternatives_limit = None;
        config.keys.require_api_key = true;
        config.keys.api_keys_remote = Some("https://keys.example:8443/a@b?user=c".into());
        let text = config.to_toml();
        assert_eq!(ServerConfig::parse(&text)?, config, "{text}");
        config.keys.admin_key = Some("open sesame".into());
        let text = config.to_toml();
        assert!(!text.contains("sesame") && text.contains("DRAGOMAN_ADMIN_KEY"), "{text}");
        Ok(())
    }

    #[test]
    fn no_key_token_or_password_is_printed() -> Result<(), String> {
        let secret = || Some("sesame".to_owned());
        let mut config = ServerConfig::default();
        config.keys.admin_key = secret();
        config.recommendation.recommend_api_key = secret();
        config.recommendation.reranker_key = secret();
        config.monitoring.metrics_auth_token = secret();
        config.keys.api_keys_remote = Some("https://keeper:sesame@keys.example/check".into());
        config.limits.limits_store = Some("redis://:sesame@limits.example:6379".into());
        config.monitoring.traces_endpoint = Some("http://ses:a@me@collector:4318/v1".into());
        config.recommendation.reranker_url = Some("https://sesame@llm.example/v1".into());
        config.recommendation.external_recommenders =
            vec!["near=http://near.example/{user}?n={n}&access_token=sesame".into()];
        let text = config.to_toml();
        assert!(!text.contains("sesame") && !text.contains("a@me"), "{text}");
        for shown in [
            "***@keys.example/check",
            "***@collector:4318",
            "***@limits.example",
            "&access_token=***",
        ] {
            assert!(text.contains(shown), "no `{shown}` in {text}");
        }
        assert_eq!(ServerConfig::parse(&text)?, ServerConfig::default(), "{text}");
        Ok(())
    }
}
