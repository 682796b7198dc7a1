//! Matrix products, in elements multiplied and added a second (twice that is FLOP/s).
//!
//! `cargo bench --workspace --bench matmul`; `RAYON_NUM_THREADS=1` for one core.

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use dragoman_kernels::{
    matmul::{Epilogue, Precision, matmul_nn, matmul_nt, matmul_tn},
    packed::{PackedMatrix, Packing},
};
use rayon::prelude::*;

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

/// A loop that only reads, 1 GB on all threads: what weights that no cache holds can cost at least.
#[divan::bench(sample_count = 20)]
fn read(bencher: Bencher<'_, '_>) {
    const RUN: usize = 1 << 19;
    let xs = numbers(1 << 28);
    bencher.counter(BytesCount::new(4 * xs.len())).bench_local(|| {
        let sums = xs.par_chunks(RUN).map(|run| {
            let mut sums = [0f32; 64];
            for xs in run.chunks_exact(64) {
                sums.iter_mut().zip(xs).for_each(|(sum, x)| *sum += x);
            }
            sums.iter().sum::<f32>()
        });
        sums.sum::<f32>()
    });
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

/// Weights packed once times many rows, as in a batch that is translated: what a core's
/// instructions could do at most is [`peak`].
#[divan::bench(args = [(2048, 1024, 256), (2048, 256, 1024), (1024, 2048, 2048)], consts = [0, 1, 2])]
fn packed<const PACKING: usize>(bencher: Bencher<'_, '_>, dims: (usize, usize, usize)) {
    let (packing, (m, n, k)) = ([Packing::F32, Packing::Bf16, Packing::Int8][PACKING], dims);
    let weight = PackedMatrix::new(&numbers(n * k), n, k, packing);
    bench(bencher, (m, n, k), |a, _, c| weight.matmul_nt(a, c, &Epilogue::NONE));
}

/// Sums in registers alone, on all threads: what the products above are a share of.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions by name")]
#[divan::bench(consts = [0, 1, 2])]
fn peak<const PACKING: usize>(bencher: Bencher<'_, '_>) {
    const STEPS: usize = 1 << 18;
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512vnni");
    if !has {
        return;
    }
    let threads = rayon::current_num_threads();
    let each = SUMS * STEPS * 16 * [1, 2, 4][PACKING];
    bencher.counter(ItemsCount::new(each * threads)).bench_local(|| {
        rayon::broadcast(|_| {
            // SAFETY: the processor has the three features, as was asked above.
            unsafe { sums::<PACKING>(STEPS) }
        })
    });
}

/// Sums that do not wait for each other: more than any of the instructions takes cycles, times two.
#[cfg(target_arch = "x86_64")]
const SUMS: usize = 12;

/// Adds products to as many sums as fit in registers, `steps` times.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions by name")]
#[target_feature(enable = "avx512f,avx512bf16,avx512vnni")]
fn sums<const PACKING: usize>(steps: usize) -> f32 {
    use std::{arch::x86_64::*, hint::black_box, mem::transmute};
    let (a, b) = (black_box(_mm512_set1_ps(1.0)), black_box(_mm512_set1_ps(0.5)));
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = match PACKING {
                0 => _mm512_fmadd_ps(a, b, *sum),
                1 => {
                    // SAFETY: both types are 512 plain bits.
                    let halves = |bits| unsafe { transmute::<__m512, __m512bh>(bits) };
                    _mm512_dpbf16_ps(*sum, halves(a), halves(b))
                }
                _ => {
                    let whole = _mm512_castps_si512;
                    _mm512_castsi512_ps(_mm512_dpbusd_epi32(whole(*sum), whole(a), whole(b)))
                }
            };
        }
    }
    sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
}
