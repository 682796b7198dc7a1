//! From source tokens to hypotheses: what search needs of a model, greedy and beam search.

pub mod model;
pub mod bias;
pub mod hints;
pub mod search;

pub use model::{Decoder, Encoded, EncoderDecoder, Output};
