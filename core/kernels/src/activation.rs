//! The functions between two matrix products, without branches so that loops over them vectorise.

use serde::{Deserialize, Serialize};

use super::{parallel, simd::simd};

/// Floats per unit of parallel work, and about what one of them costs.
const CHUNK: usize = 16 * 1024;
const COST: usize = 16;

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`; its slope at 0 is 0, as in PyTorch.
    Relu,
    /// `x·Φ(x)` with the exact normal distribution function, PyTorch's default `gelu`.
    Gelu,
    /// `x·σ(x)`, also called swish.
    Silu,
    /// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`, the approximation of `gelu` by Hendrycks and Gimpel
    /// (2016) that BERT's first code and T5 compute.
    GeluTanh,
    /// `x·σ(1.702·x)`, their shorter approximation.
    GeluSigmoid,
}

impl Activation {
    /// Applies the function to every element of `xs`.
    pub fn apply(self, xs: &mut [f32]) {
        let work = xs.len() * COST;
        parallel::for_each_chunk(xs, CHUNK, work, |_, xs| apply_chunk(self, xs));
    }

    /// Multiplies `dys`, the gradient of the output, by the slopes at the inputs `xs`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn backward(self, xs: &[f32], dys: &mut [f32]) {
        assert_eq!(xs.len(), dys.len(), "input and gradient have one shape");
        let work = xs.len() * COST;
        parallel::for_each_chunk(dys, CHUNK, work, |i, dys| {
            backward_chunk(self, &xs[i * CHUNK..][..dys.len()], dys);
        });
    }

    /// Its value at `x`.
    #[inline(always)]
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu => relu(x),
            Self::Gelu => gelu(x),
            Self::Silu => silu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::GeluSigmoid => gelu_sigmoid(x),
        }
    }

    /// Its derivative at `x`.
    #[inline(always)]
    pub fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu => relu_slope(x),
            Self::Gelu => gelu_slope(x),
            Self::Silu => silu_slope(x),
            Self::GeluTanh => gelu_tanh_slope(x),
            Self::GeluSigmoid => gelu_sigmoid_slope(x),
        }
    }
}

simd! {
    fn apply_chunk(activation: Activation, xs: &mut [f32]) {
        apply(activation, xs);
    }
}

simd! {
    fn backward_chunk(activation: Activation, xs: &[f32], dys: &mut [f32]) {
        let pairs = xs.iter().zip(dys);
        match activation {
            Activation::Relu => pairs.for_each(|(x, dy)| *dy *= relu_slope(*x)),
            Activation::Gelu => pairs.for_each(|(x, dy)| *dy *= gelu_slope(*x)),
            Activation::Silu => pairs.for_each(|(x, dy)| *dy *= silu_slope(*x)),
            Activation::GeluTanh => pairs.for_each(|(x, dy)| *dy *= gelu_tanh_slope(*x)),
            Activation::GeluSigmoid => pairs.for_each(|(x, dy)| *dy *= gelu_sigmoid_slope(*x)),
        }
    }
}

/// [`Activation::apply`], inlined into kernels so that it is compiled for their instructions.
#[inline(always)]
pub(crate) fn apply(activation: Activation, xs: &mut [f32]) {
    match activation {
        Activation::Relu => xs.iter_mut().for_each(|x| *x = relu(*x)),
        Activation::Gelu => xs.iter_mut().for_each(|x| *x = gelu(*x)),
        Activation::Silu => xs.iter_mut().for_each(|x| *x = silu(*x)),
        Activation::GeluTanh => xs.iter_mut().for_each(|x| *x = gelu_tanh(*x)),
        Activation::GeluSigmoid => xs.iter_mut().for_each(|x| *x = gelu_sigmoid(*x)),
    }
}

/// Not `f32::max`, which would hide a NaN.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn relu_slope(x: f32) -> f32 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

#[inline(always)]
fn gelu(x: f32) -> f32 {
    x * normal_cdf(x)
}

/// `Φ(x) + x·φ(x)`.
#[inline(always)]
fn gelu_slope(x: f32) -> f32 {
    const INVERSE_SQRT_TAU: f32 = 0.398_942_3;
    normal_cdf(x) + x * INVERSE_SQRT_TAU * exp(-0.5 * x * x)
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// `σ(x)·(1 + x·(1 − σ(x)))`.
#[inline(always)]
fn silu_slope(x: f32) -> f32 {
    let sigmoid = 1.0 / (1.0 + exp(-x));
    sigmoid * (1.0 + x * (1.0 - sigmoid))
}

/// `2·√(2/π)`: `(1 + tanh(z))/2 = σ(2z)`.
const TWICE_ROOT: f32 = 1.595_769;
const CUBE: f32 = 0.044_715;
const SHORT: f32 = 1.702;

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    x / (1.0 + exp(-TWICE_ROOT * x * (1.0 + CUBE * x * x)))
}

#[inline(always)]
fn gelu_tanh_slope(x: f32) -> f32 {
    let sigmoid = 1.0 / (1.0 + exp(-TWICE_ROOT * x * (1.0 + CUBE * x * x)));
    sigmoid * (1.0 + TWICE_ROOT * x * (1.0 + 3.0 * CUBE * x * x) * (1.0 - sigmoid))
}

#[inline(always)]
fn gelu_sigmoid(x: f32) -> f32 {
    x / (1.0 + exp(-SHORT * x))
}

#[inline(always)]
fn gelu_sigmoid_slope(x: f32) -> f32 {
    let sigmoid = 1.0 / (1.0 + exp(-SHORT * x));
    sigmoid * (1.0 + SHORT * x * (1.0 - sigmoid))
}

#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// The error function as a rational minimax approximation on ±4 (the one Eigen uses), good to a few units in the last
/// place; beyond 3.92 it is one, rounded.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let beyond = x.abs() > 3.92;
    let sign = 1f32.copysign(x);
    let x = x.clamp(-4.0, 4.0);
    let x2 = x * x;
    let mut p = -2.726_142_3e-10;
    for coefficient in [
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ] {
        p = p * x2 + coefficient;
    }
    let mut q = -1.456_607_2e-5;
    for coefficient in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_474e-2] {
        q = q * x2 + coefficient;
    }
    if beyond { sign } else { x * p / q }
}

/// `eˣ` to about two units in the last place (Cephes); 0 below −87.3 and infinite above 88.7.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
    let clamped = if x > 88.8 { 88.8 } else { x };
    let clamped = if clamped < -87.4 { -87.4 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    let p = p * r * r + r + 1.0;
    // 2ⁿ in two factors, because n reaches 128.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let y = p * power_of_two(half) * power_of_two(n - half);
    if x < -87.33 { 0.0 } else { y }
}

#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{everywhere_equal, numbers};
    use super::*;

    /// The error function by its series, in double precision.
    fn erf_exact(x: f64) -> f64 {
        if x.abs() > 4.0 {
            return x.signum(); // the series would lose its digits, and this is within 2e-8
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    fn exact(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Relu => x.max(0.0),
            Activation::Gelu => 0.5 * x * (1.0 + erf_exact(x / 2f64.sqrt())),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                0.5 * x * (1.0 + z.tanh())
            }
            Activation::GeluSigmoid => x / (1.0 + (-1.702 * x).exp()),
        }
    }

    const ALL: [Activation; 5] = [
        Activation::Relu,
        Activation::Gelu,
        Activation::Silu,
        Activation::GeluTanh,
        Activation::GeluSigmoid,
    ];

    #[test]
    fn values_match_double_precision() {
        for activation in ALL {
            for i in -20_000..=20_000 {
                let x = i as f32 * 1e-3;
                let (got, want) = (f64::from(activation.value(x)), exact(activation, f64::from(x)));
                assert!(
                    (got - want).abs() <= 1e-6 * want.abs().max(1.0),
                    "{activation:?}({x}): {got} {want}"
                );
            }
        }
    }

    #[test]
    fn slopes_match_differences_of_values() {
        for activation in ALL {
            for i in -2_000..=2_000 {
                let x = f64::from(i) * 1e-2 + 0.005;
                let want = (exact(activation, x + 1e-3) - exact(activation, x - 1e-3)) / 2e-3;
                let got = f64::from(activation.slope(x as f32));
                assert!((got - want).abs() < 3e-6, "{activation:?}'({x}): {got} {want}");
            }
        }
    }

    #[test]
    fn the_exponential_is_good_to_its_last_places_and_keeps_its_ends() {
        for i in -87_000..=88_500 {
            let x = i as f32 * 1e-3;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 4e-7, "exp({x}): {got} {want}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn slices_are_their_elements_one_by_one() {
        for activation in ALL {
            for len in [0, 1, 19, 10 * CHUNK + 33] {
                let (xs, dys) = (numbers(len, 1), numbers(len, 2));
                let xs: Vec<f32> = xs.iter().map(|x| 6.0 * x).collect();
                let result = everywhere_equal(|| {
                    let (mut ys, mut dxs) = (xs.clone(), dys.clone());
                    activation.apply(&mut ys);
                    activation.backward(&xs, &mut dxs);
                    [ys, dxs].concat()
                });
                for (i, (&x, &dy)) in xs.iter().zip(&dys).enumerate() {
                    assert_eq!(result[i], activation.value(x));
                    assert_eq!(result[len + i], dy * activation.slope(x));
                }
            }
        }
    }

    #[test]
    fn a_nan_stays_one() {
        for activation in ALL {
            assert!(activation.value(f32::NAN).is_nan(), "{activation:?}");
        }
    }
}
