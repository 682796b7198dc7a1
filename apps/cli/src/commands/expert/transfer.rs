//! `dragoman expert export` and `import`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dragoman_training::experts;

use super::Changed;
use crate::models;

/// Write an expert into one file, with where it comes from, for other copies of its model
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Name of the expert, such as `domain.it`
    name: String,

    /// The file, such as `it.expert`
    file: PathBuf,

    /// Model directory; the bundled model if none is named
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL")]
    model: Option<PathBuf>,
}

/// Add an expert that `export` wrote; refused where the model is another than the one it was trained for
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file
    file: PathBuf,

    #[command(flatten)]
    model: Changed,
}

impl Export {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let files = models::files(self.model.as_deref())?;
        experts::export(&files, &self.name, &self.file)
            .with_context(|| format!("exporting `{}`", self.name))?;
        println!("{}", self.file.display());
        Ok(())
    }
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let entry = experts::import(self.model.open()?, &self.file)
            .with_context(|| format!("importing `{}`", self.file.display()))?;
        println!("added `{}`, made {}", entry.name, entry.created);
        for corpus in &entry.trained_on {
            let licence = if corpus.licence.is_empty() { "not said" } else { &corpus.licence };
            println!("  trained on {} (licence: {licence})", corpus.name);
        }
        Ok(())
    }
}
