//! `dragoman expert`

mod add;
mod distil;
mod edit;
mod extract;
mod language;
mod learning;
mod list;
mod shrink;
#[cfg(feature = "server")]
mod suggestions;
mod transfer;
mod update;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dragoman_core::directory::Edit;

/// See which experts a model has, add new ones, and make old ones smaller or fewer
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
    Update(Box<update::Update>),
    Undo(edit::Undo),
    Export(transfer::Export),
    Import(transfer::Import),
    Remove(edit::Remove),
    Rename(edit::Rename),
    Extract(extract::Extract),
    Distil(Box<distil::Distil>),
    Quantise(shrink::Quantise),
    Prune(shrink::Prune),
    Merge(shrink::Merge),
}

/// The folder of a model that is changed in place.
#[derive(Debug, Clone, Args)]
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
            What::Update(command) => command.run(),
            What::Undo(command) => command.run(),
            What::Export(command) => command.run(),
            What::Import(command) => command.run(),
            What::Remove(command) => command.run(),
            What::Rename(command) => command.run(),
            What::Extract(command) => command.run(),
            What::Distil(command) => command.run(),
            What::Quantise(command) => command.run(),
            What::Prune(command) => command.run(),
            What::Merge(command) => command.run(),
        }
    }
}
