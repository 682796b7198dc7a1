//! Multi-head attention (Vaswani et al. 2017, eq. 1) over ragged rows.
//!
//! The rows of all sentences stand one after another without padding; `offsets` of length `B + 1` say
//! that sentence `b` owns the rows `offsets[b]..offsets[b + 1]`. Every (sentence, head) is a task of its
//! own that never looks at another. One query's sums run over its keys in their order, so its bits do
//! not depend on how many other queries or sentences there are.

mod backward;
mod distances;
mod forward;
mod query;
mod step;
mod tile;
mod vector;

pub use distances::{Distances, ScoreBias, VectorsByDistance};
pub use step::Cached;

use rayon::prelude::*;

use super::columns::{Columns, ColumnsMut};
use super::random::Dropout;

/// How a row of `D = H·width` floats divides into heads, side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heads {
    /// Number of heads, `H`.
    pub count: usize,
    /// Width of one head.
    pub width: usize,
    /// Factor of the scores, usually `1 / √width`.
    pub scale: f32,
}

/// Attention of the rows of `B` sentences to the rows of their partners (or of themselves).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention<'a> {
    /// The heads of every row.
    pub heads: Heads,
    /// Where the sentences of the queries begin and end, `(B + 1,)`.
    pub q_offsets: &'a [usize],
    /// Where the sentences of the keys and values begin and end, `(B + 1,)`.
    pub k_offsets: &'a [usize],
    /// Whether a query sees no key after its own place; the last query sees all keys.
    pub causal: bool,
    /// Which probabilities are dropped after the softmax.
    pub dropout: Dropout,
}

/// What attention reads: queries `(Nq, D)`, keys and values `(Nk, D)`.
#[derive(Debug, Clone, Copy)]
pub struct Qkv<'a> {
    /// Queries, `(Nq, D)`.
    pub q: Columns<'a>,
    /// Keys, `(Nk, D)`.
    pub k: Columns<'a>,
    /// Values, `(Nk, D)`.
    pub v: Columns<'a>,
}

/// Where the gradients of [`Qkv`] are written.
#[derive(Debug)]
pub struct QkvGrads<'a> {
    /// Gradient of the queries, `(Nq, D)`.
    pub dq: ColumnsMut<'a>,
    /// Gradient of the keys, `(Nk, D)`.
    pub dk: ColumnsMut<'a>,
    /// Gradient of the values, `(Nk, D)`.
    pub dv: ColumnsMut<'a>,
}

/// One head of one sentence.
#[derive(Debug, Clone, Copy)]
struct HeadTask<'a> {
    rule: &'a Attention<'a>,
    inputs: Qkv<'a>,
    sentence: usize,
    head: usize,
}

/// Multiplications below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 18;

impl Attention<'_> {
    /// `out = softmax(scale · q·kᵀ) · v` for each head, `(Nq, D)`.
    ///
    /// Gives the logarithm of each softmax's denominator, `(Nq, H)`, which [`Self::backward`] wants.
    /// A query without keys gives zeros.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn forward(&self, inputs: Qkv<'_>, out: &mut [f32]) -> Vec<f32> {
        self.check(&inputs);
        let rows = inputs.q.rows();
        assert_eq!(out.len(), rows * self.heads.d_model(), "the output has the shape of q");
        let mut log_sums = vec![0.0; rows * self.heads.count];
        let out = ColumnsMut::new(out, self.heads.d_model());
        let saved = ColumnsMut::new(&mut log_sums, self.heads.count);
        self.for_each(inputs, |task, scratch: &mut forward::Scratch| {
            forward::head(task, &out, &saved, scratch);
        });
        log_sums
    }

    /// From `dout`, `(Nq, D)`, computes the gradients of the inputs.
    ///
    /// The probabilities `p` are computed again from `log_sums`. With `dp = dout·vᵀ` and
    /// `ds = p·(dp - Σ p·dp)`: `dv = pᵀ·dout`, `dq = scale · ds·k`, `dk = scale · dsᵀ·q`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn backward(
        &self,
        inputs: Qkv<'_>,
        log_sums: &[f32],
        dout: Columns<'_>,
        grads: &mut QkvGrads<'_>,
    ) {
        self.check(&inputs);
        let (rows, keys) = (inputs.q.rows(), inputs.k.rows());
        let shapes = [&grads.dq, &grads.dk, &grads.dv].map(|grad| (grad.rows(), grad.width()));
        let d_model = self.heads.d_model();
        assert_eq!(shapes, [rows, keys, keys].map(|rows| (rows, d_model)), "shapes of gradients");
        assert_eq!((dout.rows(), dout.width()), (rows, d_model), "shape of the output gradient");
        assert_eq!(log_sums.len(), rows * self.heads.count, "shape of the saved sums");
        let grads = &*grads;
        self.for_each(inputs, |task, scratch: &mut backward::Scratch| {
            backward::head(task, log_sums, dout, grads, scratch);
        });
    }

    fn for_each<'t, S: Default>(
        &'t self,
        inputs: Qkv<'t>,
        work: impl Fn(HeadTask<'t>, &mut S) + Sync + Send,
    ) {
        let task = |i| HeadTask {
            rule: self,
            inputs,
            sentence: i / self.heads.count,
            head: i % self.heads.count,
        };
        let sizes = self.q_offsets.windows(2).zip(self.k_offsets.windows(2));
        let size: usize = sizes.map(|(q, k)| (q[1] - q[0]) * (k[1] - k[0])).sum();
        let tasks = (self.q_offsets.len() - 1) * self.heads.count;
        if size * self.heads.d_model() < WORTH_A_THREAD {
            let mut scratch = S::default();
            (0..tasks).for_each(|i| work(task(i), &mut scratch));
        } else {
            (0..tasks)
                .into_par_iter()
                .for_each_init(S::default, |scratch, i| work(task(i), scratch));
        }
    }

    fn check(&self, inputs: &Qkv<'_>) {
        let Qkv { q, k, v } = inputs;
        let d_model = self.heads.d_model();
        assert_eq!([q.width(), k.width(), v.width()], [d_model; 3], "heads fill the rows");
        assert_eq!(k.rows(), v.rows(), "a value for each key");
        assert_eq!(self.q_offsets.len(), self.k_offsets.len(), "a partner for each sentence");
        check_offsets(self.q_offsets, q.rows());
        check_offsets(self.k_offsets, k.rows());
        let Dropout { probability, .. } = self.dropout;
        assert!((0.0..1.0).contains(&probability), "dropout of {probability} is not in [0, 1)");
        assert!(self.heads.count < 4096, "at most 4095 heads");
    }
}

impl Heads {
    /// Width of a row, `D`.
    pub fn d_model(&self) -> usize {
        self.count * self.width
    }
}

impl HeadTask<'_> {
    fn queries(&self) -> std::ops::Range<usize> {
        self.rule.q_offsets[self.sentence]..self.rule.q_offsets[self.sentence + 1]
    }

    fn keys(&self) -> std::ops::Range<usize> {
        self.rule.k_offsets[self.sentence]..self.rule.k_offsets[self.sentence + 1]
    }

    /// The columns of this head.
    fn columns(&self) -> std::ops::Range<usize> {
        let width = self.rule.heads.width;
        self.head * width..(self.head + 1) * width
    }

    /// Width of the head, and the same in whole registers.
    #[inline(always)]
    fn widths(&self) -> (usize, usize) {
        let width = self.rule.heads.width;
        (width, width.next_multiple_of(tile::UNIT))
    }

    /// Number of keys, in whole registers; at least one, so that rows have a length.
    #[inline(always)]
    fn padded_keys(&self) -> usize {
        self.keys().len().max(1).next_multiple_of(tile::UNIT)
    }

    /// How many keys the query at place `i` of its sentence sees.
    #[inline(always)]
    fn visible(&self, i: usize) -> usize {
        let (queries, keys) = (self.queries().len(), self.keys().len());
        match self.rule.causal {
            true => (i + 1 + keys).saturating_sub(queries).min(keys),
            false => keys,
        }
    }
}

/// Asserts that `offsets` divide `rows` rows into sentences.
fn check_offsets(offsets: &[usize], rows: usize) {
    let ends = (offsets.first(), offsets.last());
    assert_eq!(ends, (Some(&0), Some(&rows)), "offsets begin at 0 and end at the number of rows");
    assert!(offsets.is_sorted(), "offsets ascend");
}

#[cfg(test)]
mod tests;
