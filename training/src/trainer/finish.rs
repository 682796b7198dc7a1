//! The end of a session: the average of the last checkpoints, and the summary.

use std::time::Duration;

use fs_err as fs;

use super::{
    Ending, Trainer,
    exchange::{self, agree},
    save::{export, swapped},
};
use crate::{
    Result, average,
    checkpoint::{Best, Checkpoint},
    control::{Control, Ended},
    progress::clock,
    summary::Summary,
    task::Task,
};

impl<T: Task> Trainer<'_, T> {
    /// Saves, brings a finished run to its end, and says what came out.
    pub(super) fn summarise(&mut self, ending: Ending, control: &Control) -> Result<Summary> {
        let Ending { ended, reason } = ending;
        let before = self.summary_before();
        let is_finished = ended == Ended::Finished;
        if is_finished && self.state.step > 0 && !agree(&self.ranks, || self.evaluated_now())? {
            self.evaluate(control)?;
        }
        self.save()?;
        if !self.ranks.is_first() {
            self.ranks.wait_for_all()?;
            return Ok(self.summary(ended, reason, None));
        }
        let average = match (ended, before) {
            (Ended::Finished, Some(before)) => {
                self.state.best = before.best;
                before.average
            }
            (Ended::Finished, None) => self.try_average(control)?,
            _ => None,
        };
        let summary = self.summary(ended, reason, average);
        fs::write(self.run.dir.join("summary.json"), serde_json::to_vec_pretty(&summary)?)?;
        if let Some(recorder) = &mut self.recorder {
            recorder.finish(&self.state, &summary)?;
        }
        let time = clock(Duration::from_secs_f64(summary.seconds));
        self.progress.say(&summary.closing_words(self.run.dir, &time));
        if !self.ranks.is_alone() {
            self.progress.say(&exchange::traffic(&self.ranks, self.state.step - self.first));
        }
        self.ranks.wait_for_all()?;
        Ok(summary)
    }

    fn summary(&self, ended: Ended, reason: String, average: Option<f64>) -> Summary {
        let model = self.run.dir.join("model");
        Summary {
            ended,
            reason,
            step: self.state.step,
            labels: self.state.labels,
            seconds: self.seconds(),
            best: self.state.best,
            average,
            model: model.exists().then_some(model),
        }
    }

    /// What an earlier session wrote when it finished the run at this very step.
    fn summary_before(&self) -> Option<Summary> {
        let text = fs::read_to_string(self.run.dir.join("summary.json")).ok()?;
        let summary: Summary = serde_json::from_str(&text).ok()?;
        (summary.ended == Ended::Finished && summary.step == self.state.step).then_some(summary)
    }

    /// Averages the last checkpoints, and exports the average if it scores better than the best.
    fn try_average(&mut self, control: &Control) -> Result<Option<f64>> {
        let wanted = self.run.config.checkpoints.average;
        let steps = self.checkpoints.list()?;
        let steps = &steps[steps.len().saturating_sub(wanted)..];
        if steps.len() < 2 {
            return Ok(None);
        }
        let weights = |&step: &u64| {
            let Checkpoint { weights, average, .. } = self.checkpoints.load(step)?;
            Ok(if average.is_empty() { weights } else { average })
        };
        let mean = average::mean(steps.iter().map(weights))?;
        let (step, best, dir) = (self.state.step, self.state.best, self.run.dir);
        let score = swapped(self.task, &mean, |task| {
            let Some(evaluation) = task.evaluate(control)? else { return Ok(None) };
            if best.is_none_or(|best| evaluation.score > best.score) {
                export(task, dir, step, Some(&evaluation))?;
            }
            Ok(Some(evaluation.score))
        })?;
        let Some(score) = score else { return Ok(None) };
        let better = best.is_none_or(|best| score > best.score);
        if better {
            self.state.best = Some(Best { step, score });
        }
        let note = if better { "taken" } else { "not taken" };
        let count = steps.len();
        self.progress
            .say(&format!("average of the last {count} checkpoints: score {score:.2}, {note}"));
        Ok(Some(score))
    }
}
