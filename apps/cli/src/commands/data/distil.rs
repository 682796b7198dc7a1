//! `dragoman data distil`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use dragoman_core::translator::{Translator, TranslatorOptions};
use dragoman_data::corpus::Corpus;
use dragoman_pipeline::{TextRequest, translate};
use dragoman_training::{
    Error,
    distilled::{DistilledCorpus, Keep},
    evaluate::LanguagePair,
};
use serde_json::json;

use crate::models::{ModelFolder, open};

/// Let a model translate corpora, for another to learn from, or the same: what it finds that is nearest to the
/// translations there
#[derive(Debug, Args)]
pub(super) struct Distil {
    /// Sentence pairs, such as `corpora/{pair}.tsv.gz`, where `{pair}` stands for `en-de` in both
    /// directions, or a table whose first line names its languages. May be repeated
    #[arg(long, value_name = "FILE", required = true)]
    data: Vec<String>,

    /// Directions, such as `en-de,de-en`
    #[arg(long, value_name = "PAIRS", value_delimiter = ',', required = true)]
    pairs: Vec<LanguagePair>,

    /// Folder for `en-de.tsv` and others, to pack as `one_way`; a stopped run goes on there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Sentences of each direction, spread over the files; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 0)]
    sentences: usize,

    /// Hypotheses of each sentence
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=16))]
    beam: u8,

    /// Keep the best hypothesis by the model, whatever the corpus says
    #[arg(long)]
    best: bool,

    /// Leave sentences out whose nearest hypothesis has less chrF++ than this
    #[arg(long, value_name = "SCORE", default_value_t = 30.0, conflicts_with = "best")]
    min_score: f64,

    #[command(flatten)]
    model: ModelFolder,
}

impl Distil {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let options =
            TranslatorOptions { beam_size: self.beam.into(), ..TranslatorOptions::default() };
        let translator = open(&self.model.files()?, options)?;
        for LanguagePair { source, target } in &self.pairs {
            translator.check_pair(source, target)?;
        }
        for pair in &self.pairs {
            self.direction(pair, &translator)?;
        }
        Ok(())
    }

    fn direction(&self, pair: &LanguagePair, translator: &Translator) -> anyhow::Result<()> {
        let pairs = self.sentences(pair)?;
        if pairs.is_empty() {
            bail!("`--data` names no sentence pairs of {pair}");
        }
        let corpus = DistilledCorpus {
            pairs: &pairs,
            keep: if self.best { Keep::Best } else { Keep::Nearest(self.min_score) },
            out: self.out.join(format!("{pair}.tsv")),
            settings: json!({
                "data": self.data, "beam": self.beam, "model": translator.register(),
            }),
        };
        let request = TextRequest {
            num_hypotheses: self.beam.into(),
            ..TextRequest::new(pair.source.clone(), pair.target.clone())
        };
        let distilled = corpus.write(|texts| {
            let found = translate(translator, texts, &request);
            let found = found.map_err(|error| Error::Translate(error.to_string()))?;
            Ok(Some(found.into_iter().map(|translated| translated.texts).collect()))
        })?;
        if let Some(distilled) = distilled {
            println!("{pair}: {distilled}");
        }
        Ok(())
    }

    /// The sentences of `pair` and what people made of them.
    fn sentences(&self, pair: &LanguagePair) -> anyhow::Result<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for pattern in &self.data {
            if let Some(corpus) = Corpus::of_pair(pattern, &pair.source, &pair.target) {
                pairs.extend(corpus.pairs_from(&pair.source)?);
            }
        }
        let (all, wanted) = (pairs.len(), self.sentences);
        if wanted == 0 || wanted >= all {
            return Ok(pairs);
        }
        Ok((0..wanted).map(|i| pairs[i * all / wanted].clone()).collect())
    }
}
