//! What every format of document offers: sentences out, translations in, the document back.

use crate::sentence::Sentence;

/// A document that knows its sentences and can be written with other ones.
///
/// A format is a type with this trait; [`Session`](crate::Session) does the rest.
pub trait Document: Send {
    /// The sentences to translate, in the order of the document.
    fn sentences(&self) -> &[Sentence];

    /// The document with `sentences` in place of its own, one for each.
    fn write(&self, sentences: &[&Rewritten]) -> String;

    /// Whether alternatives to the document as a whole make sense.
    fn has_alternatives(&self) -> bool {
        false
    }
}

/// What became of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// It stays as it is in the document.
    Unchanged,
    /// It is made of these, in this order.
    Items(Vec<Item>),
}

/// A part of a translated sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Text in the target language.
    Prose(String),
    /// The span with this number, as it is in the document.
    Span(usize),
}

impl Sentence {
    /// Whether `items` say what the sentence says, span for span.
    pub fn is_said_by(&self, items: &[Item]) -> bool {
        let (mut rest, mut next) = (self.text.as_str(), 0);
        for item in items {
            let text = match item {
                Item::Prose(text) => text,
                Item::Span(span) if *span == next => {
                    next += 1;
                    &self.text[self.spans[*span].at.clone()]
                }
                Item::Span(_) => return false,
            };
            let Some(behind) = rest.strip_prefix(text) else { return false };
            rest = behind;
        }
        rest.is_empty() && next == self.spans.len()
    }
}
