//! `dragoman evaluate recommendation`

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use candle::Device;
use clap::{Args, ValueEnum};
use dragoman_core::{
    config::SegmentGate, directory::Files, recommend::Blend, recommender::Recommender,
};
use dragoman_data::{
    corpus::Faults,
    interactions::{ColumnNames, Interactions},
};
use dragoman_training::metrics::significance::Bootstrap;
use dragoman_training::recommendation::{
    Evaluation, Options, Protocol,
    protocol::{Named, evaluate, evaluate_trial},
    trial::Trial,
};

/// Score recommendations of a log's future: NDCG, recall, by group of users, beside baselines
#[derive(Debug, Args)]
pub(super) struct Recommendation {
    /// The log: a folder of MovieLens, of RecBole or with `events.tsv` or `.jsonl`, or one file
    #[arg(long, value_name = "PATH", required_unless_present = "histories")]
    data: Option<PathBuf>,

    /// Names of the columns of a table's events, such as `user=visitor,item=sku,time=seen_at`; usual
    /// names are known
    #[arg(long, value_name = "PART=NAME,…", requires = "data")]
    columns: Option<ColumnNames>,

    /// Types of feedback that say only that a user saw an item, such as `read`: they are neither events
    /// nor targets, and what a user saw before the cut is not recommended
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',', requires = "data")]
    read_feedback: Vec<String>,

    /// Model directory; give it again for more models side by side
    #[arg(long, value_name = "DIR")]
    model: Vec<PathBuf>,

    /// Catalogue of the models that came later, in place of the first
    #[arg(long, value_name = "NAME", requires = "model")]
    catalogue: Option<String>,

    /// Gates to weigh the segment experts by, each model with each of them: `swapped` gives every
    /// expert's weight to the next one. The models need a gate that learned
    #[arg(long, value_enum, value_delimiter = ',', value_name = "GATE,…", requires = "model")]
    gate: Vec<Gate>,

    /// Ask the transformers of the models alone, without the scorers beside them
    #[arg(long, requires = "model")]
    transformer_alone: bool,

    /// How the log is split into past and future; `loo` leaks the future, as papers do
    #[arg(long, value_enum, default_value_t = Split::Time)]
    protocol: Split,

    /// Share of the events before the test, of the protocol `time`
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    quantile: f64,

    /// Leave the baselines out
    #[arg(long, requires = "model")]
    no_baselines: bool,

    /// Recommend again what a user has met, and count it as a target
    #[arg(long)]
    keep_seen: bool,

    /// Histories to go on from, items of one user a line; needs `--targets`
    #[arg(long, value_name = "FILE", requires = "targets")]
    histories: Option<PathBuf>,

    /// What came next, by the lines of `--histories`
    #[arg(long, value_name = "FILE", requires = "histories")]
    targets: Option<PathBuf>,

    /// Events of each user after the cut that are asked about one after another, with all before
    /// them revealed: at most so many, spread evenly; 0 leaves this out
    #[arg(long, value_name = "N", default_value_t = 20)]
    successive: usize,

    /// Resamples of users behind an interval
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    resamples: u32,

    /// Where all numbers go, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Where the scores of each user go, a line of JSON for each
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,

    /// Where a page goes, as HTML
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Gate {
    /// As it was learned
    Learned,
    /// All experts the same
    Uniform,
    /// By weights that are drawn
    Random,
    /// The weight of each expert for the next one
    Swapped,
}

impl Gate {
    fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Uniform => "uniform",
            Self::Random => "random",
            Self::Swapped => "swapped",
        }
    }

    fn of_segments(self) -> SegmentGate {
        match self {
            Self::Learned => SegmentGate::Learned,
            Self::Uniform => SegmentGate::Uniform,
            Self::Random => SegmentGate::Random,
            Self::Swapped => SegmentGate::Swapped,
        }
    }
}

/// Seed of gates that are drawn.
const GATE_SEED: u64 = 1;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    /// At one moment for all users, as a service lives
    Time,
    /// Everybody's last event, with what others did later known
    Loo,
}

impl Recommendation {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let models = self.models()?;
        let options = Options {
            protocol: match self.protocol {
                Split::Time => Protocol::Time { quantile: self.quantile },
                Split::Loo => Protocol::LeaveOneOut,
            },
            has_baselines: !self.no_baselines,
            keeps_seen: self.keep_seen,
            successive: self.successive,
            bootstrap: Bootstrap { resamples: self.resamples as usize, ..Default::default() },
        };
        let log = self.data.as_deref().map(|path| load(path, self.columns.as_ref())).transpose()?;
        let log = log.map(|log| log.with_read_feedback(&self.read_feedback));
        let evaluation = match (&self.histories, &self.targets) {
            (Some(histories), Some(targets)) => {
                self.of_lines(log.as_ref(), histories, targets, &options, &models)?
            }
            _ => {
                let log = log.as_ref().context("name a log with `--data PATH`")?;
                evaluate(log, &options, &models, say)?
            }
        };
        print!("{evaluation}");
        self.write(&evaluation)
    }

    /// Each model, with each gate that was asked for.
    fn models(&self) -> anyhow::Result<Vec<Named>> {
        let gates: Vec<Option<Gate>> = match self.gate.is_empty() {
            true => vec![None],
            false => self.gate.iter().copied().map(Some).collect(),
        };
        let pairs = self.model.iter().flat_map(|path| gates.iter().map(move |gate| (path, *gate)));
        pairs.map(|(path, gate)| self.open(path, gate)).collect()
    }

    fn open(&self, path: &Path, gate: Option<Gate>) -> anyhow::Result<Named> {
        let files = Files::Folder(path.to_owned());
        let mut model = match &self.catalogue {
            Some(name) => files.load_recommendation_of(name, &Device::Cpu)?,
            None => files.load_recommendation(&Device::Cpu)?,
        };
        let mut name = path.display().to_string();
        if let Some(gate) = gate {
            let of_model = || format!("`--gate {}` with `{name}`", gate.name());
            model = model.with_gate(gate.of_segments(), GATE_SEED).with_context(of_model)?;
            name = format!("{name} ({})", gate.name());
        }
        if self.transformer_alone {
            model.blend = Blend { rules: model.blend.rules, ..Blend::default() };
        }
        Ok((name, Arc::new(Recommender::new(model)?)))
    }

    /// Evaluates on two files, with the items of the log, or without one of the first model.
    fn of_lines(
        &self,
        log: Option<&Interactions>,
        histories: &Path,
        targets: &Path,
        options: &Options,
        models: &[Named],
    ) -> anyhow::Result<Evaluation> {
        let options = &Options { protocol: Protocol::LeaveOneOut, ..*options };
        let train = match (log, models.first()) {
            (Some(log), _) => log.clone(),
            (None, Some((_, model))) => catalogue(model.items()),
            (None, None) => bail!("name a model with `--model DIR`, or a log with `--data PATH`"),
        };
        let trial = Trial::of_lines(train, histories, targets, self.keep_seen)?;
        Ok(evaluate_trial(trial, log, options, models, say)?)
    }

    fn write(&self, evaluation: &Evaluation) -> anyhow::Result<()> {
        if let Some(path) = &self.json {
            fs_err::write(path, evaluation.to_json())?;
        }
        if let Some(path) = &self.scores {
            fs_err::write(path, evaluation.users_as_lines())?;
        }
        if let Some(path) = &self.report {
            fs_err::write(path, evaluation.to_html())?;
        }
        Ok(())
    }
}

fn load(path: &Path, columns: Option<&ColumnNames>) -> anyhow::Result<Interactions> {
    let columns = columns.cloned().unwrap_or_default();
    let (log, Faults { count, first }) = Interactions::load_with(path, &columns)?;
    if count > 0 {
        tracing::warn!("{count} malformed lines were left out, the first of them:");
        first.iter().for_each(|fault| tracing::warn!("{fault}"));
    }
    Ok(log)
}

/// A log in which nothing happened yet.
fn catalogue(ids: &[String]) -> Interactions {
    let item =
        |id: &String| dragoman_core::recommend::Item { id: id.clone(), ..Default::default() };
    let items = ids.iter().map(item).collect();
    Interactions::new(Vec::new(), items, vec![String::new()], [])
}

fn say(choice: &str) {
    tracing::info!("{choice}");
}
