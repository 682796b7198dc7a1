//! Weights packed once, for inference: in single precision, bfloat16 or int8.

use std::{borrow::Cow, ops::Range};

pub use super::gemm::{Epilogue, Packing};
use super::gemm::{Operand, Panels, Product, Rows};

/// A weight `(N, K)`, laid out for the kernels of this machine.
///
/// With int8, each row of weights has a scale of its own, and so has each row of activations, whose
/// largest magnitude becomes 127. Sums are exact, so every machine gives the same bits.
pub struct PackedMatrix(Panels);

impl std::fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedMatrix({:?}, {} x {})", self.packing(), self.n(), self.k())
    }
}

impl PackedMatrix {
    /// Packs `weight`, `(N, K)`.
    ///
    /// # Panics
    /// When `weight` is not `n · k` long, or `k` is so large (66,311) that an int8 sum could
    /// overflow.
    pub fn new(weight: &[f32], n: usize, k: usize, packing: impl Into<Packing>) -> Self {
        assert_eq!(weight.len(), n * k, "length of `weight` for (N, K) = ({n}, {k})");
        Self(Panels::new(packing.into(), weight, n, k))
    }

    /// Packs a weight `(N, K)` of which `read` gives some rows at a time, in order: at no time are all
    /// of them in memory as floats.
    ///
    /// # Errors
    /// Fails when `read` does.
    ///
    /// # Panics
    /// As [`PackedMatrix::new`], when `read` gives another number of values.
    pub fn from_rows<'a, E>(
        (n, k): (usize, usize),
        packing: impl Into<Packing>,
        read: impl FnMut(Range<usize>) -> Result<Cow<'a, [f32]>, E>,
    ) -> Result<Self, E> {
        Panels::from_rows(packing.into(), (n, k), read).map(Self)
    }

    /// Computes `c = a · weightᵀ`, `(M, N)`, for `a` `(M, K)`.
    ///
    /// # Panics
    /// When a slice is not of the length that its shape says, or int8 weights are asked to
    /// accumulate.
    pub fn matmul_nt(&self, a: &[f32], c: &mut [f32], epilogue: &Epilogue<'_>) {
        let (n, k) = (self.n(), self.k());
        let m = c.len().checked_div(n).unwrap_or(0);
        assert_eq!(c.len(), m * n, "`c` has rows of {n}");
        assert!(n == 0 || a.len() == m * k, "`a` has {m} rows of {k}, not {} numbers", a.len());
        if let Some(bias) = epilogue.bias {
            assert_eq!(bias.len(), n, "length of `bias`");
        }
        let a = Operand::KInner(Rows::new(a, k));
        Product::packed(m, a, &self.0).run(c, epilogue);
    }

    /// `N`, the width of the results.
    pub fn n(&self) -> usize {
        self.0.n()
    }

    /// `K`, the width of the activations.
    pub fn k(&self) -> usize {
        self.0.k()
    }

    /// What the weights are kept in.
    pub fn packing(&self) -> Packing {
        self.0.packing()
    }

    /// Memory that the weights take.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    pub(super) fn panels(&self) -> &Panels {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{
        activation::Activation,
        matmul::{Precision, matmul_nt},
        simd::{AVX512, FUSED, PORTABLE, tests::with_level},
    };

    const SHAPES: [(usize, usize, usize); 11] = [
        (0, 5, 3),
        (3, 4, 0),
        (1, 1, 1),
        (1, 300, 70),
        (2, 129, 33),
        (4, 160, 1100),
        (7, 97, 100),
        (13, 33, 17),
        (97, 50, 515),
        (130, 16, 4100),
        (200, 600, 64),
    ];

    fn numbers(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
        (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn packed_weights_give_the_bits_of_plain_ones() {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        for dims @ (m, n, k) in SHAPES {
            let (a, w) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
            let bias = numbers(&mut rng, n);
            let epilogue = Epilogue {
                bias: Some(&bias),
                activation: Some(Activation::Silu),
                accumulate: true,
            };
            for precision in [Precision::F32, Precision::Bf16] {
                let (mut plain, mut packed) = (vec![0.5; m * n], vec![0.5; m * n]);
                matmul_nt(precision, &a, &w, &mut plain, dims, &epilogue);
                PackedMatrix::new(&w, n, k, precision).matmul_nt(&a, &mut packed, &epilogue);
                assert_eq!(plain, packed, "{precision:?} {dims:?}");
            }
        }
    }

    /// The same rounding in double precision; every instruction set agrees with it, and with the
    /// others to the bit.
    #[test]
    fn int8_matches_the_formula_with_the_same_bits_on_every_instruction_set() {
        let mut rng = ChaCha8Rng::seed_from_u64(22);
        for dims @ (m, n, k) in SHAPES {
            let (a, w) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
            let bias = numbers(&mut rng, n);
            let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::NONE };
            let (a_whole, a_scales) = whole_numbers(&a, m, k);
            let (w_whole, w_scales) = whole_numbers(&w, n, k);
            let mut first: Option<Vec<f32>> = None;
            for level in [PORTABLE, FUSED, AVX512] {
                let product = || {
                    let mut c = vec![f32::NAN; m * n];
                    PackedMatrix::new(&w, n, k, Packing::Int8).matmul_nt(&a, &mut c, &epilogue);
                    c
                };
                let Some(c) = with_level(level, product) else { continue };
                for (ij, got) in c.iter().enumerate() {
                    let (i, j) = (ij / n, ij % n);
                    let sum: f64 = (0..k).map(|l| a_whole[i * k + l] * w_whole[j * k + l]).sum();
                    let want = sum * a_scales[i] * w_scales[j] + f64::from(bias[j]);
                    let error = (f64::from(*got) - want).abs();
                    assert!(error <= 1e-6 * want.abs().max(1.0), "{dims:?}: {got} for {want}");
                }
                let first = first.get_or_insert_with(|| c.clone());
                assert_eq!(*first, c, "level {level} {dims:?}");
            }
        }
    }

    fn whole_numbers(x: &[f32], rows: usize, k: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut whole, mut scales) = (Vec::new(), Vec::new());
        for row in (0..rows).map(|i| &x[i * k..][..k]) {
            let scale = row.iter().fold(0f32, |most, x| most.max(x.abs())) / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            whole.extend(row.iter().map(|x| f64::from((x * inverse).round_ties_even())));
            scales.push(f64::from(scale));
        }
        (whole, scales)
    }

    #[test]
    fn int8_is_close_to_single_precision_at_a_quarter_of_the_memory() {
        let mut rng = ChaCha8Rng::seed_from_u64(23);
        let (m, n, k) = (20, 256, 512);
        let (a, w) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
        let (mut exact, mut c) = (vec![0.0; m * n], vec![0.0; m * n]);
        let single = PackedMatrix::new(&w, n, k, Packing::F32);
        let int8 = PackedMatrix::new(&w, n, k, Packing::Int8);
        single.matmul_nt(&a, &mut exact, &Epilogue::NONE);
        int8.matmul_nt(&a, &mut c, &Epilogue::NONE);
        let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
        let errors: Vec<_> = exact.iter().zip(&c).map(|(a, b)| a - b).collect();
        assert!(norm(&errors) < 0.01 * norm(&exact), "{} of {}", norm(&errors), norm(&exact));
        assert_eq!(single.bytes(), 4 * n * k);
        assert_eq!(int8.bytes(), n * k + 8 * n);
    }

    #[test]
    fn a_row_that_is_not_finite_stays_so_and_leaves_the_others() {
        let mut a = vec![1.0; 3 * 40];
        a[45] = f32::NAN;
        for packing in [Packing::F32, Packing::Bf16, Packing::Int8] {
            let mut c = vec![0.0; 3 * 33];
            PackedMatrix::new(&[0.5; 33 * 40], 33, 40, packing).matmul_nt(
                &a,
                &mut c,
                &Epilogue::NONE,
            );
            assert!(c[33..66].iter().all(|x| x.is_nan()), "{packing:?}");
            assert!(c[..33].iter().chain(&c[66..]).all(|x| (x - 20.0).abs() < 1e-4));
        }
    }

    #[test]
    fn bits_depend_on_neither_threads_nor_neighbouring_rows() -> anyhow::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(24);
        let (m, n, k) = (210, 1030, 1300);
        let (a, w) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
        for packing in [Packing::F32, Packing::Bf16, Packing::Int8] {
            let packed = PackedMatrix::new(&w, n, k, packing);
            let run = |rows: usize| {
                let mut c = vec![0.0; rows * n];
                packed.matmul_nt(&a[..rows * k], &mut c, &Epilogue::NONE);
                c
            };
            let all = run(m);
            for threads in [1, 2, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                assert!(pool.install(|| run(m)) == all, "{packing:?} on {threads} threads");
            }
            for rows in [1, 2, 3, 4, 6, 7, 12, 13, 97] {
                assert!(run(rows)[..] == all[..rows * n], "{packing:?} with {rows} rows");
            }
        }
        Ok(())
    }
}
