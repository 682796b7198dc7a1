//! What the title of an item says of it: its words, and the decade of a year.

use super::Item;

/// What the names of words begin with.
pub(super) const WORD: &str = "word:";
/// What the names of decades begin with.
pub(super) const DECADE: &str = "decade:";

/// Letters that a word has at least; a number may be shorter.
const LETTERS: usize = 3;

/// Features such as `word:star` and `decade:1990`. A year counts in parentheses at the end of the
/// title, where it is no word, or as a label `year:1995`, which is what becomes of it in a log.
pub(super) fn features(item: &Item) -> impl Iterator<Item = String> {
    let (title, year) = divided(&item.title);
    let labelled = || item.labels.iter().find_map(|label| year_of(label.strip_prefix("year:")?));
    let decade = year.or_else(labelled).map(|year| format!("{DECADE}{}", year / 10 * 10));
    words(title).into_iter().map(|word| format!("{WORD}{word}")).chain(decade)
}

/// Runs of letters and digits in lower case, without short ones that hold no digit.
fn words(title: &str) -> Vec<String> {
    let lower = title.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let says_something =
        |word: &&str| word.chars().count() >= LETTERS || word.chars().any(char::is_numeric);
    words.filter(says_something).map(str::to_owned).collect()
}

/// A title, and the year in parentheses behind it.
fn divided(title: &str) -> (&str, Option<u16>) {
    let found = title.trim().strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match found.and_then(|(name, year)| Some((name, year_of(year)?))) {
        Some((name, year)) => (name, Some(year)),
        None => (title, None),
    }
}

/// A year of four digits.
fn year_of(text: &str) -> Option<u16> {
    let is_year = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    is_year.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(title: &str, labels: &[&str]) -> Vec<String> {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        features(&Item { title: title.into(), labels, ..Item::default() }).collect()
    }

    #[test]
    fn titles_are_words_and_a_decade() {
        let found = of("The Étoile of 2 Kings: Part II (1995)", &[]);
        assert_eq!(
            found,
            ["word:the", "word:étoile", "word:2", "word:kings", "word:part", "decade:1990"]
        );
        assert_eq!(of("2001: A Space Odyssey", &[]), ["word:2001", "word:space", "word:odyssey"]);
        assert_eq!(of("Ωδύσσεια", &[]), ["word:ωδύσσεια"]);
        assert!(of("", &[]).is_empty());
    }

    #[test]
    fn a_year_is_that_of_the_title_or_else_of_a_label() {
        assert_eq!(of("Heat", &["director:mann", "year:1995"]), ["word:heat", "decade:1990"]);
        assert_eq!(of("Heat (1986)", &["year:1995"]), ["word:heat", "decade:1980"]);
        assert_eq!(of("Heat (uncut)", &["year:soon", "year:99"]), ["word:heat", "word:uncut"]);
    }
}
