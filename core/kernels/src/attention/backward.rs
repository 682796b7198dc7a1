//! The backward pass of one head of one sentence, with the probabilities computed again.

use std::ops::Range;

use super::super::columns::{Columns, ColumnsMut};
use super::super::math::{dot, exp};
use super::super::simd::simd;
use super::forward::drop_factors;
use super::tile::{Matrix, STRIP, Strip, UNIT, add_product, gather, gather_transposed, reserve};
use super::{HeadTask, QkvGrads};

/// Queries whose probabilities are held at once.
const BLOCK: usize = 32;

/// Buffers of one thread, kept from task to task. Rows are padded to whole registers.
#[derive(Default)]
pub(super) struct Scratch {
    /// Keys and values, transposed, `(width, S)`.
    keys_t: Vec<f32>,
    values_t: Vec<f32>,
    /// Keys, `(S, width)`.
    keys: Vec<f32>,
    /// Gradients of keys and values, `(S, width)`.
    dkeys: Vec<f32>,
    dvalues: Vec<f32>,
    /// Scaled queries and output gradients of a block, `(BLOCK, width)`.
    queries: Vec<f32>,
    douts: Vec<f32>,
    /// Probabilities and score gradients of a block, `(BLOCK, S)`.
    probs: Vec<f32>,
    dscores: Vec<f32>,
    /// A strip of query gradients, `(STRIP, width)`.
    dqueries: Vec<f32>,
    /// Factors of dropout for one row, `(S,)`.
    factors: Vec<f32>,
}

/// A block of queries of a task.
#[derive(Clone)]
struct Block {
    /// Place of the first one in its sentence.
    start: usize,
    /// Their rows in the batch.
    rows: Range<usize>,
}

simd! {
    /// Writes the gradients of the rows and columns of `task`.
    pub(super) fn head<ISA>(
        task: HeadTask<'_>, log_sums: &[f32], dout: Columns<'_>, grads: &QkvGrads<'_>,
        scratch: &mut Scratch,
    ) {
        let (queries, keys) = (task.queries(), task.keys());
        if task.columns().is_empty() {
            return;
        }
        scratch.load(task);
        for start in (0..queries.len()).step_by(BLOCK) {
            let first = queries.start + start;
            let block = Block { start, rows: first..queries.end.min(first + BLOCK) };
            scratch.load_block(task, &block, dout);
            for strip in (0..block.rows.len()).step_by(STRIP) {
                scratch.score::<ISA>(task, &block, strip);
                for i in strip..strip + STRIP {
                    scratch.differentiate::<ISA>(task, &block, i, log_sums);
                }
                scratch.query_gradients::<ISA>(task, &block, strip, &grads.dq);
            }
            scratch.add_key_gradients::<ISA>(task, &block);
        }
        let (_, stride) = task.widths();
        scatter(&scratch.dkeys, stride, 1.0, &grads.dk, keys.clone(), task.columns());
        scatter(&scratch.dvalues, stride, 1.0, &grads.dv, keys, task.columns());
    }
}

impl Scratch {
    /// Makes room for `task`, and fetches its keys and values.
    #[inline(always)]
    fn load(&mut self, task: HeadTask<'_>) {
        let (width, padded_width) = task.widths();
        let (keys, padded_keys) = (task.keys().len(), task.padded_keys());
        let (k, v) = (task.inputs.k, task.inputs.v);
        let to = reserve(&mut self.keys_t, width * padded_keys);
        gather_transposed(k, task.keys(), task.columns(), to, padded_keys);
        let to = reserve(&mut self.values_t, width * padded_keys);
        gather_transposed(v, task.keys(), task.columns(), to, padded_keys);
        let to = reserve(&mut self.keys, keys * padded_width);
        gather(k, task.keys(), task.columns(), 1.0, to, padded_width);
        reserve(&mut self.dkeys, padded_keys * padded_width).fill(0.0);
        reserve(&mut self.dvalues, padded_keys * padded_width).fill(0.0);
        reserve(&mut self.queries, BLOCK * padded_width);
        reserve(&mut self.douts, BLOCK * padded_width);
        reserve(&mut self.probs, BLOCK * padded_keys);
        reserve(&mut self.dscores, BLOCK * padded_keys);
        reserve(&mut self.dqueries, STRIP * padded_width);
        reserve(&mut self.factors, keys);
    }

    /// Fetches the queries and output gradients of `block`, with rows of zeros up to a whole strip.
    #[inline(always)]
    fn load_block(&mut self, task: HeadTask<'_>, block: &Block, dout: Columns<'_>) {
        let ((_, width), keys) = (task.widths(), task.padded_keys());
        let (rows, columns, scale) = (&block.rows, task.columns(), task.rule.heads.scale);
        let padded = rows.len().next_multiple_of(STRIP);
        gather(task.inputs.q, rows.clone(), columns.clone(), scale, &mut self.queries, width);
        gather(dout, rows.clone(), columns, 1.0, &mut self.douts, width);
        self.queries[rows.len() * width..padded * width].fill(0.0);
        self.douts[rows.len() * width..padded * width].fill(0.0);
        self.probs[..padded * keys].fill(0.0);
        self.dscores[..padded * keys].fill(0.0);
    }

    /// `probs = scale · q·kᵀ` and `dscores = dout·vᵀ` for a strip of queries.
    #[inline(always)]
    fn score<const ISA: u8>(&mut self, task: HeadTask<'_>, block: &Block, strip: usize) {
        let ((inner, width), stride) = (task.widths(), task.padded_keys());
        let columns = block.visible(task, strip + STRIP).next_multiple_of(UNIT);
        let keys = Matrix { data: &self.keys_t, stride, inner, columns };
        let queries = Strip { data: &self.queries[strip * width..], row: width, column: 1 };
        add_product::<ISA>(queries, keys, &mut self.probs[strip * stride..], stride);
        let values = Matrix { data: &self.values_t, ..keys };
        let douts = Strip { data: &self.douts[strip * width..], ..queries };
        add_product::<ISA>(douts, values, &mut self.dscores[strip * stride..], stride);
    }

    /// Turns the scores of query `i` into the probabilities that met the values, and `dp` into `ds`.
    #[inline(always)]
    fn differentiate<const ISA: u8>(
        &mut self,
        task: HeadTask<'_>,
        block: &Block,
        i: usize,
        log_sums: &[f32],
    ) {
        let stride = task.padded_keys();
        let seen = if i < block.rows.len() { task.visible(block.start + i) } else { 0 };
        let (probs, hidden) = self.probs[i * stride..(i + 1) * stride].split_at_mut(seen);
        hidden.fill(0.0);
        let (dscores, hidden) = self.dscores[i * stride..(i + 1) * stride].split_at_mut(seen);
        hidden.fill(0.0);
        if seen == 0 {
            return;
        }
        let (row, factors) = (block.rows.start + i, &mut self.factors[..seen]);
        match task.rule.dropout.probability {
            0.0 => factors.fill(1.0),
            _ => drop_factors(task.rule.dropout, row, task.head, factors),
        }
        let log_sum = log_sums[row * task.rule.heads.count + task.head];
        for ((p, d), factor) in probs.iter_mut().zip(dscores.iter_mut()).zip(&*factors) {
            *p = exp::<ISA>(*p - log_sum);
            *d *= factor;
        }
        let mean = dot::<ISA>(probs, dscores);
        for ((p, d), factor) in probs.iter_mut().zip(dscores).zip(factors) {
            *d = *p * (*d - mean);
            *p *= *factor;
        }
    }

    /// `dq = scale · ds·k` for a strip of queries.
    #[inline(always)]
    fn query_gradients<const ISA: u8>(
        &mut self,
        task: HeadTask<'_>,
        block: &Block,
        strip: usize,
        dq: &ColumnsMut<'_>,
    ) {
        let ((_, width), stride) = (task.widths(), task.padded_keys());
        let inner = block.visible(task, strip + STRIP);
        let dqueries = &mut self.dqueries[..STRIP * width];
        dqueries.fill(0.0);
        let dscores = Strip { data: &self.dscores[strip * stride..], row: stride, column: 1 };
        let keys = Matrix { data: &self.keys, stride: width, inner, columns: width };
        add_product::<ISA>(dscores, keys, dqueries, width);
        let first = block.rows.start + strip;
        let rows = first..block.rows.end.min(first + STRIP);
        scatter(dqueries, width, task.rule.heads.scale, dq, rows, task.columns());
    }

    /// `dv += pᵀ·dout` and `dk += scale · dsᵀ·q` for the queries of `block`.
    #[inline(always)]
    fn add_key_gradients<const ISA: u8>(&mut self, task: HeadTask<'_>, block: &Block) {
        let ((_, width), stride, inner) = (task.widths(), task.padded_keys(), block.rows.len());
        for j in (0..block.visible(task, inner)).step_by(STRIP) {
            let probs = Strip { data: &self.probs[j..], row: 1, column: stride };
            let douts = Matrix { data: &self.douts, stride: width, inner, columns: width };
            add_product::<ISA>(probs, douts, &mut self.dvalues[j * width..], width);
            let dscores = Strip { data: &self.dscores[j..], ..probs };
            let queries = Matrix { data: &self.queries, ..douts };
            add_product::<ISA>(dscores, queries, &mut self.dkeys[j * width..], width);
        }
    }
}

impl Block {
    /// Keys seen by the last of the queries before place `end` of the block; the others see no more.
    #[inline(always)]
    fn visible(&self, task: HeadTask<'_>, end: usize) -> usize {
        task.visible(self.start + end.min(self.rows.len()) - 1)
    }
}

/// Writes `from`, with rows of `stride` floats, times `factor`, to rows and columns of `to`.
#[inline(always)]
fn scatter(
    from: &[f32],
    stride: usize,
    factor: f32,
    to: &ColumnsMut<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
) {
    for (row, from) in rows.zip(from.chunks_exact(stride)) {
        // SAFETY: the task that calls this alone has these rows and this head.
        #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
        let to = unsafe { to.slice(row, columns.clone()) };
        for (y, x) in to.iter_mut().zip(from) {
            *y = x * factor;
        }
    }
}
