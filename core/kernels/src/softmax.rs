//! Softmax over rows, its logarithm, and the best entries of a row: what decoding asks of logits.

use rayon::prelude::*;

use super::math::{exp, fma, ln, max, sum};
use super::simd::simd;

/// Floats that stay in the first-level cache between two looks at them.
const TILE: usize = 256;

/// Logits below this number are looked over on the calling thread: waking another one takes longer.
const WORTH_A_THREAD: usize = 1 << 16;

/// What the softmax of a row needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowSums {
    /// The greatest entry.
    pub(super) max: f32,
    /// `Σ exp(xᵢ - max)`.
    pub(super) exp: f32,
    /// The logarithm of `exp`.
    pub(super) log_exp: f32,
    /// `Σ (xᵢ - max)`.
    pub(super) shifted: f32,
}

impl RowSums {
    /// `ln Σ exp xᵢ`.
    pub(super) fn log_sum_exp(&self) -> f32 {
        self.max + self.log_exp
    }
}

simd! {
    /// Looks over `xs` twice, writing nothing.
    pub(super) fn row_sums<ISA>(xs: &[f32]) -> RowSums {
        let top = max(xs);
        let (mut total, mut shifted) = (0.0, 0.0);
        let mut tile = [0.0; TILE];
        for xs in xs.chunks(TILE) {
            let tile = &mut tile[..xs.len()];
            for (y, x) in tile.iter_mut().zip(xs) {
                *y = x - top;
            }
            shifted += sum(tile);
            for y in tile.iter_mut() {
                *y = exp::<ISA>(*y);
            }
            total += sum(tile);
        }
        RowSums { max: top, exp: total, log_exp: ln::<ISA>(total), shifted }
    }
}

simd! {
    /// `xᵢ ← factor · exp(xᵢ - max) + offset`
    pub(super) fn scaled_exp<ISA>(xs: &mut [f32], max: f32, factor: f32, offset: f32) {
        for x in xs {
            *x = fma::<ISA>(exp::<ISA>(*x - max), factor, offset);
        }
    }
}

simd! {
    fn subtract<ISA>(xs: &mut [f32], offset: f32) {
        for x in xs {
            *x -= offset;
        }
    }
}

/// Rows of `width` floats, of which the first `first_output` stand for nothing that may be output.
///
/// Those columns (language tags, reserved tokens) have probability zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogitRows {
    /// Width of a row, `V`.
    pub width: usize,
    /// Number of columns, from the left, that are outside the softmax.
    pub first_output: usize,
}

impl LogitRows {
    /// The logarithm of `Σ exp` of each row of `logits`, `(n, V)`: `(n,)`.
    ///
    /// # Panics
    /// If `logits` is not a number of whole rows, or no column is left.
    pub fn log_sum_exp(&self, logits: &[f32]) -> Vec<f32> {
        self.check(logits.len());
        let row = |row: &[f32]| row_sums(&row[self.first_output..]).log_sum_exp();
        match logits.len() < WORTH_A_THREAD {
            true => logits.chunks_exact(self.width).map(row).collect(),
            false => logits.par_chunks_exact(self.width).map(row).collect(),
        }
    }

    /// Replaces each row of `logits`, `(n, V)`, by its log-softmax; excluded columns become -∞.
    ///
    /// # Panics
    /// If `logits` is not a number of whole rows, or no column is left.
    pub fn log_softmax(&self, logits: &mut [f32]) {
        self.for_each_row(
            logits,
            |row| subtract(row, row_sums(row).log_sum_exp()),
            f32::NEG_INFINITY,
        );
    }

    /// Replaces each row of `logits`, `(n, V)`, by its softmax; excluded columns become 0.
    ///
    /// # Panics
    /// If `logits` is not a number of whole rows, or no column is left.
    pub fn softmax(&self, logits: &mut [f32]) {
        let softmax = |row: &mut [f32]| {
            let sums = row_sums(row);
            scaled_exp(row, sums.max, 1.0 / sums.exp, 0.0);
        };
        self.for_each_row(logits, softmax, 0.0);
    }

    /// [`LogitRows::top_k`] and [`LogitRows::log_sum_exp`] of every row, looked at once: values and
    /// columns, `(n, k)`, and sums, `(n,)`.
    ///
    /// # Panics
    /// As those.
    pub fn best(&self, rows: &[f32], k: usize) -> (Vec<f32>, Vec<u32>, Vec<f32>) {
        self.check(rows.len());
        assert!(k > 0 && k <= self.width - self.first_output, "top {k} of {} columns", self.width);
        let count = rows.len() / self.width;
        let (mut values, mut columns) = (vec![0.0; count * k], vec![0; count * k]);
        let mut sums = vec![0.0; count];
        let body = |row: &[f32], values: &mut [f32], columns: &mut [u32], sum: &mut f32| {
            row_top_k(row, self.first_output, values, columns);
            *sum = row_sums(&row[self.first_output..]).log_sum_exp();
        };
        match rows.len() < WORTH_A_THREAD {
            true => rows
                .chunks_exact(self.width)
                .zip(values.chunks_exact_mut(k))
                .zip(columns.chunks_exact_mut(k))
                .zip(&mut sums)
                .for_each(|(((row, values), columns), sum)| body(row, values, columns, sum)),
            false => rows
                .par_chunks_exact(self.width)
                .zip(values.par_chunks_exact_mut(k))
                .zip(columns.par_chunks_exact_mut(k))
                .zip(&mut sums)
                .for_each(|(((row, values), columns), sum)| body(row, values, columns, sum)),
        }
        (values, columns, sums)
    }

    /// The `k` greatest entries of each row of `rows`, `(n, V)`, best first: values and columns, `(n, k)`.
    ///
    /// Of equal values the one with the lower column comes first; NaN counts as -∞; excluded columns
    /// are never chosen.
    ///
    /// # Panics
    /// If `rows` is not a number of whole rows, or has fewer than `k` columns left.
    pub fn top_k(&self, rows: &[f32], k: usize) -> (Vec<f32>, Vec<u32>) {
        self.check(rows.len());
        assert!(k <= self.width - self.first_output, "top {k} of {} columns", self.width);
        let count = rows.len() / self.width;
        let (mut values, mut columns) = (vec![0.0; count * k], vec![0; count * k]);
        if k == 0 {
            return (values, columns);
        }
        let body = |((row, values), columns): ((&[f32], &mut [f32]), &mut [u32])| {
            row_top_k(row, self.first_output, values, columns);
        };
        match rows.len() < WORTH_A_THREAD {
            true => rows
                .chunks_exact(self.width)
                .zip(values.chunks_exact_mut(k))
                .zip(columns.chunks_exact_mut(k))
                .for_each(body),
            false => rows
                .par_chunks_exact(self.width)
                .zip(values.par_chunks_exact_mut(k))
                .zip(columns.par_chunks_exact_mut(k))
                .for_each(body),
        }
        (values, columns)
    }

    fn for_each_row(&self, rows: &mut [f32], work: impl Fn(&mut [f32]) + Sync, excluded: f32) {
        self.check(rows.len());
        let body = |row: &mut [f32]| {
            let (outside, row) = row.split_at_mut(self.first_output);
            outside.fill(excluded);
            work(row);
        };
        match rows.len() < WORTH_A_THREAD {
            true => rows.chunks_exact_mut(self.width).for_each(body),
            false => rows.par_chunks_exact_mut(self.width).for_each(body),
        }
    }

    pub(super) fn check(&self, len: usize) {
        let Self { width, first_output } = *self;
        assert!(first_output < width, "no output column in {width} with {first_output} excluded");
        assert!(len.is_multiple_of(width), "{len} floats are not whole rows of {width}");
    }
}

simd! {
    /// Keeps the best `values.len()` of `row`, from column `first` on, in order.
    fn row_top_k<ISA>(row: &[f32], first: usize, values: &mut [f32], columns: &mut [u32]) {
        let k = values.len();
        let mut filled = 0;
        let mut offer = |column: usize, value: f32| -> f32 {
            // NaN would neither stay nor give way.
            let value = if value.is_nan() { f32::NEG_INFINITY } else { value };
            let mut place = filled;
            while place > 0 && value > values[place - 1] {
                place -= 1;
            }
            if place < k {
                filled = (filled + 1).min(k);
                values.copy_within(place..filled - 1, place + 1);
                columns.copy_within(place..filled - 1, place + 1);
                (values[place], columns[place]) = (value, column as u32);
            }
            values[k - 1]
        };
        let (head, rest) = row[first..].split_at(k);
        let mut worst = f32::NEG_INFINITY;
        for (i, &value) in head.iter().enumerate() {
            worst = offer(first + i, value);
        }
        let tiles = rest.chunks(64);
        for (start, tile) in (first + k..).step_by(64).zip(tiles) {
            // Most tiles hold nothing better than the worst that is kept.
            let mut better = false;
            for &value in tile {
                better |= value > worst;
            }
            if better {
                for (i, &value) in tile.iter().enumerate() {
                    if value > worst {
                        worst = offer(start + i, value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    fn logits(rows: usize, width: usize, seed: u64) -> Vec<f32> {
        numbers(rows * width, seed).iter().map(|x| 20.0 * x).collect()
    }

    #[test]
    fn softmax_matches_the_formula() {
        for (rows, width, first_output) in
            [(0, 5, 0), (1, 1, 0), (3, 7, 2), (4, 257, 0), (9, 1000, 16)]
        {
            let shape = LogitRows { width, first_output };
            let xs = logits(rows, width, 1);
            let mut exact = Vec::new();
            for row in xs.chunks_exact(width) {
                let kept = &row[first_output..];
                let total: f64 = kept.iter().map(|&x| f64::from(x).exp()).sum();
                exact.extend(vec![0.0; first_output]);
                exact.extend(kept.iter().map(|&x| f64::from(x).exp() / total));
            }
            let probs = everywhere_equal(|| {
                let mut xs = xs.clone();
                shape.softmax(&mut xs);
                xs
            });
            assert_close("softmax", &probs, &exact, 1e-6);
            let mut logs = xs.clone();
            shape.log_softmax(&mut logs);
            for (log, p) in logs.iter().zip(&exact) {
                match *p {
                    0.0 => assert_eq!(*log, f32::NEG_INFINITY),
                    p => assert!((f64::from(*log) - p.ln()).abs() < 1e-5 * p.ln().abs().max(1.0)),
                }
            }
            for (lse, (x, log)) in shape
                .log_sum_exp(&xs)
                .iter()
                .zip(xs.chunks_exact(width).zip(logs.chunks_exact(width)))
            {
                assert_eq!(x[first_output] - lse, log[first_output]);
            }
        }
    }

    #[test]
    fn top_k_is_a_stable_sort() {
        for (rows, width, first_output, k) in [
            (0, 4, 0, 2),
            (1, 1, 0, 1),
            (3, 40, 3, 5),
            (7, 999, 10, 8),
            (2, 300, 0, 300),
            (2, 9, 1, 0),
        ] {
            // Few distinct values, so that there are ties.
            let mut xs: Vec<f32> =
                numbers(rows * width, 3).iter().map(|x| (x * 20.0).round()).collect();
            if let Some(x) = xs.get_mut(15) {
                *x = f32::NAN;
            }
            if let Some(x) = xs.get_mut(16) {
                *x = f32::NEG_INFINITY;
            }
            let shape = LogitRows { width, first_output };
            let (values, columns) = shape.top_k(&xs, k);
            if k > 0 {
                let (best, at, sums) = shape.best(&xs, k);
                assert_eq!((&best, &at), (&values, &columns));
                let alone = shape.log_sum_exp(&xs);
                assert!(sums.iter().zip(&alone).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
            for (i, row) in xs.chunks_exact(width).enumerate() {
                let key = |c: usize| if row[c].is_nan() { f32::NEG_INFINITY } else { row[c] };
                let mut order: Vec<usize> = (first_output..width).collect();
                order.sort_by(|&a, &b| (key(b) + 0.0).total_cmp(&(key(a) + 0.0))); // -0 is 0
                for j in 0..k {
                    assert_eq!(columns[i * k + j] as usize, order[j], "row {i}, place {j}");
                    assert_eq!(values[i * k + j], key(order[j]));
                }
            }
        }
    }

    #[test]
    fn infinite_logits_are_certain() {
        let mut xs = [f32::NEG_INFINITY, 0.0, 0.0];
        LogitRows { width: 3, first_output: 0 }.softmax(&mut xs);
        assert_eq!(xs, [0.0, 0.5, 0.5]);
    }
}
