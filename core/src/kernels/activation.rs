//! The activations of a feed-forward layer, and their derivatives.

use std::f32::consts::FRAC_1_SQRT_2;

use rayon::prelude::*;

use super::math::{erf, exp, fma, sigmoid};
use super::simd::simd;

/// Floats per unit of work.
const CHUNK: usize = 16 * 1024;

/// A function applied to every float on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`; the derivative at 0 is 0.
    Relu,
    /// `x·Φ(x)`, with the error function rather than `tanh` (Hendrycks & Gimpel 2016).
    Gelu,
    /// `x·σ(x)`, also called swish (Elfwing et al. 2017).
    Silu,
}

impl Activation {
    /// Replaces every `x` of `xs` by `f(x)`.
    pub fn forward(self, xs: &mut [f32]) {
        match xs.len() <= CHUNK {
            true => forward(self, xs),
            false => xs.par_chunks_mut(CHUNK).for_each(|xs| forward(self, xs)),
        }
    }

    /// Multiplies `dys`, the gradient of the output, by `f'(x)` for the inputs `xs`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn backward(self, xs: &[f32], dys: &mut [f32]) {
        assert_eq!(xs.len(), dys.len(), "input and gradient have one shape");
        match xs.len() <= CHUNK {
            true => backward(self, xs, dys),
            false => xs
                .par_chunks(CHUNK)
                .zip(dys.par_chunks_mut(CHUNK))
                .for_each(|(xs, dys)| backward(self, xs, dys)),
        }
    }
}

simd! {
    fn forward<ISA>(f: Activation, xs: &mut [f32]) {
        match f {
            Activation::Relu => for x in xs {
                *x = if *x < 0.0 { 0.0 } else { *x }; // lets NaN through
            },
            Activation::Gelu => for x in xs {
                *x *= normal_cdf::<ISA>(*x);
            },
            Activation::Silu => for x in xs {
                *x *= sigmoid::<ISA>(*x);
            },
        }
    }
}

simd! {
    fn backward<ISA>(f: Activation, xs: &[f32], dys: &mut [f32]) {
        let pairs = xs.iter().zip(dys);
        match f {
            Activation::Relu => for (x, d) in pairs {
                *d = if *x > 0.0 { *d } else { 0.0 };
            },
            Activation::Gelu => for (&x, d) in pairs {
                let density = 0.398_942_3 * exp::<ISA>(-0.5 * x * x); // 1/√(2π) · e^(-x²/2)
                *d *= fma::<ISA>(x, density, normal_cdf::<ISA>(x));
            },
            Activation::Silu => for (&x, d) in pairs {
                let s = sigmoid::<ISA>(x);
                *d *= fma::<ISA>(x * s, 1.0 - s, s);
            },
        }
    }
}

/// `Φ(x)`, the share of a normal distribution below `x`.
#[inline(always)]
fn normal_cdf<const ISA: u8>(x: f32) -> f32 {
    fma::<ISA>(0.5, erf::<ISA>(x * FRAC_1_SQRT_2), 0.5)
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{assert_close, everywhere_equal, numbers};
    use super::*;

    const ALL: [Activation; 3] = [Activation::Relu, Activation::Gelu, Activation::Silu];

    /// The function in `f64`; the integral of the normal density by Simpson's rule.
    fn reference(f: Activation, x: f64) -> f64 {
        let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
        let simpson = |i: u32| {
            let weight = if i == 0 || i == 400 { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            weight * density(x * f64::from(i) / 400.0)
        };
        match f {
            Activation::Relu => x.max(0.0),
            Activation::Gelu => x * (0.5 + x / 1200.0 * (0..=400).map(simpson).sum::<f64>()),
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    #[test]
    fn matches_the_formula_and_its_derivative() {
        for f in ALL {
            for len in [0, 1, 19, CHUNK + 33] {
                let xs: Vec<f32> = numbers(len, 1).iter().map(|x| 6.0 * x).collect();
                let dys = numbers(len, 2);
                let result = everywhere_equal(|| {
                    let (mut ys, mut dxs) = (xs.clone(), dys.clone());
                    f.forward(&mut ys);
                    f.backward(&xs, &mut dxs);
                    [ys, dxs].concat()
                });
                let (ys, dxs) = result.split_at(len);
                let at = |x: f32, step: f64| reference(f, f64::from(x) + step);
                let exact: Vec<f64> = xs.iter().map(|&x| at(x, 0.0)).collect();
                assert_close("y", ys, &exact, 1e-6);
                let slope =
                    |(&x, &d): (&f32, &f32)| f64::from(d) * (at(x, 1e-5) - at(x, -1e-5)) / 2e-5;
                let slopes: Vec<f64> = xs.iter().zip(&dys).map(slope).collect();
                assert_close("dx", dxs, &slopes, 1e-6);
            }
        }
    }

    #[test]
    fn extremes_are_finite_and_nan_passes() {
        for f in ALL {
            let mut xs = [-1e30, -100.0, 0.0, 100.0, f32::NAN];
            let mut dys = [1.0; 5];
            f.backward(&xs, &mut dys);
            f.forward(&mut xs);
            assert_eq!(xs[..4], [0.0, 0.0, 0.0, 100.0], "{f:?}");
            assert!(xs[4].is_nan());
            assert_eq!((dys[0], dys[3]), (0.0, 1.0), "{f:?}");
        }
    }
}
