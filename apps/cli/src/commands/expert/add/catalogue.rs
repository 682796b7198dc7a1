//! `dragoman expert add catalogue.NAME`

use anyhow::{Context, bail};
use dragoman_core::directory::Edit;
use dragoman_training::{
    control::Control,
    experts::{self, CatalogueAdded, CatalogueOutcome, CatalogueRequest},
};

use super::Add;

impl Add {
    /// Adds a second catalogue.
    pub(super) fn add_catalogue(self, edit: Edit, control: &Control) -> anyhow::Result<()> {
        self.refuse_flags_of_translation()?;
        if self.rule.is_some() || self.parent.is_some() {
            bail!("`--rule` and `--parent` are for groups of users, `segment.NAME`");
        }
        let (data, log) = self.log()?;
        let request = CatalogueRequest {
            data,
            licence: self.learning.licence.clone(),
            width: self.width.map(|width| width as usize),
            budget: self.learning.budget()?,
            learning_rate: self.learning.learning_rate,
            max_drop: self.learning.max_drop,
            keeps_seen: self.keep_seen,
            seed: self.learning.seed,
            quiet: self.learning.quiet,
            work: self.learning.work(&self.name),
            name: self.name,
        };
        let outcome = experts::add_catalogue(edit, &request, &log, control)
            .with_context(|| format!("adding `{}`", request.name))?;
        match outcome {
            CatalogueOutcome::Added(added) => {
                println!("{}", words(&added));
                Ok(())
            }
            CatalogueOutcome::Stopped(step) => super::stopped(step),
        }
    }
}

/// What came out, for people.
fn words(added: &CatalogueAdded) -> String {
    let CatalogueAdded { entry, items, asked, scores, summary, report } = added;
    let mut lines = vec![format!(
        "added `{}`: {items} items, {} steps, {:.0} s; the first catalogue is as it was",
        entry.name, summary.step, summary.seconds
    )];
    for (name, score) in scores {
        lines.push(format!("  {name} of {asked} users: {score:.2}"));
    }
    lines.push(format!("  the tenant `{}` of a server is served by it", entry.short_name()));
    lines.push(format!("report: {}", report.display()));
    lines.join("\n")
}
