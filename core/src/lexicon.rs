//! A lexicon beside the model: the likely translations of single words, whose tokens get a bonus in the
//! search (after Arthur, Neubig and Nakamura 2016, "Incorporating discrete translation lexicons into
//! neural machine translation").
//!
//! A small model has met most words too rarely to translate them. How often a word stands beside
//! another in a corpus of sentence pairs takes minutes to count, and says it for words that are met a
//! few times. `p(target word | source word)` comes from word alignments (`dragoman model lexicon`);
//! while a sentence is searched, a form `f` of a word that has no translation yet gets
//! `SCALE · ln(1 + p(f) / FLOOR)` nats more on its next token. Unlike there, no attention says which
//! word is translated at a step: the model, which gives the words that do not fit a low probability,
//! decides that. A row without a lexicon keeps its bits.

mod guess;

use std::collections::BTreeMap;

use crate::{
    decoding::hints::{Hint, Hints},
    vocabulary::{Side, Vocabulary},
};

/// How much the lexicon counts beside the model.
const SCALE: f32 = 0.8;
/// The probability that a form has in any case.
const FLOOR: f32 = 0.05;
/// What stands in place of the first translation of a word that is common.
const COMMON: &str = "*";

/// Translations of words, by direction, such as `en-de`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lexicon {
    directions: BTreeMap<String, Words>,
}

/// The words of one direction.
#[derive(Debug, Clone, Default, PartialEq)]
struct Words {
    /// A line for each word, sorted: the word, [`COMMON`] if it is, and its translations with their
    /// percentages, all behind tabs. Lines are read when they are asked for, because most words never are.
    text: String,
    /// Where each line begins.
    starts: Vec<u32>,
}

/// What words of one direction become.
pub type Entries = BTreeMap<String, Entry>;

/// What a word becomes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// Whether the model knows the word, so that it is favoured as a part of others only.
    pub is_common: bool,
    /// Translations with their probabilities, likeliest first.
    pub forms: Vec<(String, f32)>,
}

/// A line of [`Words`].
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    is_common: bool,
    /// Translations and percentages.
    fields: &'a str,
}

impl Lexicon {
    /// Adds a direction, in place of one of that name.
    pub fn insert(&mut self, direction: &str, entries: &Entries) {
        let mut words = Words::default();
        for (word, entry) in entries {
            words.starts.push(words.text.len() as u32);
            words.text.push_str(word);
            if entry.is_common {
                words.text.push_str(&format!("\t{COMMON}"));
            }
            for (form, probability) in &entry.forms {
                let percentage = (100.0 * probability).round().max(1.0);
                words.text.push_str(&format!("\t{form}\t{percentage}"));
            }
            words.text.push('\n');
        }
        self.directions.insert(direction.into(), words);
    }

    /// The directions and how many words each has.
    pub fn directions(&self) -> impl Iterator<Item = (&str, usize)> {
        self.directions.iter().map(|(name, words)| (name.as_str(), words.starts.len()))
    }

    /// The translations of `word`, likeliest first as they were inserted; a capital at its beginning
    /// may be that of a sentence.
    pub fn translations(&self, direction: &str, word: &str) -> Vec<(&str, f32)> {
        let found = self.directions.get(direction).and_then(|words| words.find(word));
        found.into_iter().flat_map(Line::forms).collect()
    }

    /// What the search is told of the words of `text`; `None` where nothing is known.
    pub fn hints(&self, direction: &str, text: &str, tokens: &dyn Vocabulary) -> Option<Hints> {
        let known = self.directions.get(direction)?;
        let source = direction.split('-').next().unwrap_or_default();
        let mut all: Vec<Vec<(String, f32)>> = Vec::new();
        for word in words(text) {
            match known.find(word) {
                Some(line) if line.is_common => {}
                Some(line) => all.push(line.owned()),
                None => all.extend(guess::forms(known, word, source)),
            }
        }
        let bonus = |p: f32| SCALE * (p / FLOOR).ln_1p();
        let hint = |forms: Vec<(String, f32)>| {
            let encoded =
                forms.into_iter().map(|(f, p)| (tokens.encode(Side::Target, &f), bonus(p)));
            Hint { forms: encoded.filter(|(form, _)| !form.is_empty()).collect() }
        };
        let hints: Vec<Hint> =
            all.into_iter().map(hint).filter(|hint| !hint.forms.is_empty()).collect();
        (!hints.is_empty()).then_some(Hints { words: hints })
    }

    /// The lexicon as text: a line `# DIRECTION` before the lines of each direction.
    pub fn to_text(&self) -> String {
        let part = |(name, words): (&String, &Words)| format!("# {name}\n{}", words.text);
        self.directions.iter().map(part).collect()
    }

    /// Reads what [`Lexicon::to_text`] wrote.
    ///
    /// # Errors
    /// Says what is wrong with a line.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let mut lexicon = Self::default();
        let mut words: Option<&mut Words> = None;
        for (number, line) in text.lines().enumerate() {
            let wrong = |reason: &str| format!("line {}: {reason}", number + 1);
            if let Some(name) = line.strip_prefix("# ") {
                words = Some(lexicon.directions.entry(name.into()).or_default());
                continue;
            }
            let words = words.as_mut().ok_or_else(|| wrong("no direction before it"))?;
            let fields = line.split('\t').skip(1).skip_while(|field| *field == COMMON);
            let fields: Vec<&str> = fields.collect();
            let is_common = line.split('\t').nth(1) == Some(COMMON);
            let is_form = |form: &[&str]| {
                form.len() == 2 && form[1].parse::<f32>().is_ok_and(|p| (0.0..=100.0).contains(&p))
            };
            if !fields.chunks(2).all(is_form) || fields.is_empty() && !is_common {
                return Err(wrong("it is no word with translations and percentages"));
            }
            let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
            if words.starts.last().is_some_and(|&at| word(&words.text[at as usize..]) >= word(line))
            {
                return Err(wrong("words are not in their order"));
            }
            words.starts.push(words.text.len() as u32);
            words.text.push_str(line);
            words.text.push('\n');
        }
        Ok(lexicon)
    }
}

impl<'a> Line<'a> {
    fn forms(self) -> impl Iterator<Item = (&'a str, f32)> {
        let mut fields = self.fields.split('\t').filter(|field| !field.is_empty());
        std::iter::from_fn(move || {
            Some((fields.next()?, fields.next()?.parse::<f32>().ok()? / 100.0))
        })
    }

    fn owned(self) -> Vec<(String, f32)> {
        self.forms().map(|(form, p)| (form.to_owned(), p)).collect()
    }
}

impl Words {
    /// The line of `word` as it stands, or with a small initial.
    fn find(&self, word: &str) -> Option<Line<'_>> {
        self.line(word).or_else(|| self.line(&with_small_initial(word)))
    }

    fn line(&self, word: &str) -> Option<Line<'_>> {
        let line = |&start: &u32| self.text[start as usize..].lines().next().unwrap_or_default();
        let head = |start: &u32| line(start).split('\t').next().unwrap_or_default();
        let place = self.starts.binary_search_by(|start| head(start).cmp(word)).ok()?;
        let fields = line(&self.starts[place]).split_once('\t')?.1;
        let others = fields.strip_prefix(COMMON);
        Some(Line { is_common: others.is_some(), fields: others.unwrap_or(fields) })
    }
}

/// The words of a text: letters and digits, with apostrophes and hyphens between them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let inner = |c: char| matches!(c, '\'' | '’' | '-');
    let parts = text.split(move |c: char| !c.is_alphanumeric() && !inner(c));
    parts.map(move |part| part.trim_matches(inner)).filter(|word| !word.is_empty())
}

/// `word` with a small letter at its beginning.
pub fn with_small_initial(word: &str) -> String {
    let mut rest = word.chars();
    let first = rest.next().into_iter().flat_map(char::to_lowercase);
    first.chain(rest.as_str().chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let entry = |is_common, forms: &[(&str, f32)]| Entry {
            is_common,
            forms: forms.iter().map(|(f, p)| ((*f).into(), *p)).collect(),
        };
        let entries: Entries = [
            ("boils".into(), entry(false, &[("kocht", 0.77), ("siedet", 0.1)])),
            ("sea".into(), entry(false, &[("Meer", 0.61)])),
            ("the".into(), entry(true, &[])),
            ("water".into(), entry(true, &[("Wasser", 0.9)])),
        ]
        .into();
        let mut lexicon = Lexicon::default();
        lexicon.insert("en-de", &entries);
        lexicon
    }

    #[test]
    fn words_are_found_as_they_stand_or_with_a_small_initial() {
        let lexicon = lexicon();
        assert_eq!(lexicon.translations("en-de", "boils"), [("kocht", 0.77), ("siedet", 0.1)]);
        assert_eq!(lexicon.translations("en-de", "Sea"), [("Meer", 0.61)]);
        assert_eq!(lexicon.translations("en-de", "water"), [("Wasser", 0.9)]);
        assert!(lexicon.translations("en-de", "the").is_empty());
        assert!(lexicon.translations("en-de", "SEA").is_empty());
        assert!(lexicon.translations("de-en", "boils").is_empty());
        assert!(lexicon.translations("en-de", "").is_empty());
    }

    #[test]
    fn it_is_read_as_it_was_written_and_damage_is_named() {
        let lexicon = lexicon();
        assert_eq!(Lexicon::from_text(&lexicon.to_text()), Ok(lexicon));
        let wrong = |text: &str| Lexicon::from_text(text).expect_err("it is damaged");
        assert_eq!(wrong("sea\tMeer\t61\n"), "line 1: no direction before it");
        for line in ["sea\tMeer", "sea\tMeer\tabc", "sea\tMeer\tNaN", "sea\tMeer\t61\tSee"] {
            assert!(wrong(&format!("# en-de\n{line}\n")).starts_with("line 2: it is no word"));
        }
        assert!(wrong("# en-de\nsea\tMeer\t61\nboils\tkocht\t77\n").starts_with("line 3: words"));
    }

    #[test]
    fn words_are_letters_with_what_joins_them() {
        let found: Vec<&str> = words("It's a well-known 'fact' – isn’t it? (3rd)").collect();
        assert_eq!(found, ["It's", "a", "well-known", "fact", "isn’t", "it", "3rd"]);
        assert_eq!(with_small_initial("Über"), "über");
        assert_eq!(with_small_initial(""), "");
    }
}
