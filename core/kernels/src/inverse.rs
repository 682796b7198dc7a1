//! The inverse of a symmetric positive definite matrix, in blocks, by Gauss and Jordan.
//!
//! Such a matrix needs no pivots. A block of 256 rows is inverted in double precision, and the rest
//! is one product for each block: about `2·n³` operations at the speed of [`super::matmul`].

use super::matmul::{Precision, matmul_nn};

/// The matrix to be inverted is not positive definite, in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the matrix is not positive definite; a larger regularisation helps")]
pub struct NotPositiveDefinite;

type Result<T> = std::result::Result<T, NotPositiveDefinite>;

/// Rows of a block: what one pass of a product sums over.
const BLOCK: usize = 256;

/// Replaces the symmetric positive definite `a`, `(N, N)`, by its inverse.
///
/// Fails where `a` is not positive definite, in double precision.
///
/// # Panics
/// When `a` does not have `n·n` elements.
pub fn invert_positive_definite(a: &mut [f32], n: usize) -> Result<()> {
    assert_eq!(a.len(), n * n, "length of `a` for N = {n}");
    let mut columns = vec![0.0; n * BLOCK.min(n)]; // (N, block)
    let mut rows = vec![0.0; BLOCK.min(n) * n]; // (block, N)
    for start in (0..n).step_by(BLOCK) {
        let block = BLOCK.min(n - start);
        let (columns, rows) = (&mut columns[..n * block], &mut rows[..block * n]);
        let pivot = inverse_of_block(a, n, start..start + block)?; // (block, block)

        // The columns of the block leave the matrix, except for its own rows, negated.
        for (i, (row, left)) in
            a.chunks_exact_mut(n).zip(columns.chunks_exact_mut(block)).enumerate()
        {
            let of_block = &mut row[start..start + block];
            let is_own = (start..start + block).contains(&i);
            left.iter_mut()
                .zip(of_block.iter())
                .for_each(|(l, &x)| *l = if is_own { 0.0 } else { -x });
            if !is_own {
                of_block.fill(0.0);
            }
        }
        // Its rows, times the inverse of the block; where the block stood, that inverse.
        let own = &a[start * n..(start + block) * n];
        matmul_nn(Precision::F32, &pivot, own, rows, (block, n, block), false);
        for (row, pivot) in rows.chunks_exact_mut(n).zip(pivot.chunks_exact(block)) {
            row[start..start + block].copy_from_slice(pivot);
        }
        matmul_nn(Precision::F32, columns, rows, a, (n, n, block), true);
        a[start * n..(start + block) * n].copy_from_slice(rows);
    }
    Ok(())
}

/// The inverse of a block on the diagonal, by Cholesky in double precision.
fn inverse_of_block(a: &[f32], n: usize, range: std::ops::Range<usize>) -> Result<Vec<f32>> {
    let size = range.len();
    let mut l = vec![0.0f64; size * size];
    for i in 0..size {
        for j in 0..=i {
            let (row_i, row_j) = (&l[i * size..i * size + j], &l[j * size..j * size + j]);
            let dot: f64 = row_i.iter().zip(row_j).map(|(x, y)| x * y).sum();
            let rest = f64::from(a[(range.start + i) * n + range.start + j]) - dot;
            if i != j {
                l[i * size + j] = rest / l[j * size + j];
            } else if rest > 0.0 && rest.is_finite() {
                l[i * size + i] = rest.sqrt();
            } else {
                return Err(NotPositiveDefinite);
            }
        }
    }
    // Rows of the transposed inverse of `l`: row `j` solves `l·x = eⱼ`.
    let mut turned = vec![0.0f64; size * size];
    for j in 0..size {
        let x = &mut turned[j * size..(j + 1) * size];
        for i in j..size {
            let row = &l[i * size..i * size + i];
            let dot: f64 = row[j..].iter().zip(&x[j..i]).map(|(l, x)| l * x).sum();
            x[i] = (f64::from(u8::from(i == j)) - dot) / l[i * size + i];
        }
    }
    let mut inverse = vec![0.0f32; size * size];
    for i in 0..size {
        for j in 0..=i {
            let (x, y) =
                (&turned[i * size + i..(i + 1) * size], &turned[j * size + i..(j + 1) * size]);
            let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            inverse[i * size + j] = dot as f32;
            inverse[j * size + i] = dot as f32;
        }
    }
    Ok(inverse)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_one() -> Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for n in [0, 1, 2, 31, 256, 257, 600] {
            let xs: Vec<f32> = (0..n * 40).map(|_| rng.random_range(0.0..1.0)).collect();
            let mut a = vec![0.0; n * n]; // of rank 40, but for the diagonal
            for (i, row) in a.chunks_exact_mut(n.max(1)).enumerate() {
                for (j, x) in row.iter_mut().enumerate() {
                    let dot: f32 = (0..40).map(|k| xs[i * 40 + k] * xs[j * 40 + k]).sum();
                    *x = dot + if i == j { 5.0 } else { 0.0 };
                }
            }
            let mut inverse = a.clone();
            invert_positive_definite(&mut inverse, n)?;
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = (0..n)
                        .map(|k| f64::from(a[i * n + k]) * f64::from(inverse[k * n + j]))
                        .sum();
                    let one = f64::from(u8::from(i == j));
                    assert!((dot - one).abs() < 2e-3, "{n}: ({i}, {j}) is {dot}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_matrix_that_has_no_inverse_is_refused() {
        let singular = invert_positive_definite(&mut [1.0, 2.0, 2.0, 4.0], 2);
        assert!(singular.is_err_and(|error| error.to_string().contains("regularisation")));
        assert!(invert_positive_definite(&mut [f32::NAN], 1).is_err());
    }
}
