//! What all runs that train one expert have in common.

use std::path::{Path, PathBuf};

use candle::{DType, Device, Tensor};
use dragoman_core::config::RecommendationConfig;

use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::{Budget, CheckpointConfig, Every, LossConfig, RunConfig},
    report::{
        self,
        log::{Event, LogWriter, Table},
    },
    schedule::Schedule,
    tasks::{
        EXPERT_FILE,
        recommendation::{ModelShape, SegmentsConfig, TrainConfig},
    },
    trainer::Summary,
};

/// Evaluations in a run, about.
const EVALUATIONS: u64 = 8;
/// Evaluations without a better score, after which a run is over.
const PATIENCE: u64 = 4;

/// How to train within `budget`.
pub(super) fn config(budget: Budget, learning_rate: f64, seed: u64) -> RunConfig {
    let Budget { steps, minutes } = budget;
    let evaluate = match steps {
        0 => Every { steps: 0, minutes: minutes / EVALUATIONS as f64 },
        _ => Every { steps: steps.div_ceil(EVALUATIONS), minutes: 0.0 },
    };
    let mut run = RunConfig {
        seed,
        budget,
        schedule: Schedule::Linear { warmup: (steps / 20).clamp(10, 100), hold: 0.5 },
        average_decay: 0.99,
        patience: PATIENCE * evaluate.steps,
        evaluate,
        checkpoints: CheckpointConfig {
            every: Every { steps: 0, minutes: 1.0 },
            keep: 1,
            average: 0,
        },
        ..RunConfig::default()
    };
    run.optimizer.learning_rate = learning_rate;
    run
}

/// How to train something of the recommendation model of this shape: its experts are `d_ff` wide.
pub(super) fn recommendation(
    model: &RecommendationConfig,
    d_ff: usize,
    run: RunConfig,
) -> TrainConfig {
    TrainConfig {
        model: ModelShape {
            d_model: model.d_model,
            num_heads: model.num_heads,
            num_layers: model.num_layers,
            d_ff: model.d_ff,
            activation: model.activation,
            max_history: model.max_history,
            gaps: model.num_gaps > 0,
            values: !model.value_edges.is_empty(),
            user_features: model.num_user_features > 0,
            popularity: model.popularity,
        },
        segments: SegmentsConfig { d_ff, gate: model.gate, prior_start: 0.0, prior_end: 0.0 },
        run: RunConfig {
            loss: LossConfig { label_smoothing: 0.0, balance: 0.0, ..LossConfig::default() },
            ..run
        },
        ..TrainConfig::default()
    }
}

/// The best weights of a run, as they will be after being stored in `dtype`.
pub(super) fn best_weights(summary: &Summary, dtype: DType) -> Result<Tensors> {
    let Some(model) = &summary.model else {
        return Err(Error::Expert("the run left no weights: give it more steps".into()));
    };
    let rounded = |value: Tensor| value.to_dtype(dtype)?.to_dtype(DType::F32);
    let tensors = candle::safetensors::load(model.join(EXPERT_FILE), &Device::Cpu)?.into_iter();
    tensors.map(|(name, value)| Ok((name, rounded(value)?))).collect()
}

/// The weights of the expert `name` under the names they have in its file.
pub(super) fn own_names(name: &str, weights: Tensors) -> Tensors {
    let prefix = format!("experts.{name}.");
    let own = |(name, value): (String, Tensor)| {
        (name.strip_prefix(&prefix).unwrap_or(&name).to_string(), value)
    };
    weights.into_iter().map(own).collect()
}

/// Adds a table of scores to the report of the run in `work`.
pub(super) fn report(work: &Path, table: Table) -> Result<PathBuf> {
    let (log, html) = (work.join("log.jsonl"), work.join("report.html"));
    LogWriter::open(&log)?.write(&Event::Table(table))?;
    report::write_report(&log, &html)?;
    Ok(html)
}
