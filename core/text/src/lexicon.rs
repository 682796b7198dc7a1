//! Words that are common in a language, and how they are usually written.
//!
//! The lists in `lexicon/` are the words that stand in the sentences of `data/samples/vocabulary` six
//! times or more, each in its most frequent form, and greetings: those with a capital within sentences are names and
//! German nouns. Other forms of a word are known by its stem.

use std::{collections::HashSet, sync::OnceLock};

use rust_stemmers::{Algorithm, Stemmer};

use crate::letters::base;

/// How a word is written within a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usual {
    /// In small letters.
    Small,
    /// With a capital: a name, or a German noun.
    Capital,
}

/// The words of one language.
struct Lexicon {
    stemmer: Stemmer,
    /// Stems of words in small letters.
    small: HashSet<String>,
    /// Words that have a capital, in small letters.
    capital: HashSet<String>,
    /// Their stems, where such words are inflected.
    capital_stems: HashSet<String>,
}

/// A language with its words.
struct Entry {
    code: &'static str,
    algorithm: Algorithm,
    words: &'static str,
    lexicon: OnceLock<Lexicon>,
}

const fn entry(code: &'static str, algorithm: Algorithm, words: &'static str) -> Entry {
    Entry { code, algorithm, words, lexicon: OnceLock::new() }
}

static ENTRIES: [Entry; 7] = [
    entry("de", Algorithm::German, include_str!("lexicon/de.txt")),
    entry("en", Algorithm::English, include_str!("lexicon/en.txt")),
    entry("es", Algorithm::Spanish, include_str!("lexicon/es.txt")),
    entry("fr", Algorithm::French, include_str!("lexicon/fr.txt")),
    entry("it", Algorithm::Italian, include_str!("lexicon/it.txt")),
    entry("nl", Algorithm::Dutch, include_str!("lexicon/nl.txt")),
    entry("pt", Algorithm::Portuguese, include_str!("lexicon/pt.txt")),
];

/// How `word`, in whatever case, is written within a sentence of `language`; `None` where it is not
/// known.
pub(crate) fn usual(word: &str, language: &str) -> Option<Usual> {
    let lexicon = lexicon(language)?;
    let word = word.to_lowercase();
    if lexicon.capital.contains(&word) {
        return Some(Usual::Capital);
    }
    let stem = lexicon.stemmer.stem(&word);
    if lexicon.small.contains(&*stem) {
        return Some(Usual::Small);
    }
    lexicon.capital_stems.contains(&*stem).then_some(Usual::Capital)
}

/// Whether the words of `language` are known.
pub(crate) fn is_known(language: &str) -> bool {
    lexicon(language).is_some()
}

fn lexicon(language: &str) -> Option<&'static Lexicon> {
    let code = base(language);
    let code = if code == "pb" { "pt" } else { code };
    let entry = ENTRIES.iter().find(|entry| entry.code == code)?;
    Some(entry.lexicon.get_or_init(|| Lexicon::new(entry)))
}

impl Lexicon {
    fn new(entry: &Entry) -> Self {
        let stemmer = Stemmer::create(entry.algorithm);
        let (capital, small): (Vec<&str>, Vec<&str>) =
            entry.words.lines().partition(|word| word.starts_with(char::is_uppercase));
        let stem = |word: &str| stemmer.stem(word).into_owned();
        let small = small.into_iter().map(stem).collect();
        let capital: HashSet<String> = capital.into_iter().map(str::to_lowercase).collect();
        let capital_stems = match entry.code {
            "de" => capital.iter().map(|word| stem(word)).collect(),
            _ => HashSet::new(),
        };
        Self { stemmer, small, capital, capital_stems }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_their_forms() {
        for (word, language, wanted) in [
            ("NOT", "en", Some(Usual::Small)),
            ("Windows", "en", Some(Usual::Small)),
            ("LONDON", "en", Some(Usual::Capital)),
            ("Fenstern", "de", Some(Usual::Capital)),
            ("WICHTIG", "de", Some(Usual::Small)),
            ("NICHT", "de", Some(Usual::Small)),
            ("JAMAIS", "fr", Some(Usual::Small)),
            ("NÃO", "pb", Some(Usual::Small)),
            ("USB", "en", None),
            ("NOT", "xx", None),
        ] {
            assert_eq!(usual(word, language), wanted, "{word}");
        }
        assert!(is_known("pt-BR") && !is_known("ja"));
    }
}
