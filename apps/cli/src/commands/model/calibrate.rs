//! `dragoman model calibrate`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use dragoman_core::{directory::Edit, translator::Translator};
use dragoman_training::{
    calibrate::{Calibrated, calibrate, load_sets},
    evaluate::LanguagePair,
};

use crate::models::SearchArgs;

/// Fit what a model says about the quality of its translations to sentences with references
#[derive(Debug, Args)]
pub(super) struct Calibrate {
    /// Folder of the model to change
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL")]
    model: Option<PathBuf>,

    #[command(flatten)]
    search: SearchArgs,

    /// Sentences with their translations, `source<TAB>target` a line, `{pair}` standing for `en-de` in
    /// both directions; or a folder with a file `en.txt` for each language. May be repeated
    #[arg(long, value_name = "FILE", required = true)]
    dev: Vec<String>,

    /// Directions, such as `en-de,de-en` [default: all routes of the model]
    #[arg(long, value_name = "PAIRS", value_delimiter = ',')]
    pairs: Vec<LanguagePair>,

    /// Sentences of each set and direction at most
    #[arg(long, value_name = "N", default_value_t = 500)]
    sentences: usize,
}

impl Calibrate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some(folder) = &self.model else {
            bail!("name the model to change with `--model DIR`");
        };
        let edit = Edit::open(folder).context("opening the model")?;
        let translator = Translator::open(&edit.files(), self.search.options())?;
        let directions: Vec<(String, String)> = match self.pairs.is_empty() {
            false => self.pairs.iter().map(|p| (p.source.clone(), p.target.clone())).collect(),
            true => {
                let routes = edit.register().routes.iter().filter(|r| r.between.is_empty());
                routes.map(|route| (route.source.clone(), route.target.clone())).collect()
            }
        };
        if directions.is_empty() {
            bail!("say with `--pairs en-de,de-en` for which directions");
        }
        let sets = load_sets(&self.dev, &directions, self.sentences)?;
        if sets.is_empty() {
            bail!("`--dev` names no sentences of a direction of this model");
        }
        let files = edit.files();
        let old = files.calibration(edit.register())?.unwrap_or_default();
        let (calibration, found) = calibrate(&translator, &sets, old)?;
        println!("direction  sentences  Pearson  Spearman  mean chrF++  mean estimate");
        for Calibrated { direction, sentences, pearson, spearman, score, estimate } in found {
            println!(
                "{direction:<9} {sentences:>10} {pearson:>8.2} {spearman:>9.2} {score:>12.1} {estimate:>14.1}"
            );
        }
        drop(translator);
        edit.commit_calibration(&calibration)?;
        println!(
            "correlations are of the half of the sentences that the other half was fitted for"
        );
        Ok(())
    }
}
