//! The way of every new expert, from what it will be to the register that names it.

use std::path::{Path, PathBuf};

use dragoman_core::{
    directory::Edit,
    register::{ExpertEntry, Register, Route},
};

use super::run;
use crate::{
    Result,
    checkpoint::Tensors,
    control::{Control, Ended},
    report::log::Table,
    trainer::Summary,
};

/// How an attempt to add an expert ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<A> {
    /// The model has the expert.
    Added(Box<A>),
    /// It was stopped at this step; the model is as it was, and the same request goes on.
    Stopped(u64),
}

/// An expert that is decided on: what differs between the kinds of experts.
pub(super) trait Addition {
    /// How good the model is without and with it.
    type Scores;
    /// What the caller learns.
    type Added;

    /// The register's entry, which has no file yet, and the routes that come with the expert.
    fn plan(&self) -> (&ExpertEntry, Vec<Route>);

    /// The folder of the run.
    fn work(&self) -> &Path;

    /// Trains the expert, or goes on with what is in the folder of the run.
    fn train(&self, control: &Control) -> Result<Summary>;

    /// Compares the model without and with the weights `best`; none when `control` says stop.
    ///
    /// # Errors
    /// Refuses an expert that does no good.
    fn judge(&self, best: &Tensors, control: &Control) -> Result<Option<Self::Scores>>;

    /// Notes in `entry` where the expert comes from and how good it is.
    fn describe(&self, entry: &mut ExpertEntry, summary: &Summary, scores: &Self::Scores);

    /// Adds what its file holds besides the weights.
    fn add_tensors(&self, _entry: &mut ExpertEntry, _tensors: &mut Tensors) -> Result<()> {
        Ok(())
    }

    /// Enters the expert into `register`.
    fn enter(&self, register: &mut Register, entry: ExpertEntry) {
        register.experts.push(entry);
        register.routes.extend(self.plan().1);
    }

    /// Writes files besides that of the expert, and names them in `register`.
    fn write_files(&self, _: &Edit, _: &mut Register, _: &Self::Scores) -> Result<()> {
        Ok(())
    }

    /// The scores as a table of the report.
    fn table(&self, scores: &Self::Scores) -> Table;

    /// What the caller learns.
    fn added(self, commit: Commit<Self::Scores>) -> Self::Added;
}

/// What there is after an expert was committed.
pub(super) struct Commit<S> {
    /// What the register says about it.
    pub(super) entry: ExpertEntry,
    /// How good the model is without and with it.
    pub(super) scores: S,
    /// How training went.
    pub(super) summary: Summary,
    /// The page about it.
    pub(super) report: PathBuf,
}

/// Trains an expert for the model that `edit` holds, and commits it.
///
/// Whatever happens before the commit, a stop, a crash or an error, leaves the model as it was.
pub(super) fn add<A: Addition>(edit: Edit, new: A, control: &Control) -> Result<Outcome<A::Added>> {
    fs_err::create_dir_all(new.work())?;
    let summary = new.train(control)?;
    let stopped = Outcome::Stopped(summary.step);
    if summary.ended != Ended::Finished {
        return Ok(stopped);
    }
    let dtype = edit.files().dtype()?;
    let best = run::best_weights(&summary, dtype)?;
    let Some(scores) = new.judge(&best, control)? else { return Ok(stopped) };

    let mut entry = new.plan().0.clone();
    let mut tensors = run::own_names(&entry.name, best);
    new.describe(&mut entry, &summary, &scores);
    new.add_tensors(&mut entry, &mut tensors)?;
    edit.write_expert(&mut entry, &tensors, dtype)?;
    let mut register = edit.register().clone();
    new.write_files(&edit, &mut register, &scores)?;
    new.enter(&mut register, entry.clone());
    edit.commit(&register)?;

    let report = run::report(new.work(), new.table(&scores))?;
    // The run is over: another with this name starts from the beginning.
    fs_err::remove_dir_all(new.work().join("checkpoints"))?;
    Ok(Outcome::Added(Box::new(new.added(Commit { entry, scores, summary, report }))))
}
