//! Switch Transformer (Fedus et al. 2021): one expert a token, weighted by its probability.
//!
//! `y = p_i(x) · E_i(x)` with `i = argmax p(x)` (eq. 2); a token that does not fit into the
//! capacity of its expert passes by (section 2.2).

use super::{
    capacity::drop_overflow,
    config::SwitchConfig,
    plan::{Gated, Plan, pick},
    rank::best,
};
use crate::{Result, context::Context};

pub(super) fn plan(config: &SwitchConfig, gated: &Gated<'_>, context: &Context) -> Result<Plan> {
    let experts = 0..gated.num_experts as u32;
    let chosen = gated.choose(1, |row| best(experts.clone(), 1, |e| gated.row(row)[e as usize]));
    let capacity = match context.is_training() {
        true => config.capacity,
        false => config.eval_capacity,
    };
    let mut kept = chosen.clone();
    for rows in gated.tokens.scopes(config.capacity_scope) {
        let capacity = capacity.of(rows.len(), gated.num_experts);
        drop_overflow(&mut kept, 1, &rows, (capacity, gated.num_experts));
    }
    let probs = gated.probs()?;
    let weights = pick(&probs, (&kept, 1))?;
    let plan = gated.plan(probs, (chosen, 1), weights);
    Ok(Plan { experts: kept, ..plan })
}
