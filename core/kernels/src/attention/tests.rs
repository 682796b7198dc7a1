//! Attention against its formula in `f64`.

use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
use super::forward::drop_factors;
use super::step::Cached;
use super::*;

/// A random problem; self-attention reads one fused matrix `(N, 3D)`.
struct Case {
    heads: Heads,
    q_offsets: Vec<usize>,
    k_offsets: Vec<usize>,
    causal: bool,
    dropout: Dropout,
    q: Vec<f32>,
    kv: Vec<f32>,
    dout: Vec<f32>,
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut total = 0;
    std::iter::once(0)
        .chain(lengths.iter().map(|length| {
            total += length;
            total
        }))
        .collect()
}

impl Case {
    fn new(heads: (usize, usize), q_lengths: &[usize], k_lengths: &[usize], causal: bool) -> Self {
        let heads = Heads { count: heads.0, width: heads.1, scale: 1.7 / (heads.1 as f32).sqrt() };
        let (q_offsets, k_offsets) = (offsets(q_lengths), offsets(k_lengths));
        let (rows, keys) = (q_offsets[q_lengths.len()], k_offsets[k_lengths.len()]);
        let d_model = heads.d_model();
        Self {
            heads,
            causal,
            dropout: Dropout::default(),
            q: numbers(rows * d_model, 1).iter().map(|x| 2.0 * x).collect(),
            kv: numbers(keys * 2 * d_model, 2).iter().map(|x| 2.0 * x).collect(),
            dout: numbers(rows * d_model, 3),
            q_offsets,
            k_offsets,
        }
    }

    fn rule(&self) -> Attention<'_> {
        let Self { heads, ref q_offsets, ref k_offsets, causal, dropout, .. } = *self;
        Attention { heads, q_offsets, k_offsets, causal, dropout }
    }

    fn inputs(&self) -> Qkv<'_> {
        let d_model = self.heads.d_model();
        let [k, v] = Columns::split(&self.kv, [d_model; 2]);
        Qkv { q: Columns::new(&self.q, d_model), k, v }
    }

    /// Output, log-sums, dq, and dk beside dv.
    fn run(&self) -> [Vec<f32>; 4] {
        let d_model = self.heads.d_model();
        let mut out = vec![f32::NAN; self.q.len()];
        let log_sums = self.rule().forward(self.inputs(), &mut out);
        let (mut dq, mut dkv) = (vec![f32::NAN; self.q.len()], vec![f32::NAN; self.kv.len()]);
        let [dk, dv] = ColumnsMut::split(&mut dkv, [d_model; 2]);
        let mut grads = QkvGrads { dq: ColumnsMut::new(&mut dq, d_model), dk, dv };
        let dout = Columns::new(&self.dout, d_model);
        self.rule().backward(self.inputs(), &log_sums, dout, &mut grads);
        [out, log_sums, dq, dkv]
    }

    /// The same in `f64`, head by head and query by query.
    fn reference(&self) -> [Vec<f64>; 4] {
        let (d_model, width) = (self.heads.d_model(), self.heads.width);
        let mut out = vec![0.0; self.q.len()];
        let mut log_sums = vec![0.0; self.q.len() / d_model * self.heads.count];
        let (mut dq, mut dkv) = (vec![0.0; self.q.len()], vec![0.0; self.kv.len()]);
        let scale = f64::from(self.heads.scale);
        for (qs, ks) in self.q_offsets.windows(2).zip(self.k_offsets.windows(2)) {
            for (i, head) in (qs[0]..qs[1]).flat_map(|i| (0..self.heads.count).map(move |h| (i, h)))
            {
                let hidden = if self.causal { qs[1] - 1 - i } else { 0 };
                let keys = ks[0]..ks[1].saturating_sub(hidden).max(ks[0]);
                let q = |d: usize| f64::from(self.q[i * d_model + head * width + d]);
                let dout = |d: usize| f64::from(self.dout[i * d_model + head * width + d]);
                let k = |j: usize, d: usize| 2 * d_model * j + head * width + d;
                let v = |j: usize, d: usize| k(j, d) + d_model;
                let kv = |at: usize| f64::from(self.kv[at]);
                let dots = |j: usize| (0..width).map(|d| q(d) * kv(k(j, d))).sum::<f64>() * scale;
                let total: f64 = keys.clone().map(|j| dots(j).exp()).sum();
                log_sums[i * self.heads.count + head] = total.ln();
                let mut factors = vec![1.0; keys.len()];
                if self.dropout.probability > 0.0 {
                    drop_factors(self.dropout, i, head, &mut factors);
                }
                let factor = |j: usize| f64::from(factors[j - ks[0]]);
                let p = |j: usize| dots(j).exp() / total;
                let dp =
                    |j: usize| factor(j) * (0..width).map(|d| dout(d) * kv(v(j, d))).sum::<f64>();
                let mean: f64 = keys.clone().map(|j| p(j) * dp(j)).sum();
                for j in keys {
                    let ds = scale * p(j) * (dp(j) - mean);
                    let p = p(j) * factor(j);
                    for d in 0..width {
                        let at = i * d_model + head * width + d;
                        out[at] += p * kv(v(j, d));
                        dq[at] += ds * kv(k(j, d));
                        dkv[k(j, d)] += ds * q(d);
                        dkv[v(j, d)] += p * dout(d);
                    }
                }
            }
        }
        [out, log_sums, dq, dkv]
    }

    fn check(&self) {
        everywhere_equal(|| self.run().concat());
        let names = ["out", "log sums", "dq", "dkv"];
        for ((name, result), exact) in names.iter().zip(self.run()).zip(self.reference()) {
            let infinite = |x: &f32| *x == f32::NEG_INFINITY;
            let kept: Vec<f64> =
                exact.iter().map(|&x| if x == f64::NEG_INFINITY { 0.0 } else { x }).collect();
            assert_eq!(
                result.iter().filter(|&x| infinite(x)).count(),
                exact.iter().filter(|x| **x == f64::NEG_INFINITY).count()
            );
            let result: Vec<f32> =
                result.iter().map(|x| if infinite(x) { 0.0 } else { *x }).collect();
            assert_close(name, &result, &kept, 2e-5);
        }
    }
}

#[test]
fn self_attention_matches_the_formula() {
    for heads in [(1, 1), (2, 5), (3, 16), (2, 32), (1, 64), (4, 20)] {
        for lengths in [&[][..], &[1], &[0, 3, 0], &[1, 4, 5, 33, 2], &[70]] {
            for causal in [false, true] {
                Case::new(heads, lengths, lengths, causal).check();
            }
        }
    }
}

#[test]
fn cross_attention_matches_the_formula() {
    Case::new((2, 8), &[3, 0, 5, 1], &[7, 4, 0, 40], false).check();
    Case::new((2, 8), &[3, 2, 5], &[7, 4, 5], true).check();
    Case::new((2, 8), &[5, 9], &[3, 4], true).check(); // some queries see nothing
}

#[test]
fn dropout_is_the_same_in_both_directions() {
    let mut case = Case::new((3, 24), &[9, 70, 1], &[90, 20, 1], false);
    case.dropout = Dropout { probability: 0.4, seed: 9, stream: 1 << 40 };
    case.check();
    let mut factors = vec![0.0; 10_000];
    drop_factors(case.dropout, 5, 2, &mut factors);
    let dropped = factors.iter().filter(|&&x| x == 0.0).count();
    assert!((dropped as f64 - 4000.0).abs() < 250.0, "dropped {dropped} of 10000");
}

#[test]
fn a_sentence_does_not_see_its_neighbours() {
    let all = Case::new((2, 32), &[5, 17, 9], &[5, 17, 9], true);
    let [out, ..] = all.run();
    let rows = |data: &[f32], width: usize| data[5 * width..22 * width].to_vec();
    let mut alone = Case::new((2, 32), &[17], &[17], true);
    (alone.q, alone.kv) = (rows(&all.q, 64), rows(&all.kv, 128));
    let [single, ..] = alone.run();
    assert_eq!(single, rows(&out, 64));
    // A prefix of a causal sentence gives a prefix of the result.
    let mut prefix = Case::new((2, 32), &[6], &[6], true);
    (prefix.q, prefix.kv) = (alone.q[..6 * 64].to_vec(), alone.kv[..6 * 128].to_vec());
    let [start, ..] = prefix.run();
    assert_eq!(start, single[..6 * 64]);
}

#[test]
fn a_step_is_the_last_row_of_a_sentence() {
    let lengths = [4, 1, 30, 9];
    for heads in [(1, 3), (4, 32), (3, 20)] {
        let ones = [1; 4];
        let case = Case::new(heads, &ones, &lengths, false);
        let [out, ..] = case.run();
        let d_model = case.heads.d_model();
        let row = 2 * d_model;
        let caches: Vec<Cached<'_>> = case
            .k_offsets
            .windows(2)
            .map(|k| {
                let [keys, values] = Columns::split(&case.kv[k[0] * row..k[1] * row], [d_model; 2]);
                Cached { keys, values }
            })
            .collect();
        let q = Columns::new(&case.q, d_model);
        let result = everywhere_equal(|| {
            let (mut out, mut probs) = (vec![0.0; case.q.len()], vec![0.0; 44]);
            case.heads.step(q, &caches, &mut out, Some(&mut probs));
            [out, probs].concat()
        });
        let (step, probs) = result.split_at(case.q.len());
        let exact: Vec<f64> = out.iter().map(|&x| x.into()).collect();
        assert_close("step", step, &exact, 1e-5);
        for keys in case.k_offsets.windows(2) {
            let total: f32 = probs[keys[0]..keys[1]].iter().sum();
            assert!((total - 1.0).abs() < 1e-5);
        }
        // Without probabilities, and alone, the bits are the same.
        let mut alone = vec![0.0; d_model];
        case.heads.step(Columns::new(q.row(2), d_model), &caches[2..3], &mut alone, None);
        assert_eq!(alone, step[2 * d_model..3 * d_model]);
    }
}

#[test]
fn long_batches_run_in_parallel() {
    let case = Case::new((4, 32), &[40, 12, 33], &[40, 12, 33], true);
    everywhere_equal(|| case.run().concat());
}
