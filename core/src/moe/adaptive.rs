//! As many experts as a token needs (Huang et al. 2024, "Harder tasks need more experts", eq. 3 to 5).
//!
//! A token visits the smallest set of experts whose probabilities sum to at least `threshold`, but
//! at most `top_k`; the weights are the probabilities.

use candle::D;

use super::{
    config::AdaptiveConfig,
    plan::{Gated, Plan, pick},
    rank::best,
};
use crate::Result;

pub(super) fn plan(config: &AdaptiveConfig, gated: &Gated<'_>) -> Result<Plan> {
    let probs = gated.probs()?;
    let values = probs.flatten_all()?.to_vec1::<f32>()?;
    let (top_k, count) = (config.top_k, gated.num_experts);
    let chosen = gated.choose(top_k, |row| {
        let probs = &values[row * count..][..count];
        let mut experts = best(0..count as u32, top_k, |e| probs[e as usize]);
        let mut sum = 0.0;
        let enough = experts.iter().position(|&expert| {
            sum += f64::from(probs[expert as usize]);
            sum >= config.threshold
        });
        experts.truncate(enough.map_or(top_k, |last| last + 1));
        experts
    });
    let mut weights = pick(&probs, (&chosen, top_k))?; // (N, K)
    if config.normalize {
        // Rows between sentences have no visit, and their sum is zero.
        let sums = weights.sum_keepdim(D::Minus1)?.maximum(f32::EPSILON)?;
        weights = weights.broadcast_div(&sums)?;
    }
    Ok(gated.plan(probs, (chosen, top_k), weights))
}
