//! What a model needs to know of its tokens, whatever tokenizer made them.

mod pieces;

use std::{borrow::Cow, fmt::Debug};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    tokenizer::{END, NUM_PLACEHOLDERS, Tokenizer},
};

pub use pieces::{FramePart, LanguageOf, Pieces, PiecesConfig, SideConfig, VOCABULARY_FILE};

/// Name of the file of our own tokenizer in a model directory.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// A side of a sentence pair: a model may cut source and target differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is translated.
    Source,
    /// What it becomes.
    Target,
}

/// The tokens around the text of a sentence pair, which say what is wanted of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Before the text of the source.
    pub before: Vec<u32>,
    /// Behind the text of the source.
    pub after: Vec<u32>,
    /// What the decoder is given before the first token that it chooses; at least one.
    pub start: Vec<u32>,
}

impl Frame {
    /// The source as the encoder sees it.
    pub fn source(&self, text: &[u32]) -> Vec<u32> {
        [&self.before, text, &self.after].concat()
    }
}

/// Which tokens a model may put out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// The token that ends a sentence.
    pub end: u32,
    /// The first id inside the softmax: those before have no probability.
    #[serde(default)]
    pub first: u32,
    /// Ids that have a share in the softmax, but are never chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned: Vec<u32>,
}

impl Outputs {
    /// `end` and all ids after it.
    pub fn from_end(end: u32) -> Self {
        Self { end, first: end, banned: Vec::new() }
    }
}

/// The tokens of a model: text to ids and back, and what stands around a text.
pub trait Vocabulary: Debug + Send + Sync {
    /// Number of tokens, `V`: ids are below it.
    fn size(&self) -> usize;

    /// Which tokens the model may put out.
    fn outputs(&self) -> &Outputs;

    /// Encodes a text, without what stands around it; special tokens in a text are text.
    fn encode(&self, side: Side, text: &str) -> Vec<u32>;

    /// Decodes a target, leaving out special tokens and ids outside the vocabulary.
    fn decode(&self, ids: &[u32]) -> String;

    /// How many [placeholders](crate::tokenizer::placeholder) are a token each, from the first on.
    fn placeholders(&self) -> usize {
        0
    }

    /// Names the token `id`, for display.
    fn token(&self, side: Side, id: u32) -> Option<String>;

    /// What stands around a text in translations between two languages.
    ///
    /// # Errors
    /// Fails when the vocabulary has no token for one of them and needs one.
    fn frame(&self, source: &str, target: &str) -> Result<Frame>;

    /// Fingerprint in hexadecimal, which a model and a packed corpus must share.
    fn sha256(&self) -> &str;

    /// Its files in a model directory, by name.
    fn files(&self) -> Vec<(String, Cow<'_, [u8]>)>;

    /// Our own tokenizer, if it is one: only that has reserved tags for languages to come.
    fn tokenizer(&self) -> Option<&Tokenizer> {
        None
    }

    /// Encodes many texts on all threads.
    fn encode_batch(&self, side: Side, texts: &[&str]) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode(side, text)).collect()
    }
}

/// Whether each token begins a word, or is none of a word.
pub fn word_beginnings(vocabulary: &dyn Vocabulary) -> Vec<bool> {
    (0..vocabulary.size() as u32).map(|id| begins_word(vocabulary, id)).collect()
}

fn begins_word(vocabulary: &dyn Vocabulary, id: u32) -> bool {
    let token = vocabulary.token(Side::Target, id).unwrap_or_default();
    // The marks of SentencePiece and of byte-level BPE for a space.
    token.chars().next().is_none_or(|first| matches!(first, '▁' | 'Ġ') || !first.is_alphanumeric())
}

/// Ours: the tag of the target's language before both sides, `</s>` behind the source.
impl Vocabulary for Tokenizer {
    fn placeholders(&self) -> usize {
        if self.has_placeholders() { NUM_PLACEHOLDERS } else { 0 }
    }

    fn size(&self) -> usize {
        self.vocab_size()
    }

    fn outputs(&self) -> &Outputs {
        static OUTPUTS: Outputs = Outputs { end: END, first: END, banned: Vec::new() };
        &OUTPUTS
    }

    fn encode(&self, _: Side, text: &str) -> Vec<u32> {
        Tokenizer::encode(self, text)
    }

    fn decode(&self, ids: &[u32]) -> String {
        Tokenizer::decode(self, ids)
    }

    fn token(&self, _: Side, id: u32) -> Option<String> {
        Tokenizer::token(self, id)
    }

    fn frame(&self, _: &str, target: &str) -> Result<Frame> {
        let tag = self.language_tag(target).ok_or_else(|| {
            let reason = format!("the tokenizer has no tag for the language `{target}`");
            crate::Error::Invalid(reason)
        })?;
        Ok(Frame { before: vec![tag], after: vec![END], start: vec![tag] })
    }

    fn sha256(&self) -> &str {
        Tokenizer::sha256(self)
    }

    fn files(&self) -> Vec<(String, Cow<'_, [u8]>)> {
        vec![(TOKENIZER_FILE.into(), self.as_json().into())]
    }

    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_tokenizer_puts_the_tag_of_the_target_in_front() -> Result<()> {
        let tokenizer = Tokenizer::from_pieces(&["en", "de"], &[], Vec::new())?;
        let frame = tokenizer.frame("en", "de")?;
        assert_eq!(frame.source(&[100]), [3, 100, END]);
        assert_eq!(frame.start, [3]);
        let error = tokenizer.frame("en", "fr").expect_err("no French");
        assert_eq!(error.to_string(), "the tokenizer has no tag for the language `fr`");
        Ok(())
    }
}
