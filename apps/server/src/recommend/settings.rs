//! The server's settings, as recommendation reads them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use dragoman_store::{Error as StoreError, Event, FeedbackKey, Insert, Tenant};

use super::{
    expression::Expression,
    fallback::Fallback,
    groups::{Groups, Recommender},
    leaderboard::Leaderboard,
    upstream::{self, External, RerankerSettings},
};
use crate::config::{RESERVED, RecommendationConfig};

/// The longest that a list may wait for another service.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Items of a list that a language model puts in order at most.
const MAX_RERANKED: usize = 100;

/// What the settings mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) default_n: usize,
    pub(crate) insert: Insert,
    positive: Vec<Expression>,
    negative: Vec<Expression>,
    /// What says that a user saw an item and no more; empty for all that is neither of these.
    read: Vec<Expression>,
    /// Types of feedback that say no more than that, whatever their value is.
    only_read: Vec<String>,
    weights: HashMap<String, f64>,
    /// Whether items that a user touched may be recommended again.
    pub(crate) replacement: bool,
    /// What is added to the score of an item that is recommended again, in standard deviations: of one
    /// that the user liked, and of another.
    pub(crate) decays: [f32; 2],
    /// What fills a list that is too short, in this order.
    pub(crate) fallback: Vec<Fallback>,
    pub(crate) leaderboards: Vec<Leaderboard>,
    /// Events of a history that count, the newest.
    pub(crate) history: usize,
    /// Seconds in which popularity fades by half.
    pub(crate) half_life: f64,
    /// Seconds after which an item is in no list any more; 0 for never.
    ttl: f64,
    pub(crate) groups: Groups,
    aliases: HashMap<String, String>,
    pub(crate) externals: Vec<External>,
    pub(crate) external_timeout: Duration,
    pub(crate) reranker: Option<RerankerSettings>,
}

impl Settings {
    /// Reads `config`, or says what in it makes no sense.
    pub(crate) fn new(config: &RecommendationConfig) -> Result<Self, String> {
        let expressions = |name: &str, list: &[String]| {
            let parse = |text: &String| text.parse().map_err(|error| format!("`{name}`: {error}"));
            list.iter().map(parse).collect::<Result<Vec<Expression>, String>>()
        };
        let pairs = |name: &str, list: &[String]| {
            let split = |text: &String| {
                let pair = text.split_once('=').map(|(a, b)| (a.trim().into(), b.trim().into()));
                pair.ok_or_else(|| format!("`{name}`: `{text}` must be `name=value`"))
            };
            list.iter().map(split).collect::<Result<Vec<(String, String)>, String>>()
        };
        let weights = pairs("feedback_weights", &config.feedback_weights)?.into_iter();
        let weights = weights.map(|(kind, weight)| match weight.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok((kind, number)),
            _ => Err(format!("`feedback_weights`: `{weight}` is no number")),
        });
        if config.popularity_half_life <= 0.0 || !config.popularity_half_life.is_finite() {
            return Err("`popularity_half_life` must be a positive number of hours".into());
        }
        if config.item_ttl < 0.0 || !config.item_ttl.is_finite() {
            return Err("`item_ttl` must be a number of days, or 0 for never".into());
        }
        let decay = |name: &str, factor: f64| match factor > 0.0 && factor <= 1.0 {
            true => Ok(factor.ln() as f32),
            false => Err(format!("`{name}` must be above 0 and at most 1")),
        };
        let externals = config.external_recommenders.iter();
        let externals: Vec<External> =
            externals.map(|text| External::parse(text)).collect::<Result<_, _>>()?;
        let groups = Groups::parse(&config.recommend_groups)?;
        if groups.recommenders().any(|one| !is_known(one, &externals)) {
            return Err("`recommend_groups` names an external recommender that \
                        `external_recommenders` does not"
                .into());
        }
        let aliases = pairs("recommender_aliases", &config.recommender_aliases)?;
        let mut settings = Self {
            default_n: config.default_n,
            insert: Insert { users: config.auto_insert_user, items: config.auto_insert_item },
            positive: expressions("positive_feedback", &config.positive_feedback)?,
            negative: expressions("negative_feedback", &config.negative_feedback)?,
            read: expressions("read_feedback", &config.read_feedback)?,
            only_read: config.only_read(),
            weights: weights.collect::<Result<_, _>>()?,
            replacement: config.recommend_replacement,
            decays: [
                decay("positive_replacement_decay", config.positive_replacement_decay)?,
                decay("read_replacement_decay", config.read_replacement_decay)?,
            ],
            fallback: Vec::new(),
            leaderboards: leaderboards(&config.leaderboards)?,
            history: config.history_limit,
            half_life: config.popularity_half_life * 3600.0,
            ttl: config.item_ttl * 86_400.0,
            groups,
            aliases: aliases.into_iter().collect(),
            externals,
            external_timeout: seconds("external_timeout", config.external_timeout)?,
            reranker: reranker(config)?,
        };
        settings.fallback = Fallback::parse_all(&config.fallback, &settings)?;
        Ok(settings)
    }

    /// Whether feedback says that the user liked the item: what is named, or all that is not
    /// named as negative.
    pub(crate) fn is_positive(&self, kind: &str, value: f64) -> bool {
        let is_named = |list: &[Expression]| list.iter().any(|one| one.holds(kind, value));
        match self.positive.is_empty() {
            true => !is_named(&self.negative) && !is_named(&self.read),
            false => is_named(&self.positive),
        }
    }

    /// Whether feedback says that the user wants no more of the item.
    pub(crate) fn is_negative(&self, kind: &str, value: f64) -> bool {
        self.negative.iter().any(|one| one.holds(kind, value))
    }

    /// Types of feedback that may say so, each once.
    pub(crate) fn negative_kinds(&self) -> BTreeSet<String> {
        self.negative.iter().map(|one| one.kind.clone()).collect()
    }

    /// Whether feedback says that the user saw the item: what is named, or all where nothing is.
    pub(crate) fn is_read(&self, kind: &str, value: f64) -> bool {
        self.read.is_empty() || self.read.iter().any(|one| one.holds(kind, value))
    }

    /// Whether feedback of `kind` always says only that the user saw the item.
    pub(crate) fn is_only_read(&self, kind: &str) -> bool {
        self.only_read.iter().any(|known| known == kind)
    }

    /// Whether there is such a recommender here.
    pub(crate) fn knows(&self, recommender: Recommender) -> bool {
        is_known(recommender, &self.externals)
    }

    /// Whether the value of feedback of `kind` decides what it says.
    pub(crate) fn depends_on_value(&self, kind: &str) -> bool {
        let named = self.positive.iter().chain(&self.negative).chain(&self.read);
        named.into_iter().any(|one| one.kind == kind && one.is_bounded())
    }

    /// Whether `event` counts as liked: its feedback row decides, with the value it has now.
    pub(crate) fn likes(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        self.judge(tenant, event, Self::is_positive)
    }

    /// Which of `events` count as liked, read at once.
    pub(crate) fn likes_each(
        &self,
        tenant: &Tenant,
        events: &[Event],
    ) -> Result<Vec<bool>, StoreError> {
        let is_asked = |event: &&Event| self.depends_on_value(&event.feedback_type);
        let key = |event: &Event| FeedbackKey {
            feedback_type: event.feedback_type.clone(),
            user_id: event.user_id.clone(),
            item_id: event.item_id.clone(),
        };
        let keys: Vec<FeedbackKey> = events.iter().filter(is_asked).map(key).collect();
        let mut values = tenant.values(&keys)?.into_iter();
        let mut value_of = |event: &Event| match is_asked(&event) {
            true => values.next().flatten().unwrap_or(event.value),
            false => event.value,
        };
        let liked = events.iter().map(|event| {
            let value = value_of(event);
            self.is_positive(&event.feedback_type, value)
        });
        Ok(liked.collect())
    }

    /// Whether `event` says what the user wants no more of.
    pub(crate) fn dislikes(&self, tenant: &Tenant, event: &Event) -> Result<bool, StoreError> {
        self.judge(tenant, event, Self::is_negative)
    }

    fn judge(
        &self,
        tenant: &Tenant,
        event: &Event,
        says: fn(&Self, &str, f64) -> bool,
    ) -> Result<bool, StoreError> {
        let Event { user_id, item_id, feedback_type, value, .. } = event;
        let value = match self.depends_on_value(feedback_type) {
            true => {
                tenant.feedback(feedback_type, user_id, item_id)?.map_or(*value, |row| row.value)
            }
            false => *value,
        };
        Ok(says(self, feedback_type, value))
    }

    /// How much a liked event counts for popularity.
    pub(crate) fn weight(&self, kind: &str) -> f64 {
        self.weights.get(kind).copied().unwrap_or(1.0).max(0.0)
    }

    /// When an item must have appeared, or later, to be in a list at `now`; in seconds since 1970.
    pub(crate) fn oldest(&self, now: i64) -> Option<i64> {
        (self.ttl > 0.0).then(|| now.saturating_sub(self.ttl as i64))
    }

    /// What `name` stands for: another recommender's name, or its own.
    pub(crate) fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }
}

fn is_known(recommender: Recommender, externals: &[External]) -> bool {
    match recommender {
        Recommender::External(id) => externals.iter().any(|external| external.id() == id),
        _ => true,
    }
}

fn seconds(name: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero() && *time <= MAX_WAIT)
        .ok_or_else(|| {
            format!("`{name}` must be above 0 and at most {} seconds", MAX_WAIT.as_secs())
        })
}

/// The leaderboards that are written as `texts`, each with a name of its own.
fn leaderboards(texts: &[String]) -> Result<Vec<Leaderboard>, String> {
    let mut boards: Vec<Leaderboard> = Vec::new();
    for text in texts {
        let board: Leaderboard =
            text.parse().map_err(|error| format!("`leaderboards`: {error}"))?;
        let name = &board.name;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "`leaderboards`: `{name}` is the name of another list; take another"
            ));
        }
        if boards.iter().any(|known| known.name == *name) {
            return Err(format!("`leaderboards` has two called `{name}`; give one another name"));
        }
        boards.push(board);
    }
    Ok(boards)
}

/// The language model that puts lists in order, if one is named.
fn reranker(config: &RecommendationConfig) -> Result<Option<RerankerSettings>, String> {
    let (url, model) = match (&config.reranker_url, &config.reranker_model) {
        (Some(url), Some(model)) => (url.clone(), model.clone()),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err("`reranker_url` needs `reranker_model`".into()),
        (None, Some(_)) => return Err("`reranker_model` needs `reranker_url`".into()),
    };
    let template =
        |text: &Option<String>, usual: &str| text.clone().unwrap_or_else(|| usual.into());
    let settings = RerankerSettings {
        url,
        model,
        key: config.reranker_key.clone(),
        top: config.reranker_top,
        timeout: seconds("reranker_timeout", config.reranker_timeout)?,
        query: template(&config.reranker_query, upstream::QUERY),
        document: template(&config.reranker_document, upstream::DOCUMENT),
    };
    if !(2..=MAX_RERANKED).contains(&settings.top) {
        return Err(format!("`reranker_top` must be between 2 and {MAX_RERANKED}"));
    }
    settings.check()?;
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_counts_as_the_settings_say() -> Result<(), String> {
        let config = RecommendationConfig {
            positive_feedback: vec!["read>=3".into(), "buy".into()],
            negative_feedback: vec!["read<2".into()],
            feedback_weights: vec!["buy=5".into()],
            ..RecommendationConfig::default()
        };
        let settings = Settings::new(&config)?;
        assert!(settings.is_positive("read", 3.0) && !settings.is_positive("read", 2.0));
        assert!(settings.is_negative("read", 1.0) && !settings.is_negative("read", 2.0));
        assert_eq!([settings.weight("buy"), settings.weight("read")], [5.0, 1.0]);
        assert!(!settings.is_positive("look", 1.0));
        assert!(settings.depends_on_value("read") && !settings.depends_on_value("buy"));
        let all = Settings::new(&RecommendationConfig::default())?;
        assert!(all.is_positive("anything", 0.0) && !all.is_negative("anything", 0.0));
        Ok(())
    }

    #[test]
    fn what_is_liked_from_a_value_on_is_more_than_read() -> Result<(), String> {
        let config = RecommendationConfig {
            positive_feedback: vec!["read>=3".into()],
            read_feedback: vec!["read".into(), "shown".into(), "look<2".into()],
            ..RecommendationConfig::default()
        };
        let settings = Settings::new(&config)?;
        let found = ["read", "shown", "look", "buy"].map(|kind| settings.is_only_read(kind));
        assert_eq!(found, [false, true, false, false]);
        Ok(())
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let base = RecommendationConfig::default;
        for (config, name) in [
            (
                RecommendationConfig { positive_feedback: vec![">3".into()], ..base() },
                "positive_feedback",
            ),
            (
                RecommendationConfig { feedback_weights: vec!["a=b".into()], ..base() },
                "feedback_weights",
            ),
            (
                RecommendationConfig { recommend_groups: vec!["a".into()], ..base() },
                "recommend_groups",
            ),
            (RecommendationConfig { popularity_half_life: 0.0, ..base() }, "popularity_half_life"),
            (RecommendationConfig { item_ttl: -1.0, ..base() }, "item_ttl"),
            (
                RecommendationConfig {
                    leaderboards: vec!["popular = len(feedback)".into()],
                    ..base()
                },
                "`popular`",
            ),
            (
                RecommendationConfig {
                    leaderboards: vec!["a = len(feedback)".into(), "a = 1".into()],
                    ..base()
                },
                "two called `a`",
            ),
        ] {
            let error = Settings::new(&config).expect_err(name);
            assert!(error.contains(name), "{error}");
        }
    }
}
