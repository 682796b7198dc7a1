//! Writes down what happens in a run: its log, its TensorBoard events and its report.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Result,
    checkpoint::State,
    control::Ended,
    report::log::{Dev, Event, Finish, Load, LogWriter, Machine, ModelSize, RunLog, Start, Step},
    task::Evaluation,
    tensorboard::EventWriter,
    trainer::Summary,
};

/// What the report says about a run before it starts.
#[derive(Debug, Clone, Default)]
pub struct RunInfo {
    /// Name of the run.
    pub name: String,
    /// All settings.
    pub settings: serde_json::Value,
    /// Size of the model.
    pub model: ModelSize,
    /// What the run has to compute with.
    pub machine: Machine,
}

/// The open files of a run's records.
#[derive(Debug)]
pub(crate) struct Recorder {
    dir: PathBuf,
    log: LogWriter,
    events: EventWriter,
}

impl Recorder {
    /// Opens the records in `dir`, for a session that starts from `state`.
    pub(crate) fn open(dir: &Path, info: &RunInfo, state: &State) -> Result<Self> {
        let mut log = LogWriter::open(&log_path(dir))?;
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        log.write(&Event::Start(Box::new(Start {
            run: info.name.clone(),
            resumed_at: state.step,
            elapsed_seconds: state.seconds,
            unix_time: unix_time.as_secs(),
            config: info.settings.clone(),
            model: info.model,
            machine: info.machine.clone(),
        })))?;
        let events = EventWriter::create(&dir.join("tensorboard"), state.step)?;
        Ok(Self { dir: dir.into(), log, events })
    }

    /// Records the window of steps that ends with `state`.
    pub(crate) fn step(
        &mut self,
        state: &State,
        learning_rate: f64,
        elapsed_seconds: f64,
    ) -> Result<()> {
        let window = &state.window;
        let figures = &window.figures;
        let applied = (window.steps - window.skipped).max(1) as f64;
        let step = Step {
            step: state.step,
            elapsed_seconds,
            loss: figures.mean(figures.total),
            nll: figures.mean(figures.nll),
            balance: figures.mean(figures.balance),
            z_loss: figures.mean(figures.router_z),
            learning_rate,
            gradient_norm: window.grad_norm / applied,
            tokens_per_second: figures.labels / window.seconds.max(1e-9),
            source_tokens: state.inputs,
            target_tokens: state.labels,
        };
        for (tag, value) in [
            ("train/loss", step.loss),
            ("train/nll", step.nll),
            ("train/accuracy", figures.mean(figures.correct)),
            ("train/balance", step.balance),
            ("train/z_loss", step.z_loss),
            ("train/learning_rate", step.learning_rate),
            ("train/gradient_norm", step.gradient_norm),
            ("train/tokens_per_second", step.tokens_per_second),
        ] {
            self.events.scalar(tag, state.step, value)?;
        }
        self.log.write(&Event::Step(step))
    }

    /// Records an evaluation and where the tokens went since the last one, and makes the report anew.
    pub(crate) fn evaluation(
        &mut self,
        state: &State,
        evaluation: &Evaluation,
        elapsed_seconds: f64,
    ) -> Result<()> {
        let step = state.step;
        for (layer, visits) in &state.load {
            let total: f64 = visits.values().sum();
            let share = |(expert, visits): (&String, &f64)| (expert.clone(), visits / total);
            let shares = visits.iter().map(share).collect();
            self.log.write(&Event::Load(Load { step, layer: layer.clone(), route: None, shares }))?;
        }
        self.events.scalar("dev/score", step, evaluation.score)?;
        for row in &evaluation.rows {
            for (name, value) in &row.scores {
                self.events.scalar(&format!("dev/{}/{name}", row.label), step, *value)?;
            }
        }
        self.log.write(&Event::Dev(Dev {
            step,
            elapsed_seconds,
            chosen_by: evaluation.chosen_by.clone(),
            rows: evaluation.rows.clone(),
        }))?;
        self.report()
    }

    /// Records the end of a session, and makes the report anew.
    pub(crate) fn finish(&mut self, state: &State, summary: &Summary) -> Result<()> {
        let reason = match summary.ended {
            Ended::Finished => "the budget is used up",
            Ended::Interrupted => "it was interrupted",
            Ended::OutOfTime => "the limit of the session was reached",
        };
        self.log.write(&Event::Finish(Finish {
            step: state.step,
            elapsed_seconds: summary.seconds,
            reason: reason.into(),
            best_step: summary.best.map(|best| best.step),
        }))?;
        self.report()
    }

    fn report(&self) -> Result<()> {
        let log = RunLog::load(&log_path(&self.dir))?;
        crate::report::write(&log, &self.dir.join("report.html"))
    }
}

/// Where the log of the run in `dir` lies.
pub fn log_path(dir: &Path) -> PathBuf {
    dir.join("log.jsonl")
}
