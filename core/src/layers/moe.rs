//! A layer of experts: the route names the group, a gate picks the best of the group.

use std::collections::BTreeMap;

use candle::Tensor;

use crate::{
    Error, Result,
    config::{Activation, MoeConfig},
    context::Context,
    layers::feed_forward::expert_params,
    ops::{self, ExpertParams, Groups, Visits},
    params::{Builder, Init, Param},
    register::{ExpertEntry, ExpertKind, Register},
};

/// A shared expert that sees every token, and the experts of the routes.
///
/// For a token of route `r` with group `G_r` (Fedus et al. 2021, section 2.1, within the group;
/// weights normalised over the chosen as in Mixtral, 2024):
/// `y = shared(x) + Σ_{e ∈ top-k(G_r)} softmax_k(g_e · x) · E_e(x)`.
#[derive(Debug, Clone)]
pub struct MoeLayer {
    name: String,
    shared: Option<ExpertParams>,
    experts: Vec<Expert>,
    /// Experts of every route, as indices, by slot.
    groups: Vec<Vec<usize>>,
    top_k: usize,
    activation: Activation,
}

/// One expert in one layer.
#[derive(Debug, Clone)]
struct Expert {
    name: String,
    weights: ExpertParams,
    /// Its row of the gate, `(D,)`.
    gate: Param,
}

/// Where the tokens of a batch went in one layer.
#[derive(Debug, Clone)]
pub struct LayerRouting {
    /// Name of the layer, such as `encoder.1`.
    pub layer: String,
    /// Balance loss and router z-loss, `(2,)`; only in training.
    pub losses: Option<Tensor>,
    /// Experts that the routes of the batch may use, in the order of their names.
    pub experts: Vec<String>,
    /// Visits of each of them.
    pub load: Vec<usize>,
    /// Visits that a capacity dropped; none in layers without capacities.
    pub dropped: usize,
    /// For every row its experts (indices into `experts`) with their weights; only in a trace.
    pub visits: Vec<Vec<(usize, f32)>>,
}

impl MoeLayer {
    /// Creates the layer called `name` (such as `encoder.1`), with its weights named
    /// `NAME.shared.*` and `experts.EXPERT.NAME.*`, for the experts that cover it.
    pub fn new(
        (name, d_model, activation): (&str, usize, Activation),
        config: &MoeConfig,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let shared = match config.shared_d_ff {
            0 => None,
            d_ff => Some(expert_params(d_model, d_ff, &root.pp(name).pp("shared"))?),
        };
        let covers = |entry: &&ExpertEntry| {
            entry.kind != ExpertKind::Domain && entry.layers.iter().any(|layer| layer == name)
        };
        let mut experts = Vec::new();
        for entry in register.experts.iter().filter(covers) {
            let vb = root.pp("experts").pp(&entry.name).pp(name);
            let weights = expert_params(d_model, entry.d_ff, &vb)?;
            // Small, so that all experts of a group start as equals (ST-MoE, 2022).
            let gate =
                vb.get(d_model, "gate.weight", Init::Normal(0.1 / (d_model as f32).sqrt()))?;
            experts.push(Expert { name: entry.name.clone(), weights, gate });
        }
        experts.sort_by(|a, b| a.name.cmp(&b.name));
        let index: BTreeMap<&str, usize> =
            experts.iter().enumerate().map(|(i, expert)| (expert.name.as_str(), i)).collect();
        let mut groups = Vec::new();
        for route in &register.routes {
            let group: Vec<usize> =
                route.group.iter().filter_map(|name| index.get(name.as_str()).copied()).collect();
            if group.len() <= config.top_k {
                let reason = format!(
                    "route `{}` has {} experts in layer `{name}`: a gate that picks {} needs more",
                    route.name,
                    group.len(),
                    config.top_k
                );
                return Err(Error::Invalid(reason));
            }
            groups.push(group);
        }
        Ok(Self { name: name.into(), shared, experts, groups, top_k: config.top_k, activation })
    }

    /// The expert that every token visits.
    pub(super) fn shared(&self) -> Option<&ExpertParams> {
        self.shared.as_ref()
    }

    /// Whether training may change any weight of the layer.
    pub(super) fn learns(&self) -> bool {
        let of_groups = |expert: &Expert| expert.gate.is_trainable() || expert.weights.learns();
        self.experts.iter().any(of_groups) || self.shared.as_ref().is_some_and(ExpertParams::learns)
    }

    /// Maps `xs` `(N, D)` to the same shape; `routes` names the route of each row.
    pub fn forward(
        &self,
        xs: &Tensor,
        routes: &[u32],
        context: &Context,
    ) -> Result<(Tensor, LayerRouting)> {
        let active = self.active(routes);
        let gates: Vec<Param> = active.iter().map(|&e| self.experts[e].gate.clone()).collect();
        let logits = ops::gate_logits(xs, &gates, context)?; // (N, E)
        let groups = Groups::new(routes, &self.groups, &active, self.top_k);
        let chosen = ops::choose(&logits, &groups, self.shared.is_some(), context)?;

        let mut weights: Vec<ExpertParams> = Vec::with_capacity(active.len() + 1);
        weights.extend(active.iter().map(|&e| self.experts[e].weights.clone()));
        weights.extend(self.shared.clone());
        let visits = Visits::new(&chosen.experts, routes.len(), chosen.slots, weights.len());
        let combine = Some(&chosen.weights);
        let ys = ops::experts(xs, combine, &visits, &weights, self.activation, context)?;

        let losses = match context.is_training() {
            true => Some(ops::router_losses(&logits, &groups, &chosen, context)?),
            false => None,
        };
        let visits = if context.trace { chosen.trace(active.len())? } else { Vec::new() };
        let load = chosen.load(active.len());
        let experts = active.iter().map(|&e| self.experts[e].name.clone()).collect();
        Ok((
            ys,
            LayerRouting { layer: self.name.clone(), losses, experts, load, dropped: 0, visits },
        ))
    }

    /// The matrices of all experts that any of `routes` may use, for reading ahead.
    pub(crate) fn matrices(&self, routes: &[u32]) -> Vec<Param> {
        let experts = self.active(routes).into_iter().map(|e| &self.experts[e].weights);
        experts.flat_map(ExpertParams::matrices).cloned().collect()
    }

    /// Experts that any of `routes` may use, in the order of their names: no other is touched.
    fn active(&self, routes: &[u32]) -> Vec<usize> {
        let mut seen = vec![false; self.groups.len()];
        routes.iter().for_each(|&route| seen[route as usize] = true);
        let used = self.groups.iter().zip(seen).filter(|(_, seen)| *seen);
        let mut active: Vec<usize> = used.flat_map(|(group, _)| group.iter().copied()).collect();
        active.sort_unstable();
        active.dedup();
        active
    }
}

impl LayerRouting {
    /// Adds the visits of experts that were added in the same layer.
    pub(super) fn extend(&mut self, other: Self) {
        let first = self.experts.len();
        self.experts.extend(other.experts);
        self.load.extend(other.load);
        for (visits, others) in self.visits.iter_mut().zip(other.visits) {
            visits.extend(others.into_iter().map(|(e, weight)| (first + e, weight)));
        }
    }

    /// Share of each expert in all visits.
    pub fn shares(&self) -> Vec<(String, f32)> {
        let total = self.load.iter().sum::<usize>().max(1) as f32;
        let share = |(name, load): (&String, &usize)| (name.clone(), *load as f32 / total);
        self.experts.iter().zip(&self.load).map(share).collect()
    }
}
