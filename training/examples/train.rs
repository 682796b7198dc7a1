//! Trains a translation model: `cargo run --release --example train -- CONFIG CORPUS DEV OUT`.

use std::path::PathBuf;

use anyhow::Context;
use dragoman_training::{
    control::Control,
    translation::{RunPaths, TrainConfig, train},
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let mut next = |what: &str| arguments.next().with_context(|| format!("name {what}"));
    let config = TrainConfig::load(&next("the configuration")?)?;
    let corpus = next("the folder with the packed corpus")?;
    let dev = next("the folder with the development sets")?;
    let out = next("the folder of the run")?;
    let control = Control::default();
    let stop = control.clone();
    ctrlc::set_handler(move || stop.stop()).context("watching for Ctrl-C")?;
    let summary = train(&config, &RunPaths { corpus, dev, out, quiet: false }, &control)?;
    println!("{summary:#?}");
    Ok(())
}
