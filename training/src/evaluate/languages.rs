//! A direction of translation, written `en-de`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Source and target language, both ISO 639-1 codes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguagePair {
    /// The language to translate from.
    pub source: String,
    /// The language to translate into.
    pub target: String,
}

impl LanguagePair {
    /// The other direction.
    pub fn reversed(&self) -> Self {
        Self { source: self.target.clone(), target: self.source.clone() }
    }
}

impl fmt::Display for LanguagePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.target)
    }
}

impl FromStr for LanguagePair {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_code = |code: &str| {
            (2..=8).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric())
        };
        match text.split_once('-') {
            Some((source, target)) if is_code(source) && is_code(target) => {
                Ok(Self { source: source.into(), target: target.into() })
            }
            _ => Err(Error::LanguagePair(text.into())),
        }
    }
}

impl TryFrom<String> for LanguagePair {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<LanguagePair> for String {
    fn from(pair: LanguagePair) -> Self {
        pair.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_reads_as_it_is_written() -> Result<(), Error> {
        let pair: LanguagePair = "en-de".parse()?;
        assert_eq!(pair.to_string(), "en-de");
        assert_eq!(pair.reversed().to_string(), "de-en");
        for wrong in ["", "en", "en-", "-de", "en-d e", "english"] {
            assert!(wrong.parse::<LanguagePair>().is_err(), "`{wrong}` is no pair");
        }
        Ok(())
    }
}
