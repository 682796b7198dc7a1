//! `dragoman evaluate`

mod recommendation;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use dragoman_pipeline::{TextRequest, translate};
use dragoman_training::{
    evaluate::{Evaluation, KnownTexts, TestSet, evaluate},
    metrics::significance::Bootstrap,
    tasks::translation::{DevConfig, DevSet, load_test_sets},
};

use crate::models::ModelArgs;

/// Measure how good a model is
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Translation(Translation),
    Recommendation(recommendation::Recommendation),
}

/// Score translations of test sets: BLEU, chrF, chrF++ and what else can go wrong
#[derive(Debug, Args)]
struct Translation {
    /// Files of pairs, as `NAME=PATTERN` with `{pair}` for `en-de`; serves both directions
    #[arg(long, value_name = "NAME=PATTERN")]
    pairs: Vec<String>,

    /// Folder with a file for each language (`en.txt`), as `NAME=DIR`
    #[arg(long, value_name = "NAME=DIR")]
    folder: Vec<String>,

    /// Directions, such as `en-de,de-en`; all of the model if none are named
    #[arg(long, value_delimiter = ',')]
    directions: Vec<String>,

    /// Sentences of each set and direction, spread over the file; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 0)]
    sentences: usize,

    /// Leave out what stands in this file of the training data, whatever its letter case and punctuation
    #[arg(long, value_name = "TSV")]
    without: Vec<PathBuf>,

    /// Domain experts to use
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,

    /// Say where 95 % of the scores of resampled sentences lie (bootstrap)
    #[arg(long)]
    intervals: bool,

    /// Folder for `evaluation.md` and `evaluation.json`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArgs,
}

impl Evaluate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            What::Translation(command) => command.run(),
            What::Recommendation(command) => command.run(),
        }
        .context("evaluating")
    }
}

impl Translation {
    fn run(self) -> anyhow::Result<()> {
        let sets = self.sets()?;
        let translator = self.model.open()?;
        let mut directions = Vec::new();
        for route in &translator.register().routes {
            let wanted = self.directions.is_empty() || self.directions.contains(&route.name);
            if wanted && !directions.contains(&(route.source.clone(), route.target.clone())) {
                directions.push((route.source.clone(), route.target.clone()));
            }
        }
        for name in &self.directions {
            let Some((source, target)) = name.split_once('-') else {
                bail!("`{name}` is no direction such as `en-de`");
            };
            let direction = (source.to_string(), target.to_string());
            if !directions.contains(&direction) {
                translator.check_pair(source, target)?; // through a third language, or an error
                directions.push(direction);
            }
        }
        let mut sets = load_test_sets(&DevConfig { sets }, ".".as_ref(), &directions)?;
        self.leave_out(&mut sets)?;
        let bootstrap = self.intervals.then(Bootstrap::default);
        let evaluation = evaluate(&sets, bootstrap, |sources, pair| {
            let request = TextRequest {
                domains: self.domain.clone(),
                ..TextRequest::new(pair.source.clone(), pair.target.clone())
            };
            let texts: Vec<&str> = sources.iter().map(String::as_str).collect();
            let translated = translate(&translator, &texts, &request)
                .map_err(|error| dragoman_training::Error::Translate(error.to_string()))?;
            Ok(translated.into_iter().map(|mut t| t.texts.swap_remove(0)).collect())
        })?;
        println!("{evaluation}");
        self.write(&evaluation)
    }

    fn sets(&self) -> anyhow::Result<Vec<DevSet>> {
        let mut sets = Vec::new();
        let named = |text: &str| match text.split_once('=') {
            Some((name, path)) => Ok((name.to_string(), path.to_string())),
            None => bail!("`{text}` is not of the form NAME=PATH"),
        };
        for text in &self.pairs {
            let (name, pattern) = named(text)?;
            let pairs = Some(pattern);
            sets.push(DevSet { name, pairs, folder: None, sentences: self.sentences });
        }
        for text in &self.folder {
            let (name, folder) = named(text)?;
            let folder = Some(folder);
            sets.push(DevSet { name, pairs: None, folder, sentences: self.sentences });
        }
        if sets.is_empty() {
            bail!("name a test set with `--pairs NAME=PATTERN` or `--folder NAME=DIR`");
        }
        Ok(sets)
    }

    /// Takes what `--without` names out of the sets.
    fn leave_out(&self, sets: &mut [TestSet]) -> anyhow::Result<()> {
        let mut known = KnownTexts::default();
        for path in &self.without {
            known.read(path)?;
        }
        let all: usize = sets.iter().map(|set| set.sources.len()).sum();
        let left_out: usize = sets.iter_mut().map(|set| known.leave_out(set)).sum();
        if !self.without.is_empty() {
            eprintln!("{left_out} of {all} sentences are left out");
        }
        match sets.iter().find(|set| set.sources.is_empty()) {
            Some(set) => bail!("nothing is left of `{}` {}", set.name, set.pair),
            None => Ok(()),
        }
    }

    fn write(&self, evaluation: &Evaluation) -> anyhow::Result<()> {
        let Some(out) = &self.out else { return Ok(()) };
        fs_err::create_dir_all(out)?;
        fs_err::write(out.join("evaluation.md"), evaluation.to_markdown())?;
        fs_err::write(out.join("evaluation.json"), evaluation.to_json())?;
        Ok(())
    }
}
