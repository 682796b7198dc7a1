//! The training loop: the same for every task.

mod finish;
mod identity;
mod judge;
mod exchange;
mod gradients;
mod balance;
mod save;
mod start;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use candle::Tensor;
use dragoman_core::collective::Ranks;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::summary::Summary;
use crate::{
    Error, Result,
    average::MovingAverage,
    checkpoint::{Checkpoints, State, Window},
    config::{BalanceOver, RunConfig},
    control::{Control, Ended},
    optimizer::{self, Optimizer},
    progress::{Glance, Progress},
    recorder::{Recorder, RunInfo},
    task::{Figures, Part, Size, Task, add_load},
};

use balance::Unbalanced;
use exchange::{OfStep, agree};
use gradients::Gradients;
use start::lock;

/// Steps in a row without a finite gradient, after which a run is given up.
const PATIENCE: u64 = 20;

/// What a run needs to know besides its task.
#[derive(Debug)]
pub struct Run<'a> {
    /// How to train.
    pub config: &'a RunConfig,
    /// The run's folder.
    pub dir: &'a Path,
    /// Settings that may not change when the run is resumed, as an object.
    pub identity: Value,
    /// All settings as text, kept in the folder as `config.toml`.
    pub settings: String,
    /// What the report says about the run.
    pub info: RunInfo,
    /// Shows nothing while training.
    pub quiet: bool,
}

/// Trains `task` until its budget is used up or `control` ends the session, going on from the
/// newest checkpoint.
pub fn train<T: Task>(task: &mut T, run: Run<'_>, control: &Control) -> Result<Summary> {
    train_on(&Ranks::default(), task, run, control)
}

/// [`train`] on all `ranks` together, each of which calls it with the same task and run.
///
/// The micro-batches of a step are sharded over the ranks. The first rank decides what happens
/// when, evaluates, and writes the run's folder, which all ranks read. A rank that fails alone returns
/// [`Error::Rank`], and should [end](Ranks::abort) the others, which wait for it. Any other error is one that all
/// ranks return.
pub fn train_on<T: Task>(
    ranks: &Ranks,
    task: &mut T,
    run: Run<'_>,
    control: &Control,
) -> Result<Summary> {
    let folder = fs::create_dir_all(run.dir).map_err(Error::from);
    let lock = folder.and_then(|()| ranks.is_first().then(|| lock(run.dir)).transpose());
    let _lock = ranks.on_all(lock)?;
    let mut trainer = Trainer::new(ranks, task, run)?;
    let ended = trainer.run(control);
    trainer.progress.finish();
    let summary = ended.and_then(|ending| trainer.summarise(ending, control));
    summary.map_err(|error| {
        let step = trainer.saved.map_or("the beginning".into(), |step| format!("step {step}"));
        if ranks.is_alone() {
            let advice = "start the same command again to go on from";
            trainer.progress.say(&format!("the run stopped after an error; {advice} {step}"));
        }
        of_rank(ranks, &step, error)
    })
}

/// `error`, with the rank that failed where there are several.
fn of_rank(ranks: &Ranks, last: &str, error: Error) -> Error {
    match error {
        // All ranks see the same norms.
        error @ Error::Diverged { .. } => error,
        error if ranks.is_alone() => error,
        error => Error::Rank {
            rank: ranks.rank(),
            size: ranks.size(),
            last: last.into(),
            source: Box::new(error),
        },
    }
}

/// How a session ended, and why.
#[derive(Serialize, Deserialize)]
struct Ending {
    ended: Ended,
    reason: String,
}

struct Trainer<'a, T: Task> {
    ranks: Ranks,
    task: &'a mut T,
    run: Run<'a>,
    gradients: Gradients,
    /// Of the weights that this rank updates.
    optimizer: Box<dyn Optimizer>,
    /// Of all weights on the first rank, elsewhere of the experts that are only there.
    average: Option<MovingAverage>,
    checkpoints: Checkpoints,
    /// On the first rank.
    recorder: Option<Recorder>,
    progress: Progress,
    state: State,
    /// Start of the session, and the seconds of the sessions before.
    started: (Instant, f64),
    /// Step that the session started from.
    first: u64,
    /// Step of the newest checkpoint.
    saved: Option<u64>,
    /// Steps in a row without an update.
    stuck: u64,
    /// Whether any rank was asked to stop.
    stopped: bool,
}

impl<'a, T: Task> Trainer<'a, T> {
    fn run(&mut self, control: &Control) -> Result<Ending> {
        loop {
            let step = self.state.step;
            if step > 0 && agree(&self.ranks, || self.evaluation_is_due())? {
                self.evaluate(control)?;
            }
            if step > 0 && agree(&self.ranks, || self.checkpoint_is_due())? {
                self.save()?;
            }
            let (ending, fraction) = agree(&self.ranks, || {
                let fraction = self.fraction().map(f64::to_bits); // JSON would lose some
                (self.ending(control, step - self.first), fraction)
            })?;
            if let Some(ending) = ending {
                return Ok(ending);
            }
            self.step(fraction.map(f64::from_bits), control)?;
        }
    }

    /// Whether to stop here, after `steps_made` steps of this session.
    fn ending(&self, control: &Control, steps_made: u64) -> Option<Ending> {
        if let Some(reason) = self.over() {
            return Some(Ending { ended: Ended::Finished, reason });
        }
        let stopped = self.stopped.then_some(Ended::Interrupted);
        let ended = control.verdict(steps_made).or(stopped)?;
        let reason = match ended {
            Ended::Interrupted => "it was interrupted",
            _ => "the limit of the session was reached",
        };
        Some(Ending { ended, reason: reason.into() })
    }

    /// One update of the weights, after `fraction` of the budget.
    fn step(&mut self, fraction: Option<f64>, control: &Control) -> Result<()> {
        let started = Instant::now();
        let config = self.run.config;
        let step = self.state.step + 1;
        let rate =
            config.optimizer.learning_rate * config.schedule.factor(step, fraction.unwrap_or(0.0));

        let batches = self.batches()?;
        let own: Vec<Size> = batches.iter().map(|(_, batch)| self.task.size(batch)).collect();
        let (sizes, stopped) = exchange::sizes(&self.ranks, &own, control.is_stopped())?;
        self.stopped |= stopped;
        let labels = sizes.labels.max(1);
        let (mut of_step, mut unbalanced) = (OfStep::default(), Vec::new());
        for ((i, batch), size) in batches.iter().zip(&own) {
            let index = (step - 1) * config.accumulation as u64 + *i as u64;
            let share = size.labels as f64 / labels as f64;
            let losses = self.task.loss(batch, &Part { config, step, index, labels, share })?;
            of_step.figures.push(losses.figures);
            add_load(&mut of_step.load, losses.load);
            let (total, choices) = (losses.total, losses.choices);
            match config.loss.balance_over {
                BalanceOver::MicroBatch => self.learn(&total)?,
                BalanceOver::Step => unbalanced.push(Unbalanced { total, choices, share }),
            }
        }
        self.learn_balanced(unbalanced, &mut of_step.figures)?;
        self.gradients.reduce(self.optimizer.as_mut())?;
        of_step.squares = self.optimizer.squares(self.gradients.own(self.task.params()))?;
        let OfStep { figures, load, squares } = of_step.of_all(&self.ranks)?;
        let mut sum = Figures::default();
        figures.iter().for_each(|figures| sum.add(figures));
        let figures = sum;

        let grad_norm = optimizer::norm(&squares);
        let own_params = self.gradients.own(self.task.params());
        let update = self.optimizer.update(own_params, rate, grad_norm)?;
        if update.applied {
            self.gradients.share_weights()?;
            self.task.after_step(&load, config)?;
        }
        add_load(&mut self.state.load, load);
        if let (Some(average), true) = (&mut self.average, update.applied) {
            average.update(self.task.params(), self.optimizer.updates())?;
        }

        let state = &mut self.state;
        state.step = step;
        state.updates = self.optimizer.updates();
        state.labels += sizes.labels as u64;
        state.inputs += sizes.inputs as u64;
        state.window.steps += 1;
        state.window.seconds += started.elapsed().as_secs_f64();
        state.window.figures.add(&figures);
        match update.applied {
            true => {
                state.window.grad_norm += update.grad_norm;
                self.stuck = 0;
            }
            false => {
                state.window.skipped += 1;
                self.stuck += 1;
            }
        }
        if self.stuck >= PATIENCE {
            return Err(Error::Diverged { step, count: self.stuck });
        }
        let tokens_per_second = figures.labels / started.elapsed().as_secs_f64().max(1e-9);
        self.progress.step(&Glance {
            step,
            progress: self.fraction(),
            loss: figures.mean(figures.nll),
            learning_rate: rate,
            tokens_per_second,
        });
        if step.is_multiple_of(config.log_every) {
            let seconds = self.seconds();
            if let Some(recorder) = &mut self.recorder {
                recorder.step(&self.state, rate, seconds)?;
            }
            self.state.window = Window::default();
        }
        Ok(())
    }

    /// Adds the gradient of the loss of a micro-batch to those of the step.
    fn learn(&mut self, loss: &Tensor) -> Result<()> {
        let (params, grads) = (self.task.params(), loss.backward()?);
        self.gradients.take(params, &grads, self.optimizer.as_mut())
    }

    /// The micro-batches of a step that this rank learns from, with their places in it.
    fn batches(&mut self) -> Result<Vec<(usize, T::Batch)>> {
        let accumulation = self.run.config.accumulation;
        let share = accumulation / self.ranks.size();
        let own = self.ranks.rank() * share..(self.ranks.rank() + 1) * share;
        let mut batches = Vec::with_capacity(share);
        for i in 0..accumulation {
            match own.contains(&i) {
                true => batches.push((i, self.task.next_batch()?)),
                false => self.task.skip_batch()?,
            }
        }
        Ok(batches)
    }

    /// Share of the budget used up.
    fn fraction(&self) -> Option<f64> {
        let elapsed = Duration::from_secs_f64(self.seconds());
        self.run.config.budget.progress(self.state.step, elapsed)
    }

    /// Seconds spent on the run, in all sessions.
    fn seconds(&self) -> f64 {
        self.started.1 + self.started.0.elapsed().as_secs_f64()
    }

    /// Why the run is over, if it is.
    fn over(&self) -> Option<String> {
        let RunConfig { budget, end_at, patience, .. } = *self.run.config;
        let step = self.state.step;
        if budget.steps > 0 && step >= budget.steps {
            return Some(format!("the budget of {} steps is used up", budget.steps));
        }
        if self.fraction() == Some(1.0) {
            return Some(format!("the budget of {} minutes is used up", budget.minutes));
        }
        if end_at > 0 && step >= end_at {
            return Some(format!("a run like it was best after {end_at} steps (`end_at`)"));
        }
        let stale = self.state.stale;
        (patience > 0 && stale >= patience)
            .then(|| format!("{stale} evaluations in a row were not better (`patience`)"))
    }

    fn evaluated_now(&self) -> bool {
        self.state.last.is_some_and(|last| last.step == self.state.step)
    }

    fn evaluation_is_due(&self) -> bool {
        let since = Duration::from_secs_f64(self.seconds() - self.state.rhythm.evaluated);
        !self.evaluated_now() && self.run.config.evaluate.is_due(self.state.step, since)
    }

    fn checkpoint_is_due(&self) -> bool {
        let since = Duration::from_secs_f64(self.seconds() - self.state.rhythm.saved);
        self.run.config.checkpoints.every.is_due(self.state.step, since)
    }
}
