//! Our own rule: the route of a row, known beforehand, names a group of experts, and a gate picks the
//! best of the group.
//!
//! For a token of route `r` with group `G_r` (Fedus et al. 2021, section 2.1, within the group;
//! weights normalised over the chosen experts as in Mixtral, 2024):
//! `y = Σ_{e ∈ top-k(G_r)} softmax_k(g_e · x) · E_e(x)`. For `k = 1` the weight is the probability
//! within the group. Where each expert brings its own row of the gate, experts outside the groups of
//! a batch are not touched.

use serde::{Deserialize, Serialize};

use super::{Router, check_top_k};
use crate::{
    Error, Result,
    context::Context,
    kernels::visits::Visits,
    moe::{
        plan::{Cells, Gate, Gated, RoutingPlan, Tokens, masked},
        router::GateWeights,
    },
    ops::{self, Groups},
    register::RowRoute,
};

/// Fields of [`Routing::Route`](super::Routing::Route).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The experts of each route, by slot.
    pub groups: Vec<Vec<u32>>,
    /// Experts of its group that each token visits.
    pub top_k: usize,
}

impl Router for RouteConfig {
    fn check(&self, num_experts: usize, _causal: bool) -> Result<(), String> {
        for (route, group) in self.groups.iter().enumerate() {
            if let Some(expert) = group.iter().find(|&&e| e as usize >= num_experts) {
                return Err(format!("route {route} names expert {expert} of {num_experts}"));
            }
            if (1..group.len()).any(|i| group[..i].contains(&group[i])) {
                return Err(format!("route {route} names an expert twice"));
            }
            check_top_k(self.top_k, group.len(), &format!("the group of route {route},"))?;
        }
        match self.top_k {
            0 => Err("top_k must be at least 1".into()),
            _ => Ok(()),
        }
    }

    fn slots(&self, _num_experts: usize) -> usize {
        self.top_k
    }

    fn known_experts(&self, routes: &[RowRoute]) -> Option<Vec<usize>> {
        Some(self.experts_of(routes))
    }

    fn plan(
        &self,
        weights: &GateWeights,
        tokens: &Tokens<'_>,
        context: &Context,
    ) -> Result<RoutingPlan> {
        let routes = self.routes_of(tokens)?;
        let active = match weights.is_by_expert() {
            true => self.experts_of(routes),
            false => (0..weights.num_experts).collect(),
        };
        let logits = weights.logits(tokens.xs, &active, context)?; // (N, A)
        let gated = Gated::new(tokens, logits)?;
        let of_rows: Vec<u32> = routes.iter().map(|row| row.route).collect();
        let groups = Groups::new(&of_rows, &self.groups, &active);
        let mut experts = groups.best(&gated.logits, self.top_k, gated.values());
        let weights = ops::expert_weights(&gated.logits, &experts, &groups, context)?; // (N, K)

        let mut cells = Cells::one(tokens, active.len());
        cells.members = groups.slots().to_vec();
        let rows = cells.of_row.iter_mut().zip(routes).zip(experts.chunks_mut(self.top_k));
        for ((cell, row), experts) in rows {
            match *cell {
                Visits::NONE => experts.fill(Visits::NONE),
                _ => *cell = row.route,
            }
        }
        Ok(RoutingPlan {
            num_experts: active.len(),
            slots: self.top_k,
            weights: masked(&weights, &experts)?,
            chosen: experts.clone(),
            experts,
            gate: Some(Gate { logits: gated.logits, probs: None }),
            cells,
            counted_slots: self.top_k,
            groups: Some(groups),
            active: Some(active),
            mixture: None,
            slot_logits: None,
        })
    }
}

impl RouteConfig {
    /// Experts that rows of `routes` may visit, ascending.
    fn experts_of(&self, routes: &[RowRoute]) -> Vec<usize> {
        let mut seen = vec![false; self.groups.len()];
        routes.iter().for_each(|row| seen[row.route as usize] = true);
        let used = self.groups.iter().zip(seen).filter(|(_, seen)| *seen);
        let mut experts: Vec<usize> =
            used.flat_map(|(group, _)| group.iter().map(|&e| e as usize)).collect();
        experts.sort_unstable();
        experts.dedup();
        experts
    }

    fn routes_of<'a>(&self, tokens: &Tokens<'a>) -> Result<&'a [RowRoute]> {
        let Some(routes) = tokens.routes else {
            let reason = "`route` needs the route of every row: give it beside the tokens";
            return Err(Error::Invalid(reason.into()));
        };
        match routes.iter().find(|row| row.route as usize >= self.groups.len()) {
            Some(RowRoute { route, .. }) => {
                let reason = format!("route {route} of {} is not known", self.groups.len());
                Err(Error::Invalid(reason))
            }
            None => Ok(routes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::moe::routers::tests::refuses;

    #[test]
    fn contradictions_are_refused() {
        refuses(&[(
            r#"{ "kind": "route", "groups": [[0, 1], [2]], "top_k": 2 }"#,
            "top_k 2 must be between 1 and the group of route 1, 1",
        )]);
    }
}
