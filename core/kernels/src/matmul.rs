//! Products of row-major matrices: the three that a linear layer needs.
//!
//! ```
//! use dragoman_kernels::matmul::{Epilogue, Precision, matmul_nt};
//!
//! let (xs, weight) = ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]); // (1, 2), (2, 2)
//! let mut ys = [0.0; 2];
//! matmul_nt(Precision::F32, &xs, &weight, &mut ys, (1, 2, 2), &Epilogue::NONE);
//! assert_eq!(ys, [11.0, 17.0]);
//! ```

pub use super::gemm::{Epilogue, Precision};
use super::gemm::{Operand, Product, Rows};

/// `c = a·bᵀ` for `a` `(M, K)`, `b` `(N, K)`, `c` `(M, N)`: the forward pass of a linear layer with
/// weight `b`.
///
/// `dims` is `(M, N, K)`.
///
/// # Panics
/// When a slice, or the epilogue's bias, is not of the length that `dims` says.
pub fn matmul_nt(
    precision: Precision,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    dims: (usize, usize, usize),
    epilogue: &Epilogue<'_>,
) {
    let (m, n, k) = dims;
    check([("a", a.len(), m * k), ("b", b.len(), n * k), ("c", c.len(), m * n)], dims);
    if let Some(bias) = epilogue.bias {
        check([("bias", bias.len(), n)], dims);
    }
    let (a, b) = (Operand::KInner(Rows::new(a, k)), Operand::KInner(Rows::new(b, k)));
    Product { packing: precision.into(), m, n, k, a, b: b.into() }.run(c, epilogue);
}

/// `c = a·b`, or `c += a·b`, for `a` `(M, K)`, `b` `(K, N)`, `c` `(M, N)`: the gradient of a linear
/// layer's input.
///
/// `dims` is `(M, N, K)`.
///
/// # Panics
/// As [`matmul_nt`].
pub fn matmul_nn(
    precision: Precision,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    dims: (usize, usize, usize),
    accumulate: bool,
) {
    let (m, n, k) = dims;
    check([("a", a.len(), m * k), ("b", b.len(), k * n), ("c", c.len(), m * n)], dims);
    let (a, b) = (Operand::KInner(Rows::new(a, k)), Operand::KOuter(Rows::new(b, n)));
    Product { packing: precision.into(), m, n, k, a, b: b.into() }
        .run(c, &Epilogue { accumulate, ..Epilogue::NONE });
}

/// `c = aᵀ·b`, or `c += aᵀ·b`, for `a` `(K, M)`, `b` `(K, N)`, `c` `(M, N)`: the gradient of a
/// linear layer's weight.
///
/// `dims` is `(M, N, K)`.
///
/// # Panics
/// As [`matmul_nt`].
pub fn matmul_tn(
    precision: Precision,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    dims: (usize, usize, usize),
    accumulate: bool,
) {
    let (m, n, k) = dims;
    check([("a", a.len(), k * m), ("b", b.len(), k * n), ("c", c.len(), m * n)], dims);
    let (a, b) = (Operand::KOuter(Rows::new(a, m)), Operand::KOuter(Rows::new(b, n)));
    Product { packing: precision.into(), m, n, k, a, b: b.into() }
        .run(c, &Epilogue { accumulate, ..Epilogue::NONE });
}

fn check<const C: usize>(lengths: [(&str, usize, usize); C], dims: (usize, usize, usize)) {
    for (name, length, expected) in lengths {
        assert_eq!(length, expected, "length of `{name}` for (M, N, K) = {dims:?}");
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{
        activation::Activation,
        simd::{AVX512, FUSED, PORTABLE, tests::with_level},
    };

    type Dims = (usize, usize, usize);

    const SHAPES: [Dims; 18] = [
        (1, 1, 1),
        (0, 5, 3),
        (5, 0, 3),
        (3, 4, 0),
        (1, 300, 70),
        (2, 129, 33),
        (3, 128, 64),
        (5, 65, 31),
        (7, 97, 100),
        (12, 32, 16),
        (13, 33, 17),
        (40, 70, 1),
        (97, 50, 515),
        (130, 16, 1030),
        (400, 40, 63),
        (700, 3, 260),
        (30, 200, 777),
        (25, 1, 9),
    ];

    fn numbers(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
        (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn round(precision: Precision, x: f32) -> f64 {
        match precision {
            Precision::F32 => f64::from(x),
            Precision::Bf16 => f64::from(half::bf16::from_f32(x).to_f32()),
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Nt,
        Nn,
        Tn,
    }

    /// The product's operands as the kernels see them.
    fn product<'a>(
        kind: Kind,
        precision: Precision,
        (m, n, k): Dims,
        a: &'a [f32],
        b: &'a [f32],
    ) -> Product<'a> {
        let (a, b) = match kind {
            Kind::Nt => (Operand::KInner(Rows::new(a, k)), Operand::KInner(Rows::new(b, k))),
            Kind::Nn => (Operand::KInner(Rows::new(a, k)), Operand::KOuter(Rows::new(b, n))),
            Kind::Tn => (Operand::KOuter(Rows::new(a, m)), Operand::KOuter(Rows::new(b, n))),
        };
        Product { packing: precision.into(), m, n, k, a, b: b.into() }
    }

    /// The same in double precision, from operands rounded as the precision says.
    fn naive(kind: Kind, precision: Precision, (m, n, k): Dims, a: &[f32], b: &[f32]) -> Vec<f64> {
        let at = |i: usize, l: usize| match kind {
            Kind::Nt | Kind::Nn => round(precision, a[i * k + l]),
            Kind::Tn => round(precision, a[l * m + i]),
        };
        let bt = |j: usize, l: usize| match kind {
            Kind::Nt => round(precision, b[j * k + l]),
            Kind::Nn | Kind::Tn => round(precision, b[l * n + j]),
        };
        (0..m * n).map(|ij| (0..k).map(|l| at(ij / n, l) * bt(ij % n, l)).sum()).collect()
    }

    #[test]
    fn every_instruction_set_matches_double_precision_on_every_shape() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for dims @ (m, n, k) in SHAPES {
            for precision in [Precision::F32, Precision::Bf16] {
                for kind in [Kind::Nt, Kind::Nn, Kind::Tn] {
                    let (a, b) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
                    let want = naive(kind, precision, dims, &a, &b);
                    for level in [PORTABLE, FUSED, AVX512] {
                        let product = product(kind, precision, dims, &a, &b);
                        let run = || {
                            let mut c = vec![f32::NAN; m * n];
                            product.run(&mut c, &Epilogue::NONE);
                            c
                        };
                        let Some(c) = with_level(level, run) else { continue };
                        for (got, want) in c.iter().zip(&want) {
                            let error = (f64::from(*got) - want).abs();
                            let bound = 1e-6 * (k as f64).max(1.0);
                            assert!(
                                error <= bound,
                                "{kind:?} {precision:?} level {level} {dims:?}: {got} for {want}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_epilogue_adds_the_bias_and_then_applies_the_activation() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for dims @ (m, n, k) in SHAPES {
            let (a, b) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
            let (bias, before) = (numbers(&mut rng, n), numbers(&mut rng, m * n));
            let sums = naive(Kind::Nt, Precision::F32, dims, &a, &b);
            for level in [PORTABLE, FUSED, AVX512] {
                for activation in [None, Some(Activation::Relu), Some(Activation::Gelu)] {
                    let epilogue = Epilogue { bias: Some(&bias), activation, accumulate: true };
                    let product = product(Kind::Nt, Precision::F32, dims, &a, &b);
                    let run = || {
                        let mut c = before.clone();
                        product.run(&mut c, &epilogue);
                        c
                    };
                    let Some(c) = with_level(level, run) else { continue };
                    for (i, got) in c.iter().enumerate() {
                        let sum = f64::from(before[i]) + sums[i] + f64::from(bias[i % n]);
                        let want = activation.map_or(sum as f32, |f| f.value(sum as f32));
                        assert!((got - want).abs() < 1e-3, "level {level} {dims:?}: {got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_public_functions_agree_with_each_other() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let dims @ (m, n, k) = (37, 45, 29);
        let (a, b) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
        let turn = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
            (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
        };
        let (a_turned, b_turned) = (turn(&a, m, k), turn(&b, n, k));
        for precision in [Precision::F32, Precision::Bf16] {
            let mut c = [vec![0.0; m * n], vec![1.0; m * n], vec![1.0; m * n]];
            matmul_nt(precision, &a, &b, &mut c[0], dims, &Epilogue::NONE);
            matmul_nn(precision, &a, &b_turned, &mut c[1], dims, false);
            matmul_tn(precision, &a_turned, &b_turned, &mut c[2], dims, false);
            assert_eq!(c[0], c[1]);
            assert_eq!(c[0], c[2]);
            let once = c[0].clone();
            matmul_nn(precision, &a, &b_turned, &mut c[1], dims, true);
            assert!(c[1].iter().zip(&once).all(|(twice, once)| (twice - 2.0 * once).abs() < 1e-4));
        }
    }

    /// Threads and neighbours must not show in the bits.
    #[test]
    fn bits_depend_on_neither_threads_nor_neighbouring_rows() -> anyhow::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let (m, n, k) = (500, 160, 700);
        let (a, b) = (numbers(&mut rng, m * k), numbers(&mut rng, n * k));
        for precision in [Precision::F32, Precision::Bf16] {
            let run = |rows: usize| {
                let mut c = vec![0.0; rows * n];
                let epilogue = Epilogue { activation: Some(Activation::Gelu), ..Epilogue::NONE };
                matmul_nt(precision, &a[..rows * k], &b, &mut c, (rows, n, k), &epilogue);
                c
            };
            let all = run(m);
            for threads in [1, 2, 4] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                assert!(pool.install(|| run(m)) == all, "{precision:?} on {threads} threads");
            }
            for rows in [1, 2, 3, 4, 5, 7, 11, 12, 13, 25, 95, 97, 300] {
                assert!(run(rows)[..] == all[..rows * n], "{precision:?} with {rows} rows");
            }
        }
        Ok(())
    }

    #[test]
    #[should_panic(expected = "length of `b`")]
    fn a_wrong_length_is_named() {
        matmul_nt(Precision::F32, &[1.0], &[], &mut [0.0], (1, 1, 1), &Epilogue::NONE);
    }
}
