//! Numbers as Romance languages write them beside some words: centuries in Roman digits, and the first of a month.

use std::sync::LazyLock;

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::sentence::Role;

/// Months of French.
const MONTHS: &[&str] = &[
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// Finds them.
pub(super) struct Numerals;

static FRENCH: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r"\b(?P<p>[IVX]{1,5}(?:er|e|ème))[ \u{a0}\u{202f}]siècles?\b|\b(?P<q>1er)[ \u{a0}\u{202f}](?P<n>\p{L}+)";
    Regex::new(regex).expect("it is valid")
});

static IBERIAN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:siglos?|séculos?)[ \u{a0}](?P<p>[IVX]{1,5})\b").expect("it is valid")
});

static ITALIAN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?P<p>[IVX]{1,5})[ \u{a0}]secol[oi]\b").expect("it is valid"));

impl Recogniser for Numerals {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let regex = match text.language.split('-').next() {
            Some("fr") => &FRENCH,
            Some("es" | "pt" | "pb") => &IBERIAN,
            Some("it") => &ITALIAN,
            _ => return,
        };
        for found in regex.captures_iter(text.text) {
            let is_date = found.name("n").is_none_or(|next| MONTHS.contains(&next.as_str()));
            let number = found.name("p").or(found.name("q")).filter(|_| is_date);
            let carry = Carry::Inline(Role::Number);
            pieces.extend(number.map(|it| Piece { at: it.range(), kind: Kind::Number, carry }));
        }
    }
}

/// Whether `text` may have such a number.
pub(super) fn has_numeral(text: &str) -> bool {
    ["siècle", "siglo", "século", "secol"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::find;

    #[test]
    fn centuries_and_the_first_of_a_month_are_found() {
        for (language, text, wanted) in [
            ("fr", "Le XXe siècle commence le 1er mars.", &["XXe", "1er"][..]),
            ("es", "En el siglo XX nadie.", &["XX"]),
            ("it", "Nel XVIII secolo.", &["XVIII"]),
            ("pt", "No século XIX.", &["XIX"]),
            ("en", "Pope XX siglo.", &[]),
        ] {
            let found = find(text, language);
            let found: Vec<&str> = found.into_iter().map(|piece| &text[piece.at]).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
