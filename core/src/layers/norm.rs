//! Layer normalisation.

use candle::Tensor;

use crate::{
    Result,
    context::Context,
    ops,
    params::{Builder, Init, Param},
};

/// Layer norm of Ba et al. 2016, with weight and bias.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Param,
    bias: Param,
    epsilon: f32,
}

impl LayerNorm {
    const EPSILON: f32 = 1e-5;

    /// Creates the layer, with its weights named `weight` and `bias`.
    pub fn new(d_model: usize, vb: &Builder<'_>) -> Result<Self> {
        let weight = vb.get(d_model, "weight", Init::Ones)?;
        let bias = vb.get(d_model, "bias", Init::Zeros)?;
        Ok(Self { weight, bias, epsilon: Self::EPSILON })
    }

    /// The same with another number added to the variance.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f32) -> Self {
        Self { epsilon, ..self }
    }

    /// Normalises every row of `xs` `(N, D)`.
    pub fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        ops::layer_norm(xs, &self.weight, &self.bias, self.epsilon, context)
    }
}
