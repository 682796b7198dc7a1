//! Speed of the row kernels: `cargo bench --bench rows`; items are tokens or parameters.

use divan::{Bencher, black_box, counter::ItemsCount};
use dragoman_kernels::{
    adamw::{AdamW, AdamWBuffers, sum_of_squares},
    attention::{Attention, Cached, Heads, Qkv, QkvGrads},
    columns::{Columns, ColumnsMut},
    cross_entropy::CrossEntropy,
    norm::{Norm, NormGrads},
    random::{Dropout, dropout, uniform_fill},
    softmax::LogitRows,
};

fn main() {
    divan::main();
}

fn numbers(len: usize) -> Vec<f32> {
    let mut xs = vec![0.0; len];
    uniform_fill(1, len as u64, &mut xs);
    xs.iter_mut().for_each(|x| *x -= 0.5);
    xs
}

mod layer_norm {
    use super::*;

    const ROWS: usize = 2048;
    const D_MODEL: usize = 256;

    #[divan::bench]
    fn forward(bencher: Bencher<'_, '_>) {
        let (weight, xs, mut ys) =
            (numbers(D_MODEL), numbers(ROWS * D_MODEL), numbers(ROWS * D_MODEL));
        let norm = Norm::new(&weight, &weight, 1e-5);
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench_local(|| norm.forward(black_box(&xs), &mut ys));
    }

    #[divan::bench]
    fn backward(bencher: Bencher<'_, '_>) {
        let (weight, xs, mut ys) =
            (numbers(D_MODEL), numbers(ROWS * D_MODEL), numbers(ROWS * D_MODEL));
        let norm = Norm::new(&weight, &weight, 1e-5);
        let stats = norm.forward(&xs, &mut ys);
        let (mut dweight, mut dbias) = (vec![0.0; D_MODEL], vec![0.0; D_MODEL]);
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
            let (dweight, dbias) = (Some(&mut dweight[..]), Some(&mut dbias[..]));
            norm.backward(&xs, black_box(&xs), &stats, NormGrads { dxs: &mut ys, dweight, dbias });
        });
    }
}

mod attention {
    use super::*;

    const HEADS: Heads = Heads { count: 4, width: 64, scale: 0.125 };
    const SENTENCES: usize = 64;
    const LENGTH: usize = 32;
    const TOKENS: usize = SENTENCES * LENGTH;
    const D_MODEL: usize = 256;

    fn with_rule(causal: bool, dropped: f32, run: impl FnOnce(Attention<'_>)) {
        let offsets: Vec<usize> = (0..=SENTENCES).map(|i| i * LENGTH).collect();
        let dropout = Dropout { probability: dropped, seed: 1, stream: 2 };
        let (q_offsets, k_offsets) = (&offsets[..], &offsets[..]);
        run(Attention { heads: HEADS, q_offsets, k_offsets, causal, dropout });
    }

    #[divan::bench(args = [(false, 0.0), (true, 0.0), (false, 0.1)])]
    fn forward(bencher: Bencher<'_, '_>, (causal, dropped): (bool, f32)) {
        let (qkv, mut out) = (numbers(TOKENS * 3 * D_MODEL), vec![0.0; TOKENS * D_MODEL]);
        let [q, k, v] = Columns::split(&qkv, [D_MODEL; 3]);
        with_rule(causal, dropped, |rule| {
            bencher
                .counter(ItemsCount::new(TOKENS))
                .bench_local(|| rule.forward(black_box(Qkv { q, k, v }), &mut out));
        });
    }

    /// The formula as one would write it first, on one thread: what the kernel is worth.
    #[divan::bench]
    fn forward_naive(bencher: Bencher<'_, '_>) {
        let (qkv, mut out) = (numbers(TOKENS * 3 * D_MODEL), vec![0.0; TOKENS * D_MODEL]);
        let [q, k, v] = Columns::split(&qkv, [D_MODEL; 3]);
        let mut probs = [0.0; LENGTH];
        bencher.counter(ItemsCount::new(TOKENS)).bench_local(|| {
            for (i, head) in (0..TOKENS).flat_map(|i| (0..HEADS.count).map(move |h| (i, h))) {
                let (keys, columns) = (i / LENGTH * LENGTH.., head * 64..head * 64 + 64);
                for (p, j) in probs.iter_mut().zip(keys.clone()) {
                    let pairs = q.row(i)[columns.clone()].iter().zip(&k.row(j)[columns.clone()]);
                    *p = (HEADS.scale * pairs.map(|(q, k)| q * k).sum::<f32>()).exp();
                }
                let total: f32 = probs.iter().sum();
                let out = &mut out[i * D_MODEL..][columns.clone()];
                out.fill(0.0);
                for (p, j) in probs.iter().zip(keys) {
                    for (y, v) in out.iter_mut().zip(&v.row(j)[columns.clone()]) {
                        *y += p / total * v;
                    }
                }
            }
        });
    }

    #[divan::bench(args = [(false, 0.0), (true, 0.0), (false, 0.1)])]
    fn backward(bencher: Bencher<'_, '_>, (causal, dropped): (bool, f32)) {
        let (qkv, mut out) = (numbers(TOKENS * 3 * D_MODEL), vec![0.0; TOKENS * D_MODEL]);
        let mut grad = qkv.clone();
        let [q, k, v] = Columns::split(&qkv, [D_MODEL; 3]);
        with_rule(causal, dropped, |rule| {
            let sums = rule.forward(Qkv { q, k, v }, &mut out);
            let [dq, dk, dv] = ColumnsMut::split(&mut grad, [D_MODEL; 3]);
            let mut grads = QkvGrads { dq, dk, dv };
            bencher.counter(ItemsCount::new(TOKENS)).bench_local(|| {
                rule.backward(
                    Qkv { q, k, v },
                    &sums,
                    Columns::new(black_box(&out), D_MODEL),
                    &mut grads,
                );
            });
        });
    }

    #[divan::bench]
    fn step(bencher: Bencher<'_, '_>) {
        let (kv, q) = (numbers(TOKENS * 2 * D_MODEL), numbers(SENTENCES * D_MODEL));
        let caches: Vec<Cached<'_>> = kv
            .chunks_exact(LENGTH * 2 * D_MODEL)
            .map(|kv| {
                let [keys, values] = Columns::split(kv, [D_MODEL; 2]);
                Cached { keys, values }
            })
            .collect();
        let mut out = vec![0.0; SENTENCES * D_MODEL];
        bencher.counter(ItemsCount::new(SENTENCES)).bench_local(|| {
            HEADS.step(Columns::new(black_box(&q), D_MODEL), &caches, &mut out, None);
        });
    }
}

mod logits {
    use super::*;

    const ROWS: usize = 1024;

    #[divan::bench(args = [8000, 32000])]
    fn cross_entropy(bencher: Bencher<'_, '_>, width: usize) {
        let rows = LogitRows { width, first_output: 68 };
        let rule = CrossEntropy { rows, label_smoothing: 0.1 };
        let mut logits = numbers(ROWS * width);
        let (labels, scales) = (vec![77; ROWS], vec![1.0; ROWS]);
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench_local(|| rule.forward_backward(black_box(&mut logits), &labels, &scales));
    }

    #[divan::bench(args = [8000, 32000])]
    fn log_softmax(bencher: Bencher<'_, '_>, width: usize) {
        let rows = LogitRows { width, first_output: 68 };
        let mut logits = numbers(ROWS * width);
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench_local(|| rows.log_softmax(black_box(&mut logits)));
    }

    #[divan::bench(args = [8000, 32000])]
    fn top_8(bencher: Bencher<'_, '_>, width: usize) {
        let rows = LogitRows { width, first_output: 68 };
        let logits = numbers(ROWS * width);
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| rows.top_k(black_box(&logits), 8));
    }
}

mod optimiser {
    use super::*;

    const PARAMETERS: usize = 10_000_000;

    #[divan::bench]
    fn adamw(bencher: Bencher<'_, '_>) {
        let rule = AdamW {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-9,
            weight_decay: 0.01,
            bias_correction1: 0.5,
            bias_correction2: 0.5,
            grad_scale: 1.0,
        };
        let grads = numbers(PARAMETERS);
        let (mut values, mut m) = (grads.clone(), grads.clone());
        let mut v = vec![0.1; PARAMETERS];
        bencher.counter(ItemsCount::new(PARAMETERS)).bench_local(|| {
            rule.step(AdamWBuffers { values: &mut values, grads: &grads, m: &mut m, v: &mut v });
        });
    }

    #[divan::bench]
    fn sum_of_squares_of_gradients(bencher: Bencher<'_, '_>) {
        let grads = numbers(PARAMETERS);
        bencher
            .counter(ItemsCount::new(PARAMETERS))
            .bench_local(|| sum_of_squares(black_box(&grads)));
    }

    #[divan::bench]
    fn dropout_mask(bencher: Bencher<'_, '_>) {
        let mut xs = numbers(PARAMETERS / 10);
        let rule = Dropout { probability: 0.1, seed: 1, stream: 2 };
        bencher
            .counter(ItemsCount::new(xs.len()))
            .bench_local(|| dropout(&rule, black_box(&mut xs)));
    }
}
