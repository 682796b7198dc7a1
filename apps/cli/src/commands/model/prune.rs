//! `dragoman model prune`

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use dragoman_core::{
    directory::Files,
    importance::Importance,
    translate::{Translate as _, TranslationJob},
    translator::Translator,
};

use crate::models::SearchArgs;

/// Sentences that are translated together.
const BATCH: usize = 32;

/// Write a model with fewer experts: those that a pair of languages needs most
///
/// For models whose tokens choose among many experts by a published rule, such as NLLB-MoE, which hardly
/// needs a fifth of them for one pair (Koishekenov et al. 2023).
#[derive(Debug, Args)]
pub(super) struct Prune {
    /// The model
    model: PathBuf,

    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Share of the experts to keep; the encoder keeps three times as many as the decoder
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    keep: f64,

    /// Sentences to measure with, one a line; what stands behind a tab is left out
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// Language of the sentences
    #[arg(long, value_name = "LANG")]
    from: String,

    /// Language to translate into
    #[arg(long, value_name = "LANG")]
    to: String,

    #[command(flatten)]
    search: SearchArgs,
}

impl Prune {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.out.exists() {
            bail!("`{}` is there already; name another folder", self.out.display());
        }
        if !(f64::MIN_POSITIVE..=1.0).contains(&self.keep) {
            bail!("`--keep` is a share of the experts, above 0 and at most 1");
        }
        let files = Files::Folder(self.model.clone());
        let translator =
            Translator::open(&files, self.search.options()).context("loading the model")?;
        let importance = self.measure(&translator)?;
        let kept = importance.most_important(translator.register(), self.keep);
        let before = translator.register().experts.len();
        let register = files.prune_to(&kept, &self.out).context("pruning")?;
        println!("{}: {} of {before} experts", self.out.display(), register.experts.len());
        Ok(())
    }

    fn measure(&self, translator: &Translator) -> anyhow::Result<Importance> {
        let text = fs_err::read_to_string(&self.data)?;
        let sentences: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split('\t').next())
            .filter(|line| !line.trim().is_empty())
            .collect();
        if sentences.is_empty() {
            bail!("`{}` has no sentences", self.data.display());
        }
        let job = |text: &&str| TranslationJob {
            source: self.from.clone(),
            target: self.to.clone(),
            domains: Vec::new(),
            text: text.to_string(),
            num_hypotheses: 1,
            trace: true,
            wanted: Default::default(),
        };
        let mut importance = Importance::default();
        for batch in sentences.chunks(BATCH) {
            let jobs: Vec<TranslationJob> = batch.iter().map(job).collect();
            importance.add(&translator.translate(&jobs)?);
        }
        Ok(importance)
    }
}
