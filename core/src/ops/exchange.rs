//! Rows on their way to experts of other ranks, and back, with gradients.
//!
//! A row goes to the rank of each expert that it visits, with the expert's number; the expert's answer
//! comes back, is weighed and added. In the backward pass gradients go the same ways: four exchanges for
//! a layer and a batch. While the rows travel, the caller computes what it can without the answers.
//!
//! Every rank makes the exchanges of a pass in the same order: a layer needs the results of the one
//! before it, in the backward pass of the one after it.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    thread::{self, JoinHandle},
};

use candle::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};

use super::slices;
use crate::{
    Result,
    collective::{Purpose, Ranks},
    kernels::visits::Visits,
};

/// Where an expert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its rank.
    pub(crate) rank: usize,
    /// Its number in the layer, the same on all ranks.
    pub(crate) expert: u32,
}

/// The visits of the rows that a batch sends.
#[derive(Debug, Clone)]
struct Sent {
    ranks: Ranks,
    /// Visits of a row at most, `S`.
    slots: usize,
    /// `row · S + slot` of each visit, by rank, then by expert, then by row.
    positions: Vec<u32>,
    /// Visits to each rank.
    counts: Vec<usize>,
}

/// Rows on their way.
pub(crate) struct Departure {
    sent: Sent,
    width: usize,
    arriving: JoinHandle<Result<Vec<Vec<u8>>>>,
}

/// Rows of all ranks that visit experts of this one.
pub(crate) struct Arrival {
    sent: Sent,
    /// Rows of each rank.
    counts: Vec<usize>,
    /// The expert that each row visits.
    pub(crate) experts: Vec<u32>,
    /// `(M, D)`.
    pub(crate) rows: Tensor,
}

/// Sends the rows `xs` `(N, D)` to the ranks of the experts that they visit. `visits` `(N, S)` are
/// numbers into `targets`, or [`Visits::NONE`].
pub(crate) fn depart(
    ranks: &Ranks,
    xs: &Tensor,
    visits: &[u32],
    slots: usize,
    targets: &[Target],
) -> Result<Departure> {
    let mut order: Vec<(usize, u32, u32)> = Vec::with_capacity(visits.len());
    for (position, &visit) in visits.iter().enumerate().filter(|(_, visit)| **visit != Visits::NONE)
    {
        let Target { rank, expert } = targets[visit as usize];
        order.push((rank, expert, position as u32));
    }
    order.sort_unstable();
    let width = xs.dim(1)?;
    let mut parts: Vec<Vec<u8>> = vec![Vec::new(); ranks.size()];
    let mut counts = vec![0; ranks.size()];
    for &(rank, expert, _) in &order {
        counts[rank] += 1;
        parts[rank].extend(expert.to_ne_bytes());
    }
    slices::with_values(xs, |xs| {
        for &(rank, _, position) in &order {
            let row = position as usize / slots;
            parts[rank].extend_from_slice(bytemuck::cast_slice(&xs[row * width..][..width]));
        }
    })?;
    let positions = order.into_iter().map(|(_, _, position)| position).collect();
    let sent = Sent { ranks: ranks.clone(), slots, positions, counts };
    let ranks = ranks.clone();
    let arriving = thread::spawn(move || {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        ranks.all_to_all_bytes(Purpose::Tokens, &parts)
    });
    Ok(Departure { sent, width, arriving })
}

impl Departure {
    /// Waits for the rows of all ranks; `xs` are those that departed here.
    pub(crate) fn arrive(self, xs: &Tensor) -> Result<Arrival> {
        let Self { sent, width, arriving } = self;
        let panicked = |_| sent.ranks.error("the exchange of rows panicked".into());
        let parts = arriving.join().map_err(panicked)??;
        let (mut counts, mut experts, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for part in &parts {
            let count = part.len() / (4 * (width + 1));
            let (numbers, rows) = part.split_at(4 * count);
            let word = |b: &[u8]| [b[0], b[1], b[2], b[3]];
            experts.extend(numbers.chunks_exact(4).map(|b| u32::from_ne_bytes(word(b))));
            values.extend(rows.chunks_exact(4).map(|b| f32::from_ne_bytes(word(b))));
            counts.push(count);
        }
        let rows =
            Dispatch { sent: sent.clone(), counts: counts.clone(), rows: Mutex::new(values) };
        let rows = xs.contiguous()?.apply_op1(rows)?;
        Ok(Arrival { sent, counts, experts, rows })
    }
}

impl Arrival {
    /// Sends the `answers` `(M, D)` of the experts back, and adds those to each row here, times its
    /// `weights` `(N, S)`: `(N, D)`.
    pub(crate) fn collect(self, answers: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let op = Collect { sent: self.sent, counts: self.counts, answers: OnceLock::new() };
        Ok(answers.contiguous()?.apply_op2(&weights.contiguous()?, op)?)
    }
}

impl Sent {
    /// Sends `values`, rows of one width of which `counts[r]` go to each rank, and returns those that come.
    fn exchange(&self, values: &[f32], counts: &[usize], width: usize) -> candle::Result<Vec<f32>> {
        let mut rest = values;
        let mut parts = Vec::with_capacity(counts.len());
        for &count in counts {
            let (part, others) = rest.split_at(count * width);
            parts.push(part);
            rest = others;
        }
        let received = self.ranks.all_to_all(Purpose::Tokens, &parts);
        Ok(received.map_err(candle::Error::wrap)?.concat())
    }

    fn row(&self, position: u32) -> usize {
        position as usize / self.slots
    }

    fn check(&self, values: &[f32], width: usize) -> candle::Result<()> {
        let expected = self.positions.len() * width;
        if values.len() != expected {
            candle::bail!("{} values of rows came back, not {expected}", values.len());
        }
        Ok(())
    }
}

/// Rows `(N, D)` to those that arrived, `(M, D)`.
struct Dispatch {
    sent: Sent,
    counts: Vec<usize>,
    /// What arrived.
    rows: Mutex<Vec<f32>>,
}

impl CustomOp1 for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    fn cpu_fwd(&self, _: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let rows = std::mem::take(&mut *self.rows.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((CpuStorage::F32(rows), Shape::from((self.counts.iter().sum::<usize>(), width))))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, drows: &Tensor) -> candle::Result<Option<Tensor>> {
        let (count, width) = xs.dims2()?;
        let back =
            slices::with_values(drows, |drows| self.sent.exchange(drows, &self.counts, width))??;
        self.sent.check(&back, width)?;
        let mut dxs = vec![0.0; count * width];
        for (&position, back) in self.sent.positions.iter().zip(back.chunks_exact(width)) {
            let dx = &mut dxs[self.sent.row(position) * width..][..width];
            dx.iter_mut().zip(back).for_each(|(dx, back)| *dx += back);
        }
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

/// Answers `(M, D)` and weights `(N, S)` to sums `(N, D)`.
struct Collect {
    sent: Sent,
    counts: Vec<usize>,
    /// What came back for each visit, `(V, D)`.
    answers: OnceLock<Vec<f32>>,
}

impl CustomOp2 for Collect {
    fn name(&self) -> &'static str {
        "collect"
    }

    fn cpu_fwd(
        &self,
        answers: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let (count, _) = weights_layout.shape().dims2()?;
        let weights = slices::values(weights, weights_layout)?;
        let answers = slices::values(answers, layout)?;
        let back = self.sent.exchange(answers, &self.counts, width)?;
        self.sent.check(&back, width)?;
        // In the order of the slots, as where all experts are here.
        let mut visits: Vec<(u32, &[f32])> =
            self.sent.positions.iter().copied().zip(back.chunks_exact(width)).collect();
        visits.sort_unstable_by_key(|(position, _)| *position);
        let mut ys = vec![0.0; count * width];
        for (position, answer) in visits {
            let weight = weights[position as usize];
            let y = &mut ys[self.sent.row(position) * width..][..width];
            y.iter_mut().zip(answer).for_each(|(y, answer)| *y += weight * answer);
        }
        self.answers.get_or_init(|| back);
        Ok((CpuStorage::F32(ys), Shape::from((count, width))))
    }

    fn bwd(
        &self,
        answers: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        dys: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, width) = answers.dims2()?;
        let Some(back) = self.answers.get() else {
            candle::bail!("collect: backward before forward")
        };
        let (danswers, dweights) = slices::with_values(weights, |weights| {
            slices::with_values(dys, |dys| {
                let mut dback = Vec::with_capacity(back.len());
                let mut dweights = vec![0.0; weights.len()];
                for (&position, answer) in self.sent.positions.iter().zip(back.chunks_exact(width))
                {
                    let dy = &dys[self.sent.row(position) * width..][..width];
                    let weight = weights[position as usize];
                    dback.extend(dy.iter().map(|dy| weight * dy));
                    dweights[position as usize] =
                        dy.iter().zip(answer).map(|(dy, answer)| dy * answer).sum();
                }
                (self.sent.exchange(&dback, &self.sent.counts, width), dweights)
            })
        })??;
        let danswers = slices::tensor(danswers?, answers.shape())?;
        Ok((Some(danswers), Some(slices::tensor(dweights, weights.shape())?)))
    }
}
