//! The weights of an expert.

use crate::{
    Result,
    ops::ExpertParams,
    params::{Builder, Init},
};

/// Shape of the feed-forward network of an expert: `down(act(up(x)))` (Vaswani et al. 2017, eq. 2), or
/// with a gate `down(act(gate(x)) ∘ up(x))` (SwiGLU, Shazeer 2020).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExpertShape {
    /// Width of the tokens, `D`.
    pub(super) d_model: usize,
    /// Inner width, `F`.
    pub(super) d_ff: usize,
    /// Whether it has a gate.
    pub(super) gated: bool,
    /// Whether its maps have biases.
    pub(super) bias: bool,
}

impl ExpertShape {
    /// Creates the weights, named `up.*` `(F, D)`, `up_gate.*` `(F, D)` and `down.*` `(D, F)`.
    pub(crate) fn create(&self, vb: &Builder<'_>) -> Result<ExpertParams> {
        self.create_with(Init::xavier(self.d_model, self.d_ff), vb)
    }

    /// The same, where the down-projection starts as `down_init` says.
    pub(crate) fn create_with(&self, down_init: Init, vb: &Builder<'_>) -> Result<ExpertParams> {
        let Self { d_model, d_ff, gated, bias } = *self;
        let init = Init::xavier(d_model, d_ff);
        let (up, gate, down) = (vb.pp("up"), vb.pp("up_gate"), vb.pp("down"));
        Ok(ExpertParams {
            up: up.get((d_ff, d_model), "weight", init)?,
            up_bias: bias.then(|| up.get(d_ff, "bias", Init::Zeros)).transpose()?,
            gate: gated.then(|| gate.get((d_ff, d_model), "weight", init)).transpose()?,
            down: down.get((d_model, d_ff), "weight", down_init)?,
            down_bias: bias.then(|| down.get(d_model, "bias", Init::Zeros)).transpose()?,
        })
    }
}
