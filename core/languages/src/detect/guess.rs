//! How likely each language is, among all that are known here.

use std::{collections::HashMap, sync::LazyLock};

use lingua::{Language, LanguageDetector, LanguageDetectorBuilder};

use super::{common, letters, prose::prose, words};

/// Letters of a text, up to which it counts how frequent languages are.
const SHORT: f64 = 12.0;

/// How much likelier a short text is in a language that the server translates.
const SERVED: f64 = 2.0;

/// What a language has that its model says nothing of.
const FLOOR: f64 = 0.003;

/// How frequent the most frequent languages are beside others.
const PRIORS: &[(&str, f64)] =
    &[("en", 6.0), ("de", 3.0), ("fr", 3.0), ("es", 3.0), ("it", 2.0), ("pt", 2.0), ("nl", 2.0)];

/// lingua with every language that it is compiled for: what it says of a text must not depend on what a
/// model translates.
static LINGUA: LazyLock<LanguageDetector> =
    LazyLock::new(|| LanguageDetectorBuilder::from_all_languages().build());

/// Codes of languages and how likely each is, the likeliest first; none for a text without prose. Of a
/// short text those are likelier that the server translates.
pub(super) fn guess(text: &str, is_served: impl Fn(&str) -> bool) -> Vec<(&'static str, f64)> {
    let prose = prose(text);
    if let Some((language, share)) = letters::of_script(&prose) {
        return vec![(language, share)];
    }
    let latin = prose.to_lowercase();
    let is_inner = |c: char| c.is_alphabetic() || matches!(c, '\'' | '’');
    let words: Vec<&str> = latin
        .split(|c: char| !is_inner(c))
        .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()))
        .filter(|word| !word.is_empty())
        .collect();
    let letters = words.iter().map(|word| word.chars().count()).sum::<usize>() as f64;
    if words.is_empty() {
        return Vec::new();
    }
    let mut scores = by_letters(&latin, &words);
    for (language, score) in &mut scores {
        let prior = PRIORS.iter().find(|(known, _)| known == language).map_or(1.0, |(_, p)| *p);
        let prior = if is_served(language) { prior * SERVED } else { prior };
        *score = (*score + FLOOR).ln() + prior.ln() * (SHORT / letters.max(1.0)).min(1.0);
    }
    words::count(words.iter().copied(), &mut scores);
    common::count(&words, letters, &mut scores);
    let most = scores.values().copied().fold(f64::MIN, f64::max);
    let sum: f64 = scores.values().map(|score| (score - most).exp()).sum();
    let share = |(language, score): (&'static str, f64)| (language, (score - most).exp() / sum);
    let mut guesses: Vec<_> = scores.into_iter().map(share).collect();
    guesses.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    guesses
}

/// What lingua says of its languages, and rare letters of others.
fn by_letters(latin: &str, words: &[&str]) -> HashMap<&'static str, f64> {
    let mut scores: HashMap<&'static str, f64> =
        words::languages().map(|language| (language, 0.0)).collect();
    let rare = letters::rare(words);
    let foreign = rare.iter().map(|(_, share)| (3.0 * share).min(1.0)).fold(0.0, f64::max);
    for (language, confidence) in LINGUA.compute_language_confidence_values(latin) {
        if let Some(code) = code(language) {
            scores.insert(code, confidence * (1.0 - 0.9 * foreign));
        }
    }
    for (language, share) in rare {
        *scores.entry(language).or_default() += (3.0 * share).min(1.0);
    }
    scores
}

/// The code of one of lingua's languages.
fn code(language: Language) -> Option<&'static str> {
    let code = language.iso_code_639_1().to_string();
    words::languages().find(|known| *known == code)
}
