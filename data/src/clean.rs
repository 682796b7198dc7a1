//! Decides which pairs are worth learning from, and counts why the others are not.

mod foreign;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{Result, corpus::Pair, lang::Language, split::stable_hash};
use foreign::ForeignDetector;

/// What a clean pair looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CleanConfig {
    /// Longest text, in characters.
    pub max_chars: usize,
    /// Longest text, in tokens.
    pub max_tokens: usize,
    /// The longer side may have this many times the characters of the shorter one, …
    pub max_ratio: f64,
    /// … after so many characters are added to both: short texts vary more.
    pub ratio_slack: f64,
    /// Whether to drop texts that are surely in another language. Slow; the script of the letters
    /// is always checked. Needs the feature `detection`.
    pub detect_language: bool,
    /// Whether both sides may be the same, as names are.
    pub allow_copies: bool,
}

impl Default for CleanConfig {
    fn default() -> Self {
        Self {
            max_chars: 1000,
            max_tokens: 256,
            max_ratio: 2.5,
            ratio_slack: 12.0,
            detect_language: false,
            allow_copies: false,
        }
    }
}

/// Why a pair was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The line could not be parsed.
    Malformed,
    /// One side has no text.
    Empty,
    /// One side is longer than `max_chars` or `max_tokens`.
    TooLong,
    /// One side is much longer than the other.
    LengthRatio,
    /// Both sides are the same.
    Copy,
    /// The letters are not those of the language.
    WrongScript,
    /// The text is in another language.
    WrongLanguage,
    /// The pair is, or could give away, one of a dev or test set.
    HeldOut,
    /// The pair occurred before.
    Duplicate,
}

impl Reason {
    /// The reason in words, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Empty => "empty",
            Self::TooLong => "too long",
            Self::LengthRatio => "much longer on one side",
            Self::Copy => "copy of the source",
            Self::WrongScript => "in the wrong script",
            Self::WrongLanguage => "in the wrong language",
            Self::HeldOut => "held out for dev or test",
            Self::Duplicate => "duplicate",
        }
    }
}

/// How many pairs were dropped for each reason.
pub type Rejected = BTreeMap<Reason, u64>;

/// Checks pairs of one language pair.
pub struct Cleaner {
    config: CleanConfig,
    languages: [Option<&'static Language>; 2],
    detector: Option<ForeignDetector>,
}

impl Cleaner {
    /// Creates a cleaner for pairs of `source` and `target` text. A language that this crate does
    /// not know is not checked for its script.
    ///
    /// # Errors
    /// Fails when languages are to be detected and this crate was built without `detection`.
    pub fn new(config: &CleanConfig, source: &str, target: &str) -> Result<Self> {
        let languages = [Language::find(source), Language::find(target)];
        let detector =
            config.detect_language.then(|| ForeignDetector::new(languages)).transpose()?;
        Ok(Self { config: config.clone(), languages, detector })
    }

    /// Returns the pair in NFC, its blanks tidied, or why it should be dropped.
    pub fn check(&self, pair: &Pair) -> Result<Pair, Reason> {
        let sides = [&pair.source, &pair.target];
        if sides.iter().any(|text| text.len() > 8 * self.config.max_chars) {
            return Err(Reason::TooLong); // before spending time on it
        }
        let sides = sides.map(|text| tidy(text));
        if sides.iter().any(String::is_empty) {
            return Err(Reason::Empty);
        }
        let widths = sides.each_ref().map(|text| width(text));
        if widths.iter().any(|&width| width > self.config.max_chars as f64) {
            return Err(Reason::TooLong);
        }
        let [a, b] = widths.map(|width| width + self.config.ratio_slack);
        if a.max(b) > self.config.max_ratio * a.min(b) {
            return Err(Reason::LengthRatio);
        }
        if !self.config.allow_copies && sides[0].to_lowercase() == sides[1].to_lowercase() {
            return Err(Reason::Copy);
        }
        for (text, language) in sides.iter().zip(self.languages) {
            if language.is_some_and(|language| !language.fits_script(text)) {
                return Err(Reason::WrongScript);
            }
        }
        if let Some(detector) = &self.detector
            && (0..2).any(|side| detector.is_foreign(&sides[side], side))
        {
            return Err(Reason::WrongLanguage);
        }
        let [source, target] = sides;
        Ok(Pair { source, target, set: pair.set.clone() })
    }
}

/// NFC, without control and zero-width characters, blanks collapsed to single spaces.
pub fn tidy(text: &str) -> String {
    let composed = text.nfc().filter(|&c| {
        c.is_whitespace() || !(c.is_control() || matches!(c, '\u{AD}' | '\u{200B}' | '\u{FEFF}'))
    });
    let mut tidied = String::with_capacity(text.len());
    for c in composed {
        match c.is_whitespace() {
            true if tidied.is_empty() || tidied.ends_with(' ') => {}
            true => tidied.push(' '),
            false => tidied.push(c),
        }
    }
    tidied.truncate(tidied.trim_end().len());
    tidied
}

/// Characters, where one of East Asia counts as two and a half: so much text it stands for.
fn width(text: &str) -> f64 {
    text.chars().map(|c| if ('\u{2E80}'..'\u{1F000}').contains(&c) { 2.5 } else { 1.0 }).sum()
}

/// The pairs, or texts, seen so far, as hashes.
#[derive(Debug, Default)]
pub struct Seen(HashSet<u64>);

impl Seen {
    /// Remembers the pair `languages`, `source`, `target`; false if it was there already.
    pub fn insert(&mut self, languages: [&str; 2], pair: &Pair) -> bool {
        let mut sides = [(languages[0], &pair.source), (languages[1], &pair.target)];
        sides.sort(); // a pair read the other way round is the same
        let [(a, x), (b, y)] = sides;
        self.0.insert(stable_hash(&[a, x, b, y]))
    }

    /// Remembers a single text; false if it was there already.
    pub(crate) fn insert_text(&mut self, text: &str) -> bool {
        self.0.insert(stable_hash(&[text]))
    }
}

/// Texts of dev and test sets, which must not be learned, by language pair.
///
/// A sentence may be learned with a translation into another language than the one it is tested
/// with: the WMT test sets share their English side.
#[derive(Debug, Default)]
pub struct HeldOut(HashSet<u64>);

impl HeldOut {
    /// Adds both sides of a pair in the `languages`.
    pub fn insert(&mut self, languages: [&str; 2], pair: &Pair) {
        let tidied = [tidy(&pair.source), tidy(&pair.target)];
        self.0.extend(keys(languages, [&tidied[0], &tidied[1]]));
    }

    /// Whether either side of a clean pair is held out.
    pub fn contains(&self, languages: [&str; 2], pair: &Pair) -> bool {
        let keys = keys(languages, [&pair.source, &pair.target]);
        keys.iter().any(|key| self.0.contains(key))
    }
}

/// Hashes of the two texts, each with its language and the one it is translated to.
fn keys([source, target]: [&str; 2], texts: [&str; 2]) -> [u64; 2] {
    [stable_hash(&[source, target, texts[0]]), stable_hash(&[target, source, texts[1]])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.into(), target: target.into(), set: None }
    }

    #[test]
    #[cfg(feature = "detection")]
    fn each_reason_is_found() -> Result<()> {
        let config = CleanConfig { max_chars: 80, detect_language: true, ..Default::default() };
        let cleaner = Cleaner::new(&config, "en", "de")?;
        let long = "very ".repeat(40);
        let cases = [
            ("Good morning.", "Guten Morgen.", None),
            ("   ", "Guten Morgen.", Some(Reason::Empty)),
            (long.as_str(), long.as_str(), Some(Reason::TooLong)),
            (
                "Yes.",
                "Das kann ich Ihnen heute leider noch nicht sagen.",
                Some(Reason::LengthRatio),
            ),
            ("Hello World", "hello world", Some(Reason::Copy)),
            ("Good morning.", "Доброе утро.", Some(Reason::WrongScript)),
            (
                "The weather was better yesterday.",
                "Hier, il faisait meilleur temps qu'aujourd'hui.",
                Some(Reason::WrongLanguage),
            ),
        ];
        for (source, target, reason) in cases {
            assert_eq!(cleaner.check(&pair(source, target)).err(), reason, "{source} | {target}");
        }
        Ok(())
    }

    #[test]
    fn texts_are_tidied() {
        assert_eq!(tidy(" a\u{301} \t b\u{200B}c\u{0} \n"), "á bc");
        assert_eq!(tidy("\u{FEFF}"), "");
    }

    #[test]
    fn a_pair_is_seen_once_in_either_direction() {
        let mut seen = Seen::default();
        assert!(seen.insert(["en", "de"], &pair("yes", "ja")));
        assert!(!seen.insert(["de", "en"], &pair("ja", "yes")));
        assert!(seen.insert(["en", "nl"], &pair("yes", "ja")));
    }

    #[test]
    fn held_out_texts_are_found_on_both_sides() {
        let mut held_out = HeldOut::default();
        held_out.insert(["en", "de"], &pair("Morning!", "Guten  Morgen."));
        assert!(held_out.contains(["en", "de"], &pair("Good morning.", "Guten Morgen.")));
        assert!(held_out.contains(["de", "en"], &pair("Guten Morgen.", "Good morning.")));
        assert!(!held_out.contains(["en", "de"], &pair("Good evening.", "Guten Abend.")));
        assert!(!held_out.contains(["fr", "de"], &pair("Bonjour.", "Guten Morgen.")));
    }
}
