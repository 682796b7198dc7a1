//! Layer normalisation.

use candle::Tensor;

use crate::{
    Result,
    config::Architecture,
    context::Context,
    ops,
    params::{Builder, Init, Param},
};

/// Layer norm of Ba et al. 2016, with weight and bias; or root mean square norm of Zhang and Sennrich
/// 2019, with a weight alone.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Param,
    bias: Option<Param>,
    epsilon: f32,
}

impl LayerNorm {
    const EPSILON: f32 = 1e-5;

    /// Creates the layer, with its weights named `weight` and `bias`.
    pub fn new(d_model: usize, vb: &Builder<'_>) -> Result<Self> {
        let weight = vb.get(d_model, "weight", Init::Ones)?;
        let bias = vb.get(d_model, "bias", Init::Zeros)?;
        Ok(Self { weight, bias: Some(bias), epsilon: Self::EPSILON })
    }

    /// Creates the norm of an architecture.
    pub fn of(architecture: &Architecture, d_model: usize, vb: &Builder<'_>) -> Result<Self> {
        let epsilon = architecture.norm_epsilon;
        match architecture.rms_norm {
            false => Ok(Self { epsilon, ..Self::new(d_model, vb)? }),
            true => {
                let weight = vb.get(d_model, "weight", Init::Ones)?;
                Ok(Self { weight, bias: None, epsilon })
            }
        }
    }

    /// Normalises every row of `xs` `(N, D)`.
    pub fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        ops::norm(xs, &self.weight, self.bias.as_ref(), self.epsilon, context)
    }
}
