//! What is done to an answer beside the search for its words.

use super::mask;
use super::part::Context;
use crate::{options::Format, references::unescape, restore};

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

/// Marks that open a sentence before its first letter.
const OPENING: &[char] =
    &['"', '\'', '“', '”', '„', '‚', '‘', '’', '«', '»', '‹', '›', '¿', '¡', ' '];

/// `translation` with a capital where it begins a sentence whose first character had no case to copy: a
/// number, what is not prose, or a quotation mark before a capital; and where the model was shown a
/// small letter in place of a capital.
pub(super) fn with_capital(source: &str, translation: String, context: &Context<'_>) -> String {
    let bare = source.trim_start_matches(OPENING);
    let is_piece = |c: char| c.is_ascii_digit() || mask::number(c).is_some();
    let ends = source.trim_end().ends_with(['.', '!', '?', '…', '。']);
    let is_wanted = match bare.len() == source.trim_start().len() {
        true => ends && bare.starts_with(is_piece),
        false => bare.starts_with(char::is_uppercase),
    };
    if is_wanted {
        let at = translation.len() - translation.trim_start_matches(OPENING).len();
        return capitalised(translation, at);
    }
    let first = |text: &str| text.chars().find(|c| c.is_alphabetic());
    let is_small = |text: &str| first(text).is_some_and(char::is_lowercase);
    let was_lowered = first(source).is_some_and(char::is_uppercase)
        && is_small(&restore::in_normal_case(source, &context.options.source));
    match translation.find(char::is_alphabetic).filter(|_| was_lowered) {
        Some(at) => capitalised(translation, at),
        None => translation,
    }
}

/// `text` with a capital at `at`, if a small letter is there.
fn capitalised(text: String, at: usize) -> String {
    match text[at..].chars().next().filter(|c| c.is_lowercase()) {
        Some(small) => {
            let rest = &text[at + small.len_utf8()..];
            format!("{}{}{rest}", &text[..at], small.to_uppercase())
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[test]
    fn a_sentence_that_began_with_a_number_begins_with_a_capital() {
        let options = Options { source: "en".into(), ..Options::default() };
        let context = Context { options: &options, words: &[] };
        let capital = |source, text: &str| with_capital(source, text.to_owned(), &context);
        let came = capital("5.000 people came.", "vinieron 5.000 personas.");
        assert_eq!(came, "Vinieron 5.000 personas.");
        assert_eq!(capital("\u{f0000} is new.", "es nuevo \u{f0000}."), "Es nuevo \u{f0000}.");
        assert_eq!(capital("< House <", "< haus <"), "< Haus <");
        assert_eq!(capital("\"One 5", "\"one 5"), "\"One 5");
        assert_eq!(capital("« Oui », dit-il.", "“yes,” he said."), "“Yes,” he said.");
        for (source, same) in [
            ("5 apples", "manzanas 5"),
            ("…and left.", "y se fue."),
            ("iPhones are new.", "iPhones sind neu."),
            ("5 came.", "5 vinieron."),
            ("'cause he can.", "'porque puede."),
        ] {
            assert_eq!(capital(source, same), same);
        }
    }
}
