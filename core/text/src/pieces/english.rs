//! Numbers with English letters: `21st`, `1990s`, `3:30 p.m.`, which other languages write otherwise.

use std::sync::LazyLock;

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text, numbers::ends};
use crate::{letters::base, sentence::Role};

/// Finds them in English texts.
pub(super) struct Numbers;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    let clock = r"\d{1,2}(?:[:.]\d{2})?[ \u{a0}]?(?:[AaPp]\.[Mm]\.|[AaPp][Mm]\b)";
    let ordinal = r"\d{1,4}(?:st|nd|rd|th)\b";
    let decade = r"(?:1[0-9]|20)\d0s\b";
    Regex::new(&format!(r"\b(?:{clock}|{ordinal}|{decade})")).expect("it is valid")
});

static BARE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)^\s*[ap]\.\s?m\.\s*$").expect("it is valid"));

impl Recogniser for Numbers {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        if base(text.language) != "en" {
            return;
        }
        let mut add = |at, role| {
            pieces.push(Piece { at, kind: Kind::Number, carry: Carry::Inline(role) });
        };
        if BARE.is_match(text.text) {
            add(0..text.text.len(), Role::Figure);
        }
        for found in NUMBER.find_iter(text.text) {
            let mut at = found.range();
            let touches = |c: char| c.is_alphanumeric() || "-–:.,/$€£".contains(c);
            if text.text[..at.start].ends_with(touches) {
                continue;
            }
            // The stop of `p.m.` may be that of the sentence.
            let rest = &text.text[at.end..];
            if text.text[at.clone()].ends_with('.') && ends(text.text, at.end) {
                at.end -= 1;
            } else if rest.starts_with(['-', '–']) && rest[1..].starts_with(|c: char| c != ' ') {
                // `9am-5pm`, `3rd-party`
                continue;
            }
            add(at, Role::Number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn pieces<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        find(text, language).into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn letters_at_numbers_belong_to_them() {
        assert_eq!(pieces("The 21st of May, the 1990s", "en"), ["21st", "1990s"]);
        assert_eq!(pieces("At 9 a.m. we start.", "en"), ["9 a.m."]);
        assert_eq!(pieces("We start at 3:30 p.m.", "en"), ["3:30 p.m"]);
        assert_eq!(pieces("At 6pm. Then home.", "en"), ["6pm"]);
        assert_eq!(pieces("a.m.", "en"), ["a.m."]);
    }

    #[test]
    fn others_are_not_taken_for_them() {
        assert_eq!(pieces("I have 5 amps.", "en"), ["5"]);
        assert_eq!(pieces("A 3rd-party app", "en"), ["3rd"]);
        assert_eq!(pieces("Der 2nd", "de"), ["2nd"]);
    }
}
