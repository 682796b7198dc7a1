//! `dragoman expert extract`

use std::path::PathBuf;

use clap::Args;
use dragoman_training::experts;

use crate::models::ModelFolder;

/// Write what one route needs into a folder of its own, a smaller model with equal outputs
#[derive(Debug, Args)]
pub(super) struct Extract {
    /// Folder to make
    dir: PathBuf,

    /// The route, with its domains: `en-de` or `en-de+it`
    #[arg(long, value_name = "ROUTE")]
    route: String,

    #[command(flatten)]
    model: ModelFolder,
}

impl Extract {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let register = experts::extract(&self.model.files()?, &self.route, &self.dir)?;
        println!("{}: {} experts for {}", self.dir.display(), register.experts.len(), self.route);
        Ok(())
    }
}
