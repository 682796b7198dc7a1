//! The Newton–Schulz iteration that brings the singular values of a matrix near to one.

use candle::{Device, Tensor};
use dragoman_core::kernels::matmul::{Epilogue, Precision, matmul_nn, matmul_nt, matmul_tn};

use crate::Result;

/// Coefficients of the polynomial `a·x + b·x³ + c·x⁵` that each step applies to the singular values
/// (Jordan et al. 2024): it rises fast at zero, and afterwards stays between 0.7 and 1.2.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// The orthogonal matrix nearest to `matrix`, `(M, N)`, roughly: each singular value lies between
/// 0.7 and 1.2, unless it was almost zero.
pub(super) fn orthogonal(matrix: &Tensor, iterations: usize) -> Result<Tensor> {
    let norm =
        f64::from(super::super::tensor_squares(&matrix.flatten_all()?)?.to_scalar::<f32>()?).sqrt();
    let unit = (matrix / (norm + 1e-7))?;
    match unit.device() {
        Device::Cpu => on_slices(&unit, iterations),
        _ => composite(&unit, iterations),
    }
}

/// The iteration by our kernels. It is exact enough in bfloat16, as its error does not add up.
fn on_slices(unit: &Tensor, iterations: usize) -> Result<Tensor> {
    let (m, n) = unit.dims2()?;
    let k = m.min(n);
    let (product, none) = (Precision::Bf16, &Epilogue::NONE);
    let [a, b, c] = COEFFICIENTS;
    let mut xs = unit.flatten_all()?.to_vec1::<f32>()?;
    let (mut gram, mut factor, mut ys) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; m * n]);
    for _ in 0..iterations {
        // The Gram matrix of the shorter side, (K, K).
        match m <= n {
            true => matmul_nt(product, &xs, &xs, &mut gram, (m, m, n), none),
            false => matmul_tn(product, &xs, &xs, &mut gram, (n, n, m), false),
        }
        matmul_nn(product, &gram, &gram, &mut factor, (k, k, k), false);
        factor.iter_mut().zip(&gram).for_each(|(square, gram)| *square = b * gram + c * *square);
        match m <= n {
            true => matmul_nn(product, &factor, &xs, &mut ys, (m, n, m), false),
            false => matmul_nn(product, &xs, &factor, &mut ys, (m, n, n), false),
        }
        xs.iter_mut().zip(&ys).for_each(|(x, y)| *x = a * *x + y);
    }
    Ok(Tensor::from_vec(xs, (m, n), unit.device())?)
}

/// The iteration by candle's operations, on any device.
fn composite(unit: &Tensor, iterations: usize) -> Result<Tensor> {
    let (m, n) = unit.dims2()?;
    let [a, b, c] = COEFFICIENTS.map(f64::from);
    let mut xs = if m <= n { unit.clone() } else { unit.t()?.contiguous()? }; // (K, L), K ≤ L
    for _ in 0..iterations {
        let gram = xs.matmul(&xs.t()?)?; // (K, K)
        let factor = ((&gram * b)? + (gram.matmul(&gram)? * c)?)?;
        xs = ((&xs * a)? + factor.matmul(&xs)?)?;
    }
    Ok(if m <= n { xs } else { xs.t()?.contiguous()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(m: usize, n: usize) -> Result<Tensor> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let values: Vec<f32> = (0..m * n).map(|_| rng.random_range(-1.0..1.0)).collect();
        Ok(Tensor::from_vec(values, (m, n), &Device::Cpu)?)
    }

    #[test]
    fn the_gram_matrix_comes_near_to_the_identity() -> Result<()> {
        for (m, n) in [(12, 40), (40, 12), (24, 24)] {
            let q = orthogonal(&random(m, n)?, 8)?;
            let gram = if m <= n { q.matmul(&q.t()?)? } else { q.t()?.matmul(&q)? };
            let gram = gram.to_vec2::<f32>()?;
            let mean = (0..m.min(n)).map(|i| gram[i][i]).sum::<f32>() / m.min(n) as f32;
            assert!((0.6..1.3).contains(&mean), "({m}, {n}): mean {mean} of the diagonal");
            let off = gram.iter().enumerate().flat_map(|(i, row)| {
                row.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, x)| x.abs())
            });
            assert!(off.fold(0.0, f32::max) < 0.4, "({m}, {n}): rows are not orthogonal");
        }
        Ok(())
    }

    #[test]
    fn both_forms_agree_within_bfloat16() -> Result<()> {
        for (m, n) in [(16, 50), (50, 16), (1, 9)] {
            let unit = random(m, n)?;
            let norm = unit.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?;
            let unit = (unit / f64::from(norm))?;
            let (ours, theirs) = (on_slices(&unit, 5)?, composite(&unit, 5)?);
            let worst = (ours - theirs)?.abs()?.max_all()?.to_scalar::<f32>()?;
            assert!(worst < 0.02, "({m}, {n}): {worst}");
        }
        Ok(())
    }
}
