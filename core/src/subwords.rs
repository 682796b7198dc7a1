//! Words cut by merges of pairs after Moses' tokenizer, as subword-nmt and sacremoses do it.
//!
//! A text is normalised and tokenised by the rules of its language, with characters that Moses gives a
//! meaning escaped; each word is cut into units, and all units but the last of a word end in `@@`. The way
//! back joins units, and the detokenizer of the language decides where blanks stand.

mod bpe;
mod characters;
mod detokenise;
mod normalise;
mod rules;
mod tokenise;

use std::sync::Arc;

use bpe::{JOINER, Merges};
use detokenise::Detokeniser;
use rules::Rules;
use tokenise::{Tokeniser, is_blank};

/// The units of one side.
#[derive(Debug, Clone)]
pub struct Subwords(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    merges: Merges,
    normaliser: Rules,
    tokeniser: Tokeniser,
    detokeniser: Detokeniser,
}

impl Subwords {
    /// Reads a file of merges (`bpe.model`, `codes`) for texts of `language`, by its two letters.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn parse(content: &[u8], language: &str) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "is not UTF-8 text".to_string())?;
        Ok(Self(Arc::new(Parts {
            merges: Merges::parse(text)?,
            normaliser: normalise::rules(language),
            tokeniser: Tokeniser::new(language),
            detokeniser: Detokeniser::new(language),
        })))
    }

    /// The text with its punctuation normalised.
    pub fn normalise(&self, text: &str) -> String {
        self.0.normaliser.apply(text).trim_matches(is_blank).to_string()
    }

    /// Cuts a text into units.
    pub fn cut(&self, text: &str) -> Vec<String> {
        let words = self.0.tokeniser.tokens(&self.normalise(text));
        words.iter().flat_map(|word| self.0.merges.cut(word)).collect()
    }

    /// Joins units to a text.
    pub fn join<'a>(&self, units: impl Iterator<Item = &'a str>) -> String {
        let units = units.collect::<Vec<_>>().join(" ");
        self.0.detokeniser.text(&units.replace(&format!("{JOINER} "), ""))
    }
}
