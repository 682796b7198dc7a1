//! GShard (Lepikhin et al. 2020) as in fairseq's `Top2Gate` and NLLB: two experts a token.
//!
//! With `g₁ ≥ g₂` the two highest probabilities, `y = w₁·E₁(x) + w₂·E₂(x)` and `w = g / (g₁ + g₂)`,
//! divided before or after the tokens that do not fit were dropped.

use candle::{D, Tensor};
use serde::{Deserialize, Serialize};

use super::{Router, check_rate, check_top_k};
use crate::{
    Result,
    context::Context,
    kernels::visits::Visits,
    moe::{
        capacity::{Capacity, Room, Scope, drop_overflow},
        plan::{Gated, RoutingPlan, Tokens, masked, pick, scaled},
        router::GateWeights,
    },
    ops::rank::best,
};

/// Fields of [`Routing::Gshard`](super::Routing::Gshard); the defaults are fairseq's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GshardConfig {
    /// Which token keeps its second choice in training.
    pub second_expert: SecondExpert,
    /// Whether the two probabilities are divided by their sum before tokens are dropped; if
    /// after, a token that lost one choice gives the other all the weight.
    pub normalize_before_dropping: bool,
    /// Whether tokens with a high best probability go first, rather than early ones.
    pub batch_prioritized: bool,
    /// Tokens that an expert takes in training.
    pub capacity: Capacity,
    /// Tokens that an expert takes otherwise.
    pub eval_capacity: Capacity,
    /// Whose tokens share a capacity.
    pub capacity_scope: Scope,
    /// Probability with which the answer of an expert to a token is zeroed in training; otherwise
    /// all answers count `1 −` this (NLLB's expert output masking, Hugging Face's
    /// `moe_token_dropout`).
    pub expert_output_masking: f32,
}

/// Which token keeps its second choice in training; all keep it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondExpert {
    /// Every token visits the second best expert.
    All,
    /// The second is chosen after Gumbel noise has been added to the logits.
    Sampling,
    /// The second is visited with probability `2·p`, `p` being its probability.
    Random,
}

impl Default for GshardConfig {
    fn default() -> Self {
        Self {
            second_expert: SecondExpert::All,
            normalize_before_dropping: false,
            batch_prioritized: false,
            capacity: Capacity::Factor(2.0),
            eval_capacity: Capacity::Factor(2.0),
            capacity_scope: Scope::Batch,
            expert_output_masking: 0.0,
        }
    }
}

impl Router for GshardConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        self.capacity.check("capacity")?;
        self.eval_capacity.check("eval_capacity")?;
        check_rate("expert_output_masking", self.expert_output_masking)?;
        check_top_k(2, num_experts, "num_experts")
    }

    fn slots(&self, _num_experts: usize) -> usize {
        2
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let gated = &weights.gated(tokens, 0.0, context)?;
        let probs = gated.probs()?;
        let chosen = choose(self, gated, context);
        let gates = pick(&probs, &chosen, 2)?; // (N, 2)
        let mut kept = chosen.clone();
        if self.second_expert == SecondExpert::Random {
            let gates = match self.normalize_before_dropping {
                true => normalized(&gates)?,
                false => gates.clone(),
            };
            drop_second_at_random(&mut kept, &gates, context)?;
        }
        drop_what_does_not_fit(&mut kept, self, gated, &probs, context)?;
        let weights = match self.normalize_before_dropping {
            true => masked(&normalized(&gates)?, &kept)?,
            false => normalized(&masked(&gates, &kept)?)?,
        };
        let weights = mask_outputs(weights, self.expert_output_masking, context)?;
        let plan = gated.plan(probs, chosen, 2, weights);
        // The auxiliary loss counts first choices only (algorithm 1, line 13).
        Ok(RoutingPlan { experts: kept, counted_slots: 1, ..plan })
    }
}

/// The two experts of every row, `(N, 2)`.
fn choose(config: &GshardConfig, gated: &Gated<'_>, context: &Context) -> Vec<u32> {
    let count = gated.num_experts;
    let noise = match config.second_expert {
        SecondExpert::Sampling => context.uniform(gated.tokens.layout.rows() * count),
        _ => None,
    };
    let gumbel = |u: f32| -(-u.max(1e-20).ln()).ln();
    gated.choose(2, |row| {
        let logits = gated.row(row);
        let first = best(0..count as u32, 1, |e| logits[e as usize])[0];
        let others = (0..count as u32).filter(|&e| e != first);
        let second = best(others, 1, |e| {
            let noise = noise.as_ref().map_or(0.0, |u| gumbel(u[row * count + e as usize]));
            logits[e as usize] + noise
        })[0];
        vec![first, second]
    })
}

/// Keeps a second choice with probability `2·g₂`, in training.
fn drop_second_at_random(kept: &mut [u32], gates: &Tensor, context: &Context) -> Result<()> {
    let Some(numbers) = context.uniform(kept.len() / 2) else { return Ok(()) };
    let gates = gates.flatten_all()?.to_vec1::<f32>()?;
    for ((kept, gates), u) in kept.chunks_mut(2).zip(gates.chunks(2)).zip(numbers) {
        if 2.0 * gates[1] <= u {
            kept[1] = Visits::NONE;
        }
    }
    Ok(())
}

fn drop_what_does_not_fit(
    kept: &mut [u32],
    config: &GshardConfig,
    gated: &Gated<'_>,
    probs: &Tensor,
    context: &Context,
) -> Result<()> {
    let capacity = match context.is_training() {
        true => config.capacity,
        false => config.eval_capacity,
    };
    let importance = match config.batch_prioritized {
        true => Some(probs.max(D::Minus1)?.to_vec1::<f32>()?),
        false => None,
    };
    for mut rows in gated.tokens.scopes(config.capacity_scope) {
        if let Some(importance) = &importance {
            rows.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
        }
        let capacity = capacity.of(rows.len(), gated.num_experts);
        drop_overflow(kept, 2, &rows, Room { capacity, num_experts: gated.num_experts });
    }
    Ok(())
}

/// `gates` `(N, 2)` divided by their sums, of which none is taken to be zero.
fn normalized(gates: &Tensor) -> Result<Tensor> {
    let sums = gates.sum_keepdim(D::Minus1)?.maximum(f32::EPSILON)?;
    Ok(gates.broadcast_div(&sums)?)
}

/// Expert output masking: whole answers are zeroed in training, and not scaled; otherwise all
/// count as much as they did on average.
fn mask_outputs(weights: Tensor, rate: f32, context: &Context) -> Result<Tensor> {
    if rate == 0.0 {
        return Ok(weights);
    }
    match context.uniform(weights.elem_count()) {
        Some(numbers) => {
            let factor = |u| if u < rate { 0.0 } else { 1.0 };
            scaled(&weights, numbers.into_iter().map(factor).collect())
        }
        None => Ok((weights * f64::from(1.0 - rate))?),
    }
}
