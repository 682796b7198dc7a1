//! How a run begins, or goes on.

use std::{fs::TryLockError, path::Path, time::Instant};

use dragoman_core::{collective::Ranks, params::Param};
use fs_err as fs;

use super::{
    Run, Trainer, exchange::agree, gradients::Gradients, identity::same_run, save::is_of_expert,
};
use crate::{
    Error, Result,
    average::MovingAverage,
    checkpoint::{Checkpoint, Checkpoints, State},
    optimizer,
    progress::Progress,
    recorder::Recorder,
    task::Task,
};

/// The folder of a run as it was found.
struct Begun {
    progress: Progress,
    checkpoints: Checkpoints,
    newest: Newest,
}

/// The newest checkpoint, if there is one.
enum Newest {
    /// The first rank has read it.
    Here(Option<Box<Checkpoint>>),
    /// The others read that of this step.
    Step(u64),
}

impl<'a, T: Task> Trainer<'a, T> {
    /// Starts a run in its folder, or goes on with the one that is there.
    pub(super) fn new(ranks: &Ranks, task: &'a mut T, run: Run<'a>) -> Result<Self> {
        let progress = Progress::new(run.quiet || !ranks.is_first());
        let checkpoints =
            Checkpoints::new(&run.dir.join("checkpoints"), run.config.checkpoints.keep);
        let newest = newest(ranks, &checkpoints, &progress)?;
        ranks.on_all(Self::go_on(ranks, task, run, Begun { progress, checkpoints, newest }))
    }

    /// What a rank does alone: the others are not asked for anything here.
    fn go_on(ranks: &Ranks, task: &'a mut T, run: Run<'a>, begun: Begun) -> Result<Self> {
        let Begun { progress, checkpoints, newest } = begun;
        let config = run.config;
        let last = match newest {
            Newest::Here(checkpoint) => checkpoint.map(|checkpoint| *checkpoint),
            Newest::Step(step) => Some(checkpoints.load(step)?),
        };
        let gradients = Gradients::new(ranks, &run, task.params(), task.expert_owners())?;
        let mut optimizer = optimizer::new(config.optimizer, gradients.own(task.params()))?;
        let is_averaged = |param: &Param| ranks.is_first() || is_of_expert(task, param);
        let averaged = task.params().subset(is_averaged);
        let mut average = match config.average_decay > 0.0 {
            true => Some(MovingAverage::new(config.average_decay, &averaged)?),
            false => None,
        };
        let saved = last.as_ref().map(|checkpoint| checkpoint.state.step);
        let state = match last {
            Some(checkpoint) => {
                same_run(&checkpoint.state.identity, &run)?;
                let Checkpoint { state, weights, optimizer: moments, average: averaged } =
                    checkpoint;
                task.params().set_all(&weights)?;
                optimizer.restore(&gradients.own_memory(moments), state.updates)?;
                if let Some(average) = &mut average {
                    average.restore(if averaged.is_empty() { &weights } else { &averaged })?;
                }
                task.seek(serde_json::from_value(state.cursor.clone())?)?;
                progress.say(&format!("going on from step {}", state.step));
                state
            }
            None => State { identity: run.identity.clone(), ..State::default() },
        };
        let recorder = match ranks.is_first() {
            true => {
                fs::write(run.dir.join("config.toml"), &run.settings)?;
                Some(Recorder::open(run.dir, &run.info, &state)?)
            }
            false => None,
        };
        let started = (Instant::now(), state.seconds);
        Ok(Self {
            ranks: ranks.clone(),
            task,
            run,
            gradients,
            optimizer,
            average,
            checkpoints,
            recorder,
            progress,
            first: state.step,
            state,
            started,
            saved,
            stuck: 0,
            stopped: false,
        })
    }
}

/// Keeps other processes out of a run's folder as long as the file is open.
pub(super) fn lock(dir: &Path) -> Result<fs::File> {
    let path = dir.join("lock");
    let file = fs::File::create(&path)?;
    match file.file().try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: dir.into() }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The newest checkpoint that is whole, the same on all ranks.
fn newest(ranks: &Ranks, checkpoints: &Checkpoints, progress: &Progress) -> Result<Newest> {
    let latest = || checkpoints.latest(|message| progress.say(message));
    let last = ranks.on_all(if ranks.is_first() { latest() } else { Ok(None) })?;
    let step = agree(ranks, || last.as_ref().map(|checkpoint| checkpoint.state.step))?;
    Ok(match step.filter(|_| !ranks.is_first()) {
        Some(step) => Newest::Step(step),
        None => Newest::Here(last.map(Box::new)),
    })
}
