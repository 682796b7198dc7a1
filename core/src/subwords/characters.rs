//! Classes of characters and abbreviations of languages as Moses knows them (`moses.txt`).

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What `core/tests/subwords/make.py` has written.
static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::parse(include_str!("moses.txt")));

struct Known {
    classes: HashMap<&'static str, Class>,
    prefixes: HashMap<&'static str, Prefixes>,
}

/// A set of characters.
#[derive(Debug, Clone, Default)]
pub(super) struct Class(Vec<(u32, u32)>);

/// Words of a language that keep their full stop.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// Before any word.
    pub(super) always: HashSet<&'static str>,
    /// Before a number.
    pub(super) before_numbers: HashSet<&'static str>,
}

impl Known {
    fn parse(text: &'static str) -> Self {
        let (mut classes, mut prefixes) = (HashMap::new(), HashMap::new());
        for line in text.lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next()) {
                (Some("class"), Some(name)) => {
                    classes.insert(name, Class(words.filter_map(range).collect()));
                }
                (Some("prefixes"), Some(language)) => {
                    let (numbers, always): (Vec<_>, Vec<_>) =
                        words.partition(|word| word.ends_with('#'));
                    let before_numbers = numbers.into_iter().map(|word| word.trim_end_matches('#'));
                    let before_numbers = before_numbers.collect();
                    let own = Prefixes { always: always.into_iter().collect(), before_numbers };
                    prefixes.insert(language, own);
                }
                _ => {}
            }
        }
        Self { classes, prefixes }
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((u32::from_str_radix(first, 16).ok()?, u32::from_str_radix(last, 16).ok()?))
}

/// The class called `name`; empty if there is none.
pub(super) fn class(name: &str) -> Class {
    KNOWN.classes.get(name).cloned().unwrap_or_default()
}

/// The abbreviations of a language; of one without a list those of English.
pub(super) fn prefixes(language: &str) -> &'static Prefixes {
    static NONE: LazyLock<Prefixes> = LazyLock::new(Prefixes::default);
    KNOWN.prefixes.get(language).or_else(|| KNOWN.prefixes.get("en")).unwrap_or(&NONE)
}

impl Class {
    /// Whether it holds a character.
    pub(super) fn has(&self, c: char) -> bool {
        let point = c as u32;
        self.0.iter().any(|&(first, last)| (first..=last).contains(&point))
    }

    /// With the characters of another.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.extend(&other.0);
        self
    }

    /// Its characters as they stand between the brackets of a regular expression.
    pub(super) fn pattern(&self) -> String {
        let mut out = String::new();
        for (first, last) in &self.0 {
            // Writing to a string cannot fail.
            let _ = write!(out, r"\x{{{first:x}}}-\x{{{last:x}}}");
        }
        out
    }
}
