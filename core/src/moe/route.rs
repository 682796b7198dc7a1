//! Our own preset: the route of a sentence, known beforehand, names a group of experts, and a gate
//! picks the best of it. The same choice as in [`crate::layers::moe`], where experts come and go.

use super::{
    config::RouteConfig,
    plan::{Cells, Gate, Gated, Plan, Tokens, masked},
};
use crate::{
    Error, Result,
    context::Context,
    kernels::visits::Visits,
    ops::{self, Groups},
};

/// Plans the visits; expert dropout of `context` is already in the weights.
pub(super) fn plan(config: &RouteConfig, gated: &Gated<'_>, context: &Context) -> Result<Plan> {
    let routes = routes_of(gated.tokens, config)?;
    let as_index = |group: &Vec<u32>| group.iter().map(|&expert| expert as usize).collect();
    let groups: Vec<Vec<usize>> = config.groups.iter().map(as_index).collect();
    let active: Vec<usize> = (0..gated.num_experts).collect();
    let groups = Groups::new(routes, &groups, &active, config.top_k);
    let choice = ops::choose(&gated.logits, &groups, false, context)?;
    let mut cells = Cells::one(gated.tokens, gated.num_experts);
    cells.members.clone_from(&config.groups);
    let mut experts = choice.experts;
    for ((cell, &route), experts) in
        cells.of_row.iter_mut().zip(routes).zip(experts.chunks_mut(config.top_k))
    {
        match *cell {
            Visits::NONE => experts.fill(Visits::NONE),
            _ => *cell = route,
        }
    }
    Ok(Plan {
        num_experts: gated.num_experts,
        slots: config.top_k,
        weights: masked(&choice.weights, &experts)?,
        chosen: experts.clone(),
        experts,
        gate: Some(Gate {
            logits: gated.logits.clone(),
            probs: ops::group_probs(&gated.logits, &groups)?,
        }),
        cells,
        counted_slots: config.top_k,
    })
}

fn routes_of<'a>(tokens: &Tokens<'a>, config: &RouteConfig) -> Result<&'a [u32]> {
    let Some(routes) = tokens.routes else {
        let reason = "`route` needs the route of every row: give it beside the tokens";
        return Err(Error::Invalid(reason.into()));
    };
    match routes.iter().find(|&&route| route as usize >= config.groups.len()) {
        Some(route) => {
            let reason = format!("route {route} of {} is not known", config.groups.len());
            Err(Error::Invalid(reason))
        }
        None => Ok(routes),
    }
}
