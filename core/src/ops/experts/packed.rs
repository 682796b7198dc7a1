//! The weights of an expert in the form in which inference multiplies them.

use std::sync::Arc;

use super::ExpertParams;
use crate::{
    Result,
    kernels::{
        ffn::PackedExpert,
        packed::{PackedMatrix, Packing},
    },
    params::{Param, Values},
};

/// The packed weights and the biases of an expert, held for one pass.
pub(super) struct Packed<'a> {
    up: Arc<PackedMatrix>,
    up_bias: Option<Values<'a>>,
    gate: Option<Arc<PackedMatrix>>,
    down: Arc<PackedMatrix>,
    down_bias: Option<Values<'a>>,
}

impl<'a> Packed<'a> {
    pub(super) fn new(expert: &'a ExpertParams, packing: Packing) -> Result<Self> {
        Ok(Self {
            up: expert.up.packed(packing)?,
            up_bias: expert.up_bias.as_ref().map(Param::values).transpose()?,
            gate: expert.gate.as_ref().map(|gate| gate.packed(packing)).transpose()?,
            down: expert.down.packed(packing)?,
            down_bias: expert.down_bias.as_ref().map(Param::values).transpose()?,
        })
    }

    pub(super) fn borrow(&self) -> PackedExpert<'_> {
        PackedExpert {
            up: &self.up,
            up_bias: self.up_bias.as_ref().map(Values::as_slice),
            gate: self.gate.as_deref(),
            down: &self.down,
            down_bias: self.down_bias.as_ref().map(Values::as_slice),
        }
    }
}
