//! `dragoman model upcycle`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_core::directory::{Files, Upcycling};

/// Make experts of the feed-forward networks of a dense model, which translates as before
///
/// Each network becomes the expert that all tokens share and the experts that a gate chooses among
/// (sparse upcycling). `dragoman train translation --start-from DIR` goes on from there.
#[derive(Debug, Args)]
pub(super) struct Upcycle {
    /// The dense model, such as an imported one
    model: PathBuf,

    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Experts of every sparse layer
    #[arg(long, value_name = "N", default_value_t = 8)]
    experts: usize,

    /// Experts that a token visits besides the shared one
    #[arg(long, value_name = "K", default_value_t = 2)]
    top_k: usize,

    /// Make every N-th layer sparse
    #[arg(long, value_name = "N", default_value_t = 2)]
    every: usize,
}

impl Upcycle {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.out.join("experts.json").exists() {
            bail!("there is a model in `{}` already; name another folder", self.out.display());
        }
        let upcycling = Upcycling {
            experts: self.experts,
            top_k: self.top_k,
            encoder_freq: self.every,
            decoder_freq: self.every,
            ..Upcycling::default()
        };
        upcycling.write(&Files::Folder(self.model), &self.out).context("making experts")?;
        println!("{}", self.out.display());
        Ok(())
    }
}
