//! The forward pass of one head of one sentence.

use super::super::columns::ColumnsMut;
use super::super::math::{exp, ln, max, sum};
use super::super::random::{self, Dropout};
use super::super::simd::simd;
use super::HeadTask;
use super::tile::{Matrix, STRIP, Strip, UNIT, add_product, gather, gather_transposed, reserve};

/// Buffers of one thread, kept from task to task. Rows are padded to whole registers.
#[derive(Default)]
pub(super) struct Scratch {
    /// Keys, transposed, `(width, S)`.
    keys: Vec<f32>,
    /// Values, `(S, width)`.
    values: Vec<f32>,
    /// A strip of scaled queries, `(STRIP, width)`.
    queries: Vec<f32>,
    /// A strip of scores, then probabilities, `(STRIP, S)`.
    probs: Vec<f32>,
    /// A strip of the output, `(STRIP, width)`.
    out: Vec<f32>,
    /// Factors of dropout for one row, `(S,)`.
    factors: Vec<f32>,
}

/// Up to [`STRIP`] queries of a task.
#[derive(Clone, Copy)]
struct Queries {
    /// Place of the first one in its sentence, and in the batch.
    start: usize,
    row: usize,
    count: usize,
    /// Keys that the last one sees; the others see no more.
    visible: usize,
}

simd! {
    /// Writes the rows and columns of `task` to `out`, and the log-sum-exp of its rows to `saved`.
    pub(super) fn head<ISA>(
        task: HeadTask<'_>, out: &ColumnsMut<'_>, saved: &ColumnsMut<'_>, scratch: &mut Scratch,
    ) {
        let rows = task.queries();
        if rows.is_empty() || task.columns().is_empty() {
            return;
        }
        scratch.load(task);
        for start in (0..rows.len()).step_by(STRIP) {
            let count = STRIP.min(rows.len() - start);
            let visible = task.visible(start + count - 1);
            let queries = Queries { start, row: rows.start + start, count, visible };
            scratch.score::<ISA>(task, queries);
            scratch.normalise::<ISA>(task, queries, saved);
            scratch.weigh::<ISA>(task, queries, out);
        }
    }
}

impl Scratch {
    /// Makes room for `task`, and fetches its keys and values.
    #[inline(always)]
    fn load(&mut self, task: HeadTask<'_>) {
        let (width, padded_width) = task.widths();
        let (keys, padded_keys) = (task.keys().len(), task.padded_keys());
        let (k, v) = (task.inputs.k, task.inputs.v);
        let to = reserve(&mut self.keys, width * padded_keys);
        gather_transposed(k, task.keys(), task.columns(), to, padded_keys);
        let to = reserve(&mut self.values, keys * padded_width);
        gather(v, task.keys(), task.columns(), 1.0, to, padded_width);
        reserve(&mut self.queries, STRIP * width).fill(0.0);
        reserve(&mut self.probs, STRIP * padded_keys);
        reserve(&mut self.out, STRIP * padded_width);
        reserve(&mut self.factors, keys);
    }

    /// `probs = scale · q·kᵀ`
    #[inline(always)]
    fn score<const ISA: u8>(&mut self, task: HeadTask<'_>, queries: Queries) {
        let (width, stride) = (task.columns().len(), task.padded_keys());
        let (rows, scale) = (queries.row..queries.row + queries.count, task.rule.heads.scale);
        gather(task.inputs.q, rows, task.columns(), scale, &mut self.queries, width);
        let probs = &mut self.probs[..STRIP * stride];
        probs.fill(0.0);
        let columns = queries.visible.next_multiple_of(UNIT);
        let keys = Matrix { data: &self.keys, stride, inner: width, columns };
        let strip = Strip { data: &self.queries, row: width, column: 1 };
        add_product::<ISA>(strip, keys, probs, stride);
    }

    /// Turns scores into probabilities, with zeros for the keys that a query does not see.
    #[inline(always)]
    fn normalise<const ISA: u8>(
        &mut self,
        task: HeadTask<'_>,
        queries: Queries,
        saved: &ColumnsMut<'_>,
    ) {
        for (i, row) in self.probs.chunks_exact_mut(task.padded_keys()).take(STRIP).enumerate() {
            if i >= queries.count {
                row.fill(0.0);
                continue;
            }
            let (row, hidden) = row.split_at_mut(task.visible(queries.start + i));
            hidden.fill(0.0);
            let log_sum = softmax::<ISA>(row);
            // SAFETY: this task alone has this row and head.
            #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
            let saved = unsafe { saved.slice(queries.row + i, task.head..task.head + 1) };
            saved[0] = log_sum;
            if task.rule.dropout.probability > 0.0 {
                let factors = &mut self.factors[..row.len()];
                drop_factors(task.rule.dropout, queries.row + i, task.head, factors);
                for (p, factor) in row.iter_mut().zip(factors) {
                    *p *= *factor;
                }
            }
        }
    }

    /// `out = probs · v`
    #[inline(always)]
    fn weigh<const ISA: u8>(&mut self, task: HeadTask<'_>, queries: Queries, out: &ColumnsMut<'_>) {
        let (width, stride) = task.widths();
        let result = &mut self.out[..STRIP * stride];
        result.fill(0.0);
        let values = Matrix { data: &self.values, stride, inner: queries.visible, columns: stride };
        let strip = Strip { data: &self.probs, row: task.padded_keys(), column: 1 };
        add_product::<ISA>(strip, values, result, stride);
        for (i, result) in result.chunks_exact(stride).take(queries.count).enumerate() {
            // SAFETY: this task alone has this row and head.
            #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
            let out = unsafe { out.slice(queries.row + i, task.columns()) };
            out.copy_from_slice(&result[..width]);
        }
    }
}

/// Replaces scores by probabilities; gives the logarithm of the sum of their exponentials.
#[inline(always)]
pub(super) fn softmax<const ISA: u8>(row: &mut [f32]) -> f32 {
    let top = max(row);
    for x in row.iter_mut() {
        *x = exp::<ISA>(*x - top);
    }
    let total = sum(row);
    let share = 1.0 / total;
    for x in row.iter_mut() {
        *x *= share;
    }
    if row.is_empty() { f32::NEG_INFINITY } else { top + ln::<ISA>(total) }
}

/// Factors of the probabilities of query `row`: 0 where dropped, `1 / (1 - p)` elsewhere.
///
/// The mask depends on the row of the batch, the head and the place of the key in its sentence.
#[inline(always)]
pub(super) fn drop_factors(dropout: Dropout, row: usize, head: usize, factors: &mut [f32]) {
    let (scale, threshold) = (dropout.scale(), dropout.threshold());
    let stream = [row as u32, dropout.stream as u32, (dropout.stream >> 32) as u32];
    let counters = ((head as u32) << 20..).step_by(random::BLOCK / 4);
    for (first, factors) in counters.zip(factors.chunks_mut(random::BLOCK)) {
        let words = random::block(dropout.seed, first, stream);
        for (factor, word) in factors.iter_mut().zip(words) {
            *factor = if word < threshold { 0.0 } else { scale };
        }
    }
}
