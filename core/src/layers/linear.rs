//! A linear map.

use candle::Tensor;

use crate::{
    Result,
    context::Context,
    ops,
    params::{Builder, Init, Param},
};

/// `x · Wᵀ + b`, with `weight` `(out, in)` and `bias` `(out,)`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// Creates the layer, with its weights named `weight` and `bias`.
    pub fn new(width_in: usize, width_out: usize, vb: &Builder<'_>) -> Result<Self> {
        Self::stacked(width_in, width_out, 1, vb)
    }

    /// `parts` maps of width `width_out` side by side, each starting as if it stood alone.
    pub fn stacked(
        width_in: usize,
        width_out: usize,
        parts: usize,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let init = Init::xavier(width_in, width_out);
        let weight = vb.get((parts * width_out, width_in), "weight", init)?;
        let bias = vb.get(parts * width_out, "bias", Init::Zeros)?;
        Ok(Self { weight, bias })
    }

    /// Maps `xs` `(N, in)` to `(N, out)`.
    pub fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        ops::linear(xs, &self.weight, Some(&self.bias), context)
    }
}
