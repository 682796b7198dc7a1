//! The ends that a sentence has reached, and when its beam ends.

use super::{Hypothesis, Live, SearchConfig};
use crate::config::Stopping;

/// What one sentence has so far.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) hypotheses: Vec<Hypothesis>,
}

impl Finished {
    /// Whether the beam ends here.
    pub(super) fn is_done(&self, live: &[Live], config: &SearchConfig) -> bool {
        if self.hypotheses.len() < config.beam_size {
            return false;
        }
        let mut scores: Vec<f32> = self.hypotheses.iter().map(|h| h.score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let bound = match config.stopping {
            Stopping::Best => scores[0],
            Stopping::Worst => scores[config.beam_size - 1],
            Stopping::Full => return true,
        };
        // Log-probabilities only fall; at equal length the live score is what it could end with.
        live.iter().all(|live| live.hypothesis.score <= bound)
    }

    /// The best of them, at most `count`.
    pub(super) fn best(mut self, count: usize) -> Vec<Hypothesis> {
        self.hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.hypotheses.truncate(count);
        self.hypotheses
    }
}
