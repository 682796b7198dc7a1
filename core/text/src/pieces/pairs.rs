//! Pairs of words with a stroke: `Yes/No`, each a word by itself, and what languages write for `and/or`.

use std::sync::LazyLock;

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{letters::base, sentence::Role};

/// Finds them.
pub(super) struct Pairs;

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r"(?m)^[ \t]*(?P<a>\p{L}[\p{L}'’-]{1,30})(?P<s> ?/ ?)(?P<b>\p{L}[\p{L}'’-]{1,30})[.!?:]?[ \t\r]*$";
    Regex::new(regex).expect("it is valid")
});

/// What begins types of media and paths.
const TECHNICAL: &[&str] = &[
    "text",
    "image",
    "audio",
    "video",
    "application",
    "multipart",
    "font",
    "model",
    "src",
    "bin",
    "lib",
    "etc",
    "usr",
    "var",
    "tmp",
    "opt",
    "dev",
    "home",
    "test",
    "tests",
    "docs",
    "app",
    "apps",
    "main",
    "origin",
    "km",
    "kg",
    "mg",
];

/// And/or in the languages that have one.
pub(crate) const AND_OR: &[(&str, &str)] = &[
    ("en", "and/or"),
    ("de", "und/oder"),
    ("fr", "et/ou"),
    ("es", "y/o"),
    ("it", "e/o"),
    ("nl", "en/of"),
    ("pt", "e/ou"),
];

impl Recogniser for Pairs {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        if !text.text.contains('/') {
            return;
        }
        for found in LINE.captures_iter(text.text) {
            let (Some(a), Some(stroke), Some(b)) =
                (found.name("a"), found.name("s"), found.name("b"))
            else {
                continue;
            };
            let is_shouted = |word: &str| !word.contains(char::is_lowercase);
            let is_path = TECHNICAL.contains(&a.as_str()) || TECHNICAL.contains(&b.as_str());
            // TCP/IP is one name.
            if !(is_path || is_shouted(a.as_str()) && is_shouted(b.as_str())) {
                pieces.push(Piece { at: stroke.range(), kind: Kind::Symbol, carry: Carry::Cut });
            }
        }
        let language = base(text.language);
        let Some((_, pair)) = AND_OR.iter().find(|(code, _)| *code == language) else { return };
        for (at, _) in text.text.match_indices(pair) {
            let end = at + pair.len();
            let touches = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
            let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_');
            if !text.text[..at].ends_with(touches) && !text.text[end..].starts_with(goes_on) {
                let carry = Carry::Inline(Role::Number);
                pieces.push(Piece { at: at..end, kind: Kind::Identifier, carry });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Carry, find};

    fn cuts<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        let found = find(text, language).into_iter().filter(|piece| piece.carry == Carry::Cut);
        found.map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn a_pair_alone_is_two_words() {
        for text in ["Yes/No", "Ja/Nein", "Ja / Nee", "Name/Vorname:", "on/off"] {
            assert_eq!(cuts(text, "de").len(), 1, "{text}");
        }
        for text in ["text/html", "src/main", "km/h", "TCP/IP", "either/or is not it", "a/b", "w/o"]
        {
            assert!(cuts(text, "en").is_empty(), "{text}");
        }
        let text = "Äpfel und/oder Birnen";
        assert_eq!(&text[find(text, "de")[0].at.clone()], "und/oder");
    }
}
