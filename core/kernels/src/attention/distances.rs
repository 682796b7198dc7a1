//! Attention that knows how far a key is from its query: biases of scores, and vectors that are added to
//! keys and values.
//!
//! A query at place `i` sees the key at place `j` at the distance `j − i`. Whole sentences and single
//! steps of decoding go through the same function, query by query, so they have the same bits.

use rayon::prelude::*;

use super::super::columns::Columns;
use super::super::math::{dot, fma};
use super::super::simd::simd;
use super::forward::softmax;
use super::query::{score, weigh};
use super::{Attention, Cached, Heads, Qkv, WORTH_A_THREAD};

/// What depends on the distance between a query and a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distances<'a> {
    /// A number for each head, added to the score.
    Bias(ScoreBias<'a>),
    /// Vectors that are added to keys and values.
    Vectors(VectorsByDistance<'a>),
}

/// What is added to a score, by distance and head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScoreBias<'a> {
    /// Row `buckets[most + distance]` of `table`, `(buckets, H)` (Raffel et al. 2020, T5).
    Buckets {
        /// The bucket of each distance from `−most` to `most`; farther ones count as these.
        buckets: &'a [u32],
        /// A bias for each bucket and head.
        table: &'a [f32],
    },
    /// `slopes[head] · distance` (ALiBi, Press et al. 2022).
    Slopes(&'a [f32]),
}

/// The rows `most + distance` of `keys` and `values`, `(2·most + 1, width)`, are added to the keys and
/// values of every head (Shaw et al. 2018, eq. 3 and 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorsByDistance<'a> {
    /// Added to keys.
    pub keys: &'a [f32],
    /// Added to values.
    pub values: &'a [f32],
}

/// The row of a table of `2·most + 1` rows for `distance`.
#[inline(always)]
fn clamped(distance: isize, rows: usize) -> usize {
    let most = (rows / 2) as isize;
    (distance.clamp(-most, most) + most) as usize
}

impl Attention<'_> {
    /// [`Attention::forward`] of sentences to themselves, where distances count: `out`, `(N, D)`.
    ///
    /// # Panics
    /// If the shapes do not fit, or the sentences of queries and keys differ.
    pub fn forward_with_distances(
        &self,
        inputs: Qkv<'_>,
        distances: Distances<'_>,
        out: &mut [f32],
    ) {
        self.check(&inputs);
        assert_eq!(self.q_offsets, self.k_offsets, "distances are those within a sentence");
        let d_model = self.heads.d_model();
        assert_eq!(out.len(), inputs.q.rows() * d_model, "the output has the shape of q");
        self.heads.check_distances(distances);
        let mut places = Vec::with_capacity(inputs.q.rows());
        for (sentence, pair) in self.q_offsets.windows(2).enumerate() {
            places.extend((0..pair[1] - pair[0]).map(|place| (sentence, place)));
        }
        let body = |(row, out): (usize, &mut [f32])| {
            let (sentence, place) = places[row];
            let (start, end) = (self.k_offsets[sentence], self.k_offsets[sentence + 1]);
            let end = if self.causal { start + place + 1 } else { end };
            let (keys, values) = (inputs.k.row_range(start..end), inputs.v.row_range(start..end));
            query(self.heads, inputs.q.row(row), place, Cached { keys, values }, distances, out);
        };
        let sizes = self.q_offsets.windows(2).map(|pair| (pair[1] - pair[0]).pow(2));
        match sizes.sum::<usize>() * d_model < WORTH_A_THREAD {
            true => out.chunks_exact_mut(d_model.max(1)).enumerate().for_each(body),
            false => out.par_chunks_exact_mut(d_model.max(1)).enumerate().for_each(body),
        }
    }
}

impl Heads {
    /// [`Heads::step`] of the last token of each of `caches`, where distances count: `out`, `(B, D)`.
    ///
    /// # Panics
    /// If the shapes do not fit, or a cache is empty.
    pub fn step_with_distances(
        &self,
        q: Columns<'_>,
        caches: &[Cached<'_>],
        distances: Distances<'_>,
        out: &mut [f32],
    ) {
        let d_model = self.d_model();
        assert_eq!((q.rows(), q.width()), (caches.len(), d_model), "a query for each cache");
        assert_eq!(out.len(), caches.len() * d_model, "the output has the shape of q");
        self.check_distances(distances);
        let total: usize = caches.iter().map(|cache| cache.keys.rows()).sum();
        let body = |(row, out): (usize, &mut [f32])| {
            let place = caches[row].keys.rows() - 1;
            query(*self, q.row(row), place, caches[row], distances, out);
        };
        match total * d_model < WORTH_A_THREAD {
            true => out.chunks_exact_mut(d_model.max(1)).enumerate().for_each(body),
            false => out.par_chunks_exact_mut(d_model.max(1)).enumerate().for_each(body),
        }
    }

    fn check_distances(&self, distances: Distances<'_>) {
        match distances {
            Distances::Bias(ScoreBias::Slopes(slopes)) => {
                assert_eq!(slopes.len(), self.count, "a slope for each head");
            }
            Distances::Bias(ScoreBias::Buckets { buckets, table }) => {
                let known = table.len() / self.count.max(1);
                assert!(buckets.len() % 2 == 1, "as many distances before as after");
                assert!(buckets.iter().all(|&b| (b as usize) < known), "a row for each bucket");
            }
            Distances::Vectors(VectorsByDistance { keys, values }) => {
                assert_eq!(keys.len(), values.len(), "a value for each key");
                let rows = keys.len() / self.width.max(1);
                assert!(rows % 2 == 1 && keys.len() == rows * self.width, "2·most + 1 vectors");
            }
        }
    }
}

simd! {
    /// The query at `place` of its sentence, against the keys and values that it sees.
    fn query<ISA>(
        heads: Heads, q: &[f32], place: usize, seen: Cached<'_>, distances: Distances<'_>,
        out: &mut [f32],
    ) {
        let mut probs = vec![0.0; seen.keys.rows()];
        out.fill(0.0);
        for h in 0..heads.count {
            let head = h * heads.width..(h + 1) * heads.width;
            score::<ISA>(q, seen.keys, &head, heads.scale, &mut probs);
            match distances {
                Distances::Bias(bias) => bias.add::<ISA>(h, heads.count, place, &mut probs),
                Distances::Vectors(VectorsByDistance { keys, .. }) => {
                    let q = &q[head.clone()];
                    let vector = |distance| row(keys, distance, heads.width);
                    for (j, score) in probs.iter_mut().enumerate() {
                        let product = dot::<ISA>(q, vector(j as isize - place as isize));
                        *score = fma::<ISA>(heads.scale, product, *score);
                    }
                }
            }
            softmax::<ISA>(&mut probs);
            weigh::<ISA>(&probs, seen.values, &head, out);
            if let Distances::Vectors(VectorsByDistance { values, .. }) = distances {
                for (j, p) in probs.iter().enumerate() {
                    let vector = row(values, j as isize - place as isize, heads.width);
                    for (y, v) in out[head.clone()].iter_mut().zip(vector) {
                        *y = fma::<ISA>(*p, *v, *y);
                    }
                }
            }
        }
    }
}

/// The vector of `distance` in a table of vectors of `width` floats.
#[inline(always)]
fn row(table: &[f32], distance: isize, width: usize) -> &[f32] {
    &table[clamped(distance, table.len() / width) * width..][..width]
}

impl ScoreBias<'_> {
    /// Adds the biases of head `h` to the scores of the query at `place`.
    #[inline(always)]
    fn add<const ISA: u8>(self, h: usize, num_heads: usize, place: usize, scores: &mut [f32]) {
        let distance = |j: usize| j as isize - place as isize;
        match self {
            Self::Buckets { buckets, table } => {
                for (j, score) in scores.iter_mut().enumerate() {
                    let bucket = buckets[clamped(distance(j), buckets.len())] as usize;
                    *score += table[bucket * num_heads + h];
                }
            }
            Self::Slopes(slopes) => {
                for (j, score) in scores.iter_mut().enumerate() {
                    *score = fma::<ISA>(slopes[h], distance(j) as f32, *score);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::random::Dropout;
    use super::super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    const HEADS: Heads = Heads { count: 2, width: 16, scale: 0.25 };
    const D: usize = 32;
    const OFFSETS: [usize; 5] = [0, 1, 1, 8, 20];

    fn whole(qkv: &[f32], distances: Distances<'_>, causal: bool) -> Vec<f32> {
        let [q, k, v] = Columns::split(qkv, [D; 3]);
        let dropout = Dropout::default();
        let offsets = &OFFSETS[..];
        let rule =
            Attention { heads: HEADS, q_offsets: offsets, k_offsets: offsets, causal, dropout };
        let mut out = vec![f32::NAN; qkv.len() / 3];
        rule.forward_with_distances(Qkv { q, k, v }, distances, &mut out);
        out
    }

    /// The formulas in `f64`: `bias` and `vectors` are asked by head and distance.
    fn reference(
        qkv: &[f32],
        causal: bool,
        bias: impl Fn(usize, isize) -> f64,
        vectors: impl Fn(isize, usize) -> [f64; 2],
    ) -> Vec<f64> {
        let at = |row: usize, part: usize, column: usize| {
            f64::from(qkv[row * 3 * D + part * D + column])
        };
        let mut out = vec![0.0; qkv.len() / 3];
        for pair in OFFSETS.windows(2) {
            for (i, h) in (pair[0]..pair[1]).flat_map(|i| [(i, 0), (i, 1)]) {
                let keys = pair[0]..if causal { i + 1 } else { pair[1] };
                let far = |j: usize| j as isize - i as isize;
                let score = |j: usize| {
                    let key = |d: usize| at(j, 1, h * 16 + d) + vectors(far(j), d)[0];
                    let sum: f64 = (0..16).map(|d| at(i, 0, h * 16 + d) * key(d)).sum();
                    0.25 * sum + bias(h, far(j))
                };
                let total: f64 = keys.clone().map(|j| score(j).exp()).sum();
                for j in keys {
                    let p = score(j).exp() / total;
                    for d in 0..16 {
                        out[i * D + h * 16 + d] +=
                            p * (at(j, 2, h * 16 + d) + vectors(far(j), d)[1]);
                    }
                }
            }
        }
        out
    }

    /// The rows of whole causal sentences, one step after another.
    fn steps(qkv: &[f32], distances: Distances<'_>) -> Vec<f32> {
        let [q, k, v] = Columns::split(qkv, [D; 3]);
        let mut out = Vec::new();
        for pair in OFFSETS.windows(2) {
            for end in pair[0] + 1..=pair[1] {
                let cache =
                    Cached { keys: k.row_range(pair[0]..end), values: v.row_range(pair[0]..end) };
                let mut row = vec![0.0; D];
                let query = q.row_range(end - 1..end);
                HEADS.step_with_distances(query, &[cache], distances, &mut row);
                out.extend(row);
            }
        }
        out
    }

    #[test]
    fn every_kind_matches_its_formula_and_its_steps() {
        let qkv: Vec<f32> = numbers(20 * 3 * D, 1).iter().map(|x| 2.0 * x).collect();
        let (keys, values) = (numbers(7 * 16, 2), numbers(7 * 16, 3));
        let (table, slopes) = (numbers(3 * 2, 4), [0.5, 0.25]);
        let buckets = [2, 1, 0, 0, 1];
        let row = |distance: isize, most: isize| (distance.clamp(-most, most) + most) as usize;
        let of = |table: &[f32], i: usize| f64::from(table[i]);
        let no_bias = |_: usize, _: isize| 0.0;
        let no_vectors = |_: isize, _: usize| [0.0; 2];
        for causal in [false, true] {
            let by_bucket =
                |h: usize, distance: isize| of(&table, buckets[row(distance, 2)] as usize * 2 + h);
            let by_slope = |h: usize, distance: isize| distance as f64 * f64::from(slopes[h]);
            let by_vector = |distance: isize, d: usize| {
                let place = row(distance, 3) * 16 + d;
                [of(&keys, place), of(&values, place)]
            };
            let bias = |bias| Distances::Bias(bias);
            let vectors = VectorsByDistance { keys: &keys, values: &values };
            for (distances, exact) in [
                (
                    bias(ScoreBias::Buckets { buckets: &buckets, table: &table }),
                    reference(&qkv, causal, by_bucket, no_vectors),
                ),
                (bias(ScoreBias::Slopes(&slopes)), reference(&qkv, causal, by_slope, no_vectors)),
                (Distances::Vectors(vectors), reference(&qkv, causal, no_bias, by_vector)),
            ] {
                let out = everywhere_equal(|| whole(&qkv, distances, causal));
                assert_close("out", &out, &exact, 2e-5);
                if causal {
                    assert_eq!(steps(&qkv, distances), out);
                }
            }
        }
    }
}
