//! `dragoman train recommendation`

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use dragoman_core::collective::Ranks;
use dragoman_data::interactions::{ColumnNames, Interactions};
use dragoman_training::{
    control::Ended,
    recommendation::trial::Trial,
    tasks::recommendation::{Protocol, RunPaths, TrainConfig, train},
};

use super::{Budget, closing_words, replace::replace};
use crate::ranks::refuse_others;

/// Train a recommendation model on a log of interactions, or go on with a run that was stopped
#[derive(Debug, Args)]
pub(super) struct Recommendation {
    /// Settings of the run, such as `training/configs/recommend-small.toml`
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Log of interactions: a MovieLens folder, RecBole's atomic files, events.tsv, events.jsonl or
    /// sequences.txt
    #[arg(long, value_name = "PATH", required_unless_present = "from_store")]
    data: Option<PathBuf>,

    /// Names of the columns of a table's events, such as `user=visitor,item=sku,time=seen_at`; usual
    /// names are known
    #[arg(long, value_name = "PART=NAME,…", requires = "data")]
    columns: Option<ColumnNames>,

    /// Types of feedback that say only that a user saw an item, such as `read`: they are no events to
    /// learn, and negatives as far as `[objective] read_weight` says
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    read_feedback: Vec<String>,

    /// What the service gathered, in place of `--data`: the folder of a store that no server has
    /// open, or the address of a running server, such as `http://127.0.0.1:5000`
    #[arg(long, value_name = "DIR|URL", conflicts_with = "data")]
    from_store: Option<String>,

    /// Key of the server's admin API
    #[arg(long, value_name = "KEY", env = "DRAGOMAN_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,

    /// Tenant of the store
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,

    /// What is kept from the model: the newest events (time), everybody's last one (loo), or
    /// nothing in the end (all)
    #[arg(long, value_enum, default_value_t = Kept::All)]
    protocol: Kept,

    /// Share of the events before the cut of `--protocol time`
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    quantile: f64,

    /// Histories, a line of items for each user, whose next items choose the best weights
    #[arg(long, value_name = "FILE", requires = "dev_targets")]
    dev_histories: Option<PathBuf>,

    /// Next items of `--dev-histories`, a line for each user
    #[arg(long, value_name = "FILE", requires = "dev_histories")]
    dev_targets: Option<PathBuf>,

    /// Where checkpoints, the report and the model go
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    out: PathBuf,

    /// Model directory, such as the one of a running server, that the new model replaces if it is no
    /// worse after the cut of `--protocol time`
    #[arg(long, value_name = "DIR")]
    replace: Option<PathBuf>,

    /// Replace it also by a worse one
    #[arg(long, requires = "replace")]
    force: bool,

    /// Seed of the weights, the order of the data and every mask, whatever the settings say
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    budget: Budget,
}

/// What a run keeps from the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kept {
    Time,
    Loo,
    All,
}

impl Recommendation {
    pub(super) fn run(self) -> anyhow::Result<()> {
        refuse_others("train recommendation")?;
        let mut config = TrainConfig::load(&self.config)?;
        self.budget.apply(&mut config.run);
        config.run.seed = self.seed.unwrap_or(config.run.seed);
        if self.replace.is_some() && self.protocol != Kept::Time {
            bail!(
                "`--replace` compares models after a cut that neither has seen: add `--protocol time`"
            );
        }
        let log = self.log()?.with_read_feedback(&self.read_feedback);
        let protocol = match self.protocol {
            Kept::Time => Protocol::Time { quantile: self.quantile },
            Kept::Loo => Protocol::LeaveOneOut,
            Kept::All => Protocol::All,
        };
        let dev = match (&self.dev_histories, &self.dev_targets) {
            (Some(histories), Some(targets)) => {
                Some(Trial::of_lines(log.clone(), histories, targets, config.keep_seen)?)
            }
            _ => None,
        };
        if dev.is_some() && self.protocol == Kept::Time {
            bail!("`--protocol time` takes its development set from the log");
        }
        let paths = RunPaths { out: self.out, quiet: self.budget.quiet };
        let alone = Ranks::default();
        let control = self.budget.control(&alone)?;
        let summary = train(&config, &log, protocol, dev, &paths, &control)?;
        closing_words(&alone, &summary)?;
        match (&self.replace, &summary.model) {
            (Some(current), Some(model)) if summary.ended == Ended::Finished => {
                replace(current, model, &log, self.quantile, self.force)
            }
            _ => Ok(()),
        }
    }

    /// Reads the log, from files or from a store.
    fn log(&self) -> anyhow::Result<Interactions> {
        if let Some(place) = &self.from_store {
            return stored(place, &self.tenant, self.admin_key.as_deref());
        }
        let Some(data) = &self.data else { bail!("name a log with `--data PATH`") };
        let columns = self.columns.clone().unwrap_or_default();
        let (log, faults) = Interactions::load_with(data, &columns)?;
        for fault in &faults.first {
            eprintln!("skipped {fault}");
        }
        Ok(log)
    }
}

#[cfg(feature = "server")]
fn stored(place: &str, tenant: &str, admin_key: Option<&str>) -> anyhow::Result<Interactions> {
    crate::stored::interactions(place, tenant, admin_key)
}

#[cfg(not(feature = "server"))]
fn stored(_: &str, _: &str, _: Option<&str>) -> anyhow::Result<Interactions> {
    bail!("this build knows no store; export it, and train with `--data events.jsonl`")
}
