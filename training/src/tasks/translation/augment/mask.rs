//! Puts placeholders in the place of words that stand on both sides, and around and beside text.

use dragoman_core::tokenizer::{NUM_PLACEHOLDERS, placeholder};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Sides;

/// How often a word that both sides share is masked.
const WORDS: f64 = 0.6;
/// How often it keeps its place between two placeholders instead, as a word in bold letters does.
const WRAPPED: f64 = 0.25;
/// How often the ends of the sentence get placeholders.
const ENDS: f64 = 0.35;

/// Masks some of the words that occur once on either side and are the same there, such as names and
/// numbers; and puts placeholders at the ends. Placeholders are numbered in the order of the source.
/// None if there is nothing to mask.
pub(super) fn mask([source, target]: Sides, rng: &mut ChaCha8Rng) -> Option<Sides> {
    let shared = shared_words(&source, &target);
    let mut next = 0;
    let mut replaced: [Vec<(Word, String)>; 2] = Default::default();
    let (before, after) = ends(rng);
    let mut prefix = String::new();
    if before {
        prefix.push(placeholder(next));
        next += 1;
    }
    for [at_source, at_target] in shared {
        if next + 3 > NUM_PLACEHOLDERS || !rng.random_bool(WORDS) {
            continue;
        }
        let new = if rng.random_bool(WRAPPED) {
            next += 2;
            format!("{}{}{}", placeholder(next - 2), at_source.of(&source), placeholder(next - 1))
        } else {
            next += 1;
            placeholder(next - 1).to_string()
        };
        replaced[0].push((at_source, new.clone()));
        replaced[1].push((at_target, new));
    }
    let mut suffix = String::new();
    if after {
        suffix.push(placeholder(next));
        next += 1;
    }
    if next == 0 {
        return None;
    }
    let space = if rng.random_bool(0.5) { " " } else { "" };
    let [of_source, mut of_target] = replaced;
    of_target.sort_by_key(|(word, _)| word.start);
    let frame = |text: String| {
        let [left, right] = [&prefix, &suffix].map(|end| if end.is_empty() { "" } else { space });
        format!("{prefix}{left}{text}{right}{suffix}")
    };
    Some([frame(put(&source, &of_source)), frame(put(&target, &of_target))])
}

/// Whether a placeholder comes before the sentence, and one after it.
fn ends(rng: &mut ChaCha8Rng) -> (bool, bool) {
    if !rng.random_bool(ENDS) {
        return (false, false);
    }
    match rng.random_range(0..4) {
        0 => (true, false),
        1 => (false, true),
        _ => (true, true), // as markup around a sentence
    }
}

/// A word as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    start: usize,
    end: usize,
}

impl Word {
    fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// The words, numbers and addresses of `text`, without the marks around them.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let trimmed = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let word = trimmed.trim_start_matches(|c: char| !c.is_alphanumeric());
        if !word.is_empty() {
            let end = start + trimmed.len();
            words.push(Word { start: end - word.len(), end });
        }
        start += part.len();
    }
    words
}

/// Words that occur once in `source` and once in `target`, in the order of the source.
fn shared_words(source: &str, target: &str) -> Vec<[Word; 2]> {
    let (of_source, of_target) = (words(source), words(target));
    let only = |words: &[Word], text: &str, wanted: &str| {
        let mut found = words.iter().copied().filter(|word| word.of(text) == wanted);
        found.next().filter(|_| found.next().is_none())
    };
    (of_source.iter())
        .filter_map(|word| {
            let wanted = word.of(source);
            let at_source = only(&of_source, source, wanted)?;
            Some([at_source, only(&of_target, target, wanted)?])
        })
        .collect()
}

/// Puts new texts in the place of words, which stand in the order of the text.
fn put(text: &str, words: &[(Word, String)]) -> String {
    let mut out = String::new();
    let mut done = 0;
    for (word, new) in words {
        out.push_str(&text[done..word.start]);
        out.push_str(new);
        done = word.end;
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    /// The placeholders of a text with what stands between a pair of them taken for text.
    fn placeholders(text: &str) -> BTreeMap<char, usize> {
        let mut counts = BTreeMap::new();
        for c in text.chars().filter(|c| ('\u{E000}'..='\u{E00F}').contains(c)) {
            *counts.entry(c).or_default() += 1;
        }
        counts
    }

    #[test]
    fn both_sides_get_the_same_placeholders_once_each() {
        let source = "On 3 May, \"Ada\" and Bob paid $12.50 to ada@example.org (Bonn) in Bonn.";
        let target = "Am 3. Mai zahlten Bob und „Ada“ $12.50 an ada@example.org (Bonn) in Bonn.";
        let mut seen = 0;
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let sides = [source.to_owned(), target.to_owned()];
            let Some([s, t]) = mask(sides, &mut rng) else { continue };
            let [of_source, of_target] = [&s, &t].map(|text| placeholders(text));
            assert_eq!(of_source, of_target, "{s}\n{t}");
            assert!(of_source.values().all(|&count| count == 1), "{s}");
            let in_order = of_source.keys().copied().eq((0..of_source.len()).map(placeholder));
            assert!(in_order, "numbered from 0: {s}");
            let ordered: Vec<char> = s.chars().filter(|c| of_source.contains_key(c)).collect();
            assert!(ordered.is_sorted(), "{s}");
            seen = seen.max(of_source.len());
        }
        assert!(seen >= 4, "only {seen} placeholders");
    }

    #[test]
    fn words_lose_the_marks_around_them() {
        let text = "(\"Ada\") paid: $12.50, l'été";
        let found: Vec<&str> = words(text).into_iter().map(|word| word.of(text)).collect();
        assert_eq!(found, ["Ada", "paid", "12.50", "l'été"]);
    }

    #[test]
    fn a_word_that_occurs_twice_is_not_masked() {
        assert!(shared_words("Bonn and Bonn", "Bonn und Bonn").is_empty());
        assert_eq!(shared_words("in Bonn", "in Bonn").len(), 2);
    }
}
