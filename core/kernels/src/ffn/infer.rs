//! The forward pass over weights that are packed once: inference.

use super::{
    FfnInput,
    forward::{Expert, Forward},
};
use crate::{activation::Activation, gemm::Right, packed::PackedMatrix};

/// The weights of one expert, packed; all matrices in the same packing.
#[derive(Clone, Copy, Debug)]
pub struct PackedExpert<'a> {
    /// `(F, D)`.
    pub up: &'a PackedMatrix,
    /// Added to the up-projection: `(F,)`.
    pub up_bias: Option<&'a [f32]>,
    /// `(F, D)` in a gated expert.
    pub gate: Option<&'a PackedMatrix>,
    /// `(D, F)`.
    pub down: &'a PackedMatrix,
    /// Added to the down-projection: `(D,)`.
    pub down_bias: Option<&'a [f32]>,
}

/// The packed experts of a layer; those that no token visits need not be loaded.
#[derive(Clone, Copy, Debug)]
pub struct PackedFfn<'a> {
    /// The function between the two projections.
    pub activation: Activation,
    /// `D`.
    pub d_model: usize,
    /// The experts that `Visits` numbers, each in a packing of its own.
    pub experts: &'a [Option<PackedExpert<'a>>],
}

impl PackedFfn<'_> {
    /// Computes `ys`, `(N, D)`; in f32 and bfloat16 the same bits as
    /// [`super::GroupedFfn::forward`].
    ///
    /// # Panics
    /// When a slice or matrix is not of the size that its shape says, or a token visits an expert
    /// that is `None`.
    pub fn forward(&self, input: &FfnInput<'_>, ys: &mut [f32]) {
        input.check(self.d_model, self.experts.len());
        let experts = self.experts.iter().enumerate();
        let experts = experts.map(|(i, expert)| expert.as_ref().map(|e| self.expert(i, e)));
        let experts = experts.collect();
        Forward { activation: self.activation, d_model: self.d_model, experts }.run(input, ys);
    }

    fn expert<'a>(&self, i: usize, expert: &PackedExpert<'a>) -> Expert<'a> {
        let (d_model, d_ff, packing) = (self.d_model, expert.up.n(), expert.up.packing());
        let matrices =
            [("up", Some(expert.up)), ("gate", expert.gate), ("down", Some(expert.down))];
        for (name, matrix) in matrices {
            let expected = if name == "down" { (d_model, d_ff) } else { (d_ff, d_model) };
            let is = |m: &PackedMatrix| (m.n(), m.k()) == expected && m.packing() == packing;
            assert!(
                matrix.is_none_or(is),
                "`{name}` of expert {i} is {matrix:?}, not {packing:?} of {expected:?}"
            );
        }
        for (name, bias, expected) in
            [("up_bias", expert.up_bias, d_ff), ("down_bias", expert.down_bias, d_model)]
        {
            let length = bias.map_or(expected, <[f32]>::len);
            assert_eq!(length, expected, "length of `{name}` of expert {i}");
        }
        Expert {
            packing,
            d_ff,
            up: Right::Packed(expert.up.panels()),
            up_bias: expert.up_bias,
            gate: expert.gate.map(|gate| Right::Packed(gate.panels())),
            down: Right::Packed(expert.down.panels()),
            down_bias: expert.down_bias,
        }
    }
}
