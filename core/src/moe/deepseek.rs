//! The gates of DeepSeek-V2 and V3: the best experts of the best groups of experts.

use candle::{D, Tensor};
use candle_nn::ops::sigmoid;

use super::{
    config::{DeepseekV2Config, DeepseekV3Config, Masked},
    plan::{Gated, Plan, pick},
    rank::{best, best_as_torch},
};
use crate::Result;

/// Which part of the experts a row may choose, and how many of it.
struct Limits {
    top_k: usize,
    n_group: usize,
    topk_group: usize,
    /// Experts whose scores are added up to the score of their group.
    counted: usize,
    masked: Masked,
}

/// DeepSeek-V2 (2024, section 2.2.2): softmax scores; a group scores as its best expert.
pub(super) fn plan_v2(config: &DeepseekV2Config, gated: &Gated<'_>) -> Result<Plan> {
    let DeepseekV2Config { top_k, n_group, topk_group, .. } = *config;
    let limits = Limits { top_k, n_group, topk_group, counted: 1, masked: Masked::Never };
    let chosen = gated.choose(top_k, |row| limits.choose(gated.row(row)));
    let probs = gated.probs()?;
    let weights = pick(&probs, (&chosen, top_k))?;
    let weights = match config.norm_topk_prob && top_k > 1 {
        true => normalized(&weights)?,
        false => (weights * config.routed_scaling_factor)?,
    };
    Ok(gated.plan(probs, (chosen, top_k), weights))
}

/// DeepSeek-V3 (2024, section 2.1.2): sigmoid scores `s`; the choice looks at `s + correction`,
/// the weights at `s`; a group scores as its best two experts together.
pub(super) fn plan_v3(
    config: &DeepseekV3Config,
    correction: &[f32],
    gated: &Gated<'_>,
) -> Result<Plan> {
    let DeepseekV3Config { top_k, n_group, topk_group, masked, .. } = *config;
    let limits = Limits { top_k, n_group, topk_group, counted: 2, masked };
    let corrected = |(logit, bias): (&f32, &f32)| 1.0 / (1.0 + (-logit).exp()) + bias;
    let chosen = gated.choose(top_k, |row| {
        let scores: Vec<f32> = gated.row(row).iter().zip(correction).map(corrected).collect();
        limits.choose(&scores)
    });
    let scores = sigmoid(&gated.logits)?; // (N, E)
    let weights = pick(&scores, (&chosen, top_k))?;
    let weights = match config.norm_topk_prob {
        true => normalized(&weights)?,
        false => weights,
    };
    let weights = (weights * config.routed_scaling_factor)?;
    // The sequence-wise balance loss (eq. 19) sees the scores as shares.
    let probs = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
    Ok(gated.plan(probs, (chosen, top_k), weights))
}

/// `weights` `(N, K)` divided by their sums.
fn normalized(weights: &Tensor) -> Result<Tensor> {
    Ok(weights.broadcast_div(&(weights.sum_keepdim(D::Minus1)? + 1e-20)?)?)
}

impl Limits {
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
}
