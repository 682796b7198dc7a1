//! What a lexicon adds to the logits while a model learns: the same as in the search
//! ([`dragoman_core::lexicon`]), with the translation up to each label in place of the hypothesis. The model
//! learns what the lexicon does not say.

use std::{path::Path, sync::Arc};

use dragoman_core::{
    directory::{Edit, Files},
    lexicon::Lexicon,
    models::translation::{Example, TranslationBatch},
    vocabulary::{Vocabulary, begins_word},
};
use dragoman_data::batch::SentencePair;

use crate::{Error, Result, loss::Bonuses};

/// The lexicon, and what the search knows of the tokens.
#[derive(Debug)]
pub(super) struct Favoured {
    lexicon: Lexicon,
    /// Whether each token begins a word.
    begins: Vec<bool>,
}

/// A micro-batch, and what the lexicon says of it.
#[derive(Debug)]
pub(crate) struct FavouredBatch {
    pub(super) pairs: TranslationBatch,
    pub(super) bonuses: Arc<Bonuses>,
}

impl Favoured {
    /// The lexicon of the model in `dir`.
    pub(super) fn load(dir: &Path, vocabulary: &dyn Vocabulary) -> Result<Self> {
        let files = Files::Folder(dir.into());
        let Some(lexicon) = files.lexicon(&files.register()?)? else {
            let reason =
                "`lexicon_from` names a model without a lexicon: `dragoman model lexicon` \
                          makes one"
                    .into();
            return Err(Error::Config { path: dir.into(), reason });
        };
        let begins = (0..vocabulary.size() as u32).map(|id| begins_word(vocabulary, id)).collect();
        Ok(Self { lexicon, begins })
    }

    /// The tokens that get a bonus before each label of `example`, which is `pair` with what stands around it.
    pub(super) fn of(
        &self,
        direction: &str,
        pair: &SentencePair,
        example: &Example,
        vocabulary: &dyn Vocabulary,
    ) -> Vec<Vec<(u32, f32)>> {
        let text = vocabulary.decode(&pair.source);
        let Some(hints) = self.lexicon.hints(direction, &text, vocabulary) else {
            return Vec::new();
        };
        let given = example.labels.len() - pair.target.len() - 1;
        let before = (0..=pair.target.len()).map(|n| hints.after(&pair.target[..n], &self.begins));
        std::iter::repeat_n(Vec::new(), given).chain(before).collect()
    }

    /// Writes the lexicon beside the model in `dir`.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        Ok(Edit::open(dir)?.commit_lexicon(Some(&self.lexicon))?)
    }
}

impl FavouredBatch {
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
