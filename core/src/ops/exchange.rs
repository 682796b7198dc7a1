//! Rows on their way to experts of other ranks, and back, with gradients.
//!
//! A row goes to the rank of each expert that it visits, with the expert's number; the expert's answer
//! comes back, is weighed and added. In the backward pass gradients go the same ways: four exchanges for
//! a layer and a batch.
//!
//! Every rank splits its rows into as many chunks, and their exchanges overlap with the computation of
//! others, as in Tutel (Hwang et al. 2023) and FasterMoE (He et al. 2022): while the rows of the second
//! chunk travel, the experts compute the first, and while they compute the second, the answers of the
//! first travel back. A thread makes the exchanges of a pass one after another, in the same order on
//! all ranks: a layer needs the results of the one before it, in the backward pass of the one after it.

mod courier;

use std::sync::{Mutex, OnceLock, PoisonError};

use candle::{CpuStorage, CustomOp2, Layout, Shape, Tensor};

use super::{
    experts::{ExpertParams, Experts},
    slices,
};
use crate::{
    Result,
    collective::{ExpertOwners, Ranks},
    context::Context,
    kernels::{activation::Activation, visits::Visits},
};
use courier::{Courier, Pending};

/// Where an expert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its rank.
    pub(crate) rank: usize,
    /// Its number in the layer, the same on all ranks.
    pub(crate) expert: u32,
}

/// The experts of a layer that are on this rank.
pub(crate) struct LocalExperts {
    /// Their numbers in the layer, in rising order.
    pub(crate) numbers: Vec<u32>,
    /// Their weights.
    pub(crate) params: Vec<ExpertParams>,
    /// Their non-linearity.
    pub(crate) activation: Activation,
}

/// Rows on their way.
pub(crate) struct Departure {
    ranks: Ranks,
    slots: usize,
    courier: Courier,
    chunks: Vec<(Sent, Pending)>,
}

/// The visits of the rows of a chunk that are sent.
struct Sent {
    /// `row · S + slot` of each visit, by rank, then by expert, then by row.
    positions: Vec<u32>,
    /// Visits to each rank.
    counts: Vec<usize>,
}

/// Sends the rows `xs` `(N, D)` to the ranks of the experts that they visit. `visits` `(N, S)` are
/// numbers into `targets`, or [`Visits::NONE`].
pub(crate) fn depart(
    owners: &ExpertOwners,
    xs: &Tensor,
    visits: &[u32],
    slots: usize,
    targets: &[Target],
) -> Result<Departure> {
    let (count, width) = xs.dims2()?;
    let ranks = owners.ranks().clone();
    let courier = Courier::new(&ranks);
    let chunks = owners.chunks();
    let send = |xs: &[f32]| -> candle::Result<Vec<(Sent, Pending)>> {
        let bounds = |chunk: usize| chunk * count / chunks * slots;
        let send_chunk = |chunk: usize| {
            let (first, end) = (bounds(chunk), bounds(chunk + 1));
            let visits = visits[first..end].iter().zip(first as u32..);
            let mut order: Vec<(Target, u32)> = visits
                .filter(|(visit, _)| **visit != Visits::NONE)
                .map(|(visit, position)| (targets[*visit as usize], position))
                .collect();
            order.sort_unstable_by_key(|(target, at)| (target.rank, target.expert, *at));
            let mut parts: Vec<Vec<u8>> = vec![Vec::new(); ranks.size()];
            let mut counts = vec![0; ranks.size()];
            for (target, _) in &order {
                counts[target.rank] += 1;
                parts[target.rank].extend(target.expert.to_ne_bytes());
            }
            for (target, position) in &order {
                let row = *position as usize / slots * width;
                parts[target.rank].extend_from_slice(bytemuck::cast_slice(&xs[row..][..width]));
            }
            let positions = order.into_iter().map(|(_, position)| position).collect();
            Ok((Sent { positions, counts }, courier.send(parts)?))
        };
        (0..chunks).map(send_chunk).collect()
    };
    let chunks = slices::with_values(xs, send)??;
    Ok(Departure { ranks, slots, courier, chunks })
}

impl Departure {
    /// Runs the rows of all ranks that visit `experts` through them, sends the answers back, and adds those
    /// to each row here, times its `weights` `(N, S)`: `(N, D)`. `xs` are the rows that departed here.
    pub(crate) fn arrive(
        self,
        xs: &Tensor,
        weights: &Tensor,
        experts: LocalExperts,
        context: &Context,
    ) -> Result<Tensor> {
        let packed = !xs.track_op() && !weights.track_op();
        let LocalExperts { numbers, params, activation } = experts;
        let prototype = Experts::new(&params, activation, context, packed);
        let Self { ranks, slots, courier, chunks } = self;
        let travelling = Mutex::new(Some((courier, chunks)));
        let op = Sharded { ranks, slots, numbers, prototype, travelling, passed: OnceLock::new() };
        Ok(xs.contiguous()?.apply_op2(&weights.contiguous()?, op)?)
    }
}

/// Chunks on their way, and who carries them.
type Travelling = (Courier, Vec<(Sent, Pending)>);

/// Rows `(N, D)` and weights `(N, S)` to sums of answers `(N, D)`.
struct Sharded {
    ranks: Ranks,
    /// Visits of a row at most, `S`.
    slots: usize,
    /// Numbers of the experts that are here.
    numbers: Vec<u32>,
    prototype: Experts,
    /// What departed.
    travelling: Mutex<Option<Travelling>>,
    /// What the backward pass needs of the forward pass.
    passed: OnceLock<Vec<Passed>>,
}

/// A chunk after its way.
struct Passed {
    sent: Sent,
    arrived: Arrived,
    /// The answers that came back for each visit, `(V, D)`.
    answers: Vec<f32>,
}

/// Rows of a chunk of all ranks, in the experts of this one.
struct Arrived {
    /// Rows of each rank.
    counts: Vec<usize>,
    /// `(M, D)`.
    rows: Vec<f32>,
    experts: Experts,
}

impl Sharded {
    /// The rows of all ranks, from the bytes that `depart` sends.
    fn unpack(&self, parts: &[Vec<u8>], width: usize) -> candle::Result<Arrived> {
        let (mut counts, mut visits, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
        for part in parts {
            let count = part.len() / (4 * (width + 1));
            let (numbers, values) = part.split_at(4 * count);
            for number in numbers.chunks_exact(4).map(|b| u32::from_ne_bytes(word(b))) {
                let Ok(index) = self.numbers.binary_search(&number) else {
                    candle::bail!("rows came for expert {number}, which is not on {:?}", self.ranks)
                };
                visits.push(index as u32);
            }
            rows.extend(values.chunks_exact(4).map(|b| f32::from_ne_bytes(word(b))));
            counts.push(count);
        }
        let visits = Visits::new(&visits, visits.len(), 1, self.numbers.len());
        Ok(Arrived { counts, rows, experts: self.prototype.on(visits) })
    }

    fn row(&self, position: u32) -> usize {
        position as usize / self.slots
    }

    fn forward(&self, weights: &[f32], count: usize, width: usize) -> candle::Result<Vec<f32>> {
        let travelling = self.travelling.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((courier, chunks)) = travelling else {
            candle::bail!("rows that departed once arrive once")
        };
        let mut returning = Vec::with_capacity(chunks.len());
        for (sent, rows) in chunks {
            let arrived = self.unpack(&rows.wait()?, width)?;
            let answers = match arrived.rows.is_empty() {
                true => Vec::new(),
                false => arrived.experts.forward(&arrived.rows, &arrived.experts.ones())?,
            };
            let answers = courier.send(split(&answers, &arrived.counts, width))?;
            returning.push((sent, arrived, answers));
        }
        let mut ys = vec![0.0; count * width];
        let mut passed = Vec::with_capacity(returning.len());
        for (sent, arrived, answers) in returning {
            let answers = joined(&answers.wait()?, sent.positions.len() * width)?;
            // In the order of the slots, as where all experts are here.
            let mut visits: Vec<(u32, &[f32])> =
                sent.positions.iter().copied().zip(answers.chunks_exact(width)).collect();
            visits.sort_unstable_by_key(|(position, _)| *position);
            for (position, answer) in visits {
                let weight = weights[position as usize];
                let y = &mut ys[self.row(position) * width..][..width];
                y.iter_mut().zip(answer).for_each(|(y, answer)| *y += weight * answer);
            }
            passed.push(Passed { sent, arrived, answers });
        }
        self.passed.get_or_init(|| passed);
        Ok(ys)
    }

    /// Gradients of the rows and of the weights.
    fn backward(
        &self,
        weights: &[f32],
        dys: &[f32],
        width: usize,
    ) -> candle::Result<(Vec<f32>, Vec<f32>)> {
        let Some(passed) = self.passed.get() else {
            candle::bail!("exchange: backward before forward")
        };
        let courier = Courier::new(&self.ranks);
        let mut dweights = vec![0.0; weights.len()];
        let mut arriving = Vec::with_capacity(passed.len());
        for Passed { sent, answers, .. } in passed {
            let mut danswers = Vec::with_capacity(answers.len());
            for (&position, answer) in sent.positions.iter().zip(answers.chunks_exact(width)) {
                let dy = &dys[self.row(position) * width..][..width];
                let weight = weights[position as usize];
                danswers.extend(dy.iter().map(|dy| weight * dy));
                dweights[position as usize] =
                    dy.iter().zip(answer).map(|(dy, answer)| dy * answer).sum();
            }
            arriving.push(courier.send(split(&danswers, &sent.counts, width))?);
        }
        let mut returning = Vec::with_capacity(passed.len());
        for (Passed { arrived, .. }, danswers) in passed.iter().zip(arriving) {
            let Arrived { counts, rows, experts } = arrived;
            let danswers = joined(&danswers.wait()?, rows.len())?;
            let drows = match rows.is_empty() {
                true => Vec::new(),
                false => experts.backward(rows, &experts.ones(), &danswers)?.0,
            };
            returning.push(courier.send(split(&drows, counts, width))?);
        }
        let mut dxs = vec![0.0; dys.len()];
        for (Passed { sent, .. }, drows) in passed.iter().zip(returning) {
            let drows = joined(&drows.wait()?, sent.positions.len() * width)?;
            for (&position, drow) in sent.positions.iter().zip(drows.chunks_exact(width)) {
                let dx = &mut dxs[self.row(position) * width..][..width];
                dx.iter_mut().zip(drow).for_each(|(dx, drow)| *dx += drow);
            }
        }
        Ok((dxs, dweights))
    }
}

/// The bytes of `values`, rows of one width of which `counts[r]` go to each rank `r`.
fn split(values: &[f32], counts: &[usize], width: usize) -> Vec<Vec<u8>> {
    let mut rest = values;
    let part = |count: &usize| {
        let (part, others) = rest.split_at(count * width);
        rest = others;
        bytemuck::cast_slice(part).to_vec()
    };
    counts.iter().map(part).collect()
}

/// The numbers in `parts`, which are `expected`.
fn joined(parts: &[Vec<u8>], expected: usize) -> candle::Result<Vec<f32>> {
    let words = parts.iter().flat_map(|part| part.chunks_exact(4));
    let values: Vec<f32> = words.map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
    if values.len() != expected {
        candle::bail!("{} values of rows came, not {expected}", values.len());
    }
    Ok(values)
}

impl CustomOp2 for Sharded {
    fn name(&self) -> &'static str {
        "sharded experts"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let (count, width) = layout.shape().dims2()?;
        let weights = slices::values(weights, weights_layout)?;
        let ys = self.forward(weights, count, width)?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        dys: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, width) = xs.dims2()?;
        let (dxs, dweights) = slices::with_values(weights, |weights| {
            slices::with_values(dys, |dys| self.backward(weights, dys, width))
        })???;
        let dweights = slices::tensor(dweights, weights.shape())?;
        Ok((Some(slices::tensor(dxs, xs.shape())?), Some(dweights)))
    }
}
