//! A low-rank change of a feed-forward network (LoRA, Hu et al. 2022).

use candle::Tensor;

use crate::{
    Result,
    context::Context,
    kernels::activation::Activation,
    ops::{self, ExpertParams, LowRankParams},
    params::{Builder, Init, Param},
};

/// The difference that `up + B·A` and `down + B'·A'` make to the network `down · act(up · x)`.
///
/// Both `B` start at zero, and so does the difference, exactly.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    params: LowRankParams,
    activation: Activation,
}

impl LowRank {
    /// Creates the change of `base`, with weights `up.a` `(R, D)`, `up.b` `(F, R)`, `down.a`
    /// `(R, F)` and `down.b` `(D, R)`.
    pub(super) fn new(
        base: &ExpertParams,
        rank: usize,
        activation: Activation,
        vb: &Builder<'_>,
    ) -> Result<Self> {
        let (d_ff, d_model) = base.up.shape().dims2()?;
        let factors = |name: &str, width_in: usize, width_out: usize| -> Result<[Param; 2]> {
            let vb = vb.pp(name);
            let a = vb.get((rank, width_in), "a", Init::xavier(width_in, rank))?;
            Ok([a, vb.get((width_out, rank), "b", Init::Zeros)?])
        };
        let (up, down) = (factors("up", d_model, d_ff)?, factors("down", d_ff, d_model)?);
        Ok(Self { params: LowRankParams { base: base.clone(), up, down }, activation })
    }

    /// Whether training may change any of its weights; the network below is not its own.
    pub(super) fn learns(&self) -> bool {
        self.matrices().any(Param::is_trainable)
    }

    /// The weights that are packed for inference.
    pub(super) fn matrices(&self) -> impl Iterator<Item = &Param> {
        self.params.up.iter().chain(&self.params.down)
    }

    /// Maps `xs` `(N, D)` to the difference, of the same shape.
    pub(super) fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        ops::low_rank(xs, &self.params, self.activation, context)
    }
}
