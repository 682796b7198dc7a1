//! What a run reports: one event for each thing that happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::evaluate::Evaluation;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A session began: the first one, or one that resumes from a checkpoint.
    Start(Box<Start>),
    /// The weights were updated (logged every few steps).
    Step(Step),
    /// The development sets were scored.
    Dev(Dev),
    /// Tokens were counted at the experts of a layer.
    Load(Load),
    /// Something else to show: a table of texts.
    Table(Table),
    /// The run ended, or was stopped with a checkpoint.
    Finish(Finish),
}

/// A table of texts under a title.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// How a session begins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Name of the run, the title of its report.
    pub run: String,
    /// Step of the checkpoint that is resumed; what was logged after it is void. 0 for a new run.
    pub resumed_at: u64,
    /// Seconds of training in the sessions before, up to that checkpoint.
    pub elapsed_seconds: f64,
    /// When the session began, in seconds since 1970.
    pub unix_time: u64,
    /// All settings of the run.
    pub config: Value,
    /// Size of the model.
    pub model: ModelSize,
    /// What the run has to compute with.
    pub machine: Machine,
}

/// How many weights there are, and how many take part for one token.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSize {
    /// All weights.
    pub parameters: u64,
    /// Weights that a source token is multiplied with: no embedding rows, `top_k` experts.
    pub active_encoder_parameters: u64,
    /// Weights that a target token is multiplied with, the output projection included.
    pub active_decoder_parameters: u64,
}

/// What a run has to compute with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Name of the device, such as `cpu` or `cuda:0 (NVIDIA H100)`.
    pub device: String,
    /// Number of such devices.
    pub devices: u32,
    /// CPU cores in use.
    pub cores: u32,
    /// Power drawn, in watts: an assumption, which the report states. See [`assumed_watts`].
    pub watts: f64,
}

/// Numbers of one step; losses are means over the target tokens since the last logged step.
///
/// A number that is not finite is written as `null`, and read as NaN.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Updates made so far.
    pub step: u64,
    /// Seconds of training so far, those of earlier sessions included.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// What is minimised: label-smoothed cross-entropy and the auxiliary losses.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Negative log-likelihood of a target token, in nats, without smoothing.
    #[serde(deserialize_with = "number")]
    pub nll: f64,
    /// Balance loss of the experts.
    #[serde(deserialize_with = "number")]
    pub balance: f64,
    /// z-loss of the routers.
    #[serde(deserialize_with = "number")]
    pub z_loss: f64,
    /// Learning rate.
    #[serde(deserialize_with = "number")]
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Target tokens in a second.
    #[serde(deserialize_with = "number")]
    pub tokens_per_second: f64,
    /// Source tokens seen so far.
    pub source_tokens: u64,
    /// Target tokens seen so far.
    pub target_tokens: u64,
}

/// Scores on the development sets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dev {
    /// Updates made so far.
    pub step: u64,
    /// Seconds of training so far.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// Name of the score by which checkpoints are chosen, such as `chrF++`.
    pub chosen_by: String,
    /// One row for each language pair, or whatever is scored apart.
    pub rows: Vec<DevRow>,
}

/// Scores of one development set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DevRow {
    /// What was scored, such as `en-de`.
    pub label: String,
    /// Scores by name, such as `chrF++`.
    pub scores: BTreeMap<String, f64>,
}

/// Where the tokens of one layer went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Updates made so far.
    pub step: u64,
    /// Path of the layer, such as `encoder.1`.
    pub layer: String,
    /// The route of the tokens, or `None` for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Share of the visits by name of the expert; they sum to 1.
    pub shares: BTreeMap<String, f64>,
}

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Finish {
    /// Updates made.
    pub step: u64,
    /// Seconds of training.
    #[serde(deserialize_with = "number")]
    pub elapsed_seconds: f64,
    /// Why it ended, such as `the budget of 60 minutes is used up`.
    pub reason: String,
    /// Step of the best checkpoint.
    pub best_step: Option<u64>,
}

/// Watts assumed for a CPU core at work, with its share of memory and power supply.
const WATTS_PER_CORE: f64 = 15.0;
/// Watts assumed for a GPU at work: the rated power of an H100 (SXM).
const WATTS_PER_GPU: f64 = 700.0;

/// Power assumed where it was not measured: 15 W for each core and 700 W for each GPU.
pub fn assumed_watts(cores: u32, gpus: u32) -> f64 {
    WATTS_PER_CORE * f64::from(cores) + WATTS_PER_GPU * f64::from(gpus)
}

impl Dev {
    /// Takes the scores of every row of `evaluation`; checkpoints are chosen by chrF++.
    pub fn from_evaluation(step: u64, elapsed_seconds: f64, evaluation: &Evaluation) -> Self {
        let rows = evaluation.rows.iter().map(|row| {
            let mut scores = BTreeMap::from([
                ("BLEU".to_owned(), row.bleu.score),
                ("chrF".to_owned(), row.chrf.score),
                ("chrF++".to_owned(), row.chrf_plus_plus.score),
                ("length ratio".to_owned(), row.length_ratio),
                ("repeats %".to_owned(), 100.0 * row.loop_rate),
            ]);
            let off_target = row.off_target_rate.map(|rate| 100.0 * rate);
            scores.extend(off_target.map(|rate| ("off-target %".to_owned(), rate)));
            DevRow { label: row.label(), scores }
        });
        Self { step, elapsed_seconds, chosen_by: "chrF++".into(), rows: rows.collect() }
    }

    /// Mean of the score by which checkpoints are chosen; `None` if no row has it.
    pub fn chosen_score(&self) -> Option<f64> {
        self.mean(&self.chosen_by)
    }

    /// Mean of the score called `name` over the rows that have it.
    pub fn mean(&self, name: &str) -> Option<f64> {
        let scores: Vec<_> = self.rows.iter().filter_map(|row| row.scores.get(name)).collect();
        (!scores.is_empty()).then(|| scores.iter().copied().sum::<f64>() / scores.len() as f64)
    }
}

/// Reads `null`, which JSON has for what is not finite, as NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_not_a_number_can_be_read_back() -> anyhow::Result<()> {
        let line = serde_json::to_string(&Event::Step(Step { loss: f64::NAN, ..Step::default() }))?;
        let Event::Step(step) = serde_json::from_str(&line)? else { anyhow::bail!("{line}") };
        assert!(step.loss.is_nan() && step.nll == 0.0);
        Ok(())
    }
}
