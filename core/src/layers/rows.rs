//! What is known of every row before the first layer runs, and the source that targets attend to.

use candle::Tensor;

use crate::{ragged::Ragged, register::RowRoute};

/// The rows of a pass, as far as they decide about experts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows<'a> {
    /// Where each row goes.
    pub routes: &'a [RowRoute],
    /// The token of each row, for rules that look at it; empty where it is not known.
    pub ids: &'a [u32],
}

/// What the decoder attends to.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The encoder's output, `(S, D)`.
    pub states: &'a Tensor,
    /// How its rows divide into sentences.
    pub layout: &'a Ragged,
}
