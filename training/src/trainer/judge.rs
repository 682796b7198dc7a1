//! Evaluations in the middle of a run, and what follows from them.

use std::time::Duration;

use dragoman_core::models::translation::RevivedExpert;

use super::{
    Trainer,
    exchange::agree,
    save::{export, swapped},
};
use crate::{
    Result,
    checkpoint::{Best, Tensors},
    control::Control,
    progress::clock,
    report::log::DevRow,
    task::{Evaluation, Task, idle_experts},
};

impl<T: Task> Trainer<'_, T> {
    /// Lets the first rank score the weights, while the others wait, and looks after the experts.
    pub(super) fn evaluate(&mut self, control: &Control) -> Result<()> {
        let shadow = self.gather_average()?;
        let is_scored = self.ranks.is_first() && self.score(&shadow, control)?;
        self.ranks.wait_for_all()?;
        if agree(&self.ranks, || is_scored)? {
            self.look_after_experts()?;
            self.state.load.clear();
        }
        Ok(())
    }

    /// Scores the weights, or their moving average, and exports them if they are the best so far; says
    /// whether there was anything to score them by. `shadow` is the moving average.
    fn score(&mut self, shadow: &Tensors, control: &Control) -> Result<bool> {
        let step = self.state.step;
        let best = self.state.best;
        let dir = self.run.dir;
        let task = &mut *self.task;
        let evaluation = swapped(task, shadow, |task| {
            let Some(evaluation) = task.evaluate(control)? else { return Ok(None) };
            if best.is_none_or(|best| evaluation.score > best.score) {
                export(task, dir, step, Some(&evaluation))?;
            }
            Ok(Some(evaluation))
        })?;
        let Some(evaluation) = evaluation else {
            // Without development sets the newest weights are the best there are.
            if !control.is_stopped() {
                swapped(self.task, shadow, |task| export(task, dir, step, None))?;
                self.state.rhythm.evaluated = self.seconds();
            }
            return Ok(false);
        };
        let last = Best { step, score: evaluation.score };
        self.state.last = Some(last);
        let better = self.state.best.is_none_or(|best| last.score > best.score);
        self.state.stale = if better { 0 } else { self.state.stale + 1 };
        if better {
            self.state.best = Some(last);
        }
        self.state.rhythm.evaluated = self.seconds();
        self.say_scores(&evaluation, better);
        let seconds = self.seconds();
        if let Some(recorder) = &mut self.recorder {
            recorder.evaluation(&self.state, &evaluation, seconds)?;
        }
        Ok(true)
    }

    /// Names the experts that no token visited since the last evaluation, and restarts those with too
    /// few visits where the settings say so.
    fn look_after_experts(&mut self) -> Result<()> {
        let step = self.state.step;
        for (layer, experts) in idle_experts(&self.state.load) {
            let experts = experts.join("`, `");
            self.progress.say(&format!("  no token visited `{experts}` in layer `{layer}`"));
        }
        let revived = self.task.revive_experts(&self.state.load, self.run.config, step)?;
        for RevivedExpert { layer, expert, parent, .. } in &revived {
            self.progress
                .say(&format!("  `{expert}` in layer `{layer}` starts again from `{parent}`"));
        }
        if revived.is_empty() {
            return Ok(());
        }
        let changed = |name: &String| {
            let of = |weight: &String| name.strip_suffix(weight.as_str()).is_some_and(is_moment);
            revived.iter().flat_map(|revived| &revived.weights).any(of)
        };
        let mut memory = self.optimizer.tensors()?;
        memory.retain(|name, _| !changed(name));
        self.optimizer.restore(&memory, self.optimizer.updates())
    }

    fn say_scores(&self, evaluation: &Evaluation, better: bool) {
        let note = match (better, self.state.stale, self.run.config.patience) {
            (true, ..) => " (the best so far)".into(),
            (_, _, 0) => String::new(),
            (_, stale, patience) => format!(" (not better, {stale} of {patience} times)"),
        };
        let (step, score, name) = (self.state.step, evaluation.score, &evaluation.chosen_by);
        self.progress.say(&format!(
            "step {step}, after {}: {name} {score:.2}{note}",
            clock(Duration::from_secs_f64(self.seconds()))
        ));
        for DevRow { label, scores } in &evaluation.rows {
            let scores: Vec<_> = scores.iter().map(|(k, v)| format!("{k} {v:.1}")).collect();
            self.progress.say(&format!("  {label}: {}", scores.join(", ")));
        }
        evaluation.samples.iter().for_each(|line| self.progress.say(&format!("  {line}")));
    }
}

/// Whether `prefix` is what an optimiser puts before the name of a weight, such as `first.`.
fn is_moment(prefix: &str) -> bool {
    prefix.strip_suffix('.').is_some_and(|kind| !kind.contains('.'))
}
