//! The key of a label in a menu: `&File`, `E&xit`, `_Open`. The mark stands before a letter of the
//! translation; the label is prose.

use std::ops::Range;

use super::{Carry, Kind, Piece};
use crate::sentence::Role;

/// Bytes of a label at most, and its words.
const MAX_LABEL: usize = 60;
const MAX_WORDS: usize = 6;

/// Letters before a mark within a word at most, and of the whole word: `AT&T` and `bed&breakfast` are
/// names.
const MAX_BEFORE: usize = 3;
const MAX_WORD: usize = 9;

/// The mark of `text`, if that is a label with one.
pub(super) fn mark(text: &str) -> Option<Range<usize>> {
    let label = text.trim();
    if label.len() > MAX_LABEL || label.contains('\n') || label.split(' ').count() > MAX_WORDS {
        return None;
    }
    ['&', '_'].into_iter().find_map(|mark| {
        let at = text.find(mark).filter(|_| text.matches(mark).count() == 1)?;
        let other = if mark == '&' { '_' } else { '&' };
        let is_label = !text.contains([other, '(', '=', '/', '\\', '@', '#', '<', '{', '%', '$'])
            && fits(&text[..at], &text[at + 1..], mark);
        is_label.then_some(at..at + 1)
    })
}

/// Whether a mark between `before` and `behind` is one of a key.
fn fits(before: &str, behind: &str, mark: char) -> bool {
    let begins = |c: char| !c.is_alphabetic();
    let head = &before[before.rfind(begins).map_or(0, |at| at + char_len(before, at))..];
    let tail = &behind[..behind.find(begins).unwrap_or(behind.len())];
    let next = behind[tail.len()..].chars().next();
    let is_entity = mark == '&' && next == Some(';');
    let Some(letter) = tail.chars().next() else { return false };
    // A query, an identifier with digits, an address
    if is_entity || next.is_some_and(|c| c.is_alphanumeric() || c == '=') {
        return false;
    }
    if head.is_empty() {
        let is_apart = before.is_empty() || before.ends_with([' ', '"', '\t']);
        return is_apart && (mark == '&' || letter.is_uppercase()) && tail.chars().count() > 1;
    }
    let length = head.chars().count();
    let is_word = length <= MAX_BEFORE && length + tail.chars().count() <= MAX_WORD;
    let begins_label =
        head.starts_with(char::is_uppercase) && head.chars().skip(1).all(char::is_lowercase);
    // E_xit, but not a_b
    is_word && begins_label && tail.chars().all(char::is_lowercase) && (mark == '&' || length < 3)
}

fn char_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

/// The piece of a mark.
pub(super) fn piece(at: Range<usize>) -> Piece {
    Piece { at, kind: Kind::Symbol, carry: Carry::Inline(Role::Point) }
}

/// `text` with a letter in place of the mark at `at`, so that its word looks like one.
pub(super) fn joined(text: &str, at: Range<usize>) -> String {
    let is_capital = text[at.end..].starts_with(char::is_uppercase);
    let letter = if is_capital { "X" } else { "x" };
    format!("{}{letter}{}", &text[..at.start], &text[at.end..])
}

#[cfg(test)]
mod tests {
    use super::{super::find, mark};

    #[test]
    fn keys_of_labels_are_found() {
        for (text, at) in [
            ("&File", 0),
            ("E&xit", 1),
            ("_Open", 0),
            ("E_xit", 1),
            ("Save &As…", 5),
            ("Co&py", 2),
            ("&Find and replace...", 0),
        ] {
            assert_eq!(mark(text), Some(at..at + 1), "{text}");
            let pieces = find(text, "en");
            assert!(matches!(&pieces[..], [piece] if piece.at == (at..at + 1)), "{text}");
        }
    }

    #[test]
    fn names_and_code_have_none() {
        for text in [
            "AT&T",
            "R&D",
            "Q & A",
            "rock&roll",
            "bed&breakfast",
            "&copy;",
            "a&b",
            "snake_case",
            "_private",
            "_Italic_",
            "call_me",
            "x=1&y",
            "Tom & Jerry",
            "Q&A",
            "_A",
        ] {
            assert_eq!(mark(text), None, "{text}");
        }
    }
}
