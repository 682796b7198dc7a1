//! How a run ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{checkpoint::Best, control::Ended};

/// How a run, or a session of it, ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether it is over.
    pub ended: Ended,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// Steps made, in all sessions.
    pub step: u64,
    /// Labels learned from, in all sessions.
    pub labels: u64,
    /// Seconds spent, in all sessions.
    pub seconds: f64,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Score of the average of the last checkpoints, if it was tried at the end.
    pub average: Option<f64>,
    /// The best model, ready to be served; none before the first evaluation.
    pub model: Option<PathBuf>,
}

impl Summary {
    /// What a user reads at the end of a session in the folder `dir`, which took `time`.
    pub(crate) fn closing_words(&self, dir: &Path, time: &str) -> String {
        let Self { step, reason, .. } = self;
        let dir = dir.display();
        match self.ended {
            Ended::Finished => {
                let model =
                    self.model.as_ref().map_or("no model".into(), |m| m.display().to_string());
                format!(
                    "finished after {step} steps and {time}, as {reason}: {model}, report \
                     {dir}/report.html"
                )
            }
            Ended::Interrupted | Ended::OutOfTime => format!(
                "stopped after step {step} and {time}; everything is saved in {dir}: start the same \
                 command again to go on"
            ),
        }
    }
}
