//! `dragoman model import`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dragoman_import::Request;

/// Make a model directory of a model of another suite
///
/// SOURCE is an Argos package (`.argosmodel`), or a folder of CTranslate2, of Hugging Face (Marian and
/// OPUS-MT, M2M100, SMaLL-100, NLLB, NLLB-MoE), of Firefox or Bergamot, or of Marian (`.npz`).
#[derive(Debug, Args)]
pub(super) struct Import {
    /// File or folder of the model
    source: PathBuf,

    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Language of the sources, where the files of a model of one direction do not say
    #[arg(long, value_name = "LANG")]
    from: Option<String>,

    /// Language of the targets
    #[arg(long, value_name = "LANG")]
    to: Option<String>,
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let request = Request { from: self.from, to: self.to };
        dragoman_import::import(&self.source, &request, &self.out).context("importing")?;
        println!("{}", self.out.display());
        Ok(())
    }
}
