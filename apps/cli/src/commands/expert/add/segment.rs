//! `dragoman expert add segment.NAME`

use anyhow::{Context, bail};
use dragoman_core::directory::Edit;
use dragoman_training::{
    control::Control,
    experts::{self, Measured, SegmentAdded, SegmentOutcome, SegmentRequest},
};

use super::Add;

impl Add {
    /// Adds an expert for a group of users.
    pub(super) fn add_segment(self, edit: Edit, control: &Control) -> anyhow::Result<()> {
        let Some(rule) = self.rule.clone() else {
            bail!("say which users `{}` is for: `--rule \"events >= 50\"`", self.name);
        };
        self.refuse_flags_of_translation()?;
        let (data, log) = self.log()?;
        let request = SegmentRequest {
            data,
            licence: self.learning.licence.clone(),
            parent: self.parent.clone(),
            width: self.width.map(|width| width as usize),
            budget: self.learning.budget()?,
            learning_rate: self.learning.learning_rate,
            max_drop: self.learning.max_drop,
            keeps_seen: self.keep_seen,
            seed: self.learning.seed,
            quiet: self.learning.quiet,
            ..SegmentRequest::new(&self.name, &rule, self.learning.work(&self.name))
        };
        let outcome = experts::add_segment(edit, &request, &log, control)
            .with_context(|| format!("adding `{}`", request.name))?;
        match outcome {
            SegmentOutcome::Added(added) => {
                println!("{}", words(&added));
                Ok(())
            }
            SegmentOutcome::Stopped(step) => super::stopped(step),
        }
    }
}

/// What came out, for people.
fn words(added: &SegmentAdded) -> String {
    let SegmentAdded { entry, scores, learners, asked, unknown, summary, report } = added;
    let parent = entry.parent.as_deref().unwrap_or_default();
    let mut lines = vec![format!(
        "added `{}`, a copy of `{parent}` at first: {learners} users learned from, {} steps, {:.0} s; \
         for all other users the model computes what it computed",
        entry.name, summary.step, summary.seconds
    )];
    if *unknown > 0 {
        lines
            .push(format!("  {unknown} events of items that the model does not know are left out"));
    }
    for Measured { name, before, after } in scores {
        lines.push(format!("  {name} of {asked} users: {before:.2} → {after:.2}"));
    }
    lines.push(format!("report: {}", report.display()));
    lines.join("\n")
}
