//! The forward pass of one head of one sentence.

use super::super::columns::ColumnsMut;
use super::super::math::{exp, max, sum};
use super::super::random::{self, Dropout};
use super::super::simd::simd;
use super::Task;
use super::tile::{Matrix, STRIP, Strip, UNIT, add_product, gather, gather_transposed, reserve};

/// Buffers of one thread, kept from task to task.
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

simd! {
    /// Writes the rows and columns of `task` to `out`, and the log-sum-exp of its rows to `saved`.
    pub(super) fn head<ISA>(
        task: Task<'_>, out: &ColumnsMut<'_>, saved: &ColumnsMut<'_>, scratch: &mut Scratch,
    ) {
        let (queries, columns) = (task.queries(), task.columns());
        let (width, keys) = (columns.len(), task.keys().len());
        let (padded_width, padded_keys) =
            (width.next_multiple_of(UNIT), keys.next_multiple_of(UNIT));
        let keys_t = reserve(&mut scratch.keys, width * padded_keys);
        let values = reserve(&mut scratch.values, keys * padded_width);
        let strip = reserve(&mut scratch.queries, STRIP * width);
        let probs = reserve(&mut scratch.probs, STRIP * padded_keys);
        let result = reserve(&mut scratch.out, STRIP * padded_width);
        let factors = reserve(&mut scratch.factors, padded_keys);
        if padded_width > 0 && padded_keys > 0 {
            gather_transposed(task.inputs.k, task.keys(), columns.clone(), keys_t, padded_keys);
            gather(task.inputs.v, task.keys(), columns.clone(), 1.0, values, padded_width);
        }

        for start in (0..queries.len()).step_by(STRIP) {
            let count = STRIP.min(queries.len() - start);
            let visible = task.visible(start + count - 1);
            let first = queries.start + start;
            strip[count * width..].fill(0.0);
            gather_strip(task, first..first + count, strip);

            probs.fill(0.0);
            let a = Strip { data: strip, row: width, column: 1 };
            let shown = visible.next_multiple_of(UNIT);
            let b = Matrix { data: keys_t, stride: padded_keys, inner: width, columns: shown };
            add_product::<ISA>(a, b, probs, padded_keys);
            for i in 0..STRIP {
                let row = &mut probs[i * padded_keys..(i + 1) * padded_keys];
                let visible = if i < count { task.visible(start + i) } else { 0 };
                let (row, hidden) = row.split_at_mut(visible);
                hidden.fill(0.0);
                if i < count {
                    let log_sum = softmax::<ISA>(row);
                    // SAFETY: this task alone has this row and head.
                    #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
                    let saved = unsafe { saved.slice(first + i, task.head..task.head + 1) };
                    saved[0] = log_sum;
                    if task.rule.dropout.probability > 0.0 {
                        let factors = &mut factors[..visible];
                        drop_factors(task.rule.dropout, first + i, task.head, factors);
                        for (p, factor) in row.iter_mut().zip(factors) {
                            *p *= *factor;
                        }
                    }
                }
            }

            result.fill(0.0);
            let a = Strip { data: probs, row: padded_keys, column: 1 };
            let b = Matrix {
                data: values, stride: padded_width, inner: visible, columns: padded_width,
            };
            add_product::<ISA>(a, b, result, padded_width);
            for i in 0..count {
                // SAFETY: this task alone has this row and head.
                #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
                let out = unsafe { out.slice(first + i, columns.clone()) };
                out.copy_from_slice(&result[i * padded_width..][..width]);
            }
        }
    }
}

/// Copies the scaled queries of `rows`, without a gap between them.
#[inline(always)]
fn gather_strip(task: Task<'_>, rows: std::ops::Range<usize>, strip: &mut [f32]) {
    let (columns, scale) = (task.columns(), task.rule.heads.scale);
    if !columns.is_empty() {
        let width = columns.len();
        gather(task.inputs.q, rows, columns, scale, strip, width);
    }
}

/// Replaces scores by probabilities; gives the logarithm of their sum.
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
    if row.is_empty() { f32::NEG_INFINITY } else { top + total.ln() }
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
