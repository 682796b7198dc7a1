//! The pairs of languages that a language model is asked for: nobody can ask it which it knows.

use std::str::FromStr;

/// A source and a target, written `en-ja`, or `en-pt_BR` where a code has a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Code of the language of the texts.
    pub source: String,
    /// Code of the language to translate into.
    pub target: String,
}

/// Why a text is no pair.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pair of languages; write it as `en-ja`, and a region as in `en-pt_BR`")]
pub struct PairError(String);

impl FromStr for Pair {
    type Err = PairError;

    fn from_str(text: &str) -> Result<Self, PairError> {
        let is_code = |code: &str| {
            let mut parts = code.split('_');
            let language = parts.next().unwrap_or_default();
            let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let is_language = (2..=3).contains(&language.len())
                && language.bytes().all(|byte| byte.is_ascii_lowercase());
            is_language && parts.all(|part| (2..=4).contains(&part.len()) && is_part(part))
        };
        match text.trim().split_once('-') {
            Some((source, target)) if is_code(source) && is_code(target) && source != target => {
                let code = |code: &str| code.replace('_', "-");
                Ok(Self { source: code(source), target: code(target) })
            }
            _ => Err(PairError(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_codes() {
        let pair: Pair = "en-pt_BR".parse().expect("a pair");
        assert_eq!((pair.source.as_str(), pair.target.as_str()), ("en", "pt-BR"));
        for text in ["", "en", "en-", "-en", "en-en", "english-german", "en-ja-ko", "EN-ja"] {
            assert_eq!(text.parse::<Pair>(), Err(PairError(text.into())));
        }
    }
}
