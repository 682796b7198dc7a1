//! Mixtral (Jiang et al. 2024, section 2.1): `w = softmax(top-k(x · W))`.

use candle::D;
use candle_nn::ops::softmax;

use super::{
    config::MixtralConfig,
    plan::{Gated, Plan, masked, pick},
    rank::best,
};
use crate::Result;

pub(super) fn plan(config: &MixtralConfig, gated: &Gated<'_>) -> Result<Plan> {
    let (top_k, experts) = (config.top_k, 0..gated.num_experts as u32);
    let chosen =
        gated.choose(top_k, |row| best(experts.clone(), top_k, |e| gated.row(row)[e as usize]));
    let logits = pick(&gated.logits, (&chosen, top_k))?; // (N, K)
    let weights = masked(&softmax(&logits, D::Minus1)?, &chosen)?;
    Ok(gated.plan(gated.probs()?, (chosen, top_k), weights))
}
