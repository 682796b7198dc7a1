//! The gates of DeepSeek-V2 and V3: the best experts of the best groups of experts.

use candle::{D, Tensor};
use candle_nn::ops::sigmoid;
use serde::{Deserialize, Serialize};

use super::{Router, check_at_most, check_top_k, group_size};
use crate::{
    Result,
    context::Context,
    moe::{
        plan::{RoutingPlan, Tokens, pick},
        router::{GateShape, GateWeights},
    },
    ops::rank::{best, best_as_torch},
    params::{Builder, Init},
};

/// Fields of [`Routing::DeepseekV2`](super::Routing::DeepseekV2), named as in its published `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepseekV2Config {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// Groups of equally many neighbouring experts; 1 is `greedy`, more `group_limited_greedy`.
    pub n_group: usize,
    /// Groups that a token may visit: those with the best experts.
    pub topk_group: usize,
    /// Whether the weights are divided by their sum; if not, they are scaled.
    pub norm_topk_prob: bool,
    /// Factor of weights that are not normalised.
    pub routed_scaling_factor: f64,
}

/// Fields of [`Routing::DeepseekV3`](super::Routing::DeepseekV3), named as in its published `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepseekV3Config {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// Groups of equally many neighbouring experts.
    pub n_group: usize,
    /// Groups that a token may visit: those whose best two experts have the highest sum.
    pub topk_group: usize,
    /// Whether the weights are divided by their sum.
    pub norm_topk_prob: bool,
    /// Factor of all weights.
    pub routed_scaling_factor: f64,
    /// What the experts of other groups score.
    pub masked: Masked,
}

/// What the experts outside the chosen groups score: matters only when a correction makes the
/// scores inside negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masked {
    /// Zero, as in Hugging Face transformers.
    Zero,
    /// Less than all others, as in DeepSeek's own inference code: they are never visited.
    Never,
}

impl Default for DeepseekV2Config {
    fn default() -> Self {
        Self {
            top_k: 6,
            n_group: 8,
            topk_group: 3,
            norm_topk_prob: false,
            routed_scaling_factor: 16.0,
        }
    }
}

impl Default for DeepseekV3Config {
    fn default() -> Self {
        Self {
            top_k: 8,
            n_group: 8,
            topk_group: 4,
            norm_topk_prob: true,
            routed_scaling_factor: 2.5,
            masked: Masked::Zero,
        }
    }
}

/// Which part of the experts a row may choose, and how many of it.
struct Limits {
    top_k: usize,
    n_group: usize,
    topk_group: usize,
    /// Experts whose scores are added up to the score of their group.
    counted: usize,
    masked: Masked,
}

impl DeepseekV2Config {
    /// A group scores as its best expert.
    fn limits(&self) -> Limits {
        let Self { top_k, n_group, topk_group, .. } = *self;
        Limits { top_k, n_group, topk_group, counted: 1, masked: Masked::Never }
    }
}

impl DeepseekV3Config {
    /// A group scores as its best two experts together.
    fn limits(&self) -> Limits {
        let Self { top_k, n_group, topk_group, masked, .. } = *self;
        Limits { top_k, n_group, topk_group, counted: 2, masked }
    }
}

/// DeepSeek-V2 (2024, section 2.2.2): softmax scores.
impl Router for DeepseekV2Config {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        let limits = self.limits();
        check_scale(self.routed_scaling_factor)?;
        limits.check(num_experts)
    }

    fn slots(&self, _num_experts: usize) -> usize {
        self.top_k
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let gated = weights.gated(tokens, 0.0, context)?;
        let (top_k, limits) = (self.top_k, self.limits());
        let chosen = gated.choose(top_k, |row| limits.choose(gated.row(row)));
        let probs = gated.probs()?;
        let weights = pick(&probs, &chosen, top_k)?;
        let weights = match self.norm_topk_prob && top_k > 1 {
            true => normalized(&weights)?,
            false => (weights * self.routed_scaling_factor)?,
        };
        Ok(gated.plan(probs, chosen, top_k, weights))
    }
}

/// DeepSeek-V3 (2024, section 2.1.2): sigmoid scores `s`; the choice looks at `s + correction`, the
/// weights at `s`.
impl Router for DeepseekV3Config {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        let limits = self.limits();
        check_scale(self.routed_scaling_factor)?;
        limits.check(num_experts)
    }

    fn slots(&self, _num_experts: usize) -> usize {
        self.top_k
    }

    fn weights(&self, shape: &GateShape, vb: &Builder<'_>) -> Result<GateWeights> {
        let gate = GateWeights::of_gate(shape, vb)?;
        let correction = vb.get(shape.num_experts, "correction_bias", Init::Zeros)?;
        correction.set_trainable(false);
        Ok(GateWeights { correction: Some(correction), ..gate })
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let gated = weights.gated(tokens, 0.0, context)?;
        let correction = weights.correction_values()?;
        let (top_k, limits) = (self.top_k, self.limits());
        let corrected = |(logit, bias): (&f32, &f32)| 1.0 / (1.0 + (-logit).exp()) + bias;
        let chosen = gated.choose(top_k, |row| {
            let scores: Vec<f32> = gated.row(row).iter().zip(&correction).map(corrected).collect();
            limits.choose(&scores)
        });
        let scores = sigmoid(&gated.logits)?; // (N, E)
        let weights = pick(&scores, &chosen, top_k)?;
        let weights = match self.norm_topk_prob {
            true => normalized(&weights)?,
            false => weights,
        };
        let weights = (weights * self.routed_scaling_factor)?;
        // The sequence-wise balance loss (eq. 19) sees the scores as shares.
        let probs = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
        Ok(gated.plan(probs, chosen, top_k, weights))
    }
}

/// Checks the factor of all weights.
fn check_scale(factor: f64) -> Result<(), String> {
    match factor.is_finite() && factor > 0.0 {
        true => Ok(()),
        false => Err(format!("routed_scaling_factor {factor} must be a number above 0")),
    }
}

/// `weights` `(N, K)` divided by their sums.
fn normalized(weights: &Tensor) -> Result<Tensor> {
    Ok(weights.broadcast_div(&(weights.sum_keepdim(D::Minus1)? + 1e-20)?)?)
}

impl Limits {
    fn check(&self, num_experts: usize) -> Result<(), String> {
        let Self { top_k, n_group, topk_group, counted, .. } = *self;
        let size = group_size(num_experts, n_group, "n_group")?;
        if size < counted {
            return Err(format!("a group of {size} experts is too small: it needs {counted}"));
        }
        check_at_most("topk_group", topk_group, n_group, "n_group")?;
        check_top_k(top_k, topk_group * size, "the experts of the chosen groups,")
    }

    /// The best experts of the best groups, best first.
    fn choose(&self, scores: &[f32]) -> Vec<u32> {
        let size = scores.len() / self.n_group;
        let score = |e: u32| scores[e as usize];
        let members = |group: u32| group * size as u32..(group + 1) * size as u32;
        let group_score: Vec<f32> = (0..self.n_group as u32)
            .map(|g| best(members(g), self.counted, score).into_iter().map(score).sum())
            .collect();
        let groups = 0..self.n_group as u32;
        let mut groups = best(groups, self.topk_group, |g| group_score[g as usize]);
        groups.sort_unstable();
        match self.masked {
            Masked::Never => best(groups.into_iter().flat_map(members), self.top_k, score),
            Masked::Zero => {
                let inside = |e: u32| groups.contains(&(e / size as u32));
                let score = |e| if inside(e) { score(e) } else { 0.0 };
                // Masked experts are equal: which of them is chosen is torch's to say.
                let masked: Vec<f32> = (0..scores.len() as u32).map(score).collect();
                best(best_as_torch(&masked, self.top_k), self.top_k, score)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moe::routers::tests::refuses;

    #[test]
    fn experts_outside_the_best_groups_are_passed_over() {
        let scores = [0.9, 0.0, 0.5, 0.45, 0.6, 0.1, 0.2, 0.2];
        let limits =
            |counted, masked| Limits { top_k: 3, n_group: 4, topk_group: 2, counted, masked };
        // By the best expert groups 0 and 2, by the best two groups 1 (0.95) and 0 (0.9).
        assert_eq!(limits(1, Masked::Never).choose(&scores), [0, 4, 5]);
        assert_eq!(limits(2, Masked::Never).choose(&scores), [0, 2, 3]);
        assert_eq!(limits(2, Masked::Zero).choose(&scores), [0, 2, 3]);
    }

    #[test]
    fn a_score_below_zero_loses_to_a_masked_one_only_if_that_counts_zero() {
        let scores = [0.9, -0.1, -0.5, -0.9];
        let limits = |masked| Limits { top_k: 2, n_group: 2, topk_group: 1, counted: 2, masked };
        assert_eq!(limits(Masked::Never).choose(&scores), [0, 1]);
        assert_eq!(limits(Masked::Zero).choose(&scores), [0, 2]);
    }

    #[test]
    fn contradictions_are_refused() {
        refuses(&[
            (r#"{ "kind": "deepseek_v3", "n_group": 3 }"#, "n_group 3 must divide num_experts 8"),
            (r#"{ "kind": "deepseek_v3", "n_group": 8 }"#, "a group of 1 experts is too small"),
            (
                r#"{ "kind": "deepseek_v2", "n_group": 4, "topk_group": 1, "top_k": 3 }"#,
                "top_k 3 must be between 1 and the experts of the chosen groups, 2",
            ),
        ]);
    }
}
