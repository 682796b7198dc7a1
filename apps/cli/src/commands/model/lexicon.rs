//! `dragoman model lexicon`

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use dragoman_core::directory::Edit;
use dragoman_data::corpus::Corpus;
use dragoman_training::{
    evaluate::LanguagePair,
    lexicon::{Counter, LexiconConfig},
};

/// Give a model a lexicon: what single words become, counted in sentence pairs, which helps where the
/// model has met a word too rarely
#[derive(Debug, Args)]
pub(super) struct Lexicon {
    /// Folder of the model to change
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL")]
    model: Option<PathBuf>,

    /// Sentence pairs, such as `corpora/{pair}.tsv.gz`, where `{pair}` stands for `en-de` in both
    /// directions, or a table whose first line names its languages. May be repeated
    #[arg(long, value_name = "FILE", required_unless_present = "remove")]
    data: Vec<String>,

    /// Directions, such as `en-de,de-en` [default: all routes of the model]
    #[arg(long, value_name = "PAIRS", value_delimiter = ',')]
    pairs: Vec<LanguagePair>,

    /// Links between two words at least
    #[arg(long, value_name = "N", default_value_t = 2)]
    min_count: u32,

    /// Words that are more than one in so many are favoured within compounds only: the model knows them
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rarer_than: usize,

    /// Take the lexicon away
    #[arg(long, conflicts_with_all = ["data", "pairs"])]
    remove: bool,
}

impl Lexicon {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Some(folder) = &self.model else {
            bail!("name the model to change with `--model DIR`");
        };
        let edit = Edit::open(folder).context("opening the model")?;
        if self.remove {
            edit.commit_lexicon(None)?;
            println!("the model has no lexicon now");
            return Ok(());
        }
        let pairs: Vec<LanguagePair> = match self.pairs.is_empty() {
            false => self.pairs.clone(),
            true => {
                let routes = edit.register().routes.iter().filter(|r| r.between.is_empty());
                let pair = |route: &dragoman_core::register::Route| LanguagePair {
                    source: route.source.clone(),
                    target: route.target.clone(),
                };
                routes.map(pair).collect()
            }
        };
        if pairs.is_empty() {
            bail!("say with `--pairs en-de,de-en` for which directions");
        }
        let config = LexiconConfig {
            min_count: self.min_count,
            rarer_than: self.rarer_than,
            ..LexiconConfig::default()
        };
        let mut lexicon = edit.files().lexicon(edit.register())?.unwrap_or_default();
        let mut done: BTreeSet<String> = BTreeSet::new();
        for pair in &pairs {
            if done.contains(&pair.to_string()) {
                continue;
            }
            let counter = self.count(pair)?;
            if counter.pairs() == 0 {
                bail!("`--data` names no sentence pairs of {pair}");
            }
            let sentences = counter.pairs();
            for (direction, entries) in
                [pair.clone(), pair.reversed()].iter().zip(counter.finish(&config))
            {
                if !pairs.contains(direction) {
                    continue;
                }
                lexicon.insert(&direction.to_string(), &entries);
                println!("{direction}: {} words of {sentences} sentence pairs", entries.len());
                done.insert(direction.to_string());
            }
        }
        edit.commit_lexicon(Some(&lexicon))?;
        Ok(())
    }

    /// The sentence pairs of `pair`, whichever way round the files have them.
    fn count(&self, pair: &LanguagePair) -> anyhow::Result<Counter> {
        let mut counter = Counter::default();
        for pattern in &self.data {
            if let Some(corpus) = Corpus::of_pair(pattern, &pair.source, &pair.target) {
                let pairs = corpus.pairs_from(&pair.source)?;
                pairs.iter().for_each(|(source, target)| counter.add(source, target));
            }
        }
        Ok(counter)
    }
}
