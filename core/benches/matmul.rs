//! Matrix products, in elements multiplied and added a second (twice that is FLOP/s).
//!
//! `cargo bench --workspace --bench matmul`; `RAYON_NUM_THREADS=1` for one core.

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use dragoman_core::kernels::{
    matmul::{Epilogue, Precision, matmul_nn, matmul_nt, matmul_tn},
    packed::{PackedMatrix, Packing},
};

fn main() {
    divan::main();
}

const SHAPES: [(usize, usize, usize); 4] =
    [(2048, 256, 1024), (2048, 1024, 256), (2048, 8000, 256), (16, 2048, 512)];

const CASES: [(Precision, (usize, usize, usize)); 8] = {
    let mut cases = [(Precision::F32, SHAPES[0]); 8];
    let mut i = 0;
    while i < 8 {
        let precision = if i < 4 { Precision::F32 } else { Precision::Bf16 };
        cases[i] = (precision, SHAPES[i % 4]);
        i += 1;
    }
    cases
};

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect()
}

fn bench(
    bencher: Bencher<'_, '_>,
    (m, n, k): (usize, usize, usize),
    run: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
) {
    let (a, b, mut c) = (numbers(m * k), numbers(n * k), numbers(m * n));
    bencher.counter(ItemsCount::new(m * n * k)).bench_local(|| run(&a, &b, &mut c));
}

#[divan::bench(args = CASES)]
fn nt(bencher: Bencher<'_, '_>, &(precision, dims): &(Precision, (usize, usize, usize))) {
    bench(bencher, dims, |a, b, c| matmul_nt(precision, a, b, c, dims, &Epilogue::NONE));
}

#[divan::bench(args = CASES)]
fn nn(bencher: Bencher<'_, '_>, &(precision, dims): &(Precision, (usize, usize, usize))) {
    bench(bencher, dims, |a, b, c| matmul_nn(precision, a, b, c, dims, false));
}

#[divan::bench(args = CASES)]
fn tn(bencher: Bencher<'_, '_>, &(precision, dims): &(Precision, (usize, usize, usize))) {
    bench(bencher, dims, |a, b, c| matmul_tn(precision, a, b, c, dims, false));
}

/// Weights packed once, `(8192, 2048)`, times a few rows: the bytes of weights read a second.
#[divan::bench(args = [1, 2, 4, 8], consts = [0, 1, 2])]
fn decode<const PACKING: usize>(bencher: Bencher<'_, '_>, m: usize) {
    let (packing, n, k) = ([Packing::F32, Packing::Bf16, Packing::Int8][PACKING], 8192, 2048);
    let weight = PackedMatrix::new(&numbers(n * k), n, k, packing);
    let (a, mut c) = (numbers(m * k), vec![0.0; m * n]);
    bencher
        .counter(BytesCount::new(weight.bytes()))
        .bench_local(|| weight.matmul_nt(&a, &mut c, &Epilogue::NONE));
}
