//! Functions of single floats that vectorise, and sums whose order is fixed.
//!
//! The polynomials are those of the Cephes library (Moshier 1989); each is within about 2 ulp of the true value, and tested against `f64`. A value's
//! result never depends on its neighbours.

use super::simd::{LANES, PORTABLE};

/// `a·b + c`, rounded once where the machine can and twice where it cannot.
#[inline(always)]
pub(super) fn fma<const ISA: u8>(a: f32, b: f32, c: f32) -> f32 {
    if ISA == PORTABLE { a * b + c } else { a.mul_add(b, c) }
}

/// Evaluates the polynomial with `coefficients`, highest power first, at `x`.
#[inline(always)]
fn polynomial<const ISA: u8, const K: usize>(x: f32, coefficients: [f32; K]) -> f32 {
    let mut y = coefficients[0];
    for &c in &coefficients[1..] {
        y = fma::<ISA>(y, x, c);
    }
    y
}

/// `ln 2`, split so that an integer below 2^9 times the first part is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `eˣ`; 0 where it would be below the smallest normal number, infinite above `e^88.37`.
#[inline(always)]
pub(super) fn exp<const ISA: u8>(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, and leaves it in the low bits.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = fma::<ISA>(x, std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = fma::<ISA>(n, -LN_2[1], fma::<ISA>(n, -LN_2[0], x));
    let p = polynomial::<ISA, 6>(
        r,
        [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let y = fma::<ISA>(p, r * r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23)); // 2ⁿ
    if x < -87.336_54 {
        0.0
    } else if x > 88.376_26 {
        f32::INFINITY
    } else {
        y * power
    }
}

/// Natural logarithm; -∞ at 0, NaN below.
#[inline(always)]
pub(super) fn ln<const ISA: u8>(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x }; // 2²³: out of the subnormal numbers
    // The mantissa lands in [√½, √2), the exponent is what is left.
    let bits = scaled.to_bits().wrapping_sub(0x3f35_04f3) as i32;
    let n = (bits >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let m = f32::from_bits(((bits & 0x007f_ffff) as u32).wrapping_add(0x3f35_04f3));
    let r = m - 1.0;
    let z = r * r;
    let p = polynomial::<ISA, 9>(
        r,
        [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let y = fma::<ISA>(n, LN_2[1], p * r * z);
    let y = fma::<ISA>(-0.5, z, y);
    let y = fma::<ISA>(n, LN_2[0], r + y);
    if x > 0.0 && x < f32::INFINITY {
        y
    } else if x == 0.0 {
        f32::NEG_INFINITY
    } else if x > 0.0 {
        f32::INFINITY
    } else {
        f32::NAN
    }
}

/// Adds up the lanes of a reduction, halves upon halves.
#[inline(always)]
pub(super) fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of `xs`; element `i` goes to lane `i mod 16`.
#[inline(always)]
pub(super) fn sum(xs: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += x;
    }
    fold(lanes)
}

/// Dot product of `xs` and `ys`, in the lanes of [`sum`].
#[inline(always)]
pub(super) fn dot<const ISA: u8>(xs: &[f32], ys: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (x_chunks, x_rest) = xs.as_chunks::<LANES>();
    let (y_chunks, y_rest) = ys.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for i in 0..LANES {
            lanes[i] = fma::<ISA>(x[i], y[i], lanes[i]);
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane = fma::<ISA>(x, y, *lane);
    }
    fold(lanes)
}

/// Greatest of `xs`, -∞ when there is none; NaN is passed over.
#[inline(always)]
pub(super) fn max(xs: &[f32]) -> f32 {
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = greater(lanes[i], chunk[i]);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, greater)
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::{everywhere_equal, with_level};
    use super::super::simd::{AVX512, FUSED, simd};
    use super::*;

    simd! {
        /// Replaces every `x` of `xs` by `eˣ` (flushed to 0 below `e^-87.3`, infinite above `e^88.3`).
        fn exp_in_place<ISA>(xs: &mut [f32]) {
            for x in xs {
                *x = exp::<ISA>(*x);
            }
        }
    }

    simd! {
        /// Replaces every `x` of `xs` by its natural logarithm.
        fn ln_in_place<ISA>(xs: &mut [f32]) {
            for x in xs {
                *x = ln::<ISA>(*x);
            }
        }
    }

    /// Every 997th float between `low` and `high`, and both ends.
    fn floats(low: f32, high: f32) -> Vec<f32> {
        let key = |x: f32| if x < 0.0 { -i64::from(x.abs().to_bits()) } else { x.to_bits().into() };
        let value = |k: i64| f32::from_bits(k.unsigned_abs() as u32).copysign(k as f32);
        (key(low)..key(high)).step_by(9973).map(value).chain([high]).collect()
    }

    /// Greatest error of `kernel` against `reference` over `xs`, in units in the last place.
    fn worst(xs: &[f32], kernel: fn(&mut [f32]), reference: impl Fn(f64) -> f64) -> f64 {
        let mut ys = xs.to_vec();
        kernel(&mut ys);
        let error = |(&x, &y): (&f32, &f32)| {
            let exact = reference(f64::from(x));
            let ulp = f64::from((exact.abs() as f32).next_up()) - f64::from(exact.abs() as f32);
            (f64::from(y) - exact).abs() / ulp
        };
        xs.iter().zip(&ys).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_within_two_ulp() {
        let check = |name: &str, error: f64| assert!(error < 2.0, "{name} is {error} ulp off");
        for level in [PORTABLE, FUSED, AVX512] {
            with_level(level, || {
                check("exp", worst(&floats(-87.3, 88.3), exp_in_place, f64::exp));
                check("ln", worst(&floats(1e-44, 1e38), ln_in_place, f64::ln));
            });
        }
    }

    #[test]
    fn ends_of_the_range_are_exact() {
        let f = |kernel: fn(&mut [f32]), x: f32| {
            let mut xs = [x; 19];
            kernel(&mut xs);
            assert!(xs.iter().all(|y| y.to_bits() == xs[0].to_bits()), "the tail differs");
            xs[0]
        };
        assert_eq!(f(exp_in_place, 0.0), 1.0);
        assert_eq!(f(exp_in_place, f32::NEG_INFINITY), 0.0);
        assert_eq!(f(exp_in_place, f32::INFINITY), f32::INFINITY);
        assert_eq!(f(exp_in_place, -1e30), 0.0);
        assert!(f(exp_in_place, f32::NAN).is_nan());
        assert_eq!(f(ln_in_place, 1.0), 0.0);
        assert_eq!(f(ln_in_place, 0.0), f32::NEG_INFINITY);
        assert_eq!(f(ln_in_place, f32::INFINITY), f32::INFINITY);
        assert!(f(ln_in_place, -1.0).is_nan());
        assert!(f(ln_in_place, f32::NAN).is_nan());
    }

    #[test]
    fn paths_agree() {
        everywhere_equal(|| {
            let mut xs = floats(-20.0, 20.0);
            exp_in_place(&mut xs);
            ln_in_place(&mut xs);
            xs
        });
    }

    #[test]
    fn reductions_take_every_element() {
        let xs: Vec<f32> = (1..=37).map(|i| i as f32).collect();
        for len in 0..=37 {
            let xs = &xs[..len];
            assert_eq!(sum(xs), xs.iter().sum::<f32>());
            assert_eq!(dot::<PORTABLE>(xs, xs), xs.iter().map(|x| x * x).sum::<f32>());
            assert_eq!(max(xs), xs.last().copied().unwrap_or(f32::NEG_INFINITY));
        }
        assert_eq!(max(&[f32::NAN, -3.0]), -3.0);
    }
}
