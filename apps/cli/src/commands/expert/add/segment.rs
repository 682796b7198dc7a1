//! `dragoman expert add segment.NAME`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dragoman_core::directory::Edit;
use dragoman_data::interactions::Interactions;
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
        let others = [
            ("--pairs", !self.pairs.is_empty()),
            ("--lora", self.lora.is_some()),
            ("--dev", self.dev.is_some()),
            ("--general", !self.general.is_empty()),
        ];
        if let Some((flag, _)) = others.iter().find(|(_, is_given)| *is_given) {
            bail!("`{flag}` is for models that translate");
        }
        let (data, log) = self.log()?;
        let work = self.work.clone().unwrap_or_else(|| PathBuf::from("runs").join(&self.name));
        let request = SegmentRequest {
            data,
            licence: self.licence.clone(),
            parent: self.parent.clone(),
            width: self.width.map(|width| width as usize),
            budget: self.budget()?,
            learning_rate: self.learning_rate,
            max_drop: self.max_drop,
            keeps_seen: self.keep_seen,
            seed: self.seed,
            quiet: self.quiet,
            ..SegmentRequest::new(&self.name, &rule, work)
        };
        let outcome = experts::add_segment(edit, &request, &log, control)
            .with_context(|| format!("adding `{}`", request.name))?;
        match outcome {
            SegmentOutcome::Added(added) => println!("{}", words(&added)),
            SegmentOutcome::Stopped(step) => println!(
                "stopped at step {step}; the model is as it was, and the same command goes on from here"
            ),
        }
        Ok(())
    }

    /// The log, and what it is called.
    fn log(&self) -> anyhow::Result<(String, Interactions)> {
        #[cfg(feature = "server")]
        if let Some(place) = &self.from_store {
            if !self.data.is_empty() {
                bail!("name a log with `--data`, or a store with `--from-store`, not both");
            }
            let key = self.admin_key.as_deref();
            let log = crate::stored::interactions(place, &self.tenant, key)?;
            return Ok((format!("store, tenant {}", self.tenant), log));
        }
        let [path] = self.data.as_slice() else {
            bail!("name one log of interactions with `--data PATH`");
        };
        let (log, faults) = Interactions::load(Path::new(path))?;
        for fault in &faults.first {
            eprintln!("skipped {fault}");
        }
        let name = Path::new(path).file_name().unwrap_or(path.as_ref());
        Ok((name.to_string_lossy().into_owned(), log))
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
