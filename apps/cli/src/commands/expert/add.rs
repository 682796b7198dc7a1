//! `dragoman expert add`

mod catalogue;
mod log;
mod retrieval;
mod segment;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_training::{control::Control, evaluate::LanguagePair, experts::AddRequest};

use super::{
    Changed,
    learning::{Learning, learn, stopped},
};
use crate::interrupt::listen;

/// Teach a model a domain, a language pair, a group of users or a second catalogue by adding one
/// expert; nothing else changes
#[derive(Debug, Args)]
pub(super) struct Add {
    /// `domain.NAME`; `memory.NAME` for a domain whose texts are looked up, without training;
    /// `pair.xx-yy` for a pair that the model does not know, or `language.xx` for a language and both
    /// directions of its corpora; `segment.NAME` for a group of users of a model that recommends, or
    /// `catalogue.NAME` for other items
    pub(super) name: String,

    #[command(flatten)]
    pub(super) model: Changed,

    /// Tenant of the store, for a group of users or a catalogue
    #[cfg(feature = "server")]
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,

    /// Which users the group is, such as `events >= 50 and label = occupation:student`
    #[arg(long, value_name = "EXPRESSION")]
    rule: Option<String>,

    /// Recommend to a group of users, or of a catalogue, again what was met
    #[arg(long)]
    keep_seen: bool,

    /// Directions that a domain covers, such as `en-de,en-fr`; all of the corpora if none are named
    #[arg(long, value_name = "PAIRS", value_delimiter = ',')]
    pub(super) pairs: Vec<LanguagePair>,

    /// Expert whose copy a pair expert starts as [default: the nearest by loss], or that of a group
    /// of users [default: the one that the gate gives the most weight]
    #[arg(long, value_name = "NAME")]
    pub(super) parent: Option<String>,

    /// A low-rank domain expert over the network that all share, for little data
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) lora: Option<u16>,

    /// Inner width of the expert [default: twice that of the model's experts; that of its segment
    /// experts for a group of users or a catalogue]
    #[arg(long, value_name = "N", conflicts_with = "lora", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) width: Option<u32>,

    #[command(flatten)]
    pub(super) learning: Learning,
}

impl Add {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let control = Control::default();
        listen(&control)?;
        if let Some(code) = self.name.strip_prefix("language.").map(str::to_owned) {
            return self.add_language(&code, &control);
        }
        let edit = self.model.open()?;
        match self.name.split('.').next() {
            Some("segment") => return self.add_segment(edit, &control),
            Some("catalogue") => return self.add_catalogue(edit, &control),
            Some("memory") if !self.keep_seen && self.rule.is_none() => {
                return self.add_retrieval(edit, &control);
            }
            _ if self.rule.is_some() || self.keep_seen => {
                bail!("`--rule` and `--keep-seen` are for groups of users, `segment.NAME`")
            }
            _ => {}
        }
        let is_dry_run = self.learning.dry_run;
        let request = self.learning.request(&self.name)?;
        let request = AddRequest {
            pairs: self.pairs,
            parent: self.parent,
            lora: self.lora.map(usize::from),
            width: self.width.map(|width| width as usize),
            ..request
        };
        learn(edit, &request, is_dry_run, &control)
            .with_context(|| format!("adding `{}`", self.name))
    }
}
