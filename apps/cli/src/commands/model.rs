//! `dragoman model`

mod calibrate;
mod check;
mod get;
mod import;
mod merge;
mod prune;
mod public;
mod upcycle;

use std::path::{Path, PathBuf};

use anyhow::bail;
use candle::{DType, Device};
use clap::{Args, Subcommand};
use dragoman_core::{
    config::ModelConfig,
    directory::{Loaded, TranslationParts, names_of, save_translation},
};

use dragoman_import::export::{Format, export};

use crate::models::ModelArgs;

/// Downloads the public model of `family` from one language to another into a folder of models.
#[cfg(feature = "server")]
pub(super) fn get_pair(family: &str, from: &str, to: &str, out: &Path) -> anyhow::Result<()> {
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
    Upcycle(upcycle::Upcycle),
    Merge(merge::Merge),
    Prune(prune::Prune),
}

/// Write the bundled model into a new folder, to change or to serve it there, or for another suite
#[derive(Debug, Args)]
struct Export {
    /// Folder to make
    dir: PathBuf,

    /// Write the weights in float16, half the size
    #[arg(long)]
    half: bool,

    /// Write a dense model for another suite: `ctranslate2` or `huggingface` (Transformers)
    #[arg(long, conflicts_with = "half")]
    format: Option<Format>,

    #[command(flatten)]
    model: ModelArgs,
}

impl Model {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Export(command) => command.run(),
            What::Import(command) => command.run(),
            What::Get(command) => command.run(),
            What::Check(command) => command.run(),
            What::Calibrate(command) => command.run(),
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
        let kind = files.config()?;
        if self.half {
            if matches!(kind, ModelConfig::Recommendation(_)) {
                bail!("`--half` is for models that translate; export this one as it is");
            }
            let Loaded { model, params, register, vocabulary, .. } =
                files.load_translation(&Device::Cpu)?;
            let parts = TranslationParts {
                config: model.config(),
                register: &register,
                vocabulary: &*vocabulary,
            };
            save_translation(&self.dir, parts, &params, DType::F16)?;
            println!("{}", self.dir.display());
            return Ok(());
        }
        let register = files.register()?;
        // The register last: a folder without it is no model.
        for name in names_of(&register).chain(["experts.json"]) {
            let path = self.dir.join(name);
            fs_err::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            fs_err::write(path, files.read(name)?)?;
        }
        println!("{}", self.dir.display());
        Ok(())
    }
}
