//! The backward pass of one head of one sentence, with the probabilities computed again.

use super::super::columns::{Columns, ColumnsMut};
use super::super::math::{dot, exp};
use super::super::simd::simd;
use super::forward::drop_factors;
use super::tile::{Matrix, STRIP, Strip, UNIT, add_product, gather, gather_transposed, reserve};
use super::{QkvGrads, Task};

/// Queries whose probabilities are held at once.
const BLOCK: usize = 32;

/// Buffers of one thread, kept from task to task.
#[derive(Default)]
pub(super) struct Scratch {
    /// Keys and values, transposed, `(width, S)`, and keys, `(S, width)`.
    keys_t: Vec<f32>,
    values_t: Vec<f32>,
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
    /// A strip of query gradients, `(STRIP, width)`, and factors of dropout, `(S,)`.
    dqueries: Vec<f32>,
    factors: Vec<f32>,
}

simd! {
    /// Writes the gradients of the rows and columns of `task`.
    pub(super) fn head<ISA>(
        task: Task<'_>, log_sums: &[f32], dout: Columns<'_>, grads: &QkvGrads<'_>,
        scratch: &mut Scratch,
    ) {
        let (queries, columns) = (task.queries(), task.columns());
        let (width, keys) = (columns.len().next_multiple_of(UNIT), task.keys().len());
        if width == 0 {
            return;
        }
        let padded = keys.next_multiple_of(UNIT);
        let keys_t = reserve(&mut scratch.keys_t, columns.len() * padded);
        let values_t = reserve(&mut scratch.values_t, columns.len() * padded);
        let keys_n = reserve(&mut scratch.keys, keys * width);
        let dkeys = reserve(&mut scratch.dkeys, padded * width);
        let dvalues = reserve(&mut scratch.dvalues, padded * width);
        let queries_n = reserve(&mut scratch.queries, BLOCK * width);
        let douts = reserve(&mut scratch.douts, BLOCK * width);
        let probs = reserve(&mut scratch.probs, BLOCK * padded);
        let dscores = reserve(&mut scratch.dscores, BLOCK * padded);
        let dqueries = reserve(&mut scratch.dqueries, STRIP * width);
        let factors = reserve(&mut scratch.factors, padded);
        dkeys.fill(0.0);
        dvalues.fill(0.0);
        if keys > 0 {
            gather_transposed(task.inputs.k, task.keys(), columns.clone(), keys_t, padded);
            gather_transposed(task.inputs.v, task.keys(), columns.clone(), values_t, padded);
            gather(task.inputs.k, task.keys(), columns.clone(), 1.0, keys_n, width);
        }

        for block in (0..queries.len()).step_by(BLOCK) {
            let rows = queries.start + block..queries.end.min(queries.start + block + BLOCK);
            let count = rows.len();
            let scale = task.rule.heads.scale;
            gather(task.inputs.q, rows.clone(), columns.clone(), scale, queries_n, width);
            gather(dout, rows.clone(), columns.clone(), 1.0, douts, width);
            let strips = count.next_multiple_of(STRIP);
            queries_n[count * width..strips * width].fill(0.0);
            douts[count * width..strips * width].fill(0.0);
            probs[..strips * padded].fill(0.0);
            dscores[..strips * padded].fill(0.0);

            for start in (0..count).step_by(STRIP) {
                let last = (start + STRIP).min(count) - 1;
                let visible = task.visible(block + last);
                let shown = visible.next_multiple_of(UNIT);
                let inner = columns.len();
                let probs = &mut probs[start * padded..(start + STRIP) * padded];
                let dscores = &mut dscores[start * padded..(start + STRIP) * padded];
                let b = Matrix { data: keys_t, stride: padded, inner, columns: shown };
                let a = Strip { data: &queries_n[start * width..], row: width, column: 1 };
                add_product::<ISA>(a, b, probs, padded);
                let a = Strip { data: &douts[start * width..], row: width, column: 1 };
                add_product::<ISA>(a, Matrix { data: values_t, ..b }, dscores, padded);

                for i in 0..STRIP {
                    let row = rows.start + start + i;
                    let probs = &mut probs[i * padded..(i + 1) * padded];
                    let dscores = &mut dscores[i * padded..(i + 1) * padded];
                    let visible = if start + i < count { task.visible(block + start + i) } else { 0 };
                    probs[visible..].fill(0.0);
                    dscores[visible..].fill(0.0);
                    if visible > 0 {
                        let log_sum = log_sums[row * task.rule.heads.count + task.head];
                        let factors = &mut factors[..visible];
                        if task.rule.dropout.probability > 0.0 {
                            drop_factors(task.rule.dropout, row, task.head, factors);
                        } else {
                            factors.fill(1.0);
                        }
                        let (probs, dscores) = (&mut probs[..visible], &mut dscores[..visible]);
                        score_gradients::<ISA>(probs, dscores, factors, log_sum);
                    }
                }

                dqueries.fill(0.0);
                let a = Strip { data: dscores, row: padded, column: 1 };
                let b = Matrix { data: keys_n, stride: width, inner: visible, columns: width };
                add_product::<ISA>(a, b, dqueries, width);
                let first = rows.start + start;
                let scaled = dqueries.chunks_exact(width).take(count - start);
                scatter(&grads.dq, first, columns.clone(), scaled, scale);
            }

            let visible = task.visible(block + count - 1);
            for j in (0..visible).step_by(STRIP) {
                let column = Strip { data: &probs[j..], row: 1, column: padded };
                let b = Matrix { data: douts, stride: width, inner: count, columns: width };
                add_product::<ISA>(column, b, &mut dvalues[j * width..], width);
                let column = Strip { data: &dscores[j..], ..column };
                let b = Matrix { data: queries_n, ..b };
                add_product::<ISA>(column, b, &mut dkeys[j * width..], width);
            }
        }
        let first = task.keys().start;
        scatter(&grads.dk, first, columns.clone(), dkeys.chunks_exact(width).take(keys), 1.0);
        scatter(&grads.dv, first, columns.clone(), dvalues.chunks_exact(width).take(keys), 1.0);
    }
}

/// Turns scores into the probabilities that met the values, and `dp` into `ds`, of one query.
#[inline(always)]
fn score_gradients<const ISA: u8>(
    probs: &mut [f32],
    dscores: &mut [f32],
    factors: &[f32],
    log_sum: f32,
) {
    for ((p, d), factor) in probs.iter_mut().zip(dscores.iter_mut()).zip(factors) {
        *p = exp::<ISA>(*p - log_sum);
        *d *= factor;
    }
    let mean = dot::<ISA>(probs, dscores);
    for ((p, d), factor) in probs.iter_mut().zip(dscores).zip(factors) {
        *d = *p * (*d - mean);
        *p *= factor;
    }
}

/// Writes `rows` times `factor` to the columns `head` of `to`, from row `first` on.
#[inline(always)]
fn scatter<'s>(
    to: &ColumnsMut<'_>,
    first: usize,
    head: std::ops::Range<usize>,
    rows: impl Iterator<Item = &'s [f32]>,
    factor: f32,
) {
    for (row, from) in (first..).zip(rows) {
        // SAFETY: the task that calls this alone has these rows and this head.
        #[expect(unsafe_code, reason = "tasks write to different rows and heads")]
        let to = unsafe { to.slice(row, head.clone()) };
        for (y, x) in to.iter_mut().zip(from) {
            *y = x * factor;
        }
    }
}
