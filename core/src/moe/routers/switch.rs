//! Switch Transformer (Fedus et al. 2021): one expert a token, weighted by its probability.
//!
//! `y = p_i(x) · E_i(x)` with `i = argmax p(x)` (eq. 2); a token that does not fit into the
//! capacity of its expert passes by (section 2.2).

use serde::{Deserialize, Serialize};

use super::{Router, check_rate};
use crate::{
    Result,
    context::Context,
    moe::{
        capacity::{Capacity, Room, Scope, drop_overflow},
        plan::{RoutingPlan, Tokens, pick},
        router::GateWeights,
    },
    ops::rank::best,
};

/// Fields of [`Routing::Switch`](super::Routing::Switch).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwitchConfig {
    /// Tokens that an expert takes in training.
    pub capacity: Capacity,
    /// Tokens that an expert takes otherwise.
    pub eval_capacity: Capacity,
    /// Whose tokens share a capacity.
    pub capacity_scope: Scope,
    /// In training the gate sees its input times a number from `[1 − jitter, 1 + jitter]`.
    pub jitter: f32,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            capacity: Capacity::Factor(1.25),
            eval_capacity: Capacity::Factor(2.0),
            capacity_scope: Scope::Batch,
            jitter: 0.01,
        }
    }
}

impl Router for SwitchConfig {
    fn check(&self, _num_experts: usize, _causal: bool) -> Result<(), String> {
        self.capacity.check("capacity")?;
        self.eval_capacity.check("eval_capacity")?;
        check_rate("jitter", self.jitter)
    }

    fn slots(&self, _num_experts: usize) -> usize {
        1
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let gated = &weights.gated(tokens, self.jitter, context)?;
        let experts = 0..gated.num_experts as u32;
        let chosen =
            gated.choose(1, |row| best(experts.clone(), 1, |e| gated.row(row)[e as usize]));
        let capacity = match context.is_training() {
            true => self.capacity,
            false => self.eval_capacity,
        };
        let mut kept = chosen.clone();
        for rows in gated.tokens.scopes(self.capacity_scope) {
            let capacity = capacity.of(rows.len(), gated.num_experts);
            drop_overflow(&mut kept, 1, &rows, Room { capacity, num_experts: gated.num_experts });
        }
        let probs = gated.probs()?;
        let weights = pick(&probs, &kept, 1)?;
        let plan = gated.plan(probs, chosen, 1, weights);
        Ok(RoutingPlan { experts: kept, ..plan })
    }
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[
            (r#"{ "kind": "switch", "capacity": { "tokens": 0 } }"#, "capacity of 0 tokens"),
            (r#"{ "kind": "switch", "jitter": 1.5 }"#, "jitter 1.5 must be in [0, 1)"),
        ]);
    }
}
