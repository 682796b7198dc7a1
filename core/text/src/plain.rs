//! Plain text.

use std::ops::Range;

use crate::{
    document::{Document, Item, Rewritten},
    sentence::Sentence,
    split::{Segment, split},
};

/// A plain text, and the sentences in it.
#[derive(Debug)]
pub struct PlainText {
    text: String,
    sentences: Vec<Sentence>,
    /// Where each sentence stands in the text.
    ranges: Vec<Range<usize>>,
}

impl PlainText {
    /// Finds the sentences of `text`, written in `language`.
    pub fn parse(text: &str, language: &str) -> Self {
        let (mut sentences, mut ranges) = (Vec::new(), Vec::new());
        let mut start = 0;
        for segment in split(text, language) {
            let range = start..start + segment.as_str().len();
            start = range.end;
            if let Segment::Sentence(text) = segment {
                sentences.push(Sentence { text: text.to_owned(), spans: Vec::new() });
                ranges.push(range);
            }
        }
        Self { text: text.to_owned(), sentences, ranges }
    }
}

impl Document for PlainText {
    fn sentences(&self) -> &[Sentence] {
        &self.sentences
    }

    fn write(&self, sentences: &[&Rewritten]) -> String {
        let mut out = String::with_capacity(self.text.len() * 5 / 4);
        let mut at = 0;
        for ((sentence, range), rewritten) in self.sentences.iter().zip(&self.ranges).zip(sentences)
        {
            out.push_str(&self.text[at..range.start]);
            at = range.end;
            match rewritten {
                Rewritten::Unchanged => out.push_str(&sentence.text),
                Rewritten::Items(items) => {
                    for item in items {
                        match item {
                            Item::Prose(text) => out.push_str(text),
                            Item::Span(span) => {
                                out.push_str(&sentence.text[sentence.spans[*span].at.clone()]);
                            }
                        }
                    }
                }
            }
        }
        out.push_str(&self.text[at..]);
        out
    }

    fn has_alternatives(&self) -> bool {
        true
    }
}
