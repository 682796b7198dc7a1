//! Settings from the environment, under our names, those of LibreTranslate and those of OpenTelemetry.

use toml::{Table, Value};

use super::{ServerConfig, names, section};
use crate::{Error, Result};

/// What the names of upstream's variables begin with.
const LT: &str = "LT_";

/// Names of upstream's variables that mean something here, without their `LT_`, and our field.
const UPSTREAM: &[(&str, &str)] = &[
    ("HOST", "host"),
    ("PORT", "port"),
    ("CHAR_LIMIT", "char_limit"),
    ("REQ_LIMIT", "req_limit"),
    ("HOURLY_REQ_LIMIT", "hourly_req_limit"),
    ("DAILY_REQ_LIMIT", "daily_req_limit"),
    ("REQ_FLOOD_THRESHOLD", "req_flood_threshold"),
    ("REQ_LIMIT_STORAGE", "limits_store"),
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

/// Those that switch something off, and our field, which switches it on.
const UPSTREAM_OFF: &[(&str, &str)] =
    &[("DISABLE_WEB_UI", "web_ui"), ("DISABLE_FILES_TRANSLATION", "files_translation")];

/// Those that mean nothing here, with the reason.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("API_KEYS_DB_PATH", "keys are in the store that `--store` names"),
    ("DEBUG", "`DRAGOMAN_LOG=debug` logs more"),
    ("FORCE_UPDATE_MODELS", NO_DOWNLOAD),
    ("FRONTEND_TITLE", "the pages have one title"),
    ("GA_ID", "the pages carry no analytics"),
    ("HIDE_API", "the API has a page of its own; `DRAGOMAN_WEB_UI=false` switches all pages off"),
    ("HOURLY_REQ_LIMIT_DECAY", "`DRAGOMAN_DAILY_REQ_LIMIT` limits more than an hour"),
    ("REQ_FLOOD_VIOLATION", "`DRAGOMAN_REQ_FLOOD_THRESHOLD` alone decides on bans"),
    ("REQ_TIME_COST", "a request counts by its texts, however long it takes"),
    ("SECONDARY", "servers that share a store are all alike"),
    (
        "SHARED_STORAGE",
        "servers share what the store holds that `--store` names; `DRAGOMAN_LIMITS_STORE` says where \
         they count requests",
    ),
    ("SSL", "the server speaks HTTP; a proxy before it speaks TLS"),
    ("TRANSLATION_CACHE", "translations are always cached, in `DRAGOMAN_CACHE_BYTES` of memory"),
    ("UPDATE_MODELS", NO_DOWNLOAD),
];
const NO_DOWNLOAD: &str = "`dragoman model get` downloads models, and so does `--get`";

/// Those that ask callers for a key, in a way that this server does not have.
const LEFT_OPEN: &[&str] = &["REQUIRE_API_KEY_FINGERPRINT", "UNDER_ATTACK"];

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
        let mut left_open = Vec::new();
        for (name, value) in variables {
            if let Some(upstream) = name.strip_prefix(LT) {
                if LEFT_OPEN.contains(&upstream) && is_on(&value) {
                    left_open.push(name);
                    continue;
                }
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
        if !(self.keys.api_keys && self.keys.require_api_key) {
            warnings.extend(left_open.iter().map(|name| still_open(name)));
        }
        Ok(warnings)
    }

    /// Applies a variable of upstream; a warning if it has no meaning here.
    fn apply_upstream(
        &mut self,
        upstream: &str,
        name: &str,
        value: &str,
    ) -> Result<Option<String>> {
        let of = |names: &'static [(&'static str, &'static str)]| {
            names.iter().find(|(known, _)| *known == upstream).map(|(_, meaning)| *meaning)
        };
        if let Some(field) = of(UPSTREAM) {
            // Upstream's flag takes a negative number of threads; here 0 leaves the number to the server.
            let is_negative = upstream == "THREADS" && value.trim().starts_with('-');
            return self.set(field, name, if is_negative { "0" } else { value }).map(|()| None);
        }
        if let Some(field) = of(UPSTREAM_OFF) {
            let value = if is_on(value) { "false" } else { "true" };
            return self.set(field, name, value).map(|()| None);
        }
        let warning = match of(WITHOUT_MEANING) {
            Some(reason) => format!("`{name}` has no meaning here and is ignored: {reason}"),
            None if LEFT_OPEN.contains(&upstream) => return Ok(None), // switched off
            None => unknown_upstream(upstream),
        };
        Ok(Some(warning))
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

/// Whether `value` is a yes, as upstream reads it.
fn is_on(value: &str) -> bool {
    matches!(value.trim().to_lowercase().as_str(), "true" | "1" | "yes" | "on")
}

/// The warning about a variable of upstream that asks for keys and closes nothing here.
fn still_open(name: &str) -> String {
    format!(
        "`{name}` has no meaning here: the server stays open to callers without a key; \
         `DRAGOMAN_API_KEYS=true` with `DRAGOMAN_REQUIRE_API_KEY=true` closes it to them \
         (the flags `--api-keys --require-api-key-secret`)"
    )
}

/// The warning about `LT_` and a name that upstream does not have.
fn unknown_upstream(name: &str) -> String {
    let tables = [UPSTREAM, UPSTREAM_OFF, WITHOUT_MEANING].into_iter().flatten();
    let known = tables.map(|(known, _)| *known).chain(LEFT_OPEN.iter().copied());
    match names::closest(name, known) {
        Some(like) => {
            format!("`{LT}{name}` is no setting and is ignored; did you mean `{LT}{like}`?")
        }
        None => {
            format!("`{LT}{name}` is no setting and is ignored; docs/settings.md lists them all")
        }
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
            ("LT_CHAR_LIMT", "3"),
            ("LT_XQZ", "1"),
            ("PATH", "/bin"),
        ];
        let warnings = apply(&mut config, &variables)?;
        assert_eq!(config, ServerConfig::default());
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        let slip = &warnings[0];
        assert!(slip.contains("DRAGOMAN_CHAR_LIMT`") && slip.contains("`DRAGOMAN_CHAR_LIMIT`"));
        assert!(warnings[1].contains("DRAGOMAN_XQZ") && warnings[1].contains("--print-config"));
        assert!(warnings[2].contains("LT_UPDATE_MODELS") && warnings[2].contains("model get"));
        assert!(warnings[3].contains("`LT_CHAR_LIMT`") && warnings[3].contains("`LT_CHAR_LIMIT`"));
        assert!(warnings[4].contains("`LT_XQZ`") && warnings[4].contains("docs/settings.md"));
        Ok(())
    }

    #[test]
    fn what_would_ask_upstream_for_keys_is_said_to_leave_the_server_open() -> anyhow::Result<()> {
        for name in ["LT_UNDER_ATTACK", "LT_REQUIRE_API_KEY_FINGERPRINT"] {
            let warned = |more: &[(&str, &str)]| {
                apply(&mut ServerConfig::default(), &[&[(name, "true")][..], more].concat())
            };
            let warnings = warned(&[])?;
            let closes = ["stays open", "DRAGOMAN_REQUIRE_API_KEY", "--require-api-key-secret"];
            assert!(closes.iter().all(|part| warnings[0].contains(part)), "{warnings:?}");
            let keys = [("LT_API_KEYS", "true"), ("DRAGOMAN_REQUIRE_API_KEY", "true")];
            assert_eq!(warned(&keys)?, Vec::<String>::new(), "it is closed");
            let off = apply(&mut ServerConfig::default(), &[(name, "false")])?;
            assert_eq!(off, Vec::<String>::new());
        }
        Ok(())
    }

    #[test]
    fn the_document_of_settings_has_every_name_of_upstream_and_every_field() -> anyhow::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let text = fs_err::read_to_string(path)?;
        let settings = serde_json::to_value(ServerConfig::default())?;
        for field in names::all() {
            let default = match names::value(&settings, field) {
                serde_json::Value::Null => "none".into(),
                value => format!("`{value}`"),
            };
            let start = format!("| `{}` | `{}` |", field.name, field.variable);
            let end = format!("| {default} |");
            let is_row = |line: &str| line.starts_with(&start) && line.ends_with(&end);
            assert!(text.lines().any(is_row), "{start} … {end}");
        }
        let tables = [UPSTREAM, UPSTREAM_OFF].into_iter().flatten();
        for (name, meaning) in tables {
            let row = format!("| `{LT}{name}` | `{meaning}`");
            assert!(text.lines().any(|line| line.starts_with(&row)), "{row}");
        }
        let ignored = WITHOUT_MEANING.iter().map(|(name, _)| name).chain(LEFT_OPEN);
        for name in ignored {
            assert!(text.contains(&format!("| `{LT}{name}` | nothing")), "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_compose_file_of_upstream_carries_over() -> anyhow::Result<()> {
        let config = with(&[
            ("LT_HOST", "0.0.0.0"),
            ("LT_PORT", "8080"),
            ("LT_CHAR_LIMIT", "2000"),
            ("LT_REQ_LIMIT", "-1"),
            ("LT_REQ_LIMIT_STORAGE", "redis://redis:6379"),
            ("LT_API_KEYS", "true"),
            ("LT_SUGGESTIONS", "False"),
            ("LT_LOAD_ONLY", "en,de, fr"),
            ("LT_DISABLE_WEB_UI", "true"),
            ("LT_DISABLE_FILES_TRANSLATION", "true"),
            ("LT_THREADS", "-1"),
            ("LT_UPDATE_MODELS", "true"),
            ("LT_METRICS_AUTH_TOKEN", "123"),
            ("PATH", "/bin"),
        ])?;
        assert_eq!(config.http.host, "0.0.0.0");
        assert_eq!(
            (config.http.port, config.translation.char_limit, config.limits.req_limit),
            (8080, Some(2000), None)
        );
        assert_eq!(config.limits.limits_store.as_deref(), Some("redis://redis:6379"));
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
