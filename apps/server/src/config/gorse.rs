//! Reads the `config.toml` of Gorse 0.4 and 0.5 for our settings.

use std::path::Path;

use toml::{Table, Value};

use super::{ServerConfig, section};
use crate::{Error, Result, formula::Formula};

/// Gorse's keys that have a setting of ours with the same meaning.
const KNOWN: &[(&str, &str)] = &[
    ("server.default_n", "default_n"),
    ("server.api_key", "recommend_api_key"),
    ("server.auto_insert_user", "auto_insert_user"),
    ("server.auto_insert_item", "auto_insert_item"),
    ("master.http_port", "port"),
    ("master.http_host", "host"),
    ("master.http_cors_domains", "allowed_origins"),
    ("master.admin_api_key", "admin_key"),
    ("recommend.data_source.positive_feedback_types", "positive_feedback"),
    ("recommend.data_source.negative_feedback_types", "negative_feedback"),
    ("recommend.data_source.read_feedback_types", "read_feedback"),
    ("recommend.data_source.item_ttl", "item_ttl"),
    ("recommend.replacement.enable_replacement", "recommend_replacement"),
    ("recommend.replacement.positive_replacement_decay", "positive_replacement_decay"),
    ("recommend.replacement.read_replacement_decay", "read_replacement_decay"),
    ("recommend.context_size", "history_limit"),
];

/// Those of a ranker of type `llm`.
const LLM: &[(&str, &str)] = &[
    ("openai.base_url", "reranker_url"),
    ("openai.auth_token", "reranker_key"),
    ("openai.chat_completion_model", "reranker_model"),
    ("recommend.ranker.query_template", "reranker_query"),
    ("recommend.ranker.document_template", "reranker_document"),
];

/// Gorse's keys and tables that mean nothing here, with the reason.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("database", "the store is a folder; `--store` names it"),
    ("master", "there is one process, without a cluster of workers"),
    ("server.clock_error", "there is one clock"),
    ("server.cache_expire", "lists are made when they are asked for, from what is stored then"),
    ("server", "it has no part here"),
    ("recommend.cache_size", "lists are made when they are asked for and have any length"),
    ("recommend.cache_expire", "lists are made when they are asked for, from what is stored then"),
    ("recommend.active_user_ttl", "no list is made ahead, so nobody has to be active"),
    ("recommend.data_source", "it has no part here"),
    ("recommend.popular", "popularity fades by half in `popularity_half_life` hours"),
    ("recommend.collaborative", "`dragoman train recommendation` makes the model"),
    ("recommend.collaborative-filtering", "`dragoman train recommendation` makes the model"),
    ("recommend.ranker", "`dragoman train recommendation` learns how to blend the scorers"),
    ("recommend.user_neighbors", "neighbours come from what users did, at once"),
    ("recommend.item_neighbors", "neighbours come from the model, from users and from content"),
    ("recommend.offline", "no list is made ahead"),
    ("recommend.online", "what fills a short list is decided by the score of each item"),
    ("recommend.fallback", "what is popular and what is new fill a list that is too short"),
    ("recommend.replacement", "it has no part here"),
    ("recommend.search", "the search looks at identifiers, titles, categories and labels"),
    (
        "recommend.external",
        "scripts in JavaScript are not run; name an address that answers with items in `external_recommenders`",
    ),
    ("recommend", "it has no part here"),
    ("tracing", "the log goes to the standard error; `DRAGOMAN_LOG` says how much"),
    ("oidc", "pages and API are guarded by keys"),
    ("openai", "only the ranker of type `llm` calls a language model, and it is not set"),
    ("blob", "models are folders; `--model` names them"),
];

/// Gorse's kinds of item-to-item recommenders with the list of ours that is made alike.
const NEAR_ITEM: &[(&str, &str)] =
    &[("embedding", "embedding"), ("tags", "content"), ("users", "users"), ("auto", "neighbors")];

/// Names that no leaderboard can have: requests and `fallback` mean something else by them.
pub(crate) const RESERVED: [&str; 5] = ["popular", "latest", "collaborative", "model", "live"];

impl ServerConfig {
    /// Reads the settings of Gorse at `path`; a warning for each key without a meaning here.
    pub fn from_gorse(path: &Path) -> Result<(Self, Vec<String>)> {
        let text = fs_err::read_to_string(path)?;
        let refuse = |reason| Error::Config { name: path.display().to_string(), reason };
        Self::parse_gorse(&text).map_err(refuse)
    }

    fn parse_gorse(text: &str) -> Result<(Self, Vec<String>), String> {
        let gorse: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let has_llm = ranker_of(&gorse) == Some("llm");
        let (mut ours, mut warnings) = (Table::new(), Vec::new());
        let (mut aliases, mut boards, mut fallback) = (Vec::new(), Vec::new(), Vec::new());
        let recommenders = recommenders(&gorse);
        for (key, value) in flattened(gorse) {
            let of_llm = LLM.iter().filter(|_| has_llm);
            if key == "recommend.ranker.type" && has_llm {
                continue;
            } else if let Some((_, name)) =
                KNOWN.iter().chain(of_llm).find(|(known, _)| *known == key)
            {
                let is_unset = value.as_str().is_some_and(str::is_empty);
                if !is_unset {
                    let section = section(name).expect("the names are those of settings");
                    let fields = ours.entry(section).or_insert_with(|| Table::new().into());
                    fields.as_table_mut().expect("a section").insert((*name).into(), value);
                }
            } else if key == "recommend.fallback.recommenders" {
                let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                for name in names {
                    match fills(name, &recommenders) {
                        Ok(()) => fallback.push(Value::from(name)),
                        Err(why) => {
                            warnings.push(format!("`{key}`: `{name}` is left out; {why}"));
                        }
                    }
                }
            } else if let Some(named) = named_lists(&key, &value, &mut warnings) {
                for named in named {
                    match named {
                        NamedList::Alias(alias) => aliases.push(Value::from(alias)),
                        NamedList::Leaderboard(board) => boards.push(Value::from(board)),
                    }
                }
            } else {
                warnings.push(format!("`{key}` of Gorse has no meaning here: {}", reason(&key)));
            }
        }
        let lists =
            [("recommender_aliases", aliases), ("leaderboards", boards), ("fallback", fallback)];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let fields = ours.entry("recommendation").or_insert_with(|| Table::new().into());
            fields.as_table_mut().expect("a section").insert(name.into(), list.into());
        }
        let config: Self = Value::Table(ours).try_into().map_err(|error| format!("{error}"))?;
        config.check()?;
        Ok((config, warnings))
    }
}

/// The type of Gorse's ranker.
fn ranker_of(gorse: &Table) -> Option<&str> {
    gorse.get("recommend")?.get("ranker")?.get("type")?.as_str()
}

/// The recommenders that Gorse's settings name and that are served here, as `item-to-item/NAME`.
fn recommenders(gorse: &Table) -> Vec<String> {
    let tables = |kind: &str| {
        let tables = gorse.get("recommend").and_then(|table| table.get(kind));
        tables.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
    };
    let mut names = Vec::new();
    for kind in ["non-personalized", "item-to-item", "user-to-user"] {
        for table in tables(kind) {
            let text = |name: &str| table.get(name).and_then(Value::as_str).unwrap_or_default();
            let has_like = |(known, _): &(&str, &str)| *known == text("type");
            if kind != "item-to-item" || NEAR_ITEM.iter().any(has_like) {
                names.push(format!("{kind}/{}", text("name")));
            }
        }
    }
    names
}

/// Whether the recommender `name` of Gorse fills lists here too; else why not.
fn fills(name: &str, recommenders: &[String]) -> Result<(), &'static str> {
    let is_ours = match name.split_once('/') {
        None => ["popular", "latest", "collaborative"].contains(&name),
        Some(("item-to-item", name)) => NEAR_ITEM.iter().any(|(_, ours)| *ours == name),
        Some(("user-to-user", name)) => name == "neighbors",
        Some(("non-personalized", name)) => ["popular", "latest"].contains(&name),
        Some(("external", _)) => return Err(reason("recommend.external")),
        Some(_) => false,
    };
    let is_named = recommenders.iter().any(|known| {
        known == name || known.strip_prefix("non-personalized/").is_some_and(|known| known == name)
    });
    match is_ours || is_named {
        true => Ok(()),
        false => Err("no recommender of this name is served here"),
    }
}

/// The keys of all tables with the names of the tables before them; lists of tables stay whole.
fn flattened(table: Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                let inner = flattened(inner).into_iter();
                all.extend(inner.map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => all.push((name, value)),
        }
    }
    all
}

/// Why `key` means nothing here.
fn reason(key: &str) -> &'static str {
    let is_of = |known: &str| key == known || key.starts_with(&format!("{known}."));
    let known = WITHOUT_MEANING.iter().find(|(known, _)| is_of(known));
    known.map_or("Dragoman does not know it", |(_, reason)| reason)
}

/// What a recommender that Gorse's settings name is here.
enum NamedList {
    /// Another name of a list of ours, `theirs=ours`.
    Alias(String),
    /// A leaderboard of its own.
    Leaderboard(String),
}

/// The recommenders that a list of tables names; none when `key` is no such list.
fn named_lists(key: &str, value: &Value, warnings: &mut Vec<String>) -> Option<Vec<NamedList>> {
    let kind = key.strip_prefix("recommend.")?;
    if !["non-personalized", "item-to-item", "user-to-user"].contains(&kind) {
        return None;
    }
    let mut lists = Vec::new();
    for table in value.as_array()?.iter().filter_map(Value::as_table) {
        let text = |name: &str| table.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        if kind == "non-personalized" {
            let filter = Some(text("filter")).filter(|filter| !filter.is_empty());
            let filter = filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
            let is_read = |text: &str| text.parse::<Formula>().map(|_| ());
            let filter_is_read = if filter.is_empty() { Ok(()) } else { is_read(text("filter")) };
            let is_free = match RESERVED.contains(&name) {
                true => Err(format!("`{name}` is the name of a list here; give it another name")),
                false => Ok(()),
            };
            match is_free.and(is_read(text("score"))).and(filter_is_read) {
                Ok(()) => {
                    let board = format!("{name} = {}{filter}", text("score"));
                    lists.push(NamedList::Leaderboard(board));
                    continue;
                }
                Err(error) => warnings
                    .push(format!("`{key}`: `{name}` is served as `popular`, because {error}")),
            }
        }
        let ours = match kind {
            "non-personalized" => Some("popular"),
            "user-to-user" => Some("neighbors"),
            _ => NEAR_ITEM.iter().find(|(known, _)| *known == text("type")).map(|(_, ours)| *ours),
        };
        let Some(ours) = ours else {
            warnings.push(format!(
                "`{key}`: the recommender `{name}` of type `{}` has no like here",
                text("type")
            ));
            continue;
        };
        // `item.Labels.embedding` of Gorse is the label `embedding` here.
        let path = text("column").trim_start_matches("item.Labels.").to_owned();
        let ours = match (ours, path.as_str()) {
            ("embedding", path) if !path.is_empty() => format!("embedding:{path}"),
            _ => ours.to_owned(),
        };
        if name != ours {
            lists.push(NamedList::Alias(format!("{name}={ours}")));
        }
    }
    Some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gorse_says_is_understood_or_named() -> anyhow::Result<()> {
        let text = r#"
            [database]
            data_store = "redis://localhost:6379"
            [master]
            http_port = 8088
            dashboard_user_name = "admin"
            [server]
            default_n = 20
            api_key = "secret"
            cache_expire = "10s"
            [recommend]
            cache_size = 100
            [recommend.data_source]
            positive_feedback_types = ["star", "read>=3"]
            read_feedback_types = ["read"]
            item_ttl = 30
            [[recommend.non-personalized]]
            name = "most_starred_weekly"
            score = "count(feedback)"
            filter = "(now() - item.Timestamp).Hours() < 168"
            [[recommend.non-personalized]]
            name = "odd"
            score = "stars(item)"
            [recommend.fallback]
            recommenders = ["item-to-item/near", "most_starred_weekly", "non-personalized/odd", "latest",
                "collaborative", "item-to-item/talk", "external/shop"]
            [[recommend.item-to-item]]
            name = "near"
            type = "embedding"
            column = "item.Labels.vector"
            [[recommend.item-to-item]]
            name = "talk"
            type = "chat"
            [recommend.replacement]
            enable_replacement = true
            positive_replacement_decay = 0.8
            [wonder]
            land = 1
        "#;
        let (config, warnings) = ServerConfig::parse_gorse(text).map_err(anyhow::Error::msg)?;
        assert_eq!(config.http.port, 8088);
        let of = &config.recommendation;
        assert_eq!((of.default_n, of.recommend_api_key.as_deref()), (20, Some("secret")));
        assert_eq!(of.positive_feedback, ["star", "read>=3"]);
        assert!(of.recommend_replacement && of.item_ttl == 30.0);
        assert_eq!(of.recommender_aliases, ["near=embedding:vector", "odd=popular"]);
        assert_eq!(
            of.leaderboards,
            ["most_starred_weekly = count(feedback) where (now() - item.Timestamp).Hours() < 168"]
        );
        let order = [
            "item-to-item/near",
            "most_starred_weekly",
            "non-personalized/odd",
            "latest",
            "collaborative",
        ];
        assert_eq!(of.fallback, order);
        assert_eq!(of.positive_replacement_decay, 0.8);
        crate::recommend::Settings::new(of).map_err(anyhow::Error::msg)?;
        for key in [
            "database.data_store",
            "master.dashboard_user_name",
            "server.cache_expire",
            "recommend.cache_size",
            "`item-to-item/talk` is left out; no recommender of this name",
            "`external/shop` is left out; scripts in JavaScript",
            "`talk` of type `chat`",
            "`odd` is served as `popular`",
            "`wonder.land` of Gorse has no meaning here: Dragoman does not know it",
        ] {
            assert!(warnings.iter().any(|warning| warning.contains(key)), "{key}: {warnings:#?}");
        }
        assert_eq!(warnings.len(), 9, "{warnings:#?}");
        assert_eq!(of.read_feedback, ["read"]);
        Ok(())
    }

    #[test]
    fn a_ranker_that_is_a_language_model_is_ours() -> anyhow::Result<()> {
        let text = r#"
            [openai]
            base_url = "http://localhost:11434/v1"
            auth_token = "ollama"
            chat_completion_model = "qwen2.5"
            chat_completion_rpm = 100
            [recommend.ranker]
            type = "TYPE"
            document_template = "{{ item.ItemId }}"
            [[recommend.external]]
            name = "trending"
            script = "fetch('http://example.org')"
        "#;
        let parse = |kind: &str| {
            ServerConfig::parse_gorse(&text.replace("TYPE", kind)).map_err(anyhow::Error::msg)
        };
        let (config, warnings) = parse("llm")?;
        let of = &config.recommendation;
        assert_eq!(of.reranker_url.as_deref(), Some("http://localhost:11434/v1"));
        assert_eq!(
            (of.reranker_model.as_deref(), of.reranker_key.as_deref()),
            (Some("qwen2.5"), Some("ollama"))
        );
        assert_eq!(of.reranker_document.as_deref(), Some("{{ item.ItemId }}"));
        assert_eq!(warnings.len(), 2, "the pace and the script: {warnings:#?}");
        assert!(
            warnings.iter().any(|warning| warning.contains("external_recommenders")),
            "{warnings:#?}"
        );
        assert_eq!(parse("fm")?.0.recommendation.reranker_url, None);
        Ok(())
    }

    #[test]
    fn settings_that_cannot_be_read_are_named() {
        for (text, name) in [
            ("[server]\ndefault_n = 0", "default_n"),
            ("[server]\ndefault_n = 'x'", "default_n"),
            ("[server", "server"),
        ] {
            let error = ServerConfig::parse_gorse(text).expect_err(text);
            assert!(error.contains(name), "{error}");
        }
    }
}
