//! Numbers as Romance languages write them beside some words: centuries in Roman digits, and the first of a month.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{letters::base, sentence::Role};

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

/// The words for a century, and the first of a month.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:siècles?|siglos?|séculos?|secol[oi])\b").expect("it is valid")
});

static FIRST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?P<p>1er)[ \u{a0}\u{202f}](?P<n>\p{L}+)").expect("it is valid")
});

static NUMERAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[IVX]{1,5}(?:er|e|ᵉ|ème)?$").expect("it is valid"));

/// What may stand between two centuries.
const BETWEEN: &[&str] = &[
    "et", "ou", "au", "à", "y", "o", "u", "al", "e", "ed", "a", "ao", "-", "–", "le", "il", "el",
    "du", "de",
];

/// Centuries of one text at most that belong to one word.
const MAX_TOGETHER: usize = 8;

impl Recogniser for Numerals {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let language = base(text.language);
        let mut add = |at| {
            let carry = Carry::Inline(Role::Number);
            pieces.push(Piece { at, kind: Kind::Number, carry });
        };
        for word in WORD.find_iter(text.text) {
            match language {
                "fr" | "it" => before(text.text, word.start()).into_iter().for_each(&mut add),
                "es" | "pt" => behind(text.text, word.end()).into_iter().for_each(&mut add),
                _ => return,
            }
        }
        if language != "fr" {
            return;
        }
        for found in FIRST.captures_iter(text.text) {
            let number = found.name("p").filter(|_| MONTHS.contains(&&found["n"]));
            number.into_iter().for_each(|number| add(number.range()));
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}')
}

/// The numerals that stand before `end`: `aux XIXe et XXe`.
fn before(text: &str, end: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = &text[..end];
    for _ in 0..MAX_TOGETHER {
        rest = rest.trim_end_matches(|c| is_space(c) || c == ',');
        let start = rest.rfind(|c| is_space(c) || matches!(c, '-' | '–'));
        let start = start.map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        let token = if start == rest.len() {
            &rest[rest.trim_end_matches(['-', '–']).len()..]
        } else {
            &rest[start..]
        };
        let at = rest.len() - token.len()..rest.len();
        if token.is_empty() || !is_part(token, at.clone(), &mut found) {
            break;
        }
        rest = &rest[..at.start];
    }
    found
}

/// The numerals that stand behind `start`: `siglos XIX y XX`.
fn behind(text: &str, start: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = start;
    for _ in 0..MAX_TOGETHER {
        at = text.len() - text[at..].trim_start_matches(|c| is_space(c) || c == ',').len();
        let rest = &text[at..];
        let is_dash = rest.starts_with(['-', '–']);
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let end = if is_dash { rest.chars().next().map_or(0, char::len_utf8) } else { end };
        if end == 0 || !is_part(&rest[..end], at..at + end, &mut found) {
            break;
        }
        at += end;
    }
    found
}

/// Whether `token` at `at` is a numeral, which is added to `found`, or stands between two.
fn is_part(token: &str, at: Range<usize>, found: &mut Vec<Range<usize>>) -> bool {
    let is_numeral = NUMERAL.is_match(token);
    if is_numeral {
        found.push(at);
    }
    is_numeral || !found.is_empty() && BETWEEN.contains(&token)
}

/// Whether `text` may have such a number.
pub(super) fn has_numeral(text: &str) -> bool {
    ["iècle", "iglo", "éculo", "ecol"].iter().any(|word| text.contains(word))
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
            ("fr", "Aux XIXᵉ et XXe siècles", &["XIXᵉ", "XXe"]),
            ("es", "Los siglos XIX y XX", &["XIX", "XX"]),
            ("es", "Siglo XVI-XVII: el rey", &["XVI", "XVII"]),
            ("it", "tra XVIII e XIX secolo", &["XVIII", "XIX"]),
            ("es", "El siglo y el rey", &[]),
            ("fr", "Il vit un siècle de vin", &[]),
            ("en", "Pope XX siglo.", &[]),
        ] {
            let mut found = find(text, language);
            found.retain(|piece| text[piece.at.clone()].contains(char::is_alphabetic));
            let found: Vec<&str> = found.into_iter().map(|piece| &text[piece.at]).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
