//! A recipe: which corpora become the training data of a model, and how.

mod hold_out;
mod vocabulary;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    clean::CleanConfig,
    corpus::Corpus,
    pack::{Header, PackConfig, Phrasebook, pack},
    tokenize::TokenizerConfig,
};
use vocabulary::Vocabulary;

/// The folder beside a packed corpus with the sentences that were held out of it, where the recipe
/// names no development sets: a file such as `en-de.tsv` for each pair of languages.
pub const HELD_OUT: &str = "held-out";

/// All that leads from files of sentence pairs to a tokenizer and a packed corpus: a TOML file.
///
/// Paths start from a folder that is given when the recipe is run; those of phrasebooks and of
/// `tokenizer_from` start from the folder of the recipe. File names say the languages
/// (`en-de.train.tsv.gz`), and braces stand for several files (`wiki/en-{de,fr}.train.tsv.gz`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// How the vocabulary is learned; its languages are those of the corpora, if none are named.
    pub tokenizer: TokenizerConfig,
    /// A `tokenizer.json` that is extended ([`dragoman_core::tokenizer::Tokenizer::extended`]) instead of learning a new one, so
    /// that training can go on from the weights of its model.
    pub tokenizer_from: Option<PathBuf>,
    /// How often pairs are drawn in training, by the label of their corpus (its folder); 1 where
    /// nothing is said. A run's `[batches] weights` come before these.
    pub weights: BTreeMap<String, f64>,
    /// What is dropped.
    pub clean: CleanConfig,
    /// Corpora that serve both directions; of duplicates the first one stays.
    pub corpora: Vec<Source>,
    /// Corpora whose targets were made by a machine: they serve one direction.
    pub one_way: Vec<Source>,
    /// Corpora that only the tokenizer sees, so that later languages are not spelled in bytes.
    pub tokenizer_only: Vec<Source>,
    /// Dev and test sets, whose sentences are dropped from all corpora of their languages.
    pub held_out: Vec<Source>,
    /// The same as files with one language each.
    pub held_out_plain: Vec<PlainPair>,
    /// What is to be known best: packed several times, whatever is held out.
    pub phrasebooks: Vec<Phrases>,
    /// Where the recipe lies.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Files of pairs: a path, or a path with what is taken of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// A path; braces stand for several.
    Files(String),
    /// A part of the files.
    Selection(Selection),
}

/// A part of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// A path; braces stand for several.
    pub files: String,
    /// Sets (third column) that are left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// Lines that are read of each file, from its beginning; none: all.
    #[serde(default)]
    pub first: Option<usize>,
}

impl Source {
    /// The corpora, with paths that start from `base`.
    fn corpora(&self, base: &Path) -> Result<Vec<Corpus>> {
        let (files, without, first) = match self {
            Self::Files(files) => (files, &Vec::new(), None),
            Self::Selection(Selection { files, without, first }) => (files, without, *first),
        };
        let named =
            |path: String| Ok(Corpus::from_name(base.join(path))?.without(without).first(first));
        expand(files).into_iter().map(named).collect()
    }
}

/// The paths that a path with at most one pair of braces stands for.
fn expand(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}').map(|(choices, after)| (before, choices, after))
    });
    match parts {
        Some((before, choices, after)) => {
            choices.split(',').map(|choice| format!("{before}{}{after}", choice.trim())).collect()
        }
        None => vec![path.to_owned()],
    }
}

/// A table of phrases in several languages ([`Corpus::table`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrases {
    /// The file, from the folder of the recipe.
    pub file: PathBuf,
    /// How many times each phrase is packed.
    pub repeat: usize,
}

/// Two plain files, line by line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainPair {
    /// Code of the first language.
    pub source: String,
    /// Its file.
    pub source_file: PathBuf,
    /// Code of the second language.
    pub target: String,
    /// Its file.
    pub target_file: PathBuf,
}

impl Recipe {
    /// Reads the TOML file at `path`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let recipe: Self = toml::from_str(&text)
            .map_err(|error| Error::Config(format!("{}: {error}", path.display())))?;
        Ok(Self { folder: path.parent().unwrap_or(Path::new("")).into(), ..recipe })
    }

    /// Makes `tokenizer.json` (unless one with these settings is there already), `corpus.bin` and
    /// `corpus.json` in `out`, from corpora whose paths start from `base`.
    ///
    /// Where nothing is named as held out, some sentences of large corpora are, in [`HELD_OUT`].
    pub fn run(&self, base: &Path, out: &Path) -> Result<Header> {
        self.run_with(base, out, None)
    }

    /// The same with the tokenizer of a model, or a `tokenizer.json`.
    pub fn run_with(&self, base: &Path, out: &Path, tokenizer: Option<&Path>) -> Result<Header> {
        fs_err::create_dir_all(out)?;
        let corpora = self.training(base)?;
        let phrasebooks = self.phrasebooks()?;
        let mut texts = corpora.clone();
        texts.extend(named(base, &self.tokenizer_only)?);
        let mut packed = corpora.clone();
        packed.extend(phrasebooks.iter().map(|book| book.corpus.clone()));
        let vocabulary = Vocabulary {
            settings: &self.tokenizer,
            from: self.tokenizer_from.as_ref().map(|from| self.folder.join(from)),
            packed: &packed,
            texts: &texts,
        };
        let path = out.join("tokenizer.json");
        let tokenizer = match tokenizer {
            Some(given) => vocabulary.copy(given, &path)?,
            None => vocabulary.at(&path)?,
        };
        let mut held_out = self.held_out(base)?;
        let folder = hold_out::folder(out);
        match held_out.is_empty() {
            true => held_out = hold_out::hold_out(&corpora, &self.clean, &folder)?,
            false => hold_out::clear(&folder)?,
        }
        let (clean, weights) = (self.clean.clone(), self.weights.clone());
        let config = PackConfig { corpora, clean, held_out, phrasebooks, weights };
        pack(&config, &tokenizer, out.join("corpus.bin"))
    }

    fn training(&self, base: &Path) -> Result<Vec<Corpus>> {
        let mut corpora = named(base, &self.corpora)?;
        corpora.extend(named(base, &self.one_way)?.into_iter().map(Corpus::one_way));
        Ok(corpora)
    }

    fn held_out(&self, base: &Path) -> Result<Vec<Corpus>> {
        let mut sets = named(base, &self.held_out)?;
        for pair in &self.held_out_plain {
            let corpus = Corpus::new(base.join(&pair.source_file), &pair.source, &pair.target);
            sets.push(corpus.with_target(base.join(&pair.target_file)));
        }
        Ok(sets)
    }

    fn phrasebooks(&self) -> Result<Vec<Phrasebook>> {
        let mut books = Vec::new();
        for Phrases { file, repeat } in &self.phrasebooks {
            let pairs = Corpus::table(self.folder.join(file))?;
            books.extend(pairs.into_iter().map(|corpus| Phrasebook { corpus, repeat: *repeat }));
        }
        Ok(books)
    }
}

fn named(base: &Path, sources: &[Source]) -> Result<Vec<Corpus>> {
    let corpora = sources.iter().map(|source| source.corpora(base));
    Ok(corpora.collect::<Result<Vec<_>>>()?.concat())
}

#[cfg(test)]
mod tests {
    use dragoman_core::tokenizer::Tokenizer;

    use super::*;

    #[test]
    fn the_samples_are_packed_as_a_recipe_says() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let recipe: Recipe = toml::from_str(
            r#"
            corpora = ["en-de.tsv"]
            one_way = ["en-fr.tsv"]
            [tokenizer]
            vocab_size = 600
            languages = ["de", "en", "fr"]
            "#,
        )?;
        let header = recipe.run(Path::new("samples"), dir.path())?;
        let one_way: Vec<bool> = header.segments.iter().map(|segment| segment.one_way).collect();
        assert_eq!(one_way, [false, true]);
        // A second run keeps the tokenizer.
        assert_eq!(recipe.run(Path::new("samples"), dir.path())?.sha256, header.sha256);
        Ok(())
    }

    #[test]
    fn phrases_are_packed_as_often_as_asked_for_whatever_is_held_out() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, text: &str| fs_err::write(dir.path().join(name), text);
        write("en-de.tsv", "good morning\tguten Morgen\nthe moon\tder Mond\n")?;
        write("en-de.dev.tsv", "good morning\tguten Morgen\n")?;
        write("phrases.tsv", "en\tde\ngood morning\tguten Morgen\nBerlin\tBerlin\n")?;
        write(
            "recipe.toml",
            r#"
            corpora = ["en-de.tsv"]
            held_out = ["en-de.dev.tsv"]
            phrasebooks = [{ file = "phrases.tsv", repeat = 3 }]
            [tokenizer]
            vocab_size = 600
            languages = ["de", "en"]
            "#,
        )?;
        let recipe = Recipe::load(&dir.path().join("recipe.toml"))?;
        let header = recipe.run(dir.path(), &dir.path().join("packed"))?;
        let pairs: Vec<usize> = header.segments.iter().map(|segment| segment.pairs).collect();
        assert_eq!(pairs, [1, 6]);
        Ok(())
    }

    #[test]
    fn files_sets_and_weights_are_chosen_and_languages_follow() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, text: &str| fs_err::write(dir.path().join(name), text);
        write("en-de.tsv", "one day\tein Tag\tfirst\ntwo days\tzwei Tage\tsecond\n")?;
        write("en-it.tsv", "one day\tun giorno\nthree days\ttre giorni\n")?;
        let recipe: Recipe = toml::from_str(
            r#"
            corpora = [{ files = "en-{de,it}.tsv", without = ["second"], first = 1 }]
            weights = { news = 2.5 }
            tokenizer.vocab_size = 600
            "#,
        )?;
        let header = recipe.run(dir.path(), &dir.path().join("packed"))?;
        let pairs: Vec<usize> = header.segments.iter().map(|segment| segment.pairs).collect();
        assert_eq!((pairs, header.weights["news"]), (vec![1, 1], 2.5));

        // Another recipe takes the vocabulary over and gives a new language a tag.
        let old = dir.path().join("packed/tokenizer.json");
        let more = Recipe {
            corpora: vec![Source::Files("en-de.tsv".into())],
            tokenizer: TokenizerConfig { languages: vec!["pt".into()], ..Default::default() },
            tokenizer_from: Some(old.clone()),
            ..Recipe::default()
        };
        more.run(dir.path(), &dir.path().join("more"))?;
        let old = Tokenizer::load(old)?;
        assert_eq!(old.languages().collect::<Vec<_>>(), ["de", "en", "it"]);
        let new = Tokenizer::load(dir.path().join("more/tokenizer.json"))?;
        assert!(new.extends(&old) && new.language_tag("pt").is_some());
        Ok(())
    }

    #[test]
    fn languages_come_from_the_corpora_and_a_stale_tokenizer_is_learned_again() -> anyhow::Result<()>
    {
        let dir = tempfile::tempdir()?;
        let base = Path::new("samples");
        let mut recipe =
            Recipe { corpora: vec![Source::Files("en-de.tsv".into())], ..Recipe::default() };
        recipe.tokenizer.vocab_size = 500;
        recipe.run(base, dir.path())?;
        let languages = || -> anyhow::Result<Vec<String>> {
            let tokenizer = Tokenizer::load(dir.path().join("tokenizer.json"))?;
            Ok(tokenizer.languages().map(str::to_owned).collect())
        };
        assert_eq!(languages()?, ["de", "en"]);
        recipe.corpora.push(Source::Files("en-fr.tsv".into()));
        recipe.run(base, dir.path())?;
        assert_eq!(languages()?, ["de", "en", "fr"]);

        // One that was put there by hand is not touched, but has to fit.
        fs_err::remove_file(dir.path().join("tokenizer.made.json"))?;
        recipe.corpora.push(Source::Files("en-nl.tsv".into()));
        let error = recipe.run(base, dir.path()).expect_err("there is no tag").to_string();
        assert!(error.contains("no tag for nl, only for de, en, fr"), "{error}");
        assert_eq!(languages()?, ["de", "en", "fr"]);
        Ok(())
    }

    #[test]
    fn the_tokenizer_of_a_model_is_taken_as_it_is() -> anyhow::Result<()> {
        let (model, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let own = Tokenizer::from_pieces(&["de", "en"], &[], Vec::new())?;
        own.save(model.path().join("tokenizer.json"))?;
        let recipe =
            Recipe { corpora: vec![Source::Files("en-de.tsv".into())], ..Recipe::default() };
        let base = Path::new("samples");
        let header = recipe.run_with(base, out.path(), Some(model.path()))?;
        assert_eq!(header.tokenizer, own.sha256());
        assert_eq!(recipe.run(base, out.path())?.tokenizer, own.sha256(), "it stays");
        let other =
            Recipe { corpora: vec![Source::Files("en-fr.tsv".into())], ..Recipe::default() };
        assert!(
            other.run_with(base, out.path(), Some(model.path())).is_err(),
            "it knows no French"
        );
        Ok(())
    }

    #[test]
    fn sentences_are_held_out_where_the_recipe_names_none() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let line = |i: u32| format!("The room has number {i}.\tDas Zimmer hat die Nummer {i}.\n");
        fs_err::write(dir.path().join("en-de.tsv"), (0..1200).map(line).collect::<String>())?;
        fs_err::write(dir.path().join("en-fr.tsv"), "The room.\tLa chambre.\n")?;
        let corpora = vec![Source::Files("en-de.tsv".into()), Source::Files("en-fr.tsv".into())];
        let mut recipe = Recipe { corpora, ..Recipe::default() };
        recipe.tokenizer.vocab_size = 450;
        let out = dir.path().join("out");
        let header = recipe.run(dir.path(), &out)?;
        let held_out = fs_err::read_to_string(out.join(HELD_OUT).join("en-de.tsv"))?;
        assert_eq!(held_out.lines().count(), 24);
        let pairs: Vec<usize> = header.segments.iter().map(|segment| segment.pairs).collect();
        assert_eq!(pairs, [1200 - 24, 1]);
        assert!(!out.join(HELD_OUT).join("en-fr.tsv").exists(), "too few to spare any");

        recipe.held_out = vec![Source::Files("en-fr.tsv".into())];
        assert_eq!(recipe.run(dir.path(), &out)?.segments[0].pairs, 1200);
        assert!(!out.join(HELD_OUT).exists());
        Ok(())
    }

    #[test]
    fn a_missing_corpus_is_named() {
        let recipe = Recipe {
            corpora: vec![Source::Files("nowhere/en-de.tsv".into())],
            ..Recipe::default()
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = recipe.run(Path::new("samples"), dir.path()).expect_err("no such file");
        assert!(error.to_string().contains("nowhere/en-de.tsv"), "{error}");
    }
}
