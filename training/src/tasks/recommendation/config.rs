//! The settings of a recommendation run: the TOML files in `training/configs/`.

use std::path::Path;

use dragoman_core::{
    config::{RecommendationConfig, SegmentGate},
    kernels::{activation::Activation, matmul::Precision},
    recommend::{FeatureRules, ScorersConfig},
};
use serde::{Deserialize, Serialize};

use super::BlendConfig;
use crate::{Error, Result, config::RunConfig};

/// All settings of a run that trains a recommendation model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Name of the run, for its report.
    pub name: String,
    /// Type in which matrices are multiplied: `bf16` or `f32`. Weights and sums are f32 either way.
    pub precision: Precision,
    /// Shape of the transformer.
    pub model: ModelShape,
    /// The segment experts.
    pub segments: SegmentsConfig,
    /// What the model learns from a history.
    pub objective: Objective,
    /// The cheap scorers beside it.
    pub scorers: ScorersConfig,
    /// How all are mixed.
    pub blend: BlendConfig,
    /// Whether the scorers' settings are chosen on the validation window, from a few.
    pub choose_scorers: bool,
    /// Whether items that a user has met are recommended again.
    pub keep_seen: bool,
    /// Histories that are learned from at once.
    pub batch_users: usize,
    /// Features that fewer items (or users) have are left out.
    pub min_feature_count: usize,
    /// Users whose next items choose the best weights, spread over all; 0 takes all.
    pub dev_users: usize,
    /// How to train.
    pub run: RunConfig,
}

/// Shape of the transformer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelShape {
    /// Width, `D`.
    pub d_model: usize,
    /// Attention heads, which divide the width.
    pub num_heads: usize,
    /// Blocks of attention and feed-forward network.
    pub num_layers: usize,
    /// Inner width of the feed-forward network that every token passes.
    pub d_ff: usize,
    /// Non-linearity.
    pub activation: Activation,
    /// Events that the model sees, the last ones.
    pub max_history: usize,
    /// Whether the model sees the time until the next event, where the log has times.
    pub gaps: bool,
    /// Whether the model sees the values of events, such as ratings.
    pub values: bool,
    /// Whether the model sees the features of users.
    pub user_features: bool,
    /// Whether every token is told the statistics of behaviour that the gate of the segments reads.
    pub statistics: bool,
    /// Whether the words of titles, and the decade of a year, describe items besides categories and
    /// labels.
    pub title_words: bool,
    /// What the logarithm of the popularity of the moment counts in a logit; 0 leaves all of it to
    /// the model.
    pub popularity: f32,
}

/// The segment experts and their gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentsConfig {
    /// Inner width of each of the four experts in each layer; 0 makes a dense model without any.
    pub d_ff: usize,
    /// How they are weighed.
    pub gate: SegmentGate,
    /// Weight of the cross-entropy between the gate and the segments by rule, at the start …
    pub prior_start: f64,
    /// … and at the end of the run; in between it falls along a line.
    pub prior_end: f64,
}

/// What the model learns from a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// Negatives sampled for each label: 0 is all of them (full softmax), else so many drawn at
    /// random, the same for all rows of a batch.
    pub negatives: usize,
    /// Probability with which the embedding of an item is left out in a step, so that content
    /// learns to stand for it.
    pub item_dropout: f32,
    /// A user of `n` events counts `n^-user_power` per event: 0 lets all events count alike, 1 all
    /// users.
    pub user_power: f32,
    /// Probability with which only the first few events of a history are learned from.
    pub truncate: f32,
    /// How many events those are at most.
    pub truncate_to: usize,
    /// Which of the following events is the label: 1 is the next one, more is any of so many, by chance,
    /// for a model that is to know what a user will do and not only what comes next.
    pub horizon: usize,
    /// Weight of the choice among what was shown beside the choice among all items: at each event, the
    /// items that its user saw since the event before and never did anything about are negatives. It takes a log
    /// in which feedback of that kind is told apart (`--read-feedback`); 0 leaves it out.
    pub read_weight: f32,
    /// Weights of the kinds of event by name; others count 1. Kinds of weight 0 are context only.
    pub kinds: std::collections::BTreeMap<String, f32>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            name: "recommendation".into(),
            precision: Precision::Bf16,
            model: ModelShape::default(),
            segments: SegmentsConfig::default(),
            objective: Objective::default(),
            scorers: ScorersConfig::default(),
            blend: BlendConfig::default(),
            choose_scorers: true,
            keep_seen: false,
            batch_users: 64,
            min_feature_count: 2,
            dev_users: 0,
            run: RunConfig::default(),
        }
    }
}

impl Default for ModelShape {
    fn default() -> Self {
        Self {
            d_model: 64,
            num_heads: 2,
            num_layers: 2,
            d_ff: 256,
            activation: Activation::Gelu,
            max_history: 200,
            gaps: true,
            values: true,
            user_features: true,
            statistics: false,
            title_words: false,
            popularity: 0.0,
        }
    }
}

impl Default for SegmentsConfig {
    fn default() -> Self {
        Self { d_ff: 16, gate: SegmentGate::Learned, prior_start: 1.0, prior_end: 0.1 }
    }
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            negatives: 0,
            item_dropout: 0.0,
            user_power: 0.0,
            truncate: 0.0,
            truncate_to: 5,
            horizon: 1,
            read_weight: 0.0,
            kinds: std::collections::BTreeMap::new(),
        }
    }
}

impl TrainConfig {
    /// Reads and checks the TOML file at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        Self::parse(&text).map_err(|reason| Error::Config { path: path.into(), reason })
    }

    /// Says which settings contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { objective, segments, .. } = self;
        self.run.check().map_err(|reason| format!("[run] {reason}"))?;
        self.shape().check().map_err(|reason| format!("[model] {reason}"))?;
        for (name, value) in
            [("item_dropout", objective.item_dropout), ("truncate", objective.truncate)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("[objective] `{name}` is {value}; it must be in 0 to 1"));
            }
        }
        let weights = objective.kinds.values().copied();
        let factors = [objective.user_power, objective.read_weight];
        if weights.chain(factors).any(|weight| !(0.0..=1e6).contains(&weight)) {
            return Err("[objective] weights and powers must be numbers from 0 upwards".into());
        }
        if !(segments.prior_start >= 0.0 && segments.prior_end >= 0.0) {
            return Err("[segments] the weights of the prior must be numbers from 0 upwards".into());
        }
        if segments.gate == SegmentGate::Swapped {
            return Err("[segments] `gate` = \"swapped\" is for evaluations alone".into());
        }
        if (1..256).contains(&objective.negatives) {
            return Err("[objective] `negatives` must be 0 (all items) or at least 256".into());
        }
        if objective.negatives > 0 && self.model.popularity > 0.0 {
            return Err(
                "[model] `popularity` needs all items: set [objective] `negatives` = 0".into()
            );
        }
        if self.batch_users == 0 {
            return Err("`batch_users` is 0".into());
        }
        Ok(())
    }

    /// The shape of the model, without what only the data can say.
    pub(super) fn shape(&self) -> RecommendationConfig {
        let ModelShape { d_model, num_heads, num_layers, d_ff, activation, max_history, .. } =
            self.model;
        RecommendationConfig {
            d_model,
            num_heads,
            num_layers,
            d_ff,
            activation,
            max_history,
            gate: self.segments.gate,
            statistics_in_tokens: self.model.statistics,
            popularity: self.model.popularity,
            ..RecommendationConfig::default()
        }
    }

    /// What describes items and users.
    pub(super) fn features(&self) -> FeatureRules {
        FeatureRules { min_count: self.min_feature_count, title_words: self.model.title_words }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        for (text, name) in [
            ("[model]\nd_modle = 8", "d_modle"),
            ("[model]\nnum_heads = 7", "num_heads 7"),
            ("[objective]\nitem_dropout = 1.0", "item_dropout"),
            ("[objective]\nnegatives = 10", "negatives"),
            ("[objective]\nread_weight = -1.0", "weights"),
            ("[run]\ndropout = 2.0", "[run] `dropout`"),
            ("[segments]\ngate = \"swapped\"", "swapped"),
        ] {
            let error = TrainConfig::parse(text).expect_err(text);
            assert!(error.contains(name), "{text}: {error}");
        }
    }

    #[test]
    fn every_config_of_the_repository_is_valid() -> anyhow::Result<()> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut count = 0;
        for entry in fs_err::read_dir(dir)? {
            let path = entry?.path();
            if path.to_string_lossy().contains("recommend-") {
                TrainConfig::load(&path)?;
                count += 1;
            }
        }
        assert!(count >= 4, "only {count} configs");
        Ok(())
    }
}
