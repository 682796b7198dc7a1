//! The flags of LibreTranslate's own command, so that its scripts and compose files work as they are.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// Each flag and the variable that says the same; `--host` and `--port` are ours as well.
const FLAGS: [(&str, &str); 40] = [
    ("char-limit", "LT_CHAR_LIMIT"),
    ("req-limit", "LT_REQ_LIMIT"),
    ("req-limit-storage", "LT_REQ_LIMIT_STORAGE"),
    ("req-time-cost", "LT_REQ_TIME_COST"),
    ("hourly-req-limit", "LT_HOURLY_REQ_LIMIT"),
    ("hourly-req-limit-decay", "LT_HOURLY_REQ_LIMIT_DECAY"),
    ("daily-req-limit", "LT_DAILY_REQ_LIMIT"),
    ("req-flood-threshold", "LT_REQ_FLOOD_THRESHOLD"),
    ("req-flood-violation", "LT_REQ_FLOOD_VIOLATION"),
    ("batch-limit", "LT_BATCH_LIMIT"),
    ("alternatives-limit", "LT_ALTERNATIVES_LIMIT"),
    ("ga-id", "LT_GA_ID"),
    ("debug", "LT_DEBUG"),
    ("ssl", "LT_SSL"),
    ("frontend-language-source", "LT_FRONTEND_LANGUAGE_SOURCE"),
    ("frontend-language-target", "LT_FRONTEND_LANGUAGE_TARGET"),
    ("frontend-timeout", "LT_FRONTEND_TIMEOUT"),
    ("frontend-title", "LT_FRONTEND_TITLE"),
    ("api-keys", "LT_API_KEYS"),
    ("api-keys-db-path", "LT_API_KEYS_DB_PATH"),
    ("api-keys-remote", "LT_API_KEYS_REMOTE"),
    ("get-api-key-link", "LT_GET_API_KEY_LINK"),
    ("require-api-key-origin", "LT_REQUIRE_API_KEY_ORIGIN"),
    ("require-api-key-secret", "LT_REQUIRE_API_KEY_SECRET"),
    ("require-api-key-fingerprint", "LT_REQUIRE_API_KEY_FINGERPRINT"),
    ("under-attack", "LT_UNDER_ATTACK"),
    ("shared-storage", "LT_SHARED_STORAGE"),
    ("secondary", "LT_SECONDARY"),
    ("load-only", "LT_LOAD_ONLY"),
    ("threads", "LT_THREADS"),
    ("suggestions", "LT_SUGGESTIONS"),
    ("disable-files-translation", "LT_DISABLE_FILES_TRANSLATION"),
    ("disable-web-ui", "LT_DISABLE_WEB_UI"),
    ("update-models", "LT_UPDATE_MODELS"),
    ("force-update-models", "LT_FORCE_UPDATE_MODELS"),
    ("metrics", "LT_METRICS"),
    ("metrics-auth-token", "LT_METRICS_AUTH_TOKEN"),
    ("url-prefix", "LT_URL_PREFIX"),
    ("translation-cache", "LT_TRANSLATION_CACHE"),
    ("trust-forwarded-for", "LT_TRUST_FORWARDED_FOR"),
];

/// The flags that were given, as the variables that say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UpstreamFlags(pub(super) Vec<(String, String)>);

impl FromArgMatches for UpstreamFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = FLAGS.iter().filter_map(|(flag, variable)| {
            Some(((*variable).to_owned(), matches.get_one::<String>(flag)?.clone()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for UpstreamFlags {
    /// Each takes a value or none, which is a yes; several values are one list, as upstream writes it.
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (flag, _)| {
            let argument = Arg::new(flag).long(flag).num_args(0..=1).default_missing_value("true");
            command.arg(argument.hide(true))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_with_and_without_a_value() -> anyhow::Result<()> {
        let words =
            ["serve", "--char-limit", "500", "--api-keys", "--load-only", "en,de", "--debug"];
        let command = UpstreamFlags::augment_args(Command::new("serve"));
        let UpstreamFlags(given) =
            UpstreamFlags::from_arg_matches(&command.try_get_matches_from(words)?)?;
        let given: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("LT_CHAR_LIMIT", "500"),
            ("LT_DEBUG", "true"),
            ("LT_API_KEYS", "true"),
            ("LT_LOAD_ONLY", "en,de"),
        ];
        assert_eq!(given, expected);
        Ok(())
    }

    #[test]
    fn every_flag_says_what_its_variable_says() {
        for (flag, variable) in FLAGS {
            assert_eq!(format!("LT_{}", flag.replace('-', "_").to_uppercase()), variable);
        }
    }
}
