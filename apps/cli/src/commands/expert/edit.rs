//! `dragoman expert remove` and `rename`

use clap::Args;
use dragoman_training::experts;

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

impl Remove {
    pub(super) fn run(self) -> anyhow::Result<()> {
        experts::remove(self.model.open()?, &self.name)?;
        println!("`{}` is gone; all else is as it was", self.name);
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
