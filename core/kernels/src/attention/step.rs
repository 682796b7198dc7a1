//! One step of decoding: a query for each sentence against the keys and values it has cached.

use rayon::prelude::*;

use super::super::columns::Columns;
use super::super::simd::simd;
use super::forward::softmax;
use super::query::{score, weigh};
use super::{Heads, WORTH_A_THREAD};

/// The cached rows of one sentence (or beam); several may share the same ones.
#[derive(Debug, Clone, Copy)]
pub struct Cached<'a> {
    /// Keys, `(S, D)`.
    pub keys: Columns<'a>,
    /// Values, `(S, D)`.
    pub values: Columns<'a>,
}

impl Heads {
    /// Attends from `q`, `(B, D)`, to the `caches` of the `B` sentences: `out`, `(B, D)`.
    ///
    /// `probs`, where asked for, receives the probabilities averaged over the heads, which show what a
    /// target word was read from: the `S` of each sentence, one sentence after another.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn step(
        &self,
        q: Columns<'_>,
        caches: &[Cached<'_>],
        out: &mut [f32],
        probs: Option<&mut [f32]>,
    ) {
        let d_model = self.d_model();
        assert_eq!((q.rows(), q.width()), (caches.len(), d_model), "a query for each cache");
        assert_eq!(out.len(), caches.len() * d_model, "the output has the shape of q");
        let lengths = caches.iter().map(|cache| self.check(cache));
        let total: usize = lengths.clone().sum();
        let mut rest = probs.unwrap_or_default();
        assert!(rest.is_empty() || rest.len() == total, "a probability for each cached row");
        let wanted = !rest.is_empty();
        let probs = lengths.map(|length| {
            rest.split_off_mut(..if wanted { length } else { 0 }).expect("the lengths add up")
        });
        let mut jobs: Vec<_> = out.chunks_exact_mut(d_model.max(1)).zip(probs).collect();
        let body = |(b, (out, probs)): (usize, &mut (&mut [f32], &mut [f32]))| {
            sentence(*self, q.row(b), caches[b], out, probs);
        };
        match total * d_model < WORTH_A_THREAD {
            true => jobs.iter_mut().enumerate().for_each(body),
            false => jobs.par_iter_mut().enumerate().for_each(body),
        }
    }

    /// The number of cached rows.
    fn check(&self, cache: &Cached<'_>) -> usize {
        let Cached { keys, values } = cache;
        assert_eq!([keys.width(), values.width()], [self.d_model(); 2], "heads fill the rows");
        assert_eq!(keys.rows(), values.rows(), "a value for each key");
        keys.rows()
    }
}

simd! {
    fn sentence<ISA>(
        heads: Heads, q: &[f32], cache: Cached<'_>, out: &mut [f32], mean: &mut [f32],
    ) {
        let (length, count) = (cache.keys.rows(), heads.count);
        let mut probs = vec![0.0; count * length]; // (H, S)
        out.fill(0.0);
        for (h, probs) in probs.chunks_exact_mut(length.max(1)).enumerate() {
            let head = h * heads.width..(h + 1) * heads.width;
            score::<ISA>(q, cache.keys, &head, heads.scale, probs);
            softmax::<ISA>(probs);
            weigh::<ISA>(probs, cache.values, &head, out);
        }
        for (j, mean) in mean.iter_mut().enumerate() {
            let total: f32 = (0..count).map(|h| probs[h * length + j]).sum();
            *mean = total / count as f32;
        }
    }
}
