//! Expert choice (Zhou et al. 2022, section 3.2): every expert takes its `c·n/E` best tokens.
//!
//! `S = softmax(X · W)`; the weight of a visit is `S` itself. All experts are equally loaded; a
//! token may be taken by several, or by none.

use serde::{Deserialize, Serialize};

use super::{Router, check_not_causal};
use crate::{
    Result,
    context::Context,
    kernels::visits::Visits,
    moe::{
        capacity::Scope,
        plan::{RoutingPlan, Tokens, pick},
        router::GateWeights,
    },
    ops::rank::best,
};

/// Fields of [`Routing::ExpertChoice`](super::Routing::ExpertChoice).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertChoiceConfig {
    /// Experts that a token visits on average, `c`: each expert takes `⌈c·n/E⌉` of `n` tokens.
    pub capacity_factor: f64,
    /// Among whose tokens an expert chooses; with `sentence`, neighbours in a batch change nothing.
    pub scope: Scope,
}

impl Default for ExpertChoiceConfig {
    fn default() -> Self {
        Self { capacity_factor: 2.0, scope: Scope::Sentence }
    }
}

impl Router for ExpertChoiceConfig {
    fn check(&self, _num_experts: usize, causal: bool) -> Result<(), String> {
        check_not_causal("expert_choice", causal)?;
        match self.capacity_factor > 0.0 && self.capacity_factor.is_finite() {
            true => Ok(()),
            false => {
                Err(format!("capacity_factor {} must be a number above 0", self.capacity_factor))
            }
        }
    }

    fn slots(&self, num_experts: usize) -> usize {
        num_experts
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
        let count = gated.num_experts;
        let mut experts_of: Vec<Vec<u32>> = vec![Vec::new(); gated.tokens.layout.rows()];
        for rows in gated.tokens.scopes(self.scope) {
            let taken = (self.capacity_factor * rows.len() as f64 / count as f64).ceil() as usize;
            for expert in 0..count {
                let score = |row: u32| values[row as usize * count + expert];
                for row in best(rows.iter().map(|&row| row as u32), taken, score) {
                    experts_of[row as usize].push(expert as u32);
                }
            }
        }
        let slots = experts_of.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut chosen = vec![Visits::NONE; experts_of.len() * slots];
        for (row, experts) in experts_of.iter().enumerate() {
            chosen[row * slots..][..experts.len()].copy_from_slice(experts);
        }
        let weights = pick(&probs, &chosen, slots)?;
        Ok(gated.plan(probs, chosen, slots, weights))
    }
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[(r#"{ "kind": "expert_choice" }"#, "in an encoder only")]);
    }
}
