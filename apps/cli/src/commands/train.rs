//! `dragoman train`

mod recommendation;
mod replace;
mod routing;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Subcommand};
use dragoman_core::collective::Ranks;
use dragoman_training::{
    config::RunConfig,
    control::{Control, Ended},
    tasks::translation::{RunPaths, TrainConfig, train_on, use_held_out},
    trainer::Summary,
};

use self::routing::RoutingArgs;
use crate::{
    interrupt::{Interrupted, listen_on},
    ranks,
};

/// Train a model
#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Translation(Translation),
    Recommendation(recommendation::Recommendation),
}

/// How long a run may take, and how it shows itself
#[derive(Debug, Args)]
struct Budget {
    /// Budget of the whole run in minutes, whatever the settings say
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,

    /// Budget of the whole run in steps, whatever the settings say
    #[arg(long)]
    steps: Option<u64>,

    /// Stop this session after so many minutes; the same command goes on later
    #[arg(long, value_name = "MINUTES")]
    session_minutes: Option<f64>,

    /// Show nothing while training
    #[arg(long)]
    quiet: bool,
}

/// Train a translation model on a packed corpus, or go on with a run that was stopped
#[derive(Debug, Args)]
struct Translation {
    /// Settings of the run, such as `training/configs/tiny.toml`
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Corpus written by `dragoman data pack`
    #[arg(long, value_name = "DIR")]
    corpus: PathBuf,

    /// Where the paths of the dev sets in the settings start from; without dev sets, the sentences that
    /// `data pack` held out choose the best weights
    #[arg(long, value_name = "DIR", default_value = ".")]
    dev: PathBuf,

    /// Where checkpoints, the report and the model go
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    out: PathBuf,

    /// Where to compute, whatever the settings say: `cpu`, `cuda:0`, or `cuda`, which gives each of several
    /// ranks the GPU of its number
    #[arg(long)]
    device: Option<String>,

    /// Begin with the weights of this model instead of chance
    #[arg(long, value_name = "DIR")]
    start_from: Option<PathBuf>,

    #[command(flatten)]
    budget: Budget,

    #[command(flatten)]
    routing: RoutingArgs,
}

impl Train {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Translation(command) => command.run(),
            What::Recommendation(command) => command.run(),
        }
        .context("training")
    }
}

impl Translation {
    fn run(self) -> anyhow::Result<()> {
        // Before anything that may fail: what fails on all ranks is said by one of them.
        let ranks = ranks::join()?;
        self.train(&ranks).map_err(|error| ranks::fail(&ranks, error))
    }

    fn train(self, ranks: &Ranks) -> anyhow::Result<()> {
        let (mut config, control) = ranks.on_all(self.prepare(ranks))?;
        let Self { corpus, dev, out, budget, .. } = self;
        let mut paths = RunPaths { corpus, dev, out, quiet: budget.quiet };
        use_held_out(&mut config.dev, &mut paths);
        closing_words(ranks, &train_on(ranks, &config, &paths, &control)?)
    }

    /// The settings with what was asked for in their place, and what ends the session.
    fn prepare(&self, ranks: &Ranks) -> anyhow::Result<(TrainConfig, Control)> {
        let mut config = TrainConfig::load(&self.config)?;
        config.device = self.device.clone().unwrap_or(config.device);
        config.start_from = self.start_from.clone().or(config.start_from);
        self.budget.apply(&mut config.run);
        self.routing.apply(&mut config)?;
        Ok((config, self.budget.control(ranks)?))
    }
}

impl Budget {
    /// Puts what was asked for in place of the settings.
    fn apply(&self, run: &mut RunConfig) {
        run.budget.minutes = self.minutes.unwrap_or(run.budget.minutes);
        run.budget.steps = self.steps.unwrap_or(run.budget.steps);
    }

    /// Listens for Ctrl-C, and for the end of the session.
    fn control(&self, ranks: &Ranks) -> anyhow::Result<Control> {
        let mut control = Control::default();
        if let Some(minutes) = self.session_minutes {
            let limit = Duration::try_from_secs_f64(minutes * 60.0);
            let limit = limit.with_context(|| {
                format!("`--session-minutes {minutes}`; it must be a number from 0 on")
            })?;
            control = control.with_time_limit(limit);
        }
        listen_on(ranks, &control)?;
        Ok(control)
    }
}

/// Says how a session ended, on the first rank.
///
/// # Errors
/// Fails after Ctrl-C, so that the process says so, too.
fn closing_words(ranks: &Ranks, summary: &Summary) -> anyhow::Result<()> {
    let Summary { step, reason, .. } = summary;
    let model = summary.model.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    match summary.ended {
        _ if !ranks.is_first() => {}
        Ended::Finished => println!("finished at step {step}, as {reason}; the model: {model}"),
        _ => println!("stopped at step {step}; the same command goes on from here"),
    }
    match summary.ended {
        Ended::Interrupted => Err(Interrupted.into()),
        _ => Ok(()),
    }
}
