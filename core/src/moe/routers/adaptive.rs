//! As many experts as a token needs (Huang et al. 2024, "Harder tasks need more experts", eq. 3 to 5).
//!
//! A token visits the smallest set of experts whose probabilities sum to at least `threshold`, but
//! at most `top_k`; the weights are the probabilities.

use candle::D;
use serde::{Deserialize, Serialize};

use super::{Router, check_top_k};
use crate::{
    Result,
    context::Context,
    moe::{
        plan::{RoutingPlan, Tokens, pick},
        router::GateWeights,
    },
    ops::rank::best,
};

/// Fields of [`Routing::Adaptive`](super::Routing::Adaptive).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveConfig {
    /// A token visits the fewest experts whose probabilities sum to at least this.
    pub threshold: f64,
    /// Most experts that it visits.
    pub top_k: usize,
    /// Whether the weights are divided by their sum; if not, they are the probabilities.
    pub normalize: bool,
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self { threshold: 0.4, top_k: 4, normalize: false }
    }
}

impl Router for AdaptiveConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            return Err(format!("threshold {} must be in (0, 1]", self.threshold));
        }
        check_top_k(self.top_k, num_experts, "num_experts")
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
        let probs = gated.probs()?;
        let values = probs.flatten_all()?.to_vec1::<f32>()?;
        let (top_k, count) = (self.top_k, gated.num_experts);
        let chosen = gated.choose(top_k, |row| {
            let probs = &values[row * count..][..count];
            let mut experts = best(0..count as u32, top_k, |e| probs[e as usize]);
            let mut sum = 0.0;
            let enough = experts.iter().position(|&expert| {
                sum += f64::from(probs[expert as usize]);
                sum >= self.threshold
            });
            experts.truncate(enough.map_or(top_k, |last| last + 1));
            experts
        });
        let mut weights = pick(&probs, &chosen, top_k)?; // (N, K)
        if self.normalize {
            // Rows between sentences have no visit, and their sum is zero.
            let sums = weights.sum_keepdim(D::Minus1)?.maximum(f32::EPSILON)?;
            weights = weights.broadcast_div(&sums)?;
        }
        Ok(gated.plan(probs, chosen, top_k, weights))
    }
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[(r#"{ "kind": "adaptive", "threshold": 0 }"#, "threshold 0 must be in (0, 1]")]);
    }
}
