//! The grouped feed-forward network, in multiplications and additions a second (twice that is
//! FLOP/s).
//!
//! `cargo bench --workspace --bench ffn`; `RAYON_NUM_THREADS=1` for one core.

use divan::{Bencher, counter::ItemsCount};
use dragoman_kernels::{
    activation::Activation,
    ffn::{ExpertGrads, ExpertWeights, FfnInput, Gradients, GroupedFfn},
    matmul::Precision,
    visits::Visits,
};

fn main() {
    divan::main();
}

const D_MODEL: usize = 512;

/// Tokens, experts, experts a token, inner width.
type Case = (Precision, usize, usize, usize, usize);

const CASES: [Case; 6] = [
    (Precision::F32, 1024, 16, 2, 1024),
    (Precision::F32, 1024, 64, 8, 256),
    (Precision::F32, 1024, 256, 2, 1024),
    (Precision::Bf16, 1024, 16, 2, 1024),
    (Precision::Bf16, 1024, 64, 8, 256),
    (Precision::Bf16, 1024, 256, 2, 1024),
];

fn numbers(len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 1009) as f32 / 504.5 - 1.0) * scale).collect()
}

struct Layer {
    up: Vec<Vec<f32>>,
    down: Vec<Vec<f32>>,
    xs: Vec<f32>,
    weights: Vec<f32>,
    visits: Visits,
}

impl Layer {
    fn new((_, num_tokens, num_experts, top_k, d_ff): Case) -> Self {
        let slots: Vec<u32> = (0..num_tokens * top_k)
            .map(|i| ((i / top_k * 31 + i % top_k * 17 + i / 7) % num_experts) as u32)
            .collect();
        Self {
            up: (0..num_experts).map(|_| numbers(d_ff * D_MODEL, 0.05)).collect(),
            down: (0..num_experts).map(|_| numbers(d_ff * D_MODEL, 0.05)).collect(),
            xs: numbers(num_tokens * D_MODEL, 1.0),
            weights: vec![1.0 / top_k as f32; num_tokens * top_k],
            visits: Visits::new(&slots, num_tokens, top_k, num_experts),
        }
    }

    fn experts(&self) -> Vec<ExpertWeights<'_>> {
        let expert =
            |(up, down)| ExpertWeights { up, up_bias: None, gate: None, down, down_bias: None };
        self.up.iter().zip(&self.down).map(|(up, down)| expert((up, down))).collect()
    }

    fn input(&self) -> FfnInput<'_> {
        FfnInput { xs: &self.xs, visits: &self.visits, weights: &self.weights }
    }
}

/// Two products in each pass; the way back has two for each of them.
fn work((_, num_tokens, _, top_k, d_ff): Case, passes: usize) -> ItemsCount {
    ItemsCount::new(passes * 2 * num_tokens * top_k * d_ff * D_MODEL)
}

#[divan::bench(args = CASES)]
fn forward(bencher: Bencher<'_, '_>, case: Case) {
    let layer = Layer::new(case);
    let experts = layer.experts();
    let activation = Activation::Relu;
    let ffn = GroupedFfn { precision: case.0, activation, d_model: D_MODEL, experts: &experts };
    let mut ys = vec![0.0; layer.xs.len()];
    bencher.counter(work(case, 1)).bench_local(|| ffn.forward(&layer.input(), &mut ys));
}

#[divan::bench(args = CASES)]
fn forward_backward(bencher: Bencher<'_, '_>, case: Case) {
    let layer = Layer::new(case);
    let experts = layer.experts();
    let activation = Activation::Relu;
    let ffn = GroupedFfn { precision: case.0, activation, d_model: D_MODEL, experts: &experts };
    let dys = numbers(layer.xs.len(), 1.0);
    let (mut ys, mut dxs) = (vec![0.0; layer.xs.len()], vec![0.0; layer.xs.len()]);
    let mut dweights = vec![0.0; layer.weights.len()];
    let (mut dup, mut ddown) = (layer.up.clone(), layer.down.clone());
    let mut grads: Vec<_> = dup
        .iter_mut()
        .zip(&mut ddown)
        .map(|(up, down)| {
            Some(ExpertGrads {
                overwrite: false,
                up,
                up_bias: None,
                gate: None,
                down,
                down_bias: None,
            })
        })
        .collect();
    bencher.counter(work(case, 3)).bench_local(|| {
        let saved = ffn.forward(&layer.input(), &mut ys);
        let gradients = Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
        ffn.backward(&layer.input(), &saved, &dys, gradients);
    });
}
