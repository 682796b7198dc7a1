//! `dragoman expert remove`, `rename` and `undo`

use clap::Args;
use dragoman_training::experts::{self, Undone};

use super::Changed;

/// Take an expert out of a model, one of a pair or of a group of users with its route
#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Name of the expert, such as `domain.it`
    name: String,

    #[command(flatten)]
    model: Changed,
}

/// Give an expert another name of its kind
#[derive(Debug, Args)]
pub(super) struct Rename {
    /// Its name
    old: String,

    /// Its new name
    new: String,

    #[command(flatten)]
    model: Changed,
}

/// Undo the last change of a model's experts; the last three are kept
#[derive(Debug, Args)]
pub(super) struct Undo {
    #[command(flatten)]
    model: Changed,
}

impl Undo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Undone { restored, removed } = experts::undo(self.model.open()?)?;
        let names = |names: &[String]| names.join(", ");
        match (restored.is_empty(), removed.is_empty()) {
            (true, true) => println!("undone: the routes are as they were before"),
            (false, true) => println!("undone: there again: {}", names(&restored)),
            (true, false) => println!("undone: gone: {}", names(&removed)),
            (false, false) if restored == removed => {
                println!("undone: as they were before: {}", names(&restored));
            }
            (false, false) => {
                println!("undone: there again: {}; gone: {}", names(&restored), names(&removed));
            }
        }
        Ok(())
    }
}

impl Remove {
    pub(super) fn run(self) -> anyhow::Result<()> {
        experts::remove(self.model.open()?, &self.name)?;
        println!(
            "`{}` is gone; all else is as it was. `dragoman expert undo` brings it back",
            self.name
        );
        Ok(())
    }
}

impl Rename {
    pub(super) fn run(self) -> anyhow::Result<()> {
        experts::rename(self.model.open()?, &self.old, &self.new)?;
        println!("`{}` is now `{}`", self.old, self.new);
        Ok(())
    }
}
