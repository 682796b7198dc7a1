//! The shape of a recommendation model.

use serde::{Deserialize, Serialize};

use super::{Activation, MAX_LAYERS, MAX_POSITIONS, MAX_VOCABULARY, MAX_WIDTH, at_most};
pub use crate::moe::routers::segments::SegmentGate;

/// Shape of a causal transformer over a user's events, with segment experts.
///
/// Holds no count of experts: the register, `experts.json`, lists them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecommendationConfig {
    /// Items with an embedding of their own, `V`: those that were there in training.
    pub num_items: usize,
    /// Content features of items, such as genres.
    pub num_features: usize,
    /// Features of users, such as occupations.
    pub num_user_features: usize,
    /// Kinds of event.
    pub num_kinds: usize,
    /// Upper ends of all buckets of values but the last, ascending; empty if values say nothing.
    pub value_edges: Vec<f32>,
    /// Buckets of time between an event and the next, by powers of two of a second; 0 if times are
    /// unknown.
    pub num_gaps: usize,
    /// Statistics of behaviour that the gate reads.
    pub num_statistics: usize,
    /// Whether every token is told the statistics, too, by a vector for each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub statistics_in_tokens: bool,
    /// Width of the model, `D`.
    pub d_model: usize,
    /// Attention heads, `H`; divides `d_model`.
    pub num_heads: usize,
    /// Blocks of attention and feed-forward network.
    pub num_layers: usize,
    /// Inner width of the feed-forward network that every token passes, the shared expert.
    pub d_ff: usize,
    /// Non-linearity of all feed-forward networks.
    pub activation: Activation,
    /// Events that the model sees, the last ones.
    pub max_history: usize,
    /// How the segment experts are weighed; means nothing in a model without any.
    pub gate: SegmentGate,
    /// What the logarithm of (one more than) the popularity of the moment counts in the logit of an
    /// item: 1 leaves to the rest of the model how much more or less than others a user likes it.
    pub popularity: f32,
}

impl Default for RecommendationConfig {
    fn default() -> Self {
        Self {
            num_items: 1,
            num_features: 0,
            num_user_features: 0,
            num_kinds: 1,
            value_edges: Vec::new(),
            num_gaps: 0,
            num_statistics: 0,
            statistics_in_tokens: false,
            d_model: 64,
            num_heads: 2,
            num_layers: 2,
            d_ff: 256,
            activation: Activation::Gelu,
            max_history: 200,
            gate: SegmentGate::Learned,
            popularity: 0.0,
        }
    }
}

impl RecommendationConfig {
    /// Says what is wrong, if the fields contradict each other.
    pub fn check(&self) -> Result<(), String> {
        let Self { d_model, num_heads, num_items, num_kinds, .. } = *self;
        for (name, size, most) in [
            ("num_items", num_items, MAX_VOCABULARY),
            ("num_features", self.num_features, MAX_VOCABULARY),
            ("num_user_features", self.num_user_features, MAX_VOCABULARY),
            ("num_kinds", num_kinds, MAX_WIDTH),
            ("num_gaps", self.num_gaps, MAX_WIDTH),
            ("num_statistics", self.num_statistics, MAX_WIDTH),
            ("d_model", d_model, MAX_WIDTH),
            ("num_heads", num_heads, MAX_WIDTH),
            ("num_layers", self.num_layers, MAX_LAYERS),
            ("d_ff", self.d_ff, MAX_WIDTH),
            ("max_history", self.max_history, MAX_POSITIONS),
        ] {
            at_most(name, size, most)?;
        }
        if num_heads == 0 || d_model % num_heads != 0 || d_model == 0 {
            return Err(format!("num_heads {num_heads} must divide d_model {d_model}"));
        }
        if self.num_layers == 0 || self.d_ff == 0 || self.max_history == 0 {
            return Err("num_layers, d_ff and max_history must be at least 1".into());
        }
        if num_items == 0 || num_kinds == 0 {
            return Err("num_items and num_kinds must be at least 1".into());
        }
        if !(0.0..=10.0).contains(&self.popularity) {
            return Err(format!("popularity {} must be in 0 to 10", self.popularity));
        }
        if !self.value_edges.is_sorted_by(|a, b| a < b) {
            return Err("value_edges must ascend".into());
        }
        Ok(())
    }

    /// Names of the layers, such as `layers.1`: all of them hold the segment experts.
    pub fn layers(&self) -> Vec<String> {
        (0..self.num_layers).map(|i| format!("layers.{i}")).collect()
    }

    /// What an item of this popularity gets for it in its logit.
    pub fn popularity_logit(&self, count: f32) -> f32 {
        let log = if count > 0.0 { count.min(1e9).ln_1p() } else { 0.0 };
        self.popularity * log
    }

    /// The bucket of a value, below `value_edges.len() + 1`; numbers that are none count as the
    /// lowest.
    pub fn value_bucket(&self, value: f32) -> u32 {
        self.value_edges.partition_point(|&edge| edge < value) as u32
    }

    /// The bucket of so many seconds until the next event, below `num_gaps`.
    pub fn gap_bucket(&self, seconds: i64) -> u32 {
        let bucket = match u64::try_from(seconds) {
            Ok(0) | Err(_) => 0,
            Ok(seconds) => seconds.ilog2() + 1,
        };
        bucket.min(self.num_gaps.saturating_sub(1) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_times_fall_into_buckets() {
        let edges = vec![1.0, 2.0];
        let config = RecommendationConfig { value_edges: edges, num_gaps: 8, ..Default::default() };
        assert_eq!([0.5, 1.0, 1.5, 3.0, f32::NAN].map(|v| config.value_bucket(v)), [0, 0, 1, 2, 0]);
        assert_eq!(
            [-5, 0, 1, 2, 3, 4, 1 << 40].map(|s| config.gap_bucket(s)),
            [0, 0, 1, 2, 2, 3, 7]
        );
    }

    #[test]
    fn a_contradiction_is_named() {
        let config = RecommendationConfig { num_heads: 3, ..Default::default() };
        assert_eq!(config.check(), Err("num_heads 3 must divide d_model 64".into()));
    }
}
