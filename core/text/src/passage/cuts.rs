//! Where a sentence is asked in parts.

use crate::{capitals::is_label, letters::base, split::has_letters};

/// Words of a sentence at least that is asked in parts.
pub(super) const MIN_WORDS: usize = 12;

/// Words that are repeated, at most.
const MAX_PERIOD: usize = 8;

/// How often they stand in a row, at least.
const MIN_TIMES: usize = 4;

/// Words of a sentence without any mark at least that is cut before it is asked.
const LONG_WORDS: usize = 36;

/// Words that join clauses.
fn conjunctions(language: &str) -> &'static [&'static str] {
    match base(language) {
        "de" => &["und", "aber", "oder"],
        "en" => &["and", "but", "or"],
        "es" => &["y", "e", "pero", "o"],
        "fr" => &["et", "mais", "ou"],
        "it" => &["e", "ed", "ma", "o"],
        "nl" => &["en", "maar", "of"],
        "pt" | "pb" => &["e", "mas", "ou"],
        _ => &[],
    }
}

/// Words that a clause begins with behind a conjunction.
const BEGINNINGS: &[&str] = &[
    "che", "da", "dann", "dass", "dat", "depois", "du", "ela", "ele", "elle", "ella", "er", "es",
    "eu", "he", "het", "hij", "i", "ich", "ihr", "ik", "il", "ils", "it", "je", "lei", "lui",
    "luego", "noi", "nosotros", "nous", "nós", "on", "poi", "puis", "que", "she", "sie", "so",
    "that", "then", "there", "they", "tu", "we", "wir", "you", "ze", "zij", "él",
];

/// How many words repeat, if a text is nothing but these words again and again.
pub(super) fn period(words: &[&str]) -> Option<usize> {
    if words.len() < MIN_WORDS {
        return None;
    }
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let last = lower.len() - 1;
    let is_same = |i: usize, j: usize| match i == last {
        true => lower[i].trim_end_matches(['.', '!', '?', '…']) == lower[j],
        false => lower[i] == lower[j],
    };
    (1..=MAX_PERIOD).find(|&period| {
        words.len() >= MIN_TIMES * period && (period..words.len()).all(|i| is_same(i, i - period))
    })
}

/// The space nearest to the middle of a text.
pub(super) fn middle(text: &str) -> Option<usize> {
    text.match_indices(' ').map(|(at, _)| at).min_by_key(|at| at.abs_diff(text.len() / 2))
}

/// Where a label in capitals ends, as in `NOTE: The door is open.`
pub(super) fn behind_label(text: &str, language: &str) -> Option<usize> {
    let at = text.find(": ")? + 1;
    let (label, rest) = text.split_at(at);
    let is_sentence = has_letters(rest) && rest.contains(char::is_lowercase);
    (is_sentence && is_label(label, language)).then_some(at)
}

/// The space before the conjunction nearest to the middle of a long text without marks.
pub(super) fn between_clauses(text: &str, language: &str) -> Option<usize> {
    let is_mark =
        |c: char| matches!(c, ',' | ';' | ':' | '–' | '—' | '(' | ')' | '"' | '“' | '„' | '«');
    if text.contains(is_mark) || text.split_whitespace().count() < LONG_WORDS {
        return None;
    }
    let length = text.len();
    let distance = |at: usize| {
        let mut words = text[at..].split_whitespace();
        let is_conjunction = conjunctions(language).contains(&words.next()?);
        let begins = words.next().is_some_and(|word| BEGINNINGS.contains(&word));
        let distance = at.abs_diff(length / 2) + if begins { 0 } else { length / 6 };
        is_conjunction.then_some((distance, at))
    };
    let places = text.match_indices(' ').filter_map(|(at, _)| distance(at));
    places.filter(|(_, at)| 5 * at > length && 5 * at < 4 * length).min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_in_capitals_ends_at_its_colon() {
        for (text, wanted) in [
            ("NOTE: The door is open.", Some(5)),
            ("VERY IMPORTANT: read this", Some(15)),
            ("Note: The door is open.", None),
            ("USB: the plug", None),
            ("NOTE: 5", None),
            ("THE DOOR: IS OPEN", None),
            ("It is NOTE: one", None),
        ] {
            assert_eq!(behind_label(text, "en"), wanted, "{text}");
        }
    }

    #[test]
    fn a_long_text_without_marks_is_cut_before_a_clause() {
        let text =
            "we went to the market and the shop and then we saw the old man with his big dog "
                .repeat(2);
        let text = text.trim();
        let at = between_clauses(text, "en").map(|at| &text[at..]);
        assert!(at.is_some_and(|rest| rest.starts_with(" and then we saw")), "{at:?}");
        assert_eq!(between_clauses(&text.replace("shop", "shop,"), "en"), None);
        assert_eq!(between_clauses("we went and we saw", "en"), None);
        assert_eq!(between_clauses(text, "ja"), None);
    }
}
