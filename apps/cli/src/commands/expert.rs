//! `dragoman expert`

mod add;
mod edit;
mod extract;
mod list;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dragoman_core::directory::Edit;

/// See which experts a model has, add new ones and take them away
#[derive(Debug, Args)]
pub(crate) struct Expert {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Show(list::Show),
    Add(Box<add::Add>),
    Remove(edit::Remove),
    Rename(edit::Rename),
    Extract(extract::Extract),
}

/// The folder of a model that is changed in place.
#[derive(Debug, Args)]
struct Changed {
    /// Model directory to change; `dragoman model export DIR` writes the bundled model into one
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL")]
    model: Option<PathBuf>,
}

impl Changed {
    fn folder(&self) -> anyhow::Result<&Path> {
        match &self.model {
            Some(folder) => Ok(folder),
            None => bail!(
                "name the model to change with `--model DIR`; `dragoman model export DIR` writes the \
                 bundled one into a folder"
            ),
        }
    }

    /// Keeps other commands away from the model.
    fn open(&self) -> anyhow::Result<Edit> {
        Edit::open(self.folder()?).context("opening the model")
    }
}

impl Expert {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::List(command) => command.run(),
            What::Show(command) => command.run(),
            What::Add(command) => command.run(),
            What::Remove(command) => command.run(),
            What::Rename(command) => command.run(),
            What::Extract(command) => command.run(),
        }
    }
}
