//! The gate of a layer of experts: logits, the choice within the group of a route, and the
//! losses that keep the choice balanced.

use candle::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use candle_nn::ops::softmax;

use super::{linear::matmul_t, rank::best, slices};
use crate::{
    Result,
    context::Context,
    kernels::matmul::{self, Epilogue, Precision},
    params::Param,
};

/// The experts that each row may choose among.
#[derive(Debug, Clone)]
pub struct Groups {
    /// Route of every row.
    routes: Vec<u32>,
    /// For each route its experts by slot, as columns of the logits.
    slots: Vec<Vec<u32>>,
}

impl Groups {
    /// Rows of `routes`, whose `groups` (experts by slot) hold some of the `active` experts
    /// (sorted), which are the columns of the logits.
    pub fn new(routes: &[u32], groups: &[Vec<u32>], active: &[usize]) -> Self {
        let column =
            |expert: &u32| active.binary_search(&(*expert as usize)).ok().map(|i| i as u32);
        let slots = groups.iter().map(|group| group.iter().filter_map(column).collect()).collect();
        Self { routes: routes.to_vec(), slots }
    }

    /// For each route its experts by slot, as columns of the logits.
    pub fn slots(&self) -> &[Vec<u32>] {
        &self.slots
    }

    /// Columns of the best `top_k` experts of each row's group, best first, by `values`, those of
    /// `logits` `(N, E)`; ties go to the lower slot.
    pub fn best(&self, logits: &Tensor, top_k: usize, values: &[f32]) -> Vec<u32> {
        let columns = logits.dims().last().copied().unwrap_or(0);
        let mut chosen = Vec::with_capacity(self.routes.len() * top_k);
        for row in 0..self.routes.len() {
            let logits = &values[row * columns..][..columns];
            let slots = self.slots_of(row).iter().copied();
            chosen.extend(best(slots, top_k, |expert| logits[expert as usize]));
        }
        chosen
    }

    fn slots_of(&self, row: usize) -> &[u32] {
        &self.slots[self.routes[row] as usize]
    }

    /// Experts that each row of `chosen` visits.
    fn top_k(&self, chosen: &[u32]) -> usize {
        chosen.len() / self.routes.len().max(1)
    }
}

/// Logits `(N, E)` of `xs` `(N, D)` for the gate rows `(D,)` of `E` experts, in float32.
pub fn gate_logits(xs: &Tensor, rows: &[Param], context: &Context) -> Result<Tensor> {
    if context.uses_kernels(xs.device()) {
        return Ok(xs.contiguous()?.apply_op1(Gate { rows: rows.to_vec() })?);
    }
    let rows: Result<Vec<Tensor>> = rows.iter().map(Param::tensor).collect();
    Ok(matmul_t(xs, &Tensor::stack(&rows?, 0)?, Precision::F32)?)
}

/// Weights `(N, K)` of the `chosen` experts of each row.
///
/// They are the softmax over the chosen logits (Mixtral, Jiang et al. 2024), or for `k = 1` the
/// probability within the group (Switch, Fedus et al. 2021), since a share that is always one would
/// teach the gate nothing.
pub fn expert_weights(
    logits: &Tensor,
    chosen: &[u32],
    groups: &Groups,
    context: &Context,
) -> Result<Tensor> {
    if context.uses_kernels(logits.device()) {
        let op = Weights { chosen: chosen.to_vec(), groups: groups.clone() };
        return Ok(logits.contiguous()?.apply_op1(op)?);
    }
    let (rows, top_k) = (logits.dim(0)?, groups.top_k(chosen));
    let index = Tensor::from_slice(chosen, (rows, top_k), logits.device())?;
    match top_k {
        1 => Ok(group_probs(logits, groups)?.gather(&index, D::Minus1)?),
        _ => Ok(softmax(&logits.gather(&index, D::Minus1)?, D::Minus1)?), // (N, K)
    }
}

/// Softmax over the columns of each row's group, `(N, E)`; zero elsewhere.
pub(crate) fn group_probs(logits: &Tensor, groups: &Groups) -> Result<Tensor> {
    Ok(softmax(&masked(logits, groups)?, D::Minus1)?)
}

fn masked(logits: &Tensor, groups: &Groups) -> Result<Tensor> {
    let (rows, columns) = logits.dims2()?;
    let mut mask = vec![-1e30f32; rows * columns];
    for (row, mask) in mask.chunks_mut(columns).enumerate() {
        groups.slots_of(row).iter().for_each(|&column| mask[column as usize] = 0.0);
    }
    Ok((logits + Tensor::from_vec(mask, (rows, columns), logits.device())?)?)
}

/// Balance loss and router z-loss, `(2,)`.
///
/// The balance loss of Switch (Fedus et al. 2021, eq. 4), `G · Σₑ fₑ·pₑ`, within the group of
/// each route (`G` experts, share of visits `fₑ`, mean probability `pₑ`), averaged over the rows:
/// 1 when the visits of each route spread evenly over its group. The z-loss of ST-MoE (Zoph et
/// al. 2022, eq. 5): the mean square of the log-sum-exp of a row's logits.
pub fn router_losses(
    logits: &Tensor,
    groups: &Groups,
    chosen: &[u32],
    context: &Context,
) -> Result<Tensor> {
    let slopes = balance_slopes(groups, chosen, logits.dim(1)?);
    if context.uses_kernels(logits.device()) {
        return Ok(logits.contiguous()?.apply_op1(Losses { slopes, groups: groups.clone() })?);
    }
    let (rows, columns) = logits.dims2()?;
    let slopes = Tensor::from_vec(slopes, (rows, columns), logits.device())?;
    let balance = (group_probs(logits, groups)? * slopes)?.sum_all()?;
    let z = masked(logits, groups)?.log_sum_exp(D::Minus1)?.sqr()?.mean_all()?;
    Ok(Tensor::stack(&[balance, z], 0)?)
}

/// Derivative of the balance loss by each probability, `(N, E)`: `G · fₑ / N` of the row's route.
fn balance_slopes(groups: &Groups, chosen: &[u32], columns: usize) -> Vec<f32> {
    let (rows, top_k) = (groups.routes.len(), groups.top_k(chosen));
    let mut visits = vec![vec![0f32; columns]; groups.slots.len()];
    let mut totals = vec![0f32; groups.slots.len()];
    for (row, experts) in chosen.chunks(top_k).enumerate() {
        let route = groups.routes[row] as usize;
        totals[route] += top_k as f32;
        experts.iter().for_each(|&e| visits[route][e as usize] += 1.0);
    }
    let mut slopes = vec![0f32; rows * columns];
    for (row, slopes) in slopes.chunks_mut(columns).enumerate() {
        let route = groups.routes[row] as usize;
        let size = groups.slots[route].len() as f32;
        for &column in &groups.slots[route] {
            let share = visits[route][column as usize] / totals[route];
            slopes[column as usize] = size * share / rows as f32;
        }
    }
    slopes
}

/// Softmax of the values in the columns `slots` into `probs`; returns their log-sum-exp.
fn group_softmax(logits: &[f32], slots: &[u32], probs: &mut Vec<f32>) -> f32 {
    let of = |&column: &u32| logits[column as usize];
    let max = slots.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
    probs.clear();
    probs.extend(slots.iter().map(|column| (of(column) - max).exp()));
    let sum: f32 = probs.iter().sum();
    probs.iter_mut().for_each(|p| *p /= sum);
    max + sum.ln()
}

/// Logits of gate rows.
struct Gate {
    rows: Vec<Param>,
}

impl Gate {
    fn stacked(&self) -> candle::Result<Vec<f32>> {
        let mut weight = Vec::new();
        for row in &self.rows {
            let copied = row.with_value(|values| weight.extend_from_slice(values));
            copied.map_err(candle::Error::wrap)?;
        }
        Ok(weight)
    }
}

impl CustomOp1 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let (xs, weight) = (slices::values(xs, layout)?, self.stacked()?);
        let mut logits = vec![0.0; rows * self.rows.len()];
        let dims = (rows, self.rows.len(), width);
        matmul::matmul_nt(Precision::F32, xs, &weight, &mut logits, dims, &Epilogue::NONE);
        Ok((CpuStorage::F32(logits), (rows, self.rows.len()).into()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let ((rows, width), experts) = (xs.dims2()?, self.rows.len());
        let weight = self.stacked()?;
        let mut dxs = vec![0.0; rows * width];
        let mut grad = vec![0.0; experts * width];
        slices::with_values(dys, |dys| {
            let dims = (rows, width, experts);
            matmul::matmul_nn(Precision::F32, dys, &weight, &mut dxs, dims, false);
            if !self.rows.iter().any(Param::is_trainable) {
                return Ok(());
            }
            slices::with_values(xs, |xs| {
                let dims = (experts, width, rows);
                matmul::matmul_tn(Precision::F32, dys, xs, &mut grad, dims, false);
            })
        })??;
        for (row, grad) in self.rows.iter().zip(grad.chunks(width)) {
            if row.is_trainable() {
                row.with_grad(|sum| sum.iter_mut().zip(grad).for_each(|(sum, g)| *sum += g));
            }
        }
        Ok(Some(slices::tensor(dxs, (rows, width))?))
    }
}

/// Weights of the chosen experts from their logits.
struct Weights {
    chosen: Vec<u32>,
    groups: Groups,
}

impl Weights {
    /// Columns over which the softmax of a row runs, and the number of them that are chosen.
    fn columns<'a>(&'a self, row: usize, chosen: &'a [u32]) -> &'a [u32] {
        match chosen.len() {
            1 => self.groups.slots_of(row),
            _ => chosen,
        }
    }
}

impl CustomOp1 for Weights {
    fn name(&self) -> &'static str {
        "expert-weights"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (rows, columns) = layout.shape().dims2()?;
        let logits = slices::values(xs, layout)?;
        let top_k = self.groups.top_k(&self.chosen);
        let mut weights = Vec::with_capacity(rows * top_k);
        let mut probs = Vec::new();
        for (row, chosen) in self.chosen.chunks(top_k).enumerate() {
            let over = self.columns(row, chosen);
            group_softmax(&logits[row * columns..][..columns], over, &mut probs);
            for (slot, expert) in chosen.iter().enumerate() {
                let at = over.iter().position(|c| c == expert).unwrap_or(slot);
                weights.push(probs[at]);
            }
        }
        Ok((CpuStorage::F32(weights), (rows, top_k).into()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let (rows, columns) = xs.dims2()?;
        let top_k = self.groups.top_k(&self.chosen);
        let mut dxs = vec![0.0; rows * columns];
        let mut probs = Vec::new();
        let (logits, dys) = (xs.flatten_all()?.to_vec1()?, dys.flatten_all()?.to_vec1::<f32>()?);
        for (row, chosen) in self.chosen.chunks(top_k).enumerate() {
            let over = self.columns(row, chosen);
            group_softmax(&logits[row * columns..][..columns], over, &mut probs);
            let dprob = |expert: &u32| match chosen.iter().position(|c| c == expert) {
                Some(slot) => dys[row * top_k + slot],
                None => 0.0,
            };
            let mean: f32 = over.iter().zip(&probs).map(|(e, p)| p * dprob(e)).sum();
            for (expert, p) in over.iter().zip(&probs) {
                dxs[row * columns + *expert as usize] = p * (dprob(expert) - mean);
            }
        }
        Ok(Some(slices::tensor(dxs, (rows, columns))?))
    }
}

/// Balance loss and z-loss of a layer.
struct Losses {
    slopes: Vec<f32>,
    groups: Groups,
}

impl CustomOp1 for Losses {
    fn name(&self) -> &'static str {
        "router-losses"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (rows, columns) = layout.shape().dims2()?;
        let logits = slices::values(xs, layout)?;
        let (mut balance, mut z, mut probs) = (0f64, 0f64, Vec::new());
        for row in 0..rows {
            let slots = self.groups.slots_of(row);
            let lse = group_softmax(&logits[row * columns..][..columns], slots, &mut probs);
            z += f64::from(lse * lse);
            for (&column, p) in slots.iter().zip(&probs) {
                balance += f64::from(p * self.slopes[row * columns + column as usize]);
            }
        }
        let z = z / rows.max(1) as f64;
        Ok((CpuStorage::F32(vec![balance as f32, z as f32]), 2.into()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let (rows, columns) = xs.dims2()?;
        let (logits, dys) = (xs.flatten_all()?.to_vec1()?, dys.to_vec1::<f32>()?);
        let (dbalance, dz) = (dys[0], dys[1] * 2.0 / rows.max(1) as f32);
        let mut dxs = vec![0.0; rows * columns];
        let mut probs = Vec::new();
        for row in 0..rows {
            let slots = self.groups.slots_of(row);
            let lse = group_softmax(&logits[row * columns..][..columns], slots, &mut probs);
            let slope = |column: &u32| self.slopes[row * columns + *column as usize];
            let mean: f32 = slots.iter().zip(&probs).map(|(c, p)| p * slope(c)).sum();
            for (column, p) in slots.iter().zip(&probs) {
                let slope = dbalance * (slope(column) - mean) + dz * lse;
                dxs[row * columns + *column as usize] = p * slope;
            }
        }
        Ok(Some(slices::tensor(dxs, (rows, columns))?))
    }
}
