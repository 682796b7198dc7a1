//! Frequent words of the languages that most models translate: they decide where a text is short.
//!
//! Letters say little of one word: `hond` could be many languages, and is one. `common-words` in this crate's
//! folder writes the lists; what people say and label things with is in [`super::everyday`].

use std::{collections::HashMap, sync::LazyLock};

use super::everyday;

/// Letters of a text up to which its words count in full; of a longer one letters say enough.
const SHORT: f64 = 16.0;

/// The rank that a word has which is in no list.
const RARE: f64 = 8000.0;

/// The rank of an everyday word: it stands alone more often than among others.
const EVERYDAY: usize = 60;

/// What the logarithm of a rank counts, in units of log-probability.
const WEIGHT: f64 = 0.6;

/// What a word counts against a language that does not have it, when other words are its own: foreign texts
/// have a few words of any language.
const MISS: f64 = 1.0;

/// Words by language, the most frequent first.
const LISTS: &[(&str, &str)] = &[
    ("de", include_str!("common/de.txt")),
    ("en", include_str!("common/en.txt")),
    ("es", include_str!("common/es.txt")),
    ("fr", include_str!("common/fr.txt")),
    ("it", include_str!("common/it.txt")),
    ("nl", include_str!("common/nl.txt")),
    ("pt", include_str!("common/pt.txt")),
];

/// For each word the languages that have it, and its rank there.
static RANKS: LazyLock<HashMap<&'static str, Vec<(&'static str, usize)>>> = LazyLock::new(|| {
    let mut ranks: HashMap<&str, Vec<(&str, usize)>> = HashMap::new();
    let everyday = everyday::WORDS.iter().flat_map(|&(language, list)| {
        list.split_whitespace().map(move |word| (language, word, EVERYDAY))
    });
    let common = LISTS.iter().flat_map(|&(language, list)| {
        list.split_whitespace().enumerate().map(move |(i, word)| (language, word, i + 1))
    });
    for (language, word, rank) in everyday.chain(common) {
        let known = ranks.entry(word).or_default();
        match known.iter_mut().find(|(known, _)| *known == language) {
            Some((_, best)) => *best = rank.min(*best),
            None => known.push((language, rank)),
        }
    }
    ranks
});

/// Adds to `scores` what `words`, in lower case and of so many `letters`, count for the languages that have
/// them.
pub(super) fn count(words: &[&str], letters: f64, scores: &mut HashMap<&'static str, f64>) {
    let weight = (SHORT / letters).min(1.0);
    for word in words {
        let word = word.replace('’', "'");
        let known = RANKS.get(word.as_str()).map(Vec::as_slice).unwrap_or_default();
        for &(language, _) in LISTS {
            let rank = known.iter().find(|(known, _)| *known == language);
            let score = match rank {
                Some((_, rank)) => WEIGHT * (RARE / *rank as f64).ln(),
                None if words.len() > 1 => -MISS,
                None => 0.0,
            };
            *scores.entry(language).or_default() += weight * score;
        }
    }
}
