//! `dragoman expert update`

use anyhow::Context;
use clap::Args;
use dragoman_training::{control::Control, evaluate::LanguagePair, experts::AddRequest};

use super::{
    Changed,
    learning::{Learning, learn},
};
use crate::interrupt::listen;

/// Go on teaching a domain that a model has, from its weights; the new expert replaces the old one
#[derive(Debug, Args)]
pub(super) struct Update {
    /// The domain, such as `domain.it`
    name: String,

    #[command(flatten)]
    model: Changed,

    /// Directions to learn, such as `en-de,en-fr`; all that the domain covers if none are named
    #[arg(long, value_name = "PAIRS", value_delimiter = ',')]
    pairs: Vec<LanguagePair>,

    #[command(flatten)]
    learning: Learning,
}

impl Update {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let edit = self.model.open()?;
        let control = Control::default();
        listen(&control)?;
        let is_dry_run = self.learning.dry_run;
        let request = self.learning.request(&self.name)?;
        let request = AddRequest { updates: true, pairs: self.pairs, ..request };
        learn(edit, &request, is_dry_run, &control)
            .with_context(|| format!("updating `{}`", self.name))
    }
}
