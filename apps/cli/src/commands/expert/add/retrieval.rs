//! `dragoman expert add memory.NAME`

use anyhow::{Context, bail};
use dragoman_core::directory::Edit;
use dragoman_training::{
    control::Control,
    experts::{self, AddRequest, Fit, RetrievalAdded, Row},
};

use super::Add;
use crate::interrupt::Interrupted;

impl Add {
    /// Adds a retrieval expert.
    pub(super) fn add_retrieval(self, edit: Edit, control: &Control) -> anyhow::Result<()> {
        if self.learning.dry_run {
            bail!(
                "`--dry-run` is for experts that are trained; this one takes a pass over its corpus"
            );
        }
        let request = self.learning.request(&self.name)?;
        let request = AddRequest {
            pairs: self.pairs,
            parent: self.parent,
            lora: self.lora.map(usize::from),
            width: self.width.map(|width| width as usize),
            ..request
        };
        let added = experts::add_retrieval(edit, &request, control)
            .with_context(|| format!("adding `{}`", self.name))?;
        let Some(added) = added else {
            println!("stopped; the model is as it was");
            return Err(Interrupted.into());
        };
        println!("{}", words(&added));
        Ok(())
    }
}

/// What came out, for people.
fn words(added: &RetrievalAdded) -> String {
    let RetrievalAdded { entry, fits, rows, seconds } = added;
    let mut lines = vec![format!(
        "added `{}` in {seconds:.0} s; every old route computes what it computed",
        entry.name
    )];
    for Fit { route, sentences, entries, before, after } in fits {
        lines.push(format!(
            "  {route}: {sentences} sentences, {entries} entries; a token of a sentence that is not \
             stored costs {after:.2} nats, {before:.2} without them"
        ));
    }
    for Row { set, pair, before, after, own, .. } in rows {
        let before = before.map_or("–".into(), |score| format!("{score:.1}"));
        let note = if *own { "" } else { " (other texts)" };
        lines.push(format!("  chrF++ {pair} {set}: {before} → {after:.1}{note}"));
    }
    if let Some(parent) = &entry.parent {
        lines.push(format!("  it stands on `{parent}`: add it again when that one changes"));
    }
    if entry.detector.is_none() {
        lines.push("  without `--general` it has no detector: `--domain auto` passes it by".into());
    }
    lines.join("\n")
}
