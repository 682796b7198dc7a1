//! The feed-forward networks of experts, each on the rows that visit it.

use candle::Tensor;

use super::linear::matmul_t;
use crate::{
    Result, config::Activation, context::Context, kernels::matmul::Precision, params::Param,
};

pub use crate::kernels::visits::Visits;

/// The weights of one expert, `down(act(up(x)))`.
#[derive(Debug, Clone)]
pub struct ExpertParams {
    /// `(F, D)`.
    pub up: Param,
    /// `(F,)`.
    pub up_bias: Param,
    /// `(D, F)`.
    pub down: Param,
    /// `(D,)`.
    pub down_bias: Param,
}

impl ExpertParams {
    fn all(&self) -> [&Param; 4] {
        [&self.up, &self.up_bias, &self.down, &self.down_bias]
    }

    fn is_trainable(&self) -> bool {
        self.all().iter().any(|param| param.is_trainable())
    }
}

/// Maps `xs` `(N, D)` to `Σₛ weights[n, s] · E_{visits(n, s)}(xs[n])`, `(N, D)`; without
/// `weights`, `(N, S)`, each visit counts one.
pub fn experts(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    context: &Context,
) -> Result<Tensor> {
    return composite(xs, weights, visits, experts, activation, context.precision);
}

/// The composite form: a loop over the experts.
fn composite(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    precision: Precision,
) -> Result<Tensor> {
    let device = xs.device();
    let flat = weights.map(|weights| weights.flatten_all()).transpose()?; // (N·S,)
    let mut ys = xs.zeros_like()?;
    for (e, expert) in experts.iter().enumerate() {
        let visit = visits.of_expert(e);
        let n = visit.len();
        if n == 0 {
            continue;
        }
        let rows = Tensor::from_slice(&visits.tokens()[visit.clone()], n, device)?;
        let inner = matmul_t(&xs.index_select(&rows, 0)?, &expert.up.tensor(), precision)?;
        let inner = inner.broadcast_add(&expert.up_bias.tensor())?; // (n, F)
        let inner = match activation {
            Activation::Relu => inner.relu()?,
            Activation::Gelu => inner.gelu_erf()?,
            Activation::Silu => inner.silu()?,
        };
        let out = matmul_t(&inner, &expert.down.tensor(), precision)?;
        let mut out = out.broadcast_add(&expert.down_bias.tensor())?; // (n, D)
        if let Some(flat) = &flat {
            let places = Tensor::from_slice(&visits.positions()[visit], n, device)?;
            out = out.broadcast_mul(&flat.index_select(&places, 0)?.unsqueeze(1)?)?;
        }
        ys = ys.index_add(&rows, &out, 0)?;
    }
    Ok(ys)
}
