//! Where a command's model comes from: a folder, or the binary itself.

#[cfg(feature = "server")]
mod collection;
#[cfg(feature = "server")]
mod llm;
#[cfg(feature = "server")]
mod recommender;
#[cfg(feature = "server")]
mod remote;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use dragoman_core::{
    directory::Files,
    kernels::packed::Packing,
    translator::{Translator, TranslatorOptions},
};

#[cfg(feature = "server")]
pub(crate) use collection::{Collection, CollectionArgs, translator_of};
#[cfg(feature = "server")]
pub(crate) use llm::LlmArgs;
#[cfg(feature = "server")]
pub(crate) use recommender::recommender;
#[cfg(feature = "server")]
pub(crate) use remote::RemoteArgs;

/// Which model to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelFolder {
    /// Model directory to use instead of the bundled model, or its address in an object store
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL")]
    pub(crate) model: Option<PathBuf>,
}

/// Which model to use, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    pub(crate) folder: ModelFolder,

    #[command(flatten)]
    pub(crate) search: SearchArgs,
}

/// How a translation model is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct SearchArgs {
    /// Hypotheses kept per sentence: 1 is fastest
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) beam: u8,

    /// MiB of packed experts kept in memory; the least recently used make room [default: all]
    #[arg(long, value_name = "MIB", env = "DRAGOMAN_EXPERT_MEMORY")]
    pub(crate) expert_memory: Option<u32>,

    /// Numbers that weights are kept in and multiplied: int8 takes one byte a weight, bf16 two, f32 four
    /// [default: int8 for models stored so and those of other suites, else bf16]
    #[arg(long, value_enum, env = "DRAGOMAN_PRECISION")]
    pub(crate) precision: Option<PrecisionArg>,
}

/// What weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    Int8,
    Bf16,
    F32,
}

impl From<PrecisionArg> for Packing {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::Int8 => Self::Int8,
            PrecisionArg::Bf16 => Self::Bf16,
            PrecisionArg::F32 => Self::F32,
        }
    }
}

impl ModelFolder {
    /// The files of the model.
    pub(crate) fn files(&self) -> anyhow::Result<Files> {
        files(self.model.as_deref())
    }
}

impl ModelArgs {
    /// The files of the model.
    pub(crate) fn files(&self) -> anyhow::Result<Files> {
        self.folder.files()
    }

    /// Loads the model.
    pub(crate) fn open(&self) -> anyhow::Result<Translator> {
        open(&self.files()?, self.options())
    }

    /// How to search.
    pub(crate) fn options(&self) -> TranslatorOptions {
        self.search.options()
    }
}

impl SearchArgs {
    /// How to search.
    pub(crate) fn options(&self) -> TranslatorOptions {
        let expert_memory = self.expert_memory.map(|mib| (mib as usize) << 20);
        let beam_size = self.beam.into();
        let packing = self.precision.map(Packing::from);
        TranslatorOptions { beam_size, expert_memory, packing, ..TranslatorOptions::default() }
    }
}

/// The files of the model in `folder`, or of the bundled one.
pub(crate) fn files(folder: Option<&Path>) -> anyhow::Result<Files> {
    match folder {
        #[cfg(feature = "server")]
        Some(folder) => Ok(Files::Folder(remote::local(folder)?)),
        #[cfg(not(feature = "server"))]
        Some(folder) => Ok(Files::Folder(folder.into())),
        None => bundled(),
    }
}

/// Loads the translation model that `files` hold.
pub(crate) fn open(files: &Files, options: TranslatorOptions) -> anyhow::Result<Translator> {
    Translator::open(files, options).context("loading the model")
}

/// Files of the model inside the binary, by their path in the model directory.
#[cfg(feature = "bundled")]
fn bundled() -> anyhow::Result<Files> {
    use std::sync::LazyLock;

    use include_dir::{Dir, include_dir};

    static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../data/models/translation");
    static FILES: LazyLock<Vec<(&str, &[u8])>> = LazyLock::new(|| {
        let mut files = Vec::new();
        let mut folders = vec![&FOLDER];
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            for file in folder.files() {
                files.push((file.path().to_str().unwrap_or_default(), file.contents()));
            }
        }
        files
    });
    let has_model = FILES.iter().any(|(path, _)| Path::new(path) == Path::new("config.json"));
    match has_model {
        true => Ok(Files::Embedded(&FILES)),
        false => anyhow::bail!("no model is bundled with this build; name one with `--model DIR`"),
    }
}

#[cfg(not(feature = "bundled"))]
fn bundled() -> anyhow::Result<Files> {
    anyhow::bail!("this build carries no model; name one with `--model DIR`")
}
