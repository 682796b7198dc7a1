//! The loops over one row: activation, its gradient, and weighted sums.

use crate::{
    activation::{self, Activation},
    simd::simd,
};

/// Columns that the gradient handles at a time; its sums are cut here, whatever the tiles.
pub(super) const PIECE: usize = 128;

simd! {
    /// `hidden = act(up)`, or `act(gate) ∘ up`.
    pub(super) fn activate(
        activation: Activation,
        up: &[f32],
        gate: Option<&[f32]>,
        hidden: &mut [f32],
    ) {
        hidden.copy_from_slice(gate.unwrap_or(up));
        activation::apply(activation, hidden);
        if gate.is_some() {
            hidden.iter_mut().zip(up).for_each(|(h, u)| *h *= u);
        }
    }
}

/// One piece of a visit's row on the way back.
pub(super) struct Piece<'a> {
    /// How much the visit counts.
    pub(super) weight: f32,
    /// The projections before the activation.
    pub(super) up: &'a [f32],
    pub(super) gate: Option<&'a [f32]>,
    /// In: the gradient of the hidden row, not yet weighted. Out: that of `up`, weighted.
    pub(super) gradient: &'a mut [f32],
    /// Out: the gradient of `gate`, weighted.
    pub(super) gate_gradient: Option<&'a mut [f32]>,
    /// Out: the hidden row, weighted.
    pub(super) hidden: Option<&'a mut [f32]>,
}

simd! {
    /// Goes back through the activation; gives the piece's part in the gradient of the visit's
    /// weight.
    pub(super) fn backward(activation: Activation, piece: Piece<'_>) -> f32 {
        match activation {
            Activation::Relu => back(piece, |x| (Activation::Relu.value(x), Activation::Relu.slope(x))),
            Activation::Gelu => back(piece, |x| (Activation::Gelu.value(x), Activation::Gelu.slope(x))),
            Activation::Silu => back(piece, |x| (Activation::Silu.value(x), Activation::Silu.slope(x))),
            Activation::GeluTanh => {
                back(piece, |x| (Activation::GeluTanh.value(x), Activation::GeluTanh.slope(x)))
            }
            Activation::GeluSigmoid => {
                back(piece, |x| (Activation::GeluSigmoid.value(x), Activation::GeluSigmoid.slope(x)))
            }
        }
    }
}

#[inline(always)]
fn back(piece: Piece<'_>, function: impl Fn(f32) -> (f32, f32)) -> f32 {
    let Piece { weight, up, gate, gradient, gate_gradient, hidden } = piece;
    let len = gradient.len();
    let (mut values, mut slopes) = ([0.0; PIECE], [0.0; PIECE]);
    let (values, slopes) = (&mut values[..len], &mut slopes[..len]);
    for ((value, slope), x) in values.iter_mut().zip(&mut *slopes).zip(gate.unwrap_or(up)) {
        (*value, *slope) = function(*x);
    }

    // `up_slope` is what the hidden row gains per unit of `up`: the slope, or with a gate the
    // activation.
    let mut products = [0.0; PIECE];
    let (row, up_slope): (&[f32], &[f32]) = match gate {
        None => (values, slopes),
        Some(_) => {
            let products = &mut products[..len];
            products.iter_mut().zip(&*values).zip(up).for_each(|((p, v), u)| *p = v * u);
            (products, values)
        }
    };
    let part = dot(gradient, row);
    if let Some(gate_gradient) = gate_gradient {
        let from = gradient.iter().zip(slopes.iter()).zip(up);
        for (out, ((g, slope), u)) in gate_gradient.iter_mut().zip(from) {
            *out = weight * g * slope * u;
        }
    }
    if let Some(hidden) = hidden {
        hidden.iter_mut().zip(row).for_each(|(h, x)| *h = weight * x);
    }
    gradient.iter_mut().zip(up_slope).for_each(|(g, slope)| *g *= weight * slope);
    part
}

simd! {
    /// `ys += weight · xs`.
    pub(super) fn add_weighted(ys: &mut [f32], weight: f32, xs: &[f32]) {
        ys.iter_mut().zip(xs).for_each(|(y, x)| *y += weight * x);
    }
}

simd! {
    /// The inner product.
    pub(super) fn inner(xs: &[f32], ys: &[f32]) -> f32 {
        dot(xs, ys)
    }
}

/// The inner product in 16 partial sums, which are then added in order.
#[inline(always)]
fn dot(xs: &[f32], ys: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (xs, x_rest) = xs.as_chunks::<LANES>();
    let (ys, y_rest) = ys.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += x * y;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_product_takes_every_element() {
        for len in [0, 1, 15, 16, 17, 100] {
            let xs: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: i32 = (0..len).map(|i| i * i).sum();
            assert_eq!(inner(&xs, &xs), expected as f32);
        }
    }

    #[test]
    fn a_gate_multiplies() {
        let mut hidden = [0.0; 2];
        activate(Activation::Relu, &[3.0, 4.0], Some(&[2.0, -1.0]), &mut hidden);
        assert_eq!(hidden, [6.0, 0.0]);
        activate(Activation::Relu, &[3.0, -4.0], None, &mut hidden);
        assert_eq!(hidden, [3.0, 0.0]);
    }
}
