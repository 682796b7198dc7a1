//! Faults of a model that the words alone show: it says the same again and again, or loses the end.

use std::collections::HashMap;

use crate::letters::is_unspaced;

/// Letters from which on a source is long enough to compare its length with that of its translation,
/// where both have an alphabet.
const LONG_LETTERS: usize = 100;

/// Whether the target says the same again and again, more often than the source.
pub(crate) fn repeats(source: &str, target: &str) -> bool {
    longest_loop(target) > longest_loop(source).max(2)
        || stutters(source, target)
        || longest_run(target) > longest_run(source).max(3)
        || most_frequent(target) > most_frequent(source).max(2)
}

/// Whether so little is left of a long source that its end must be lost.
pub(super) fn loses_end(source: &str, target: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
    let wanted = letters(source);
    wanted > LONG_LETTERS && 5 * letters(target) < 2 * wanted
}

/// How many times the most frequent four words in a row stand in `text`.
fn most_frequent(text: &str) -> usize {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut most = 0;
    let mut counts: HashMap<&[&str], usize> = HashMap::new();
    for four in words.windows(4) {
        let count = counts.entry(four).or_default();
        *count += 1;
        most = most.max(*count);
    }
    most
}

/// Whether a word of the target says a syllable again and again, as in `Openfenfenfen`.
pub(super) fn stutters(source: &str, target: &str) -> bool {
    let longest = |text: &str| text.split(|c: char| !c.is_alphabetic()).map(stutter).max();
    longest(target) > longest(source).max(Some(2))
}

/// How many times in a row two to six letters repeat in a word.
fn stutter(word: &str) -> usize {
    let letters: Vec<char> = word.chars().collect();
    let mut most = 1;
    if letters.iter().any(|c| is_unspaced(*c)) {
        return most; // these are several words
    }
    for length in 2..=6.min(letters.len() / 2) {
        let mut same = 0;
        for i in length..letters.len() {
            let is_run = letters[i] == letters[i - 1] && letters[i] == letters[i + 1 - length];
            let repeats = letters[i] == letters[i - length] && !is_run;
            same = if repeats { same + 1 } else { 0 };
            most = most.max(1 + same / length);
        }
    }
    most
}

/// How many times in a row one to six words repeat.
fn longest_loop(text: &str) -> usize {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut most = 1;
    for length in 1..=6.min(words.len() / 2) {
        let mut same = 0;
        for i in length..words.len() {
            same = if words[i] == words[i - length] { same + 1 } else { 0 };
            most = most.max(1 + same / length);
        }
    }
    most
}

/// `target` without what it says again and again.
pub(super) fn squeezed(source: &str, target: &str) -> String {
    if !repeats(source, target) {
        return target.to_owned();
    }
    let mut words: Vec<&str> = Vec::new();
    for word in target.split_whitespace() {
        words.push(word);
        for length in 1..=6.min(words.len() / 2) {
            let (first, second) = words[words.len() - 2 * length..].split_at(length);
            if first == second {
                words.truncate(words.len() - length);
                break;
            }
        }
    }
    let limit = longest_run(source).max(3);
    let (mut text, mut run, mut last) = (String::with_capacity(target.len()), 0, ' ');
    for c in words.join(" ").chars() {
        run = if c == last && c.is_alphanumeric() { run + 1 } else { 1 };
        last = c;
        if run <= limit {
            text.push(c);
        }
    }
    text
}

/// How many times in a row the same letter stands.
fn longest_run(text: &str) -> usize {
    let (mut most, mut run, mut last) = (0, 0, ' ');
    for c in text.chars() {
        run = if c == last && c.is_alphanumeric() { run + 1 } else { 1 };
        last = c;
        most = most.max(run);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_counted() {
        assert_eq!(longest_loop("a b a b a b c"), 3);
        assert_eq!(longest_loop("no no no no"), 4);
        assert_eq!(longest_loop("a b c"), 1);
        assert!(repeats("a house", "das Haus das Haus das Haus"));
        assert!(!repeats("no no no", "nein nein nein"));
        assert!(repeats("https", "httttttps"));
        assert!(repeats("open", "Openfenfenfenfen"));
        for word in ["Barbara", "bananas", "Mississippi", "anstandslos", "nonononsense"] {
            assert_eq!(repeats("no", word), word.contains("nononon"), "{word}");
        }
        assert!(!repeats("Hahaha!", "Hahaha!"));
        assert!(!stutters("Ha!", "哈哈哈哈哈哈"));
        let loop_with_others =
            "for it was said that he was old, for it was said that he is, for it was said that";
        assert!(repeats("he was said to be old", loop_with_others));
        assert!(!repeats("he was said to be old", "for it was said that he was old"));
        assert!(loses_end(&"one word and another ".repeat(10), "ein Wort und ein anderes"));
        assert!(!loses_end("one word and another", "ein"));
        assert_eq!(squeezed("a house", "ein Haus ein Haus ein Haus am See"), "ein Haus am See");
        assert_eq!(squeezed("https", "httttttps"), "htttps");
    }
}
