//! What a run leaves: checkpoints, and models that can be served.

use std::path::Path;

use dragoman_core::params::Param;
use fs_err as fs;

use super::Trainer;
use crate::{
    Result, average,
    checkpoint::{Checkpoint, Tensors},
    task::{Evaluation, ExportNote, Task},
};

impl<T: Task> Trainer<'_, T> {
    /// Writes a checkpoint, on the first rank, unless this step has one.
    pub(super) fn save(&mut self) -> Result<()> {
        if self.saved == Some(self.state.step) {
            return Ok(());
        }
        self.state.seconds = self.seconds();
        self.state.rhythm.saved = self.state.seconds;
        self.state.cursor = serde_json::to_value(self.task.cursor())?;
        let optimizer = self.gradients.gather(self.optimizer.tensors()?)?;
        let average = self.gather_average()?;
        if self.ranks.is_first() {
            self.checkpoints.save(&Checkpoint {
                state: self.state.clone(),
                weights: self.task.params().tensors()?,
                optimizer,
                average,
            })?;
        }
        self.saved = Some(self.state.step);
        Ok(())
    }

    /// Brings what other ranks have of experts to the first one, and returns the moving average there.
    pub(super) fn gather_average(&mut self) -> Result<Tensors> {
        let average = self.average.as_ref().map(|average| average.tensors().clone());
        let mut average = average.unwrap_or_default();
        if self.task.expert_owners().is_some() {
            self.gradients.gather_experts(self.task.params())?;
            let mut own = average.clone();
            own.retain(|name, _| {
                self.task.params().get(name).is_some_and(|p| is_of_expert(self.task, &p))
            });
            average.extend(self.gradients.gather(own)?);
        }
        Ok(average)
    }
}

/// Whether `param` is a weight of an expert that one rank alone has.
pub(super) fn is_of_expert<T: Task>(task: &T, param: &Param) -> bool {
    let mut owners = task.expert_owners().into_iter();
    owners.any(|owners| owners.owner_of_weight(param.name()).is_some())
}

/// Runs `f` with other weights, if there are any.
pub(super) fn swapped<T: Task, R>(
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
pub(super) fn export<T: Task>(
    task: &T,
    dir: &Path,
    step: u64,
    evaluation: Option<&Evaluation>,
) -> Result<()> {
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
