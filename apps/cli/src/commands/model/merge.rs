//! `dragoman model merge`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_core::directory::{Files, join_copies};

/// Join copies of one dense model, each trained further on texts of its own, into one with experts
///
/// Each copy brings an expert in every layer, all other weights are averaged, and a router chooses for
/// every token (Branch-Train-MiX). The router starts by chance: `dragoman train translation --start-from
/// DIR` teaches it.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The copies
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    models: Vec<PathBuf>,

    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Seed of the router
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Merge {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.out.join("experts.json").exists() {
            bail!("there is a model in `{}` already; name another folder", self.out.display());
        }
        let copies: Vec<Files> = self.models.into_iter().map(Files::Folder).collect();
        join_copies(&copies, &self.out, self.seed).context("joining the models")?;
        println!("{}", self.out.display());
        Ok(())
    }
}
