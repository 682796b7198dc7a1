//! The tokenizers of BLEU, character for character as in sacreBLEU, quirks included.

mod char;
mod intl;
mod v13a;
mod zh;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// How BLEU cuts a sentence into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Tokenizer {
    /// `mteval-v13a.pl`, the one of WMT: ASCII punctuation is cut off, numbers stay whole.
    #[default]
    #[serde(rename = "13a")]
    V13a,
    /// Every Chinese character is a word, the rest is cut as by `13a`.
    #[serde(rename = "zh")]
    Zh,
    /// Every character is a word.
    #[serde(rename = "char")]
    Char,
    /// `mteval-v14.pl --international-tokenization`: punctuation and symbols of all scripts.
    #[serde(rename = "intl")]
    Intl,
}

impl Tokenizer {
    /// Chooses the tokenizer for text in `language`, an ISO 639-1 code.
    ///
    /// Japanese, Thai, Khmer, Lao and Burmese write no spaces, and are scored by character;
    /// sacreBLEU asks for MeCab for Japanese, which is a dictionary of its own.
    pub fn for_language(language: &str) -> Self {
        match language {
            "zh" => Self::Zh,
            "ja" | "th" | "km" | "lo" | "my" => Self::Char,
            _ => Self::V13a,
        }
    }

    /// Cuts `line` into words, with one space between two of them.
    pub fn tokenize(self, line: &str) -> String {
        match self {
            Self::V13a => v13a::tokenize(line),
            Self::Zh => zh::tokenize(line),
            Self::Char => char::tokenize(line),
            Self::Intl => intl::tokenize(line),
        }
    }

    /// Name in signatures, such as `13a`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V13a => "13a",
            Self::Zh => "zh",
            Self::Char => "char",
            Self::Intl => "intl",
        }
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tokenizer {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let all = [Self::V13a, Self::Zh, Self::Char, Self::Intl];
        let found = all.into_iter().find(|tokenizer| tokenizer.name() == name);
        found.ok_or_else(|| Error::BleuTokenizer(name.into()))
    }
}
