//! What is done to an answer beside the search for its words.

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
