//! Expert choice (Zhou et al. 2022, section 3.2): every expert takes its `c·n/E` best tokens.
//!
//! `S = softmax(X · W)`; the weight of a visit is `S` itself. All experts are equally loaded; a
//! token may be taken by several, or by none.

use super::{
    config::ExpertChoiceConfig,
    plan::{Gated, Plan, pick},
    rank::best,
};
use crate::{Result, kernels::visits::Visits};

pub(super) fn plan(config: &ExpertChoiceConfig, gated: &Gated<'_>) -> Result<Plan> {
    let probs = gated.probs()?;
    let values = probs.flatten_all()?.to_vec1::<f32>()?;
    let count = gated.num_experts;
    let mut experts_of: Vec<Vec<u32>> = vec![Vec::new(); gated.tokens.layout.rows()];
    for rows in gated.tokens.scopes(config.scope) {
        let taken = (config.capacity_factor * rows.len() as f64 / count as f64).ceil() as usize;
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
    let weights = pick(&probs, (&chosen, slots))?;
    Ok(gated.plan(probs, (chosen, slots), weights))
}
