//! How widely and how long is searched.

use crate::config::Stopping;

/// How hypotheses are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchConfig {
    /// Hypotheses kept per sentence; 1 is greedy search.
    pub beam_size: usize,
    /// Exponent `α` of the length in the score `Σ log p / length^α`.
    pub length_penalty: f32,
    /// A target has at most `max_ratio · source + max_extra` tokens.
    pub max_ratio: f32,
    /// See `max_ratio`.
    pub max_extra: usize,
    /// When the beam of a sentence ends.
    pub stopping: Stopping,
}

impl SearchConfig {
    /// Greedy search.
    pub fn greedy() -> Self {
        Self {
            beam_size: 1,
            length_penalty: 1.0,
            max_ratio: 2.0,
            max_extra: 12,
            stopping: Stopping::default(),
        }
    }

    /// Tokens of the target of `source` tokens at most.
    pub(super) fn max_length(&self, source: usize, max_positions: usize) -> usize {
        let length = (source as f32 * self.max_ratio) as usize + self.max_extra;
        length.min(max_positions - 1)
    }
}
