//! Turns the state of a run into the events of its log.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    Result,
    checkpoint::State,
    report::{
        ReportWriter,
        log::{Dev, Event, Finish, Load, Machine, ModelSize, Start, Step},
    },
    summary::Summary,
    task::{Evaluation, ExpertLoad},
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

/// The records of a run, under construction.
#[derive(Debug)]
pub(crate) struct Recorder(ReportWriter);

impl Recorder {
    /// Opens the records in `dir`, for a session that starts from `state`.
    pub(crate) fn open(dir: &Path, info: &RunInfo, state: &State) -> Result<Self> {
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = Start {
            run: info.name.clone(),
            resumed_at: state.step,
            elapsed_seconds: state.seconds,
            unix_time: unix_time.as_secs(),
            config: info.settings.clone(),
            model: info.model,
            machine: info.machine.clone(),
        };
        Ok(Self(ReportWriter::start(dir, start)?))
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
        self.0.record(&Event::Step(Step {
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
        }))
    }

    /// Records an evaluation and where the tokens went since the last one, and makes the report.
    pub(crate) fn evaluation(
        &mut self,
        state: &State,
        evaluation: &Evaluation,
        elapsed_seconds: f64,
    ) -> Result<()> {
        let step = state.step;
        self.loads(step, None, &state.load)?;
        for (route, load) in &evaluation.loads {
            self.loads(step, Some(route), load)?;
        }
        self.0.record(&Event::Dev(Dev {
            step,
            elapsed_seconds,
            chosen_by: evaluation.chosen_by.clone(),
            rows: evaluation.rows.clone(),
        }))?;
        self.0.write_report().map(drop)
    }

    fn loads(&mut self, step: u64, route: Option<&String>, load: &ExpertLoad) -> Result<()> {
        for (layer, visits) in load {
            let total = visits.values().sum::<f64>().max(1.0);
            let share = |(expert, visits): (&String, &f64)| (expert.clone(), visits / total);
            let shares = visits.iter().map(share).collect();
            let (layer, route) = (layer.clone(), route.cloned());
            self.0.record(&Event::Load(Load { step, layer, route, shares }))?;
        }
        Ok(())
    }

    /// Records the end of a session, and makes the report anew.
    pub(crate) fn finish(&mut self, state: &State, summary: &Summary) -> Result<PathBuf> {
        self.0.record(&Event::Finish(Finish {
            step: state.step,
            elapsed_seconds: summary.seconds,
            reason: summary.reason.clone(),
            best_step: summary.best.map(|best| best.step),
        }))?;
        self.0.write_report()
    }
}
