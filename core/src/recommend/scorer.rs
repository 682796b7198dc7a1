//! What the cheap experts have in common: a history in, a score of every item out.

use std::collections::HashMap;

use candle::{Tensor, WithDType};

use super::Event;
use crate::{Error, Result};

/// Tensors by name, as a safetensors file holds them.
pub type Tensors = HashMap<String, Tensor>;

/// Scores a catalogue for a user.
pub trait Scorer: Send + Sync {
    /// Items of the catalogue.
    fn num_items(&self) -> usize;

    /// Writes the score of every item, greater is better, into `out`, which has
    /// [`Self::num_items`] elements; `history` is oldest first, and what it holds beyond the
    /// catalogue is passed over.
    ///
    /// # Panics
    /// When `out` has another length.
    fn score(&self, history: &[Event], now: i64, out: &mut [f32]);
}

/// The one-dimensional tensor called `name`.
pub(super) fn vector<T: WithDType>(tensors: &Tensors, name: &str) -> Result<Vec<T>> {
    let error = |reason: String| Error::Weight { name: name.to_owned(), reason };
    let tensor = tensors.get(name).ok_or_else(|| error("it is missing".into()))?;
    tensor.to_vec1().map_err(|cause| error(cause.to_string()))
}

/// The single number called `name`.
pub(super) fn number<T: WithDType>(tensors: &Tensors, name: &str) -> Result<T> {
    match vector(tensors, name)?.as_slice() {
        [value] => Ok(*value),
        values => Err(Error::Weight {
            name: name.to_owned(),
            reason: format!("it holds {} numbers, not one", values.len()),
        }),
    }
}
