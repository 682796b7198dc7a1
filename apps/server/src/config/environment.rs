//! Settings from the environment, under our names and under those of LibreTranslate.

use toml::{Table, Value};

use super::ServerConfig;
use crate::{Error, Result};

/// Names of upstream's variables that mean something here, without their `LT_`, and our field.
const UPSTREAM: &[(&str, &str)] = &[
    ("HOST", "host"),
    ("PORT", "port"),
    ("CHAR_LIMIT", "char_limit"),
    ("REQ_LIMIT", "req_limit"),
    ("HOURLY_REQ_LIMIT", "hourly_req_limit"),
    ("DAILY_REQ_LIMIT", "daily_req_limit"),
    ("REQ_FLOOD_THRESHOLD", "req_flood_threshold"),
    ("BATCH_LIMIT", "batch_limit"),
    ("ALTERNATIVES_LIMIT", "alternatives_limit"),
    ("API_KEYS", "api_keys"),
    ("API_KEYS_REMOTE", "api_keys_remote"),
    ("GET_API_KEY_LINK", "get_api_key_link"),
    ("REQUIRE_API_KEY_ORIGIN", "require_api_key_origin"),
    ("REQUIRE_API_KEY_SECRET", "require_api_key"),
    ("LOAD_ONLY", "load_only"),
    ("THREADS", "threads"),
    ("SUGGESTIONS", "suggestions"),
    ("METRICS", "metrics"),
    ("METRICS_AUTH_TOKEN", "metrics_auth_token"),
    ("URL_PREFIX", "url_prefix"),
    ("TRUST_FORWARDED_FOR", "trust_forwarded_for"),
    ("FRONTEND_LANGUAGE_SOURCE", "frontend_language_source"),
    ("FRONTEND_LANGUAGE_TARGET", "frontend_language_target"),
    ("FRONTEND_TIMEOUT", "frontend_timeout"),
];

impl ServerConfig {
    /// Overrides fields by `variables`: `DRAGOMAN_` and a field's name in capitals, else
    /// upstream's `LT_` names. Variables of other names are not looked at; an `LT_` name without
    /// a meaning here is logged, so that a compose file that carries it still works.
    pub fn apply_env(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<()> {
        let mut ours = Vec::new();
        for (name, value) in variables {
            if let Some(upstream) = name.strip_prefix("LT_") {
                self.apply_upstream(upstream, &name, &value)?;
            } else if let Some(field) = name.strip_prefix("DRAGOMAN_") {
                ours.push((field.to_lowercase(), name, value));
            }
        }
        for (field, name, value) in ours {
            if self.has_field(&field) {
                self.set(&field, &name, &value)?;
            }
        }
        self.check().map_err(|reason| Error::Config { name: "the environment".into(), reason })
    }

    fn apply_upstream(&mut self, upstream: &str, name: &str, value: &str) -> Result<()> {
        if upstream == "DISABLE_WEB_UI" {
            let disabled = matches!(value.to_lowercase().as_str(), "true" | "1" | "yes" | "on");
            self.web_ui = !disabled;
            return Ok(());
        }
        match UPSTREAM.iter().find(|(known, _)| *known == upstream) {
            Some((_, field)) => self.set(field, name, value),
            None => {
                tracing::warn!("`{name}` has no meaning here and is ignored");
                Ok(())
            }
        }
    }

    /// Whether a field is called `field`; an absent one is unknown to the table of the others.
    fn has_field(&self, field: &str) -> bool {
        const OPTIONAL: &[&str] = &[
            "char_limit",
            "batch_limit",
            "alternatives_limit",
            "req_limit",
            "hourly_req_limit",
            "daily_req_limit",
            "req_flood_threshold",
            "require_api_key_origin",
            "get_api_key_link",
            "api_keys_remote",
            "admin_key",
            "recommend_api_key",
            "metrics_auth_token",
            "frontend_language_target",
        ];
        OPTIONAL.contains(&field) || self.table().contains_key(field)
    }

    /// Sets `field` to what `value` reads as: a number, a truth, or a string. Empty removes it.
    fn set(&mut self, field: &str, name: &str, value: &str) -> Result<()> {
        let value = value.trim();
        let fraction = || value.parse().ok().filter(|number: &f64| number.is_finite());
        let number = value.parse().ok().map(Value::Integer);
        let number = number.or_else(|| fraction().map(Value::Float));
        let truth = match value.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(Value::Boolean(true)),
            "false" | "0" | "no" | "off" => Some(Value::Boolean(false)),
            _ => None,
        };
        let mut table = self.table();
        table.remove(field);
        let mut reason = None;
        for reading in [number, truth, Some(Value::String(value.into()))].into_iter().flatten() {
            if !value.is_empty() {
                table.insert(field.into(), reading);
            }
            match Value::Table(table.clone()).try_into() {
                Ok(config) => {
                    *self = config;
                    return Ok(());
                }
                Err(error) => reason = reason.or(Some(error.to_string())),
            }
        }
        let reason = reason.unwrap_or_default();
        Err(Error::Config { name: name.into(), reason: format!("`{value}`: {}", reason.trim()) })
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("every field is a TOML value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<ServerConfig> {
        let mut config = ServerConfig::default();
        config.apply_env(
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())),
        )?;
        Ok(config)
    }

    #[test]
    fn a_compose_file_of_upstream_carries_over() -> anyhow::Result<()> {
        let config = with(&[
            ("LT_HOST", "0.0.0.0"),
            ("LT_PORT", "8080"),
            ("LT_CHAR_LIMIT", "2000"),
            ("LT_REQ_LIMIT", "-1"),
            ("LT_API_KEYS", "true"),
            ("LT_SUGGESTIONS", "False"),
            ("LT_LOAD_ONLY", "en,de, fr"),
            ("LT_DISABLE_WEB_UI", "true"),
            ("LT_UPDATE_MODELS", "true"),
            ("LT_METRICS_AUTH_TOKEN", "123"),
            ("PATH", "/bin"),
        ])?;
        assert_eq!(config.host, "0.0.0.0");
        assert_eq!((config.port, config.char_limit, config.req_limit), (8080, Some(2000), None));
        assert!(config.api_keys && !config.suggestions && !config.web_ui);
        assert_eq!(config.load_only, ["en", "de", "fr"]);
        assert_eq!(config.metrics_auth_token.as_deref(), Some("123"));
        Ok(())
    }

    #[test]
    fn our_names_win_and_reach_every_field() -> anyhow::Result<()> {
        let config = with(&[
            ("DRAGOMAN_PORT", "1"),
            ("LT_PORT", "2"),
            ("DRAGOMAN_ADMIN_KEY", "k"),
            ("DRAGOMAN_ALTERNATIVES_LIMIT", ""),
            ("DRAGOMAN_SHARED_DIR", "not a field"),
        ])?;
        assert_eq!(config.port, 1);
        assert_eq!(config.admin_key.as_deref(), Some("k"));
        Ok(())
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        for (name, value) in
            [("LT_PORT", "http"), ("DRAGOMAN_QUEUE_SIZE", "0"), ("LT_METRICS", "x")]
        {
            let error = with(&[(name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) || error.contains("queue_size"), "{error}");
        }
    }
}
