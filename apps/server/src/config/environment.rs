//! Settings from the environment, under our names, those of LibreTranslate and those of OpenTelemetry.

use toml::{Table, Value};

use super::{ServerConfig, names, section};
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
    /// upstream's `LT_` names and those of OpenTelemetry. `others` are the names that the command line reads
    /// itself.
    ///
    /// Returns a warning for each name that has no meaning here, so that a compose file that
    /// carries it still works; variables without one of the three prefixes are not looked at.
    pub fn apply_env<'a>(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        others: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<String>> {
        let others: Vec<&str> = others.into_iter().collect();
        let (mut ours, mut otel, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in variables {
            if let Some(upstream) = name.strip_prefix("LT_") {
                warnings.extend(self.apply_upstream(upstream, &name, &value)?);
            } else if let Some(field) = names::all().iter().find(|field| field.variable == name) {
                ours.push((field, value));
            } else if name.starts_with("DRAGOMAN_") && !others.contains(&name.as_str()) {
                warnings.push(unknown(&name, &others));
            } else if name.starts_with("OTEL_") {
                otel.push((name, value));
            }
        }
        warnings.extend(self.monitoring.apply_otel(&otel));
        for (field, value) in ours {
            self.set(&field.name, &field.variable, &value)?;
        }
        self.monitoring.disable_otel(&otel);
        self.check().map_err(|reason| Error::Config { name: "the environment".into(), reason })?;
        Ok(warnings)
    }

    /// Applies a variable of upstream; a warning if it has no meaning here.
    fn apply_upstream(
        &mut self,
        upstream: &str,
        name: &str,
        value: &str,
    ) -> Result<Option<String>> {
        let is_on = matches!(value.to_lowercase().as_str(), "true" | "1" | "yes" | "on");
        match upstream {
            "DISABLE_WEB_UI" => {
                self.pages.web_ui = !is_on;
                return Ok(None);
            }
            "DISABLE_FILES_TRANSLATION" => {
                self.documents.files_translation = !is_on;
                return Ok(None);
            }
            _ => {}
        }
        match UPSTREAM.iter().find(|(known, _)| *known == upstream) {
            Some((_, field)) => self.set(field, name, value).map(|()| None),
            None => Ok(Some(format!("`{name}` has no meaning here and is ignored"))),
        }
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
        let section = section(field).expect("only fields of the settings are set");
        let fields = table.get_mut(section).and_then(Value::as_table_mut);
        fields.expect("every section is a table").remove(field);
        let mut reason = None;
        for reading in [number, truth, Some(Value::String(value.into()))].into_iter().flatten() {
            let fields = table.get_mut(section).and_then(Value::as_table_mut);
            let fields = fields.expect("every section is a table");
            if !value.is_empty() {
                fields.insert(field.into(), reading);
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

/// The warning about a variable of ours that no field has.
fn unknown(name: &str, others: &[&str]) -> String {
    let known = names::all().iter().map(|field| field.variable.as_str());
    match names::closest(name, known.chain(others.iter().copied())) {
        Some(like) => format!("`{name}` is no setting and is ignored; did you mean `{like}`?"),
        None => format!(
            "`{name}` is no setting and is ignored; `dragoman serve --print-config` lists them all"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<ServerConfig> {
        let mut config = ServerConfig::default();
        apply(&mut config, variables)?;
        Ok(config)
    }

    fn apply(config: &mut ServerConfig, variables: &[(&str, &str)]) -> Result<Vec<String>> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        config.apply_env(variables.iter().map(owned), ["DRAGOMAN_STORE"])
    }

    #[test]
    fn a_name_without_a_meaning_is_a_warning() -> anyhow::Result<()> {
        let mut config = ServerConfig::default();
        let variables = [
            ("DRAGOMAN_CHAR_LIMT", "3"),
            ("DRAGOMAN_STORE", "/somewhere"),
            ("DRAGOMAN_XQZ", "1"),
            ("LT_UPDATE_MODELS", "true"),
            ("PATH", "/bin"),
        ];
        let warnings = apply(&mut config, &variables)?;
        assert_eq!(config, ServerConfig::default());
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        let slip = &warnings[0];
        assert!(slip.contains("DRAGOMAN_CHAR_LIMT`") && slip.contains("`DRAGOMAN_CHAR_LIMIT`"));
        assert!(warnings[1].contains("DRAGOMAN_XQZ") && warnings[1].contains("--print-config"));
        assert!(warnings[2].contains("LT_UPDATE_MODELS"));
        Ok(())
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
            ("LT_DISABLE_FILES_TRANSLATION", "true"),
            ("LT_UPDATE_MODELS", "true"),
            ("LT_METRICS_AUTH_TOKEN", "123"),
            ("PATH", "/bin"),
        ])?;
        assert_eq!(config.http.host, "0.0.0.0");
        assert_eq!(
            (config.http.port, config.translation.char_limit, config.limits.req_limit),
            (8080, Some(2000), None)
        );
        assert!(config.keys.api_keys && !config.translation.suggestions && !config.pages.web_ui);
        assert!(!config.documents.files_translation);
        assert_eq!(config.translation.load_only, ["en", "de", "fr"]);
        assert_eq!(config.monitoring.metrics_auth_token.as_deref(), Some("123"));
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
        assert_eq!(config.http.port, 1);
        assert_eq!(config.keys.admin_key.as_deref(), Some("k"));
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
