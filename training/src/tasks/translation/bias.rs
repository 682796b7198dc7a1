//! What a lexicon adds to the logits while a model learns: the same as in the search
//! ([`dragoman_core::lexicon`]), with the translation up to each label in place of the hypothesis. The model
//! learns what the lexicon does not say.

use std::{path::Path, sync::Arc};

use dragoman_core::{
    decoding::hints::Hints,
    directory::{Edit, Files},
    lexicon::Lexicon,
    models::translation::{Example, TranslationBatch},
    vocabulary::{Vocabulary, word_beginnings},
};

use crate::{Error, Result, loss::Bonuses};

/// The lexicon, and what the search knows of the tokens.
#[derive(Debug)]
pub(super) struct LexiconBias {
    lexicon: Lexicon,
    /// Whether each token begins a word.
    begins: Vec<bool>,
}

/// A micro-batch, and what the lexicon says of it.
#[derive(Debug)]
pub(crate) struct BiasedBatch {
    pub(super) pairs: TranslationBatch,
    pub(super) bonuses: Arc<Bonuses>,
}

impl LexiconBias {
    pub(super) fn new(lexicon: Lexicon, vocabulary: &dyn Vocabulary) -> Self {
        Self { lexicon, begins: word_beginnings(vocabulary) }
    }

    /// Whether each token begins a word.
    pub(super) fn begins(&self) -> &[bool] {
        &self.begins
    }

    /// What a search is told of the words of `text`.
    pub(super) fn hints(
        &self,
        direction: &str,
        text: &str,
        vocabulary: &dyn Vocabulary,
    ) -> Option<Hints> {
        self.lexicon.hints(direction, text, vocabulary)
    }

    /// The tokens that get a bonus before each label of `example`, whose sentences are `source` and `target`.
    pub(super) fn of(
        &self,
        direction: &str,
        [source, target]: [&[u32]; 2],
        example: &Example,
        vocabulary: &dyn Vocabulary,
    ) -> Vec<Vec<(u32, f32)>> {
        let text = vocabulary.decode(source);
        let Some(hints) = self.hints(direction, &text, vocabulary) else {
            return Vec::new();
        };
        let given = example.labels.len() - target.len() - 1;
        let before = (0..=target.len()).map(|n| hints.after(&target[..n], &self.begins));
        std::iter::repeat_n(Vec::new(), given).chain(before).collect()
    }

    /// Writes the lexicon beside the model in `dir`.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        Ok(Edit::open(dir)?.commit_lexicon(Some(&self.lexicon))?)
    }
}

/// The lexicon of the model in `dir`.
pub(super) fn load_lexicon(dir: &Path) -> Result<Lexicon> {
    let files = Files::Folder(dir.into());
    files.lexicon(&files.register()?)?.ok_or_else(|| {
        let reason =
            "`lexicon_from` names a model without a lexicon: `dragoman model lexicon` makes one";
        Error::Config { path: dir.into(), reason: reason.into() }
    })
}

impl BiasedBatch {
    /// `pairs` with the bonuses of each sentence.
    pub(super) fn new(pairs: TranslationBatch, of: &[Vec<Vec<(u32, f32)>>]) -> Self {
        let mut bonuses = Bonuses::default();
        for (rows, &start) in of.iter().zip(pairs.target_layout.offsets()) {
            bonuses.skip_to(start);
            rows.iter().for_each(|outputs| bonuses.push(outputs));
        }
        Self { pairs, bonuses: Arc::new(bonuses) }
    }
}
