//! What is done to an answer beside the search for its words.

use super::mask;
use super::part::Context;
use crate::{options::Format, references::unescape};

/// `target` with the white space that `source` has at its ends.
pub(super) fn spaced_as(source: &str, target: String) -> String {
    let before = &source[..source.len() - source.trim_start().len()];
    let behind = &source[source.trim_end().len()..];
    match before.is_empty() && behind.is_empty() {
        true => target,
        false => format!("{before}{target}{behind}"),
    }
}

/// The answer to a plain text: models that have read markup write references where the source has
/// none.
pub(super) fn without_references(source: &str, answer: &str, context: &Context<'_>) -> String {
    match context.options.format == Format::Text && !source.contains('&') {
        true => unescape(answer),
        false => answer.to_owned(),
    }
}

/// `translation` with a capital where it begins a sentence whose source began with a number or with
/// what is not prose, and so had no case to copy.
pub(super) fn with_capital(source: &str, translation: String) -> String {
    let is_piece = |c: char| c.is_ascii_digit() || mask::number(c).is_some();
    let begins = source.trim_start().starts_with(is_piece);
    let ends = source.trim_end().ends_with(['.', '!', '?', '…', '。']);
    let first = translation.chars().next().filter(|c| c.is_lowercase());
    match first.filter(|_| begins && ends) {
        Some(first) => {
            first.to_uppercase().chain(translation[first.len_utf8()..].chars()).collect()
        }
        None => translation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_began_with_a_number_begins_with_a_capital() {
        let capital = |source, text: &str| with_capital(source, text.to_owned());
        let came = capital("5.000 people came.", "vinieron 5.000 personas.");
        assert_eq!(came, "Vinieron 5.000 personas.");
        assert_eq!(capital("\u{f0000} is new.", "es nuevo \u{f0000}."), "Es nuevo \u{f0000}.");
        for (source, same) in [
            ("5 apples", "manzanas 5"),
            ("…and left.", "y se fue."),
            ("iPhones are new.", "iPhones sind neu."),
            ("5 came.", "5 vinieron."),
        ] {
            assert_eq!(capital(source, same), same);
        }
    }
}
