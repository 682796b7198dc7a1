//! What an expert that translates learns from, and for how long.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use dragoman_core::directory::Edit;
use dragoman_training::{
    config::Budget,
    control::Control,
    experts::{self, AddRequest, Added, Outcome, Preview, Row},
};

use crate::interrupt::Interrupted;

/// What to learn from, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct Learning {
    /// Corpus to learn from, `{pair}` standing for `en-de` in both directions; may be repeated. For a
    /// group of users or a catalogue one log of interactions
    #[arg(long, value_name = "FILE")]
    pub(super) data: Vec<String>,

    /// Learn from what users suggested, or did: a store's folder, or the address of a running server
    #[cfg(feature = "server")]
    #[arg(long, value_name = "STORE")]
    pub(super) from_store: Option<String>,

    /// Key of the server that `--from-store` names
    #[cfg(feature = "server")]
    #[arg(long, value_name = "KEY", env = "DRAGOMAN_ADMIN_KEY", hide_env_values = true)]
    pub(super) admin_key: Option<String>,

    /// Steps of training at most [default: 1000, without `--minutes`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,

    /// Minutes of training at most
    #[arg(long, value_name = "N")]
    pub(super) minutes: Option<f64>,

    /// Learning rate at its peak
    #[arg(long, value_name = "RATE", default_value_t = 5e-3)]
    pub(super) learning_rate: f64,

    /// Pairs that choose the best weights [default: some of the corpora are held out]
    #[arg(long, value_name = "FILE")]
    pub(super) dev: Option<String>,

    /// Other texts, as files or folders of `en.txt`: a detector classifies the domain against them,
    /// and the expert is measured on them
    #[arg(long, value_name = "FILE")]
    pub(super) general: Vec<String>,

    /// Licence of the corpora, for the register
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) licence: String,

    /// By how much chrF++ on the development sets, or NDCG@10 of what the group is served, in percent,
    /// may fall; with 0 it has to rise
    #[arg(long, value_name = "POINTS", default_value_t = 0.0)]
    pub(super) max_drop: f64,

    /// Seed of all that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Folder of the run: checkpoints, log, report [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub(super) work: Option<PathBuf>,

    /// Say what would be trained, how large it would be and how long it would take, and stop there
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Show nothing while training
    #[arg(long)]
    pub(super) quiet: bool,
}

impl Learning {
    /// The folder of the run for the expert `name`.
    pub(super) fn work(&self, name: &str) -> PathBuf {
        self.work.clone().unwrap_or_else(|| PathBuf::from("runs").join(name))
    }

    /// When training is over.
    pub(super) fn budget(&self) -> anyhow::Result<Budget> {
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

    /// Asks for the expert `name` with what was said.
    pub(super) fn request(self, name: &str) -> anyhow::Result<AddRequest> {
        let (budget, work) = (self.budget()?, self.work(name));
        let data = self.corpora(&work)?;
        Ok(AddRequest {
            dev: self.dev,
            general: self.general,
            licence: self.licence,
            budget,
            learning_rate: self.learning_rate,
            max_drop: self.max_drop,
            seed: self.seed,
            quiet: self.quiet,
            ..AddRequest::new(name, data, work)
        })
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
}

/// Trains what `request` asks for, or says what that would be.
pub(super) fn learn(
    edit: Edit,
    request: &AddRequest,
    is_dry_run: bool,
    control: &Control,
) -> anyhow::Result<()> {
    if is_dry_run {
        println!("{}", preview_text(&experts::preview(&edit, request)?, request.budget));
        return Ok(());
    }
    match experts::add(edit, request, control)? {
        Outcome::Added(added) => {
            println!("{}", words(&added, request.updates));
            Ok(())
        }
        Outcome::Stopped(step) => stopped(step),
    }
}

/// Says that somebody stopped a run.
pub(super) fn stopped(step: u64) -> anyhow::Result<()> {
    println!(
        "stopped at step {step}; the model is as it was, and the same command goes on from here"
    );
    Err(Interrupted.into())
}

/// What came out, for people.
fn words(added: &Added, updates: bool) -> String {
    let Added { entry, rows, p_value, pairs, summary, report } = added;
    let verb = if updates { "updated" } else { "added" };
    let mut lines = vec![format!(
        "{verb} `{}`: {pairs} pairs, {} steps, {:.0} s; every old route computes what it computed",
        entry.name, summary.step, summary.seconds
    )];
    for Row { set, pair, before, after, own, .. } in rows {
        let before = before.map_or("–".into(), |score| format!("{score:.1}"));
        let note = if *own { "" } else { " (other texts)" };
        lines.push(format!("  chrF++ {pair} {set}: {before} → {after:.1}{note}"));
    }
    if let Some(p) = p_value {
        let p = if *p < 0.01 { "below 0.01".into() } else { format!("{p:.2}") };
        lines.push(format!("  probability of such a change by chance: {p}"));
    }
    if entry.routes.is_empty() {
        lines.push("  it serves the requests of its language pair".into());
    } else if entry.detector.is_none() {
        lines.push("  without `--general` it has no detector: `--domain auto` passes it by".into());
    }
    lines.push(format!("report: {}", report.display()));
    lines.join("\n")
}

/// What a dry run says.
fn preview_text(preview: &Preview, budget: Budget) -> String {
    let Preview { entry, directions, pairs, dev_sentences, parameters, bytes, .. } = preview;
    let size = match entry.lora {
        Some(rank) => format!("rank {rank}"),
        None => format!("inner width {}", entry.d_ff),
    };
    let seconds = preview.seconds_a_step;
    let by_steps = (budget.steps > 0).then(|| budget.steps as f64 * seconds / 60.0);
    let minutes = match (by_steps, budget.minutes > 0.0) {
        (Some(minutes), true) => minutes.min(budget.minutes),
        (Some(minutes), false) => minutes,
        (None, _) => budget.minutes,
    };
    let mut lines = vec![
        format!("would learn {} from {pairs} pairs", directions.join(", ")),
        format!("  judged by {dev_sentences} sentences"),
        format!("  {size} in {} layers: {parameters} weights, {bytes} bytes", entry.layers.len()),
        format!("  about {minutes:.0} minutes and the evaluations, at {seconds:.2} s a step"),
    ];
    if let Some(parent) = &entry.parent {
        lines.push(format!("  starts from `{parent}`"));
    }
    if !preview.routes.is_empty() {
        lines.push(format!("  comes with the route {}", preview.routes.join(", ")));
    }
    lines.push("the model is as it was".into());
    lines.join("\n")
}
