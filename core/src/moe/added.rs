//! Experts that are added to a layer, outside of any group.
//!
//! `y += σ(g·x) · E(x)` for each added expert of a row: those of the domains it asks for, and in a
//! layer without groups that of its language pair. The down-projection starts at zero, so a new
//! expert changes nothing. Rows that add no expert cost nothing and keep their bits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use candle::{D, DType, Tensor};

use super::{expert::ExpertShape, low_rank::LowRank, routing::LayerRouting};
use crate::{
    Error, Result,
    context::Context,
    kernels::activation::Activation,
    ops::{self, ExpertParams, Visits},
    params::{Builder, Init, Param},
    register::{ExpertEntry, ExpertKind, Register, RowRoute},
};

/// The experts that may be added in one layer, in the order of their names.
#[derive(Debug, Clone)]
pub(super) struct AddedExperts {
    layer: String,
    experts: Vec<Added>,
    activation: Activation,
}

#[derive(Debug, Clone)]
struct Added {
    name: String,
    asked_by: AskedBy,
    /// Its row of gates, `(D,)`.
    gate: Param,
    weights: Weights,
    /// Counts the rows it has computed.
    rows: Arc<AtomicU64>,
}

/// Which rows add an expert.
#[derive(Debug, Clone)]
enum AskedBy {
    /// Rows with this bit among their domains.
    Domain(u64),
    /// Rows of these routes.
    Routes(Vec<u32>),
}

#[derive(Debug, Clone)]
enum Weights {
    Full(ExpertParams),
    LowRank(LowRank),
}

/// The rows that ask for added experts.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    /// Their places in the batch.
    rows: &'a [u32],
    /// What each of them asks for.
    experts: &'a [&'a [usize]],
    /// All that any of them asks for, ascending.
    active: &'a [usize],
}

/// The layer that experts are added to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// Its name, such as `encoder.1`.
    pub(super) name: &'a str,
    /// The network that every token of it visits.
    pub(super) network: Option<&'a ExpertParams>,
    /// Whether it has groups of experts, in which pair experts have their place.
    pub(super) has_groups: bool,
    pub(super) d_model: usize,
    pub(super) activation: Activation,
    pub(super) gated: bool,
}

impl AddedExperts {
    /// Creates what `register` adds to the layer, with weights named `experts.EXPERT.LAYER.*`; none
    /// if that is nothing.
    pub(super) fn new(
        host: Host<'_>,
        register: &Register,
        root: &Builder<'_>,
    ) -> Result<Option<Self>> {
        let mut experts = Vec::new();
        let mut next_domain = 0;
        for entry in &register.experts {
            let asked_by = match entry.kind {
                ExpertKind::Domain => {
                    next_domain += 1;
                    AskedBy::Domain(1 << (next_domain - 1))
                }
                ExpertKind::Retrieval => {
                    next_domain += 1; // it has a bit, and nothing in any layer
                    continue;
                }
                _ if host.has_groups => continue,
                _ => AskedBy::Routes(routes_with(register, entry)),
            };
            if entry.layers.iter().any(|layer| layer == host.name) {
                experts.push(Added::new(entry, asked_by, host, root)?);
            }
        }
        experts.sort_by(|a, b| a.name.cmp(&b.name));
        let (layer, activation) = (host.name.into(), host.activation);
        Ok((!experts.is_empty()).then_some(Self { layer, experts, activation }))
    }

    /// Whether training may change any of them.
    pub(super) fn learns(&self) -> bool {
        self.experts.iter().any(|expert| {
            expert.gate.is_trainable()
                || match &expert.weights {
                    Weights::Full(weights) => weights.learns(),
                    Weights::LowRank(change) => change.learns(),
                }
        })
    }

    /// The matrices of all experts that any of these rows asks for, for reading ahead.
    pub(super) fn matrices(&self, routes: &[RowRoute]) -> Vec<Param> {
        let asked = |expert: &&Added| routes.iter().any(|row| expert.is_asked(row));
        let of = |expert: &Added| match &expert.weights {
            Weights::Full(weights) => weights.matrices().cloned().collect::<Vec<_>>(),
            Weights::LowRank(change) => change.matrices().cloned().collect(),
        };
        self.experts.iter().filter(asked).flat_map(of).collect()
    }

    /// Rows that each expert has computed, by name.
    pub(super) fn rows_computed(&self) -> impl Iterator<Item = (&str, u64)> {
        let rows = |expert: &Added| expert.rows.load(Ordering::Relaxed);
        self.experts.iter().map(move |expert| (expert.name.as_str(), rows(expert)))
    }

    /// What the experts add for `xs` `(N, D)`, of the same shape, and which rows visited which;
    /// none if no row adds any.
    pub(super) fn forward(
        &self,
        xs: &Tensor,
        routes: &[RowRoute],
        context: &Context,
    ) -> Result<Option<(Tensor, LayerRouting)>> {
        let of_row = |row: &RowRoute| -> Vec<usize> {
            (0..self.experts.len()).filter(|&e| self.experts[e].is_asked(row)).collect()
        };
        let rows = routes.len();
        let asked: Vec<Vec<usize>> = routes.iter().map(of_row).collect();
        let mut active: Vec<usize> = asked.concat();
        active.sort_unstable();
        active.dedup();
        if active.is_empty() {
            return Ok(None);
        }
        let members: Vec<u32> =
            (0..rows as u32).filter(|&r| !asked[r as usize].is_empty()).collect();
        let some = members.len() < rows;
        let tokens = if some { ops::select(xs, members.clone())? } else { xs.clone() }; // (n, D)
        let asked: Vec<&[usize]> = members.iter().map(|&row| &asked[row as usize][..]).collect();
        let (sum, weights) = self.sum(&tokens, &asked, &active, context)?; // (n, D)
        let routing = self.routing(
            &weights,
            Asked { rows: &members, experts: &asked, active: &active },
            rows,
            context,
        )?;
        let sum = if some { ops::select(&sum, places(&members, rows))? } else { sum }; // (N, D)
        Ok(Some((sum, routing)))
    }

    /// `Σ σ(g·x) · E(x)` over the experts that each token asks for, `(n, D)`, and all `σ(g·x)` of
    /// the active experts, `(n, A)`.
    fn sum(
        &self,
        tokens: &Tensor,
        asked: &[&[usize]],
        active: &[usize],
        context: &Context,
    ) -> Result<(Tensor, Tensor)> {
        let gates: Vec<Param> = active.iter().map(|&e| self.experts[e].gate.clone()).collect();
        let logits = ops::gate_logits(tokens, &gates, context)?; // (n, A)
        let weights = candle_nn::ops::sigmoid(&logits)?;
        let mut full: Vec<ExpertParams> = Vec::new();
        let mut visits = vec![Visits::NONE; asked.len() * active.len()];
        let mut sum: Option<Tensor> = None;
        for (slot, &e) in active.iter().enumerate() {
            let asks = |token: &u32| asked[*token as usize].contains(&e);
            match &self.experts[e].weights {
                Weights::Full(expert) => {
                    for token in (0..asked.len() as u32).filter(asks) {
                        visits[token as usize * active.len() + slot] = full.len() as u32;
                    }
                    full.push(expert.clone());
                }
                Weights::LowRank(change) => {
                    let rows: Vec<u32> = (0..asked.len() as u32).filter(asks).collect();
                    let weight = weights.narrow(D::Minus1, slot, 1)?; // (n, 1)
                    let own = match rows.len() == asked.len() {
                        true => change.forward(tokens, context)?,
                        false => {
                            let own =
                                change.forward(&ops::select(tokens, rows.clone())?, context)?;
                            ops::select(&own, places(&rows, asked.len()))?
                        }
                    };
                    let own = own.broadcast_mul(&weight)?; // (n, D)
                    sum = Some(match sum {
                        Some(sum) => (sum + own)?,
                        None => own,
                    });
                }
            }
        }
        if !full.is_empty() {
            let visits = Visits::new(&visits, asked.len(), active.len(), full.len());
            let own =
                ops::experts(tokens, Some(&weights), &visits, &full, self.activation, context)?;
            sum = Some(match sum {
                Some(sum) => (own + sum)?,
                None => own,
            });
        }
        let nothing = || Error::Invalid("an expert is active although no row asks for it".into());
        Ok((sum.ok_or_else(nothing)?, weights))
    }

    fn routing(
        &self,
        weights: &Tensor,
        asked: Asked<'_>,
        rows: usize,
        context: &Context,
    ) -> Result<LayerRouting> {
        let Asked { rows: members, experts: asked, active } = asked;
        let of = |e: &usize| asked.iter().filter(|asked| asked.contains(e)).count();
        let mut visits = Vec::new();
        if context.trace {
            visits.resize_with(rows, Vec::new);
            let weights = weights.to_dtype(DType::F32)?.to_vec2::<f32>()?;
            for ((&row, asked), weights) in members.iter().zip(asked).zip(weights) {
                let own = active.iter().zip(weights).enumerate();
                let own = own.filter(|(_, (e, _))| asked.contains(e));
                visits[row as usize] = own.map(|(slot, (_, weight))| (slot, weight)).collect();
            }
        }
        let load: Vec<usize> = active.iter().map(of).collect();
        for (&e, &rows) in active.iter().zip(&load) {
            self.experts[e].rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
        Ok(LayerRouting {
            layer: self.layer.clone(),
            experts: active.iter().map(|&e| self.experts[e].name.clone()).collect(),
            load,
            visits,
            ..LayerRouting::default()
        })
    }
}

impl Added {
    fn new(
        entry: &ExpertEntry,
        asked_by: AskedBy,
        host: Host<'_>,
        root: &Builder<'_>,
    ) -> Result<Self> {
        let vb = root.pp("experts").pp(&entry.name).pp(host.name);
        let weights = match (entry.lora, host.network) {
            (None, _) => {
                let Host { d_model, gated, .. } = host;
                let shape = ExpertShape { d_model, d_ff: entry.d_ff, gated, bias: true };
                Weights::Full(shape.create_with(Init::Zeros, &vb)?)
            }
            (Some(_), Some(ExpertParams { gate: Some(_), .. })) => {
                let reason = format!(
                    "`{}` is a low-rank expert, but the networks of this model have a gate: add a \
                     full one",
                    entry.name
                );
                return Err(Error::Invalid(reason));
            }
            (Some(rank), Some(network)) => {
                Weights::LowRank(LowRank::new(network, rank, host.activation, &vb)?)
            }
            (Some(_), None) => {
                let reason = format!(
                    "`{}` is a low-rank expert, but layer `{}` has no shared expert to change: \
                     add a full one",
                    entry.name, host.name
                );
                return Err(Error::Invalid(reason));
            }
        };
        let init = Init::Normal(0.1 / (host.d_model as f32).sqrt());
        let gate = vb.get(host.d_model, "gate.weight", init)?;
        let rows = Arc::default();
        Ok(Self { name: entry.name.clone(), asked_by, gate, weights, rows })
    }

    fn is_asked(&self, row: &RowRoute) -> bool {
        match &self.asked_by {
            AskedBy::Domain(bit) => row.domains & bit != 0,
            AskedBy::Routes(routes) => routes.contains(&row.route),
        }
    }
}

fn routes_with(register: &Register, entry: &ExpertEntry) -> Vec<u32> {
    let routes = register.routes.iter().zip(0..);
    routes.filter(|(route, _)| route.group.contains(&entry.name)).map(|(_, i)| i).collect()
}

/// For each of `count` rows its place among `members`, or none.
fn places(members: &[u32], count: usize) -> Vec<u32> {
    let mut places = vec![ops::NONE; count];
    members.iter().zip(0..).for_each(|(&row, place)| places[row as usize] = place);
    places
}
