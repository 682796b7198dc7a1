//! Texts of letters and common punctuation, at which nobody need look closer.

use super::{
    expressions::has_kebab, hours::has_days, names::has_name, romance::has_numeral,
    scripts::is_western,
};
use crate::letters::has_own;

/// Whether there is nothing but letters and common punctuation, so that nobody need look closer.
pub(super) fn is_plain(text: &str, language: &str) -> bool {
    let is_common = |c: char| match c {
        ' ' | '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '"' | '-' | '(' | ')' | '\n' => true,
        '’' | '‘' | '“' | '”' | '„' | '«' | '»' | '–' | '¿' | '¡' => true,
        _ => c.is_ascii_alphabetic() || is_western(c),
    };
    !has_own(language)
        && text.chars().all(is_common)
        && !text.contains("   ")
        && !has_inner_capital(text)
        && !text.lines().any(begins_with_mark)
        && !text.starts_with([':', '.', '-', '(', ';', '!'])
        && !text.as_bytes().windows(3).any(is_glued)
        && !text.contains(": \"")
        && !text.contains(" » ")
        && !has_kebab(text)
        && !has_name(text)
        && !has_numeral(text)
        && !has_days(text, language)
}

/// Whether a capital stands within a word, as in `camelCase`.
fn has_inner_capital(text: &str) -> bool {
    let mut before = ' ';
    for c in text.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            return true;
        }
        before = c;
    }
    false
}

/// Whether a line may begin a list: with a mark, or with one within its first characters.
fn begins_with_mark(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['-', '–', '•'])
        || line.bytes().take(5).any(|byte| matches!(byte, b')' | b'.'))
}

/// Whether a mark stands between letters as in `example.com`, or begins a word as in `:name` or `--all`.
fn is_glued(window: &[u8]) -> bool {
    let [before, mark, behind] = window else { return false };
    match mark {
        b'.' | b'!' => behind.is_ascii_alphabetic(),
        b':' | b';' => *behind != b' ' && *behind != b'\n',
        b'-' => !before.is_ascii_alphabetic() && *behind != b' ',
        b'(' | b')' => !behind.is_ascii_alphabetic() && *behind != b' ' && *behind != b'\n',
        _ => false,
    }
}
