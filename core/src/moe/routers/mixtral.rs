//! Mixtral (Jiang et al. 2024, section 2.1): `w = softmax(top-k(x · W))`.

use candle::D;
use candle_nn::ops::softmax;
use serde::{Deserialize, Serialize};

use super::{Router, check_rate, check_top_k};
use crate::{
    Result,
    context::Context,
    moe::{
        plan::{RoutingPlan, Tokens, masked, pick},
        router::GateWeights,
    },
    ops::rank::best,
};

/// Fields of [`Routing::Mixtral`](super::Routing::Mixtral).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixtralConfig {
    /// Experts that each token visits (`num_experts_per_tok`).
    pub top_k: usize,
    /// As in [`SwitchConfig::jitter`](super::SwitchConfig::jitter) (`router_jitter_noise`).
    pub jitter: f32,
}

impl Default for MixtralConfig {
    fn default() -> Self {
        Self { top_k: 2, jitter: 0.0 }
    }
}

impl Router for MixtralConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        check_rate("jitter", self.jitter)?;
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
        let gated = weights.gated(tokens, self.jitter, context)?;
        let (top_k, experts) = (self.top_k, 0..gated.num_experts as u32);
        let chosen =
            gated.choose(top_k, |row| best(experts.clone(), top_k, |e| gated.row(row)[e as usize]));
        let logits = pick(&gated.logits, &chosen, top_k)?; // (N, K)
        let weights = masked(&softmax(&logits, D::Minus1)?, &chosen)?;
        Ok(gated.plan(gated.probs()?, chosen, top_k, weights))
    }
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[
            (r#"{ "kind": "mixtral", "top_k": 9 }"#, "top_k 9 must be between 1 and num_experts 8"),
            (r#"{ "kind": "mixtral", "top_k": 0 }"#, "top_k 0 must be between 1 and num_experts 8"),
        ]);
    }
}
