//! `dragoman model`

mod calibrate;
mod check;
mod get;
mod import;
mod lexicon;
mod merge;
mod prune;
mod public;
mod upcycle;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use dragoman_core::{config::ModelConfig, directory::WeightFormat};
use dragoman_import::export::{Format, export};

use crate::models::ModelFolder;

/// Downloads the public model of `family` from one language to another into a folder of models.
#[cfg(feature = "server")]
pub(super) fn get_pair(
    family: &str,
    from: &str,
    to: &str,
    out: &std::path::Path,
) -> anyhow::Result<()> {
    get::Get::of_pair(family, from, to, out)?.run()
}

/// Handle whole models
#[derive(Debug, Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Export(Export),
    Import(import::Import),
    Get(get::Get),
    Check(check::Check),
    Calibrate(calibrate::Calibrate),
    Lexicon(lexicon::Lexicon),
    Upcycle(upcycle::Upcycle),
    Merge(merge::Merge),
    Prune(prune::Prune),
}

/// Write the bundled model into a new folder, to change or to serve it there, or for another suite
#[derive(Debug, Args)]
struct Export {
    /// Folder to make
    dir: PathBuf,

    /// Numbers that the weights are written in: int8 takes one byte a weight, f16 two, f32 four
    /// [default: as they are]
    #[arg(long, value_name = "FORMAT")]
    weights: Option<Weights>,

    /// Write a dense model for another suite: `ctranslate2` or `huggingface` (Transformers)
    #[arg(long, conflicts_with = "weights")]
    format: Option<Format>,

    #[command(flatten)]
    model: ModelFolder,
}

/// In how many bytes weights are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Weights {
    Int8,
    F16,
    F32,
}

impl From<Weights> for WeightFormat {
    fn from(weights: Weights) -> Self {
        match weights {
            Weights::Int8 => Self::Int8,
            Weights::F16 => Self::F16,
            Weights::F32 => Self::F32,
        }
    }
}

impl Model {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Export(command) => command.run(),
            What::Import(command) => command.run(),
            What::Get(command) => command.run(),
            What::Check(command) => command.run(),
            What::Calibrate(command) => command.run(),
            What::Lexicon(command) => command.run(),
            What::Upcycle(command) => command.run(),
            What::Merge(command) => command.run(),
            What::Prune(command) => command.run(),
        }
    }
}

impl Export {
    fn run(self) -> anyhow::Result<()> {
        if self.dir.join("experts.json").exists() {
            bail!("there is a model in `{}` already; name another folder", self.dir.display());
        }
        let files = self.model.files()?;
        if let Some(format) = self.format {
            export(&files, format, &self.dir)?;
            println!("{}", self.dir.display());
            return Ok(());
        }
        let recommends = matches!(files.config()?, ModelConfig::Recommendation(_));
        match self.weights {
            Some(_) if recommends => {
                bail!(
                    "`--weights` is for models that translate; without it this one is written as it is"
                )
            }
            Some(weights) => files.write_as(&self.dir, weights.into())?,
            None => files.copy_to(&self.dir, &files.register()?)?,
        };
        println!("{}", self.dir.display());
        Ok(())
    }
}
