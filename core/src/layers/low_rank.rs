//! A low-rank change of a feed-forward network (LoRA, Hu et al. 2022).

use candle::Tensor;

use crate::{
    Result,
    config::Activation,
    context::Context,
    ops::{self, ExpertParams},
    params::{Builder, Init, Param},
};

/// The difference that `up + B·A` and `down + B'·A'` make to the network `down · act(up · x)`.
///
/// Both `B` start at zero, and so does the difference, exactly.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    base: ExpertParams,
    activation: Activation,
    up: [Param; 2],
    down: [Param; 2],
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
        Ok(Self { base: base.clone(), activation, up, down })
    }

    /// Whether training may change any of its weights; the network below is not its own.
    pub(super) fn learns(&self) -> bool {
        self.up.iter().chain(&self.down).any(Param::is_trainable)
    }

    /// The weights that are packed for inference.
    pub(super) fn matrices(&self) -> impl Iterator<Item = &Param> {
        self.up.iter().chain(&self.down)
    }

    /// Maps `xs` `(N, D)` to the difference, of the same shape.
    pub(super) fn forward(&self, xs: &Tensor, context: &Context) -> Result<Tensor> {
        let low = |xs: &Tensor, [a, b]: &[Param; 2]| -> Result<Tensor> {
            ops::linear(&ops::linear(xs, a, None, context)?, b, None, context)
        };
        let up = ops::linear(xs, &self.base.up, self.base.up_bias.as_ref(), context)?; // (N, F)
        let before = ops::activate(&up, self.activation)?;
        let after = ops::activate(&(&up + low(xs, &self.up)?)?, self.activation)?;
        let moved = ops::linear(&(&after - before)?, &self.base.down, None, context)?; // (N, D)
        Ok((moved + low(&after, &self.down)?)?)
    }
}
