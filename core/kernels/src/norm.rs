//! Layer norm (Ba et al. 2016) over rows.

use rayon::prelude::*;

use super::math::{dot, fma, fold, sum};
use super::simd::{LANES, simd};

/// Rows per unit of work. Weight gradients are summed within blocks, then over blocks, so this number
/// is part of the result.
const BLOCK: usize = 32;

/// Layer norm over the last axis, `D` wide: `y = (x - μ) / √(σ² + ε) · weight + bias`; or, without a
/// bias and with `μ = 0`, the root mean square norm of Zhang and Sennrich (2019).
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    weight: &'a [f32],
    /// Absent in a root mean square norm.
    bias: Option<&'a [f32]>,
    eps: f32,
}

/// What the backward pass needs of the forward pass, for each of `N` rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowStats {
    /// Mean of the row, `(N,)`.
    pub mean: Vec<f32>,
    /// `1 / √(σ² + ε)`, `(N,)`.
    pub rstd: Vec<f32>,
}

/// Where the gradients of a norm go.
#[derive(Debug)]
pub struct NormGrads<'a> {
    /// Gradient of the input, `(N, D)`: written.
    pub dxs: &'a mut [f32],
    /// Gradient of the weight, `(D,)`: added to.
    pub dweight: Option<&'a mut [f32]>,
    /// Gradient of the bias, `(D,)`: added to.
    pub dbias: Option<&'a mut [f32]>,
}

impl<'a> Norm<'a> {
    /// The norm with `weight` and `bias`, `(D,)`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(weight: &'a [f32], bias: &'a [f32], eps: f32) -> Self {
        assert_eq!(weight.len(), bias.len(), "weight and bias are of one width");
        Self { weight, bias: Some(bias), eps }
    }

    /// The root mean square norm with `weight`, `(D,)`: `y = x / √(mean(x²) + ε) · weight`.
    pub fn root_mean_square(weight: &'a [f32], eps: f32) -> Self {
        Self { weight, bias: None, eps }
    }

    /// Normalises `xs` into `ys`, both `(N, D)`.
    ///
    /// # Panics
    /// If `xs` and `ys` are not equally many whole rows.
    pub fn forward(&self, xs: &[f32], ys: &mut [f32]) -> RowStats {
        let rows = self.check(xs, ys.len());
        let mut stats = RowStats { mean: vec![0.0; rows], rstd: vec![0.0; rows] };
        let RowStats { mean, rstd } = &mut stats;
        if rows <= BLOCK {
            forward_rows(*self, xs, ys, mean, rstd);
            return stats;
        }
        let width = BLOCK * self.weight.len();
        xs.par_chunks(width)
            .zip(ys.par_chunks_mut(width))
            .zip(mean.par_chunks_mut(BLOCK).zip(rstd.par_chunks_mut(BLOCK)))
            .for_each(|((xs, ys), (mean, rstd))| forward_rows(*self, xs, ys, mean, rstd));
        stats
    }

    /// From `dys`, the gradient of the output, computes those of the input and the weights.
    ///
    /// With `x̂ = (x - μ)·rstd` and `g = dy·weight`, `dx = rstd · (g - mean(g) - x̂·mean(g·x̂))`; without
    /// `μ` the term `mean(g)` is absent.
    /// The sums over rows are taken in an order that depends on `N` alone.
    ///
    /// # Panics
    /// If the shapes differ from those of the forward pass.
    pub fn backward(&self, xs: &[f32], dys: &[f32], stats: &RowStats, grads: NormGrads<'_>) {
        let NormGrads { dxs, dweight, dbias } = grads;
        let rows = self.check(xs, dys.len());
        assert_eq!(dxs.len(), xs.len(), "the input gradient has the shape of the input");
        assert_eq!(stats.rstd.len(), rows, "the statistics are those of these rows");
        if xs.is_empty() {
            return;
        }
        let d_model = self.weight.len();
        let width = BLOCK * d_model;
        let mut partial = vec![0.0; rows.div_ceil(BLOCK) * 2 * d_model]; // (blocks, 2, D)
        let body = |i: usize, dxs: &mut [f32], partial: &mut [f32]| {
            let end = (i + BLOCK).min(rows);
            let (mean, rstd) = (&stats.mean[i..end], &stats.rstd[i..end]);
            let (xs, dys) = (&xs[i * d_model..end * d_model], &dys[i * d_model..end * d_model]);
            backward_rows(*self, Saved { xs, dys, mean, rstd }, dxs, partial);
        };
        match rows <= BLOCK {
            true => body(0, dxs, &mut partial),
            false => dxs
                .par_chunks_mut(width)
                .zip(partial.par_chunks_mut(2 * d_model))
                .enumerate()
                .for_each(|(i, (dxs, partial))| body(i * BLOCK, dxs, partial)),
        }
        add_partials(&partial, d_model, dweight, dbias);
    }

    /// Number of rows of `xs`, after a look at the shapes.
    fn check(&self, xs: &[f32], others: usize) -> usize {
        let d_model = self.weight.len();
        assert!(d_model > 0 || xs.is_empty(), "a norm of width 0 has no rows");
        let whole = xs.len().is_multiple_of(d_model.max(1));
        assert!(whole, "{} floats are not whole rows of {d_model}", xs.len());
        assert_eq!(xs.len(), others, "input and output have one shape");
        xs.len() / d_model.max(1)
    }
}

/// What a block of rows brings to the backward pass.
#[derive(Clone, Copy)]
struct Saved<'a> {
    xs: &'a [f32],
    dys: &'a [f32],
    mean: &'a [f32],
    rstd: &'a [f32],
}

simd! {
    fn forward_rows<ISA>(
        norm: Norm<'_>, xs: &[f32], ys: &mut [f32], mean: &mut [f32], rstd: &mut [f32],
    ) {
        let d_model = norm.weight.len();
        for (i, (xs, ys)) in xs.chunks_exact(d_model).zip(ys.chunks_exact_mut(d_model)).enumerate() {
            let mu = if norm.bias.is_some() { sum(xs) / d_model as f32 } else { 0.0 };
            for (y, x) in ys.iter_mut().zip(xs) {
                *y = x - mu;
            }
            let variance = dot::<ISA>(ys, ys) / d_model as f32;
            let scale = 1.0 / (variance + norm.eps).sqrt();
            match norm.bias {
                Some(bias) => {
                    for ((y, w), b) in ys.iter_mut().zip(norm.weight).zip(bias) {
                        *y = fma::<ISA>(*y * scale, *w, *b);
                    }
                }
                None => ys.iter_mut().zip(norm.weight).for_each(|(y, w)| *y = *y * scale * *w),
            }
            (mean[i], rstd[i]) = (mu, scale);
        }
    }
}

simd! {
    /// Writes the rows of `dxs`, and the sums over them of `dy·x̂` and `dy` to `partial`, `(2, D)`.
    fn backward_rows<ISA>(
        norm: Norm<'_>, saved: Saved<'_>, dxs: &mut [f32], partial: &mut [f32],
    ) {
        let d_model = norm.weight.len();
        let (dweight, dbias) = partial.split_at_mut(d_model);
        for (i, dxs) in dxs.chunks_exact_mut(d_model).enumerate() {
            let xs = &saved.xs[i * d_model..][..d_model];
            let dys = &saved.dys[i * d_model..][..d_model];
            let (mu, scale) = (saved.mean[i], saved.rstd[i]);
            for j in 0..d_model {
                dweight[j] = fma::<ISA>(dys[j], (xs[j] - mu) * scale, dweight[j]);
                dbias[j] += dys[j];
                dxs[j] = dys[j] * norm.weight[j];
            }
            let mean_g = if norm.bias.is_some() { sum(dxs) / d_model as f32 } else { 0.0 };
            let mean_gx = centred_dot::<ISA>(dxs, xs, mu) * scale / d_model as f32;
            for j in 0..d_model {
                let normal = (xs[j] - mu) * scale;
                dxs[j] = scale * fma::<ISA>(-normal, mean_gx, dxs[j] - mean_g);
            }
        }
    }
}

/// `Σ gᵢ·(xᵢ - μ)` in fixed lanes.
#[inline(always)]
fn centred_dot<const ISA: u8>(gs: &[f32], xs: &[f32], mu: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (g_chunks, g_rest) = gs.as_chunks::<LANES>();
    let (x_chunks, x_rest) = xs.as_chunks::<LANES>();
    for (g, x) in g_chunks.iter().zip(x_chunks) {
        for i in 0..LANES {
            lanes[i] = fma::<ISA>(g[i], x[i] - mu, lanes[i]);
        }
    }
    for (lane, (&g, &x)) in lanes.iter_mut().zip(g_rest.iter().zip(x_rest)) {
        *lane = fma::<ISA>(g, x - mu, *lane);
    }
    fold(lanes)
}

/// Adds the sums of all blocks, in the order of the blocks.
fn add_partials(
    partial: &[f32],
    d_model: usize,
    dweight: Option<&mut [f32]>,
    dbias: Option<&mut [f32]>,
) {
    for (offset, total) in [(0, dweight), (d_model, dbias)] {
        let Some(total) = total else { continue };
        assert_eq!(total.len(), d_model, "weight gradients are one row");
        for block in partial.chunks_exact(2 * d_model) {
            for (sum, x) in total.iter_mut().zip(&block[offset..][..d_model]) {
                *sum += x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    const EPS: f32 = 1e-5;

    /// The formula, in `f64`; without a bias the mean counts as zero.
    fn reference(xs: &[f64], weight: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
        let d_model = weight.len();
        let row = |xs: &[f64]| -> Vec<f64> {
            let mean = bias.map_or(0.0, |_| xs.iter().sum::<f64>() / d_model as f64);
            let variance = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d_model as f64;
            let scale = (variance + f64::from(EPS)).sqrt().recip();
            let value = |(j, x): (usize, &f64)| {
                (x - mean) * scale * f64::from(weight[j])
                    + bias.map_or(0.0, |bias| f64::from(bias[j]))
            };
            xs.iter().enumerate().map(value).collect()
        };
        xs.chunks_exact(d_model).flat_map(row).collect()
    }

    /// Output, dx, dweight and dbias (the last two on top of ones), one after the other.
    fn run(norm: Norm<'_>, xs: &[f32], dys: &[f32]) -> [Vec<f32>; 4] {
        let d_model = norm.weight.len();
        let mut ys = vec![0.0; xs.len()];
        let stats = norm.forward(xs, &mut ys);
        let (mut dxs, mut dweight, mut dbias) =
            (vec![0.0; xs.len()], vec![1.0; d_model], vec![1.0; d_model]);
        let grads =
            NormGrads { dxs: &mut dxs, dweight: Some(&mut dweight), dbias: Some(&mut dbias) };
        norm.backward(xs, dys, &stats, grads);
        [ys, dxs, dweight, dbias]
    }

    #[test]
    fn matches_the_formula_and_its_derivative() {
        for (rows, d_model) in [(1, 1), (3, 7), (5, 16), (70, 33), (65, 64)] {
            let xs: Vec<f32> = numbers(rows * d_model, 1).iter().map(|x| 3.0 * x + 1.0).collect();
            let (dys, weight, bias) =
                (numbers(xs.len(), 2), numbers(d_model, 3), numbers(d_model, 4));
            for norm in [Norm::new(&weight, &bias, EPS), Norm::root_mean_square(&weight, EPS)] {
                check(norm, &xs, &dys);
            }
        }
    }

    fn check(norm: Norm<'_>, xs: &[f32], dys: &[f32]) {
        let (weight, d_model) = (norm.weight, norm.weight.len());
        let flat = everywhere_equal(|| run(norm, xs, dys).concat());
        let [ys, dxs, dweight, dbias] = run(norm, xs, dys);
        assert_eq!(flat, [&ys[..], &dxs, &dweight, &dbias].concat());

        let wide: Vec<f64> = xs.iter().map(|&x| x.into()).collect();
        let exact = reference(&wide, weight, norm.bias);
        assert_close("y", &ys, &exact, 1e-5);

        let slope = |i: usize| {
            let mut moved = wide[i / d_model * d_model..][..d_model].to_vec();
            let at = |ys: Vec<f64>| {
                let row = &dys[i / d_model * d_model..][..d_model];
                ys.iter().zip(row).map(|(y, &d)| y * f64::from(d)).sum::<f64>()
            };
            moved[i % d_model] += 1e-5;
            let above = at(reference(&moved, weight, norm.bias));
            moved[i % d_model] -= 2e-5;
            (above - at(reference(&moved, weight, norm.bias))) / 2e-5
        };
        let slopes: Vec<f64> = (0..xs.len()).map(slope).collect();
        assert_close("dx", &dxs, &slopes, 3e-5);

        let (unit, zeros) = (vec![1.0; d_model], vec![0.0; d_model]);
        let normal = reference(&wide, &unit, norm.bias.map(|_| &zeros[..]));
        let column = |f: &dyn Fn(usize) -> f64, j: usize| {
            1.0 + (j..xs.len()).step_by(d_model).map(f).sum::<f64>()
        };
        let by_weight = |i: usize| f64::from(dys[i]) * normal[i];
        let by_bias = |i: usize| f64::from(dys[i]);
        let exact =
            |f: &dyn Fn(usize) -> f64| (0..d_model).map(|j| column(f, j)).collect::<Vec<_>>();
        assert_close("dweight", &dweight, &exact(&by_weight), 1e-5);
        assert_close("dbias", &dbias, &exact(&by_bias), 1e-5);
    }

    #[test]
    fn a_row_does_not_see_its_neighbours() {
        let (weight, bias) = (numbers(19, 1), numbers(19, 2));
        let norm = Norm::new(&weight, &bias, EPS);
        let xs = numbers(19 * 100, 3);
        let mut all = vec![0.0; xs.len()];
        norm.forward(&xs, &mut all);
        for row in [0, 1, 57, 99] {
            let mut alone = vec![0.0; 19];
            norm.forward(&xs[row * 19..][..19], &mut alone);
            assert_eq!(alone, all[row * 19..][..19]);
        }
    }

    #[test]
    fn no_rows_and_frozen_weights_are_fine() {
        let weight = [1.0; 4];
        let norm = Norm::new(&weight, &[0.5; 4], EPS);
        let stats = norm.forward(&[], &mut []);
        let grads = NormGrads { dxs: &mut [], dweight: None, dbias: None };
        norm.backward(&[], &[], &stats, grads);
        let mut ys = [0.0; 8];
        let stats = norm.forward(&[2.0; 8], &mut ys);
        assert_eq!((ys, &stats.mean[..]), ([0.5; 8], &[2.0; 2][..]));
    }
}
