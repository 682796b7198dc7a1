//! The training loop: the same for every task.

mod finish;
mod identity;
mod judge;

use std::{
    fs::TryLockError,
    path::Path,
    time::{Duration, Instant},
};

use fs_err as fs;
use serde_json::Value;

pub use crate::summary::Summary;
use crate::{
    Error, Result,
    average::{self, MovingAverage},
    checkpoint::{Checkpoint, Checkpoints, State, Tensors, Window},
    config::RunConfig,
    control::{Control, Ended},
    optimizer::{self, Optimizer},
    progress::{Glance, Progress},
    recorder::{Recorder, RunInfo},
    task::{Evaluation, ExpertLoad, ExportNote, Figures, Part, Task, add_load},
};

use identity::same_run;

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
    fs::create_dir_all(run.dir)?;
    let _lock = lock(run.dir)?;
    let mut trainer = Trainer::new(task, run)?;
    let ended = trainer.run(control);
    trainer.progress.finish();
    let summary = ended.and_then(|ending| trainer.summarise(ending, control));
    if summary.is_err() {
        let step = trainer.saved.map_or("the beginning".into(), |step| format!("step {step}"));
        let advice = "start the same command again to go on from";
        trainer.progress.say(&format!("the run stopped after an error; {advice} {step}"));
    }
    summary
}

/// Keeps other processes out of a run's folder as long as the file is open.
fn lock(dir: &Path) -> Result<fs::File> {
    let path = dir.join("lock");
    let file = fs::File::create(&path)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: dir.into() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// How a session ended, and why.
struct Ending {
    ended: Ended,
    reason: String,
}

struct Trainer<'a, T: Task> {
    task: &'a mut T,
    run: Run<'a>,
    optimizer: Box<dyn Optimizer>,
    average: Option<MovingAverage>,
    checkpoints: Checkpoints,
    recorder: Recorder,
    progress: Progress,
    state: State,
    /// Start of the session, and the seconds of the sessions before.
    started: (Instant, f64),
    /// Step of the newest checkpoint.
    saved: Option<u64>,
    /// Steps in a row without an update.
    stuck: u64,
}

impl<'a, T: Task> Trainer<'a, T> {
    /// Starts a run in its folder, or goes on with the one that is there.
    fn new(task: &'a mut T, run: Run<'a>) -> Result<Self> {
        let config = run.config;
        let progress = Progress::new(run.quiet);
        let checkpoints = Checkpoints::new(&run.dir.join("checkpoints"), config.checkpoints.keep);
        let last = checkpoints.latest(|message| progress.say(message))?;

        let mut optimizer = optimizer::new(config.optimizer, task.params())?;
        let mut average = match config.average_decay > 0.0 {
            true => Some(MovingAverage::new(config.average_decay, task.params())?),
            false => None,
        };
        let saved = last.as_ref().map(|checkpoint| checkpoint.state.step);
        let state = match last {
            Some(checkpoint) => {
                same_run(&checkpoint.state.identity, &run)?;
                let Checkpoint { state, weights, optimizer: moments, average: averaged } =
                    checkpoint;
                task.params().set_all(&weights)?;
                optimizer.restore(&moments, state.updates)?;
                if let Some(average) = &mut average {
                    average.restore(if averaged.is_empty() { &weights } else { &averaged })?;
                }
                task.seek(serde_json::from_value(state.cursor.clone())?)?;
                progress.say(&format!("going on from step {}", state.step));
                state
            }
            None => State { identity: run.identity.clone(), ..State::default() },
        };
        fs::write(run.dir.join("config.toml"), &run.settings)?;
        let recorder = Recorder::open(run.dir, &run.info, &state)?;
        let started = (Instant::now(), state.seconds);
        Ok(Self {
            task,
            run,
            optimizer,
            average,
            checkpoints,
            recorder,
            progress,
            state,
            started,
            saved,
            stuck: 0,
        })
    }

    fn run(&mut self, control: &Control) -> Result<Ending> {
        let first = self.state.step;
        loop {
            let step = self.state.step;
            if step > 0 && self.evaluation_is_due() {
                self.evaluate(control)?;
            }
            if step > 0 && self.checkpoint_is_due() {
                self.save()?;
            }
            if let Some(reason) = self.over() {
                return Ok(Ending { ended: Ended::Finished, reason });
            }
            if let Some(ended) = control.verdict(step - first) {
                let reason = match ended {
                    Ended::Interrupted => "it was interrupted",
                    _ => "the limit of the session was reached",
                };
                return Ok(Ending { ended, reason: reason.into() });
            }
            self.step()?;
        }
    }

    /// One update of the weights.
    fn step(&mut self) -> Result<()> {
        let started = Instant::now();
        let config = self.run.config;
        let step = self.state.step + 1;
        let fraction = self.fraction();
        let rate =
            config.optimizer.learning_rate * config.schedule.factor(step, fraction.unwrap_or(0.0));

        let batches =
            (0..config.accumulation).map(|_| self.task.next_batch()).collect::<Result<Vec<_>>>()?;
        let sizes: Vec<_> = batches.iter().map(|batch| self.task.size(batch)).collect();
        let labels = sizes.iter().map(|size| size.labels).sum::<usize>().max(1);
        let (mut figures, mut load) = (Figures::default(), ExpertLoad::new());
        for (i, (batch, size)) in batches.iter().zip(&sizes).enumerate() {
            let index = (step - 1) * config.accumulation as u64 + i as u64;
            let share = size.labels as f64 / labels as f64;
            let losses = self.task.loss(batch, &Part { config, step, index, labels, share })?;
            let grads = losses.total.backward()?;
            self.optimizer.collect(self.task.params(), &grads)?;
            figures.add(&losses.figures);
            add_load(&mut load, losses.load);
        }
        let update = self.optimizer.step(self.task.params(), rate)?;
        if update.applied {
            self.task.after_step(&load, config)?;
        }
        add_load(&mut self.state.load, load);
        if let (Some(average), true) = (&mut self.average, update.applied) {
            average.update(self.task.params(), self.optimizer.updates())?;
        }

        let state = &mut self.state;
        state.step = step;
        state.updates = self.optimizer.updates();
        state.labels += sizes.iter().map(|size| size.labels as u64).sum::<u64>();
        state.inputs += sizes.iter().map(|size| size.inputs as u64).sum::<u64>();
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
            self.recorder.step(&self.state, rate, self.seconds())?;
            self.state.window = Window::default();
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        if self.saved == Some(self.state.step) {
            return Ok(());
        }
        self.state.seconds = self.seconds();
        self.state.rhythm.saved = self.state.seconds;
        self.state.cursor = serde_json::to_value(self.task.cursor())?;
        let average = self.average.as_ref().map(|average| average.tensors().clone());
        self.checkpoints.save(&Checkpoint {
            state: self.state.clone(),
            weights: self.task.params().tensors()?,
            optimizer: self.optimizer.tensors()?,
            average: average.unwrap_or_default(),
        })?;
        self.saved = Some(self.state.step);
        Ok(())
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

/// Runs `f` with other weights, if there are any.
fn swapped<T: Task, R>(
    task: &mut T,
    weights: &Tensors,
    f: impl FnOnce(&mut T) -> Result<R>,
) -> Result<R> {
    let before = average::swap(task.params(), weights)?;
    let result = f(task);
    average::swap(task.params(), &before)?;
    result
}

/// Replaces the run's model directory by the weights as they are.
fn export<T: Task>(task: &T, dir: &Path, step: u64, evaluation: Option<&Evaluation>) -> Result<()> {
    let (part, model, old) = (dir.join(".model.part"), dir.join("model"), dir.join(".model.old"));
    for leftover in [&part, &old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    task.export(&part, &ExportNote { step, evaluation })?;
    if model.exists() {
        fs::rename(&model, &old)?;
    }
    fs::rename(&part, &model)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    crate::checkpoint::sync(dir)
}
