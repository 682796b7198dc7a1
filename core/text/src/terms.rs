//! Terms and how they are to be translated: finds them in a text whatever their number and case, and
//! sees whether a translation uses them.
//!
//! Words are compared by their stems (Snowball), so `contracts` is the term `contract`, and `Verträge`
//! is a use of `Vertrag`. A term with capitals inside, such as `IT`, and one with signs, such as
//! `C++`, is compared letter by letter; so are all in languages that put no space between words.

mod forms;
mod words;

use std::{collections::HashMap, ops::Range};

pub use self::words::has_stemmer;
use self::words::{Words, words};
use crate::letters::has_unspaced;

/// Words of a term at most that are looked for.
const MAX_WORDS: usize = 12;

/// The terms of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glossary {
    source: String,
    target: String,
    /// Whether a translation without a term is not good enough.
    strict: bool,
    entries: Vec<Entry>,
    /// Entries by the stem of their first word, those with more words first.
    by_first: HashMap<String, Vec<usize>>,
    /// Entries with signs.
    literal: Vec<usize>,
}

/// A term.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    source: String,
    target: String,
    stems: Vec<String>,
    /// Whether its letters have to be the same.
    is_exact: bool,
}

/// A term in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTerm {
    /// Where it stands.
    pub at: Range<usize>,
    /// Its number in the glossary.
    pub entry: usize,
}

impl Glossary {
    /// The glossary of `entries`, a term with its translation each, from `source` into `target`. Of
    /// two entries for a term the later one counts.
    pub fn new(
        entries: impl IntoIterator<Item = (String, String)>,
        source: &str,
        target: &str,
        strict: bool,
    ) -> Self {
        let mut glossary = Self {
            source: source.to_owned(),
            target: target.to_owned(),
            strict,
            entries: Vec::new(),
            by_first: HashMap::new(),
            literal: Vec::new(),
        };
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for (term, translation) in entries {
            let (term, translation) = (term.trim().to_owned(), translation.trim().to_owned());
            match numbers.get(&term) {
                Some(&number) => glossary.entries[number].target = translation,
                None => {
                    numbers.insert(term.clone(), glossary.entries.len());
                    glossary.add(term, translation);
                }
            }
        }
        let Self { by_first, entries, .. } = &mut glossary;
        for numbers in by_first.values_mut() {
            numbers.sort_by_key(|&number| usize::MAX - entries[number].stems.len());
        }
        glossary
    }

    fn add(&mut self, source: String, target: String) {
        let found = words(&source, &self.source);
        let is_literal = found.has_signs() || has_unspaced(&self.source);
        let stems = found.stems();
        if stems.len() > MAX_WORDS || (stems.is_empty() && source.is_empty()) {
            return;
        }
        let number = self.entries.len();
        match stems.first() {
            Some(first) if !is_literal => {
                self.by_first.entry(first.clone()).or_default().push(number);
            }
            _ => self.literal.push(number),
        }
        let is_exact = is_literal || has_inner_capital(&source);
        self.entries.push(Entry { source, target, stems, is_exact });
    }

    /// Whether it holds no term.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a translation without a term is not good enough.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// The term of an entry.
    pub fn source(&self, entry: usize) -> &str {
        &self.entries[entry].source
    }

    /// The translation of an entry.
    pub fn translation(&self, entry: usize) -> &str {
        &self.entries[entry].target
    }

    /// Whether an entry is not to be translated.
    pub fn is_kept(&self, entry: usize) -> bool {
        self.entries[entry].source == self.entries[entry].target
    }

    /// The forms of an entry's translation that a text may use.
    pub fn forms(&self, entry: usize) -> Vec<String> {
        forms::forms(&self.entries[entry].target, &self.target)
    }

    /// The terms in `text`, in their order; of two that overlap the one that begins first, and of
    /// those the longest.
    pub fn find(&self, text: &str) -> Vec<FoundTerm> {
        let words = words(text, &self.source);
        let mut found: Vec<FoundTerm> = Vec::new();
        for &entry in &self.literal {
            let places = words::whole(text, &self.entries[entry].source);
            found.extend(places.into_iter().map(|at| FoundTerm { at, entry }));
        }
        let mut next = 0;
        while next < words.len() {
            match self.longest_at(text, &words, next) {
                Some((entry, count)) => {
                    let at = words.range(next..next + count);
                    found.push(FoundTerm { at, entry });
                    next += count;
                }
                None => next += 1,
            }
        }
        found.sort_by_key(|term| (term.at.start, usize::MAX - term.at.end));
        let mut end = 0;
        found.retain(|term| {
            let is_free = term.at.start >= end;
            end = if is_free { term.at.end } else { end };
            is_free
        });
        found
    }

    fn longest_at(&self, text: &str, words: &Words, first: usize) -> Option<(usize, usize)> {
        let entries = self.by_first.get(words.stem(first))?;
        let fits = |&&number: &&usize| {
            let entry = &self.entries[number];
            let count = entry.stems.len();
            first + count <= words.len()
                && (0..count).all(|i| words.stem(first + i) == entry.stems[i])
                && words.are_joined(first..first + count)
                && (!entry.is_exact || text[words.range(first..first + count)] == entry.source)
        };
        let entry = entries.iter().find(fits)?;
        Some((*entry, self.entries[*entry].stems.len()))
    }

    /// How often `text`, a translation, uses the entry: in any form, or as a part of a compound.
    pub fn uses(&self, text: &str, entry: usize) -> usize {
        let target = &self.entries[entry].target;
        if self.is_kept(entry) || has_unspaced(&self.target) {
            return words::whole(text, target).len();
        }
        let wanted = words(target, &self.target);
        let stems = wanted.stems();
        if stems.is_empty() || wanted.has_signs() {
            return text.matches(target.as_str()).count();
        }
        let found = words(text, &self.target);
        let whole = (0..(found.len() + 1).saturating_sub(stems.len()))
            .filter(|&i| (0..stems.len()).all(|j| found.stem(i + j) == stems[j]))
            .count();
        match whole {
            0 if stems.len() == 1 => found.count_compounds(target, &self.target),
            whole => whole,
        }
    }

    /// The translation of `term` as it stands at the place of `found` in `text`: at the beginning of
    /// a sentence with a capital, and all in capitals, if the term is so there.
    pub fn written(&self, text: &str, found: &FoundTerm) -> String {
        let Entry { source, target, .. } = &self.entries[found.entry];
        let term = &text[found.at.clone()];
        if is_shouted(term) && !is_shouted(source) && !self.is_kept(found.entry) {
            return target.to_uppercase();
        }
        let is_first = !text[..found.at.start].contains(char::is_alphanumeric);
        let has_capital = term.starts_with(char::is_uppercase);
        let term_has = source.starts_with(char::is_uppercase);
        match is_first && has_capital && !term_has {
            true => forms::capitalised(target),
            false => target.clone(),
        }
    }
}

/// Whether `term` has several letters, all of them capitals.
fn is_shouted(term: &str) -> bool {
    let capitals = term.chars().filter(|c| c.is_uppercase()).count();
    capitals > 1 && !term.contains(char::is_lowercase)
}

/// Whether a term has capitals behind its first letter, as acronyms have, or is too short to be
/// inflected.
fn has_inner_capital(term: &str) -> bool {
    let inner = |word: &str| word.chars().skip(1).any(char::is_uppercase);
    term.split_whitespace().any(inner) || term.chars().count() < 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glossary(entries: &[(&str, &str)], source: &str, target: &str) -> Glossary {
        let entries = entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Glossary::new(entries, source, target, false)
    }

    fn found<'a>(glossary: &Glossary, text: &'a str) -> Vec<&'a str> {
        glossary.find(text).into_iter().map(|term| &text[term.at]).collect()
    }

    #[test]
    fn terms_are_found_in_any_number_and_case() {
        let english = glossary(
            &[("contract", "Vertrag"), ("supply contract", "Liefervertrag"), ("IT", "EDV")],
            "en",
            "de",
        );
        assert_eq!(
            found(&english, "Contracts and supply contracts."),
            ["Contracts", "supply contracts"]
        );
        assert_eq!(found(&english, "It is IT."), ["IT"]);
        assert!(found(&english, "The supply. Contractual.").is_empty());
        let german = glossary(&[("Vertrag", "contract")], "de", "en");
        assert_eq!(found(&german, "Die Verträge des Vertrags"), ["Verträge", "Vertrags"]);
        let french = glossary(&[("avion", "aircraft")], "fr", "en");
        assert_eq!(found(&french, "L'avion et d’autres avions"), ["avion", "avions"]);
        let signs = glossary(&[("C++", "C++"), ("C", "C")], "en", "de");
        assert_eq!(found(&signs, "C++ is not C, is it?"), ["C++", "C"]);
    }

    #[test]
    fn a_form_or_a_compound_is_a_use() {
        let german = glossary(&[("contract", "Vertrag"), ("it", "es")], "en", "de");
        assert_eq!(german.uses("Die Verträge sind unterschrieben.", 0), 1);
        assert_eq!(german.uses("Der Kaufvertrag gilt.", 0), 1);
        assert_eq!(german.uses("Der Kontrakt gilt.", 0), 0);
        assert_eq!(german.uses("Das Haus ist groß.", 1), 0);
        let kept = glossary(&[("Dragoman", "Dragoman")], "en", "de");
        assert!(kept.is_kept(0));
        assert_eq!([kept.uses("Dragoman hilft.", 0), kept.uses("Dragomane helfen.", 0)], [1, 0]);
        let italian = glossary(&[("tax return", "dichiarazione dei redditi")], "en", "it");
        assert_eq!(italian.uses("Le dichiarazioni dei redditi.", 0), 1);
    }

    #[test]
    fn languages_without_spaces_are_compared_letter_by_letter() {
        let japanese = glossary(&[("東京", "Tokyo"), ("東京タワー", "Tokyo Tower")], "ja", "en");
        assert_eq!(found(&japanese, "東京に行き、東京タワーを見た。"), ["東京", "東京タワー"]);
        let into = glossary(&[("network", "網路"), ("PC", "PC")], "en", "zh");
        assert_eq!([into.uses("我的網路很慢", 0), into.uses("我的PC很慢", 1)], [1, 1]);
        assert_eq!(into.uses("我的PCI很慢", 1), 0);
    }

    #[test]
    fn the_later_of_two_entries_counts_and_capitals_follow_the_text() {
        let two = glossary(&[("house", "Haus"), ("house", "Gebäude")], "en", "de");
        assert_eq!(two.translation(0), "Gebäude");
        let french = glossary(&[("house", "maison")], "en", "fr");
        let text = "Houses are big, houses are old.";
        let written: Vec<String> =
            french.find(text).iter().map(|term| french.written(text, term)).collect();
        assert_eq!(written, ["Maison", "maison"]);
        let text = "THE HOUSE";
        assert_eq!(french.written(text, &french.find(text)[0]), "MAISON");
    }
}
