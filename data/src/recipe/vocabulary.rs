//! The tokenizer of a packed corpus: given, learned before, or learned now.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use dragoman_core::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    corpus::Corpus,
    tokenize::{TokenizerConfig, read_texts, train_tokenizer},
};

/// What a tokenizer was learned from, kept beside it as `tokenizer.made.json`: with other settings it
/// is stale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Made {
    /// SHA-256 of the tokenizer.
    sha256: String,
    /// The section `[tokenizer]`, as JSON.
    settings: String,
    /// The tokenizer that was extended.
    #[serde(default)]
    from: Option<PathBuf>,
    corpora: Vec<PathBuf>,
}

/// The corpora that a vocabulary is for.
pub(super) struct Vocabulary<'a> {
    pub(super) settings: &'a TokenizerConfig,
    /// A tokenizer that is extended instead of learning one.
    pub(super) from: Option<PathBuf>,
    /// What is packed, phrasebooks included.
    pub(super) packed: &'a [Corpus],
    /// What it is learned from.
    pub(super) texts: &'a [Corpus],
}

impl Vocabulary<'_> {
    /// Copies the tokenizer `given`, a `tokenizer.json` or the folder of a model, to `path`.
    pub(super) fn copy(&self, given: &Path, path: &Path) -> Result<Tokenizer> {
        let file = if given.is_dir() { given.join("tokenizer.json") } else { given.into() };
        let tokenizer = Tokenizer::load(&file)?;
        self.check(&tokenizer, &file)?;
        tokenizer.save(path)?;
        remove(&made_path(path))?;
        Ok(tokenizer)
    }

    /// The tokenizer at `path`, learned now unless it is there already, from the same settings and
    /// corpora. One that was put there by hand is used as it is.
    pub(super) fn at(&self, path: &Path) -> Result<Tokenizer> {
        let settings = self.settings();
        let written = serde_json::to_string(&settings).expect("settings are plain data");
        let made = match fs_err::read(made_path(path)) {
            Ok(bytes) => serde_json::from_slice::<Made>(&bytes).ok(),
            Err(_) => None,
        };
        if path.exists() {
            let tokenizer = Tokenizer::load(path)?;
            let own = made.filter(|made| made.sha256 == tokenizer.sha256());
            let Some(stale) = own.and_then(|made| self.changed(&made, &written)) else {
                self.check(&tokenizer, path)?;
                return Ok(tokenizer);
            };
            tracing::warn!("the tokenizer is learned again, because the recipe has other {stale}");
        }
        let languages: Vec<&str> = settings.languages.iter().map(String::as_str).collect();
        let tokenizer = match &self.from {
            Some(from) => Tokenizer::load(from)?.extended(&languages)?,
            None => train_tokenizer(&settings, &read_texts(self.texts)?)?,
        };
        self.check(&tokenizer, path)?;
        tokenizer.save(path)?;
        let sha256 = tokenizer.sha256().to_owned();
        let made =
            Made { sha256, settings: written, from: self.from.clone(), corpora: self.paths() };
        let json = serde_json::to_string_pretty(&made).expect("texts are plain data");
        fs_err::write(made_path(path), json)?;
        Ok(tokenizer)
    }

    /// The settings, with the languages of the corpora where the recipe names none.
    fn settings(&self) -> TokenizerConfig {
        let mut settings = self.settings.clone();
        if settings.languages.is_empty() {
            let both = self.packed.iter().flat_map(|corpus| [&corpus.source, &corpus.target]);
            let languages: BTreeSet<&String> = both.collect();
            settings.languages = languages.into_iter().cloned().collect();
        }
        settings
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.texts.iter().map(|corpus| corpus.path.clone()).collect()
    }

    /// What is no longer as it was when the tokenizer was learned.
    fn changed(&self, made: &Made, settings: &str) -> Option<&'static str> {
        let same_settings = made.settings == settings && made.from == self.from;
        match (same_settings, made.corpora == self.paths()) {
            (true, true) => None,
            (false, _) => Some("settings in `[tokenizer]`"),
            (true, false) => Some("corpora"),
        }
    }

    /// Refuses a tokenizer without a tag for a language that is translated into.
    fn check(&self, tokenizer: &Tokenizer, path: &Path) -> Result<()> {
        let targets = |corpus: &Corpus| match corpus.one_way {
            true => vec![corpus.target.clone()],
            false => vec![corpus.source.clone(), corpus.target.clone()],
        };
        let targets: BTreeSet<String> = self.packed.iter().flat_map(targets).collect();
        let missing: Vec<String> =
            targets.into_iter().filter(|code| tokenizer.language_tag(code).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let known: Vec<&str> = tokenizer.languages().collect();
        Err(Error::Config(format!(
            "the tokenizer `{}` has no tag for {}, only for {}: add it to `languages` in \
             `[tokenizer]` of the recipe, or leave that line out to have all languages of the \
             corpora; a file that was made elsewhere has to go",
            path.display(),
            missing.join(", "),
            if known.is_empty() { "no language".into() } else { known.join(", ") }
        )))
    }
}

fn made_path(tokenizer: &Path) -> PathBuf {
    tokenizer.with_extension("made.json")
}

fn remove(path: &Path) -> Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
