//! The settings as a file that says the same.

use super::{ServerConfig, names};

/// Fields that are not printed.
const SECRETS: [&str; 3] = ["admin_key", "recommend_api_key", "metrics_auth_token"];

impl ServerConfig {
    /// Writes all settings as TOML, each with the environment variable that sets it. A field without
    /// a value is a comment, and so is a secret.
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
            text += &match names::value(&settings, field) {
                serde_json::Value::Null if !names::value(&default, field).is_null() => {
                    format!("{name} = -1  # no limit; {variable}\n")
                }
                serde_json::Value::Null => format!("# {name} =  # not set; {variable}\n"),
                _ if SECRETS.contains(&name.as_str()) => {
                    format!("# {name} is set and not shown; {variable}\n")
                }
                value => format!("{name} = {value}  # {variable}\n"),
            };
        }
        text
    }
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
        let text = config.to_toml();
        assert_eq!(ServerConfig::parse(&text)?, config, "{text}");
        config.keys.admin_key = Some("open sesame".into());
        let text = config.to_toml();
        assert!(!text.contains("sesame") && text.contains("DRAGOMAN_ADMIN_KEY"), "{text}");
        Ok(())
    }
}
