//! Whether an answer holds what it must, and nothing that it must not.

use super::{
    mask::{self, Spelled},
    part::Context,
};

/// Why an answer was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// The words that did not come back once; none when something else is wrong.
    pub(super) words: Vec<usize>,
}

/// `answer` with the character of each word in place of how it was `spelled`.
///
/// # Errors
/// Fails when a word of `source` is not in the answer as often as in `source`, and when the answer
/// holds what the source does not explain.
pub(super) fn unmask(
    source: &str,
    answer: &str,
    spelled: &[Spelled],
    context: &Context<'_>,
) -> Result<String, Failure> {
    let _ = context;
    let inside: Vec<&Spelled> =
        spelled.iter().filter(|s| source.contains(mask::word(s.word))).collect();
    let mut text = answer.to_owned();
    let mut failure = Failure::default();
    for (i, spelled) in inside.iter().enumerate() {
        // A number may stand in the sentence more than once; each takes the first that is left.
        let same = |other: &&&Spelled| spelled.is_plain && other.text == spelled.text;
        let wanted = 1 + inside[i + 1..].iter().filter(same).count();
        let places = whole(&text, &spelled.text);
        match places.first() {
            Some(&at) if places.len() == wanted => {
                let range = at..at + spelled.text.len();
                text.replace_range(range, mask::word(spelled.word).encode_utf8(&mut [0; 4]));
            }
            _ => failure.words.push(spelled.word),
        }
    }
    if failure.words.is_empty() { Ok(text) } else { Err(failure) }
}

/// Where `word` stands in `text` and is not a part of a longer one.
fn whole(text: &str, word: &str) -> Vec<usize> {
    let is_whole = |&at: &usize| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
    };
    text.match_indices(word).map(|(at, _)| at).filter(is_whole).collect()
}

/// The best that can be made of an answer to a `source` without words that are not prose; `None`
/// when nothing of it can be used.
pub(super) fn cleaned(source: &str, answer: &str, context: &Context<'_>) -> Option<String> {
    let _ = (source, context);
    let text: String = answer.chars().filter(|c| *c != char::REPLACEMENT_CHARACTER).collect();
    (!text.trim().is_empty()).then_some(text)
}
