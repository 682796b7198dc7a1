//! The words of a text and their stems.

use std::ops::Range;

use rust_stemmers::{Algorithm, Stemmer};

use crate::letters::{base, is_unspaced};

/// Letters of a word at least that counts as a part of a compound.
const MIN_PART: usize = 5;

/// The words of a text.
pub(super) struct Words {
    places: Vec<Range<usize>>,
    stems: Vec<String>,
    lower: Vec<String>,
    /// Whether the word before a word, or the beginning, is joined to it by a space or a hyphen.
    is_joined: Vec<bool>,
    has_signs: bool,
}

/// Whether words of `language` are compared by their stems.
pub fn has_stemmer(language: &str) -> bool {
    algorithm(language).is_some()
}

/// The words of `text`, written in `language`: letters and digits that stand together.
pub(super) fn words(text: &str, language: &str) -> Words {
    let stemmer = algorithm(language).map(Stemmer::create);
    let mut words = Words {
        places: Vec::new(),
        stems: Vec::new(),
        lower: Vec::new(),
        is_joined: Vec::new(),
        has_signs: false,
    };
    let mut end = 0;
    let mut rest = 0;
    while let Some(start) = text[rest..].find(char::is_alphanumeric).map(|at| rest + at) {
        let length = text[start..].find(|c: char| !c.is_alphanumeric() && !is_mark(c));
        let place = start..length.map_or(text.len(), |length| start + length);
        let between = &text[end..start];
        words.has_signs |= between.contains(|c: char| !is_joint(c));
        let is_joined = !between.is_empty() && between.chars().all(is_joint);
        words.is_joined.push(is_joined);
        let lower = text[place.clone()].to_lowercase();
        let stem = match &stemmer {
            Some(stemmer) => stemmer.stem(&lower).into_owned(),
            None => lower.clone(),
        };
        words.stems.push(stem);
        words.lower.push(lower);
        (end, rest) = (place.end, place.end);
        words.places.push(place);
    }
    words.has_signs |= text[end..].contains(|c: char| !is_joint(c));
    words
}

/// Whether a sign may stand between the words of a term.
fn is_joint(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '-' | '\u{2011}' | '\'' | '’' | '\n')
}

/// Whether a sign is part of the letter before it.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}')
}

impl Words {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn stem(&self, word: usize) -> &str {
        &self.stems[word]
    }

    pub(super) fn stems(&self) -> Vec<String> {
        self.stems.clone()
    }

    /// Whether the text has signs that do not join words.
    pub(super) fn has_signs(&self) -> bool {
        self.has_signs
    }

    /// Where these words stand.
    pub(super) fn range(&self, words: Range<usize>) -> Range<usize> {
        self.places[words.start].start..self.places[words.end - 1].end
    }

    /// Whether nothing but spaces and hyphens stands between these words.
    pub(super) fn are_joined(&self, words: Range<usize>) -> bool {
        self.is_joined[words.start + 1..words.end].iter().all(|joined| *joined)
    }

    /// How many words are compounds with `part`, in languages that write them as one word.
    pub(super) fn count_compounds(&self, part: &str, language: &str) -> usize {
        let part = part.to_lowercase();
        let is_compounding = matches!(language, "de" | "nl" | "da" | "sv" | "nb" | "fi" | "hu");
        if !is_compounding || part.chars().count() < MIN_PART {
            return 0;
        }
        self.lower.iter().filter(|word| word.contains(&part)).count()
    }
}

/// Where `term` stands in `text`, not as a part of a longer word.
pub(super) fn whole(text: &str, term: &str) -> Vec<Range<usize>> {
    if term.is_empty() {
        return Vec::new();
    }
    let goes_on = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let (first, last) = (term.starts_with(goes_on), term.ends_with(goes_on));
    let is_whole = |at: &Range<usize>| {
        let before = first && text[..at.start].ends_with(goes_on);
        let behind = last && text[at.end..].starts_with(goes_on);
        !before && !behind
    };
    text.match_indices(term).map(|(at, _)| at..at + term.len()).filter(is_whole).collect()
}

fn algorithm(language: &str) -> Option<Algorithm> {
    Some(match base(language) {
        "da" => Algorithm::Danish,
        "de" => Algorithm::German,
        "en" => Algorithm::English,
        "es" => Algorithm::Spanish,
        "fi" => Algorithm::Finnish,
        "fr" => Algorithm::French,
        "hu" => Algorithm::Hungarian,
        "it" => Algorithm::Italian,
        "nb" | "no" => Algorithm::Norwegian,
        "nl" => Algorithm::Dutch,
        "pb" | "pt" => Algorithm::Portuguese,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "sv" => Algorithm::Swedish,
        "tr" => Algorithm::Turkish,
        _ => return None,
    })
}
