//! What all runs that train one expert have in common.

use std::path::{Path, PathBuf};

use candle::{DType, Device, Tensor};
use dragoman_core::{
    config::RecommendationConfig,
    params::ParamStore,
    register::{ExpertEntry, TrainedOn},
};
use serde::Serialize;

use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::{Budget, CheckpointConfig, Every, LossConfig, RunConfig},
    control::Control,
    device,
    recorder::RunInfo,
    report::{
        self,
        log::{Event, LogWriter, ModelSize, Table},
    },
    schedule::Schedule,
    task::Task,
    tasks::{
        EXPERT_FILE,
        recommendation::{ModelShape, SegmentsConfig, TrainConfig},
    },
    trainer::{self, Run, Summary},
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
        schedule: Schedule::Linear { warmup: (steps / 20).clamp(10, 100) as f64, hold: 0.5 },
        average_decay: 0.99,
        patience: PATIENCE,
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
            ..ModelShape::default()
        },
        segments: SegmentsConfig { d_ff, gate: model.gate, prior_start: 0.0, prior_end: 0.0 },
        run: RunConfig {
            loss: LossConfig { label_smoothing: 0.0, balance: 0.0, ..LossConfig::default() },
            ..run
        },
        ..TrainConfig::default()
    }
}

/// What a run of one expert is known by.
pub(super) struct Known<'a> {
    /// Name of the expert.
    pub(super) name: &'a str,
    /// The folder of the run.
    pub(super) work: &'a Path,
    /// What makes it the run it is: with other values, its checkpoints are of no use.
    pub(super) identity: serde_json::Value,
    /// Size of what learns.
    pub(super) model: ModelSize,
    /// How to train.
    pub(super) config: &'a RunConfig,
    /// Shows nothing while training.
    pub(super) quiet: bool,
}

/// Trains `task`, or goes on with what is in the run's folder; `settings` are kept there.
pub(super) fn train(
    task: &mut impl Task,
    known: Known<'_>,
    settings: &impl Serialize,
    control: &Control,
) -> Result<Summary> {
    let invalid = |error: toml::ser::Error| Error::Config {
        path: known.work.join("config.toml"),
        reason: error.to_string(),
    };
    let run = Run {
        config: known.config,
        dir: known.work,
        identity: known.identity,
        settings: toml::to_string(settings).map_err(invalid)?,
        info: RunInfo {
            name: known.name.into(),
            settings: serde_json::to_value(settings)?,
            model: known.model,
            machine: device::machine("cpu"),
        },
        quiet: known.quiet,
    };
    trainer::train(task, run, control)
}

/// Gives the weights of a run to `params`, which has them.
pub(super) fn put(weights: &Tensors, params: &ParamStore) -> Result<()> {
    for param in params.iter() {
        if let Some(value) = weights.get(param.name()) {
            param.set(value)?;
        }
    }
    Ok(())
}

/// Notes in the register's entry where the expert comes from; `figures` are numbers about it.
pub(super) fn describe(
    entry: &mut ExpertEntry,
    trained_on: Vec<TrainedOn>,
    summary: &Summary,
    figures: impl IntoIterator<Item = (String, f64)>,
) {
    entry.created = crate::tasks::date::now();
    entry.trained_on = trained_on;
    let mut note = |name: &str, value: f64| entry.metrics.insert(name.into(), value);
    note("steps", summary.step as f64);
    note("best step", summary.best.map_or(summary.step, |best| best.step) as f64);
    note("seconds", summary.seconds.round());
    for (name, value) in figures {
        note(&name, value);
    }
}

/// A log with this fingerprint as the register names it.
pub(super) fn log(name: &str, fingerprint: &str, licence: &str) -> TrainedOn {
    TrainedOn { name: name.into(), sha256: fingerprint.into(), licence: licence.into() }
}

/// A score as it is noted.
pub(super) fn hundredth(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
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
