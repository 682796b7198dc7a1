//! The feed-forward network of a layer without experts.

use candle::Tensor;

use crate::{
    Result,
    config::Activation,
    context::Context,
    ops::{self, ExpertParams, Visits},
    params::{Builder, Init},
};

/// `down(act(up(x)))`, Vaswani et al. 2017, eq. 2: one expert that every token visits.
#[derive(Debug, Clone)]
pub struct FeedForward {
    weights: ExpertParams,
    activation: Activation,
}

impl FeedForward {
    /// Creates the layer, with its weights named `up.*` and `down.*`.
    pub fn new(
        d_model: usize,
        d_ff: usize,
        activation: Activation,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        Ok(Self { weights: expert_params(d_model, d_ff, vb)?, activation })
    }

    /// The weights.
    pub(super) fn weights(&self) -> &ExpertParams {
        &self.weights
    }

    /// Maps `xs` `(N, D)` to the same shape.
    pub fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        let rows = xs.dim(0)?;
        let visits = Visits::new(&vec![0; rows], rows, 1, 1);
        let experts = [self.weights.clone()];
        ops::experts(xs, None, &visits, &experts, self.activation, context)
    }
}

/// The weights of one feed-forward network, named `up.*` `(F, D)` and `down.*` `(D, F)`.
pub(super) fn expert_params(d_model: usize, d_ff: usize, vb: &Builder<'_>) -> Result<ExpertParams> {
    expert_shapes((d_model, d_ff), Init::xavier(d_model, d_ff), vb)
}

/// The same, where the down-projection starts as `down_init` says.
pub(super) fn expert_shapes(
    (d_model, d_ff): (usize, usize),
    down_init: Init,
    vb: &Builder<'_>,
) -> Result<ExpertParams> {
    let init = Init::xavier(d_model, d_ff);
    let (up, down) = (vb.pp("up"), vb.pp("down"));
    Ok(ExpertParams {
        up: up.get((d_ff, d_model), "weight", init)?,
        up_bias: Some(up.get(d_ff, "bias", Init::Zeros)?),
        gate: None,
        down: down.get((d_model, d_ff), "weight", down_init)?,
        down_bias: Some(down.get(d_model, "bias", Init::Zeros)?),
    })
}
