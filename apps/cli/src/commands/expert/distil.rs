//! `dragoman expert distil`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dragoman_training::{
    config::Budget,
    control::Control,
    experts::{self, DistilRequest, Distilled},
};

use crate::models::ModelFolder;

/// Teach one route to a dense student, a small model of its own
#[derive(Debug, Args)]
pub(super) struct Distil {
    /// Folder to make
    dir: PathBuf,

    /// The route, with its domains: `en-de` or `en-de+it`
    #[arg(long, value_name = "ROUTE")]
    route: String,

    /// Corpus whose source sentences the model translates for the student; may be repeated
    #[arg(long, value_name = "FILE")]
    data: Vec<String>,

    /// Sets to measure on, as files with `{pair}` or folders of `en.txt`; may be repeated
    #[arg(long, value_name = "FILE")]
    dev: Vec<String>,

    /// Steps of training
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,

    /// By how much mean chrF++ may be below that of the model
    #[arg(long, value_name = "POINTS", default_value_t = 2.0)]
    max_drop: f64,

    /// Folder of the run [default: runs/ROUTE]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,

    /// Show nothing while training
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    model: ModelFolder,
}

impl Distil {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let control = Control::default();
        let hand = control.clone();
        ctrlc::set_handler(move || hand.stop()).context("listening for Ctrl-C")?;
        let Self { dir, route, data, dev, steps, max_drop, work, quiet, model } = self;
        let work = work.unwrap_or_else(|| PathBuf::from("runs").join(&route));
        let budget = Budget { steps, minutes: 0.0 };
        let out = dir.clone();
        let request = DistilRequest { route, data, dev, budget, out, work, max_drop, quiet };
        match experts::distil(&model.files()?, &request, &control).context("distilling")? {
            Distilled::Made([teacher, student]) => {
                let dir = dir.display();
                println!("{dir}: mean chrF++ {student:.2}, the model's is {teacher:.2}");
            }
            Distilled::Stopped => println!("stopped; the same command goes on from here"),
        }
        Ok(())
    }
}
