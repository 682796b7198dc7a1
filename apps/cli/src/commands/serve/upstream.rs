//! The flags of LibreTranslate's own command, so that its scripts and compose files work as they are.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// Each flag and the variable that says the same; `--host` and `--port` are ours as well.
const FLAGS: [(&str, &str); 41] = [
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
    ("hide-api", "LT_HIDE_API"),
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

/// The flags that stand alone; all others need a value.
const SWITCHES: [&str; 16] = [
    "api-keys",
    "debug",
    "disable-files-translation",
    "disable-web-ui",
    "force-update-models",
    "hide-api",
    "metrics",
    "require-api-key-fingerprint",
    "require-api-key-secret",
    "secondary",
    "ssl",
    "suggestions",
    "translation-cache",
    "trust-forwarded-for",
    "under-attack",
    "update-models",
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
    /// Of a flag that is repeated the last one counts, as upstream has it; a switch without a value is a yes.
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (flag, _)| {
            let argument = Arg::new(flag).long(flag).overrides_with(flag).hide(true);
            command.arg(match SWITCHES.contains(flag) {
                true => argument.num_args(0..=1).default_missing_value("true"),
                // -1 is no limit.
                false => argument.num_args(1).allow_negative_numbers(true),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the words behind `serve` set.
    fn read(words: &[&str]) -> Result<Vec<(String, String)>, Error> {
        let command = UpstreamFlags::augment_args(Command::new("serve"));
        let matches = command.try_get_matches_from(["serve"].iter().chain(words))?;
        Ok(UpstreamFlags::from_arg_matches(&matches)?.0)
    }

    fn set(variable: &str, value: &str) -> (String, String) {
        (variable.into(), value.into())
    }

    #[test]
    fn flags_are_read_with_and_without_a_value() -> anyhow::Result<()> {
        let words = ["--char-limit", "500", "--api-keys", "--load-only", "en,de", "--debug"];
        let expected = [
            set("LT_CHAR_LIMIT", "500"),
            set("LT_DEBUG", "true"),
            set("LT_API_KEYS", "true"),
            set("LT_LOAD_ONLY", "en,de"),
        ];
        assert_eq!(read(&words)?, expected);
        Ok(())
    }

    #[test]
    fn a_negative_number_is_a_value_and_the_last_of_two_flags_counts() -> anyhow::Result<()> {
        let words = ["--char-limit", "-1", "--threads", "-1", "--hide-api"];
        let expected =
            [set("LT_CHAR_LIMIT", "-1"), set("LT_HIDE_API", "true"), set("LT_THREADS", "-1")];
        assert_eq!(read(&words)?, expected);
        let repeated = ["--load-only", "en", "--debug", "--load-only", "de", "--debug"];
        assert_eq!(read(&repeated)?, [set("LT_DEBUG", "true"), set("LT_LOAD_ONLY", "de")]);
        Ok(())
    }

    #[test]
    fn a_flag_that_needs_a_value_is_refused_without_one() {
        for (flag, _) in FLAGS.iter().filter(|(flag, _)| !SWITCHES.contains(flag)) {
            let flag = format!("--{flag}");
            let error = read(&[flag.as_str(), "--debug"]).expect_err(&flag).to_string();
            assert!(error.contains("a value is required") && error.contains(&flag), "{error}");
        }
    }

    #[test]
    fn every_flag_says_what_its_variable_says() {
        for (flag, variable) in FLAGS {
            assert_eq!(format!("LT_{}", flag.replace('-', "_").to_uppercase()), variable);
        }
        for switch in SWITCHES {
            assert!(FLAGS.iter().any(|(flag, _)| *flag == switch), "{switch}");
        }
    }

    #[test]
    fn the_server_knows_every_flag() -> anyhow::Result<()> {
        let variables = FLAGS.map(|(_, variable)| set(variable, ""));
        let warnings = dragoman_server::ServerConfig::default().apply_env(variables, [])?;
        let unknown: Vec<_> = warnings.iter().filter(|text| text.contains("no setting")).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        Ok(())
    }
}
