//! `dragoman expert add`

mod catalogue;
mod log;
mod segment;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use dragoman_training::{
    config::Budget,
    control::Control,
    evaluate::LanguagePair,
    experts::{self, AddRequest, Added, Outcome, Row},
};

use super::Changed;

/// Teach a model a domain, a language pair, a group of users or a second catalogue by adding one
/// expert; nothing else changes
#[derive(Debug, Args)]
pub(super) struct Add {
    /// `domain.NAME`, or `pair.xx-yy` for a pair that the model does not know; `segment.NAME` for a
    /// group of users of a model that recommends, or `catalogue.NAME` for other items
    name: String,

    #[command(flatten)]
    model: Changed,

    /// Corpus to learn from, `{pair}` standing for `en-de` in both directions; may be repeated. For a
    /// group of users or a catalogue one log of interactions
    #[arg(long, value_name = "FILE")]
    data: Vec<String>,

    /// Learn from what users suggested, or did: a store's folder, or the address of a running server
    #[cfg(feature = "server")]
    #[arg(long, value_name = "STORE")]
    from_store: Option<String>,

    /// Key of the server that `--from-store` names
    #[cfg(feature = "server")]
    #[arg(long, value_name = "KEY", env = "DRAGOMAN_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,

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
    pairs: Vec<LanguagePair>,

    /// Expert whose copy a pair expert starts as [default: the nearest by loss], or that of a group
    /// of users [default: the one that the gate gives the most weight]
    #[arg(long, value_name = "NAME")]
    parent: Option<String>,

    /// A low-rank domain expert over the network that all share, for little data
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u16).range(1..=1024))]
    lora: Option<u16>,

    /// Inner width of the expert [default: twice that of the model's experts; that of its segment
    /// experts for a group of users or a catalogue]
    #[arg(long, value_name = "N", conflicts_with = "lora", value_parser = clap::value_parser!(u32).range(1..=65536))]
    width: Option<u32>,

    /// Steps of training at most [default: 1000, without `--minutes`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,

    /// Minutes of training at most
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = 5e-3)]
    learning_rate: f64,

    /// Pairs that choose the best weights [default: some of the corpora are held out]
    #[arg(long, value_name = "FILE")]
    dev: Option<String>,

    /// Other texts, as files or folders of `en.txt`: what the domain is told from, and measured on
    #[arg(long, value_name = "FILE")]
    general: Vec<String>,

    /// Licence of the corpora, for the register
    #[arg(long, value_name = "TEXT", default_value = "")]
    licence: String,

    /// By how much chrF++ on the development sets, or NDCG@10 of what the group is served, in percent,
    /// may fall; with 0 it has to rise
    #[arg(long, value_name = "POINTS", default_value_t = 0.0)]
    max_drop: f64,

    /// Seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Folder of the run: checkpoints, log, report [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,

    /// Show nothing while training
    #[arg(long)]
    quiet: bool,
}

impl Add {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let edit = self.model.open()?;
        let control = Control::default();
        let hand = control.clone();
        ctrlc::set_handler(move || hand.stop()).context("listening for Ctrl-C")?;
        match self.name.split('.').next() {
            Some("segment") => return self.add_segment(edit, &control),
            Some("catalogue") => return self.add_catalogue(edit, &control),
            _ if self.rule.is_some() || self.keep_seen => {
                bail!("`--rule` and `--keep-seen` are for groups of users, `segment.NAME`")
            }
            _ => {}
        }
        let request = self.request()?;
        let outcome = experts::add(edit, &request, &control)
            .with_context(|| format!("adding `{}`", request.name))?;
        match outcome {
            Outcome::Added(added) => println!("{}", words(&added)),
            Outcome::Stopped(step) => println!("{}", stopped(step)),
        }
        Ok(())
    }

    /// The folder of the run.
    fn work(&self) -> PathBuf {
        self.work.clone().unwrap_or_else(|| PathBuf::from("runs").join(&self.name))
    }

    /// When training is over.
    fn budget(&self) -> anyhow::Result<Budget> {
        let minutes = self.minutes.unwrap_or(0.0);
        if !minutes.is_finite() || minutes < 0.0 {
            bail!("`--minutes {minutes}` is no length of time");
        }
        let steps = match (self.steps, minutes > 0.0) {
            (Some(steps), _) => steps,
            (None, true) => 0,
            (None, false) => 1000,
        };
        Ok(Budget { steps, minutes })
    }

    /// The corpora that were named, and what users suggested, written to a folder of the run.
    #[cfg(feature = "server")]
    fn corpora(&self, work: &Path) -> anyhow::Result<Vec<String>> {
        let mut data = self.data.clone();
        if let Some(store) = &self.from_store {
            let (key, folder) = (self.admin_key.as_deref(), work.join("suggestions"));
            data.extend(super::suggestions::corpora(store, key, &folder)?);
        }
        Ok(data)
    }

    #[cfg(not(feature = "server"))]
    fn corpora(&self, _work: &Path) -> anyhow::Result<Vec<String>> {
        Ok(self.data.clone())
    }

    fn request(self) -> anyhow::Result<AddRequest> {
        let budget = self.budget()?;
        let work = self.work();
        let data = self.corpora(&work)?;
        Ok(AddRequest {
            pairs: self.pairs,
            parent: self.parent,
            lora: self.lora.map(usize::from),
            width: self.width.map(|width| width as usize),
            dev: self.dev,
            general: self.general,
            licence: self.licence,
            budget,
            learning_rate: self.learning_rate,
            max_drop: self.max_drop,
            seed: self.seed,
            quiet: self.quiet,
            ..AddRequest::new(&self.name, data, work)
        })
    }
}

/// What is said of a run that somebody stopped.
fn stopped(step: u64) -> String {
    format!(
        "stopped at step {step}; the model is as it was, and the same command goes on from here"
    )
}

/// What came out, for people.
fn words(added: &Added) -> String {
    let Added { entry, rows, pairs, summary, report } = added;
    let mut lines = vec![format!(
        "added `{}`: {pairs} pairs, {} steps, {:.0} s; every old route computes what it computed",
        entry.name, summary.step, summary.seconds
    )];
    for Row { set, pair, before, after, own, .. } in rows {
        let before = before.map_or("–".into(), |score| format!("{score:.1}"));
        let note = if *own { "" } else { " (other texts)" };
        lines.push(format!("  chrF++ {pair} {set}: {before} → {after:.1}{note}"));
    }
    if entry.routes.is_empty() {
        lines.push("  it serves the requests of its language pair".into());
    } else if entry.detector.is_none() {
        lines.push("  without `--general` it has no detector: `--domain auto` passes it by".into());
    }
    lines.push(format!("report: {}", report.display()));
    lines.join("\n")
}
