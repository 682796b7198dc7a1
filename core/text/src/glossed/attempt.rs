//! A sentence, asked in one way.

use crate::{
    carry::Carrier,
    document::{Item, Rewritten},
    options::Options,
    sentence::Sentence,
    split::has_letters,
};

/// A sentence, asked in one way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) carrier: Carrier,
    /// Whether the model is to search for the terms.
    pub(super) wants: bool,
    around: Option<Around>,
}

/// The sentence with words as spans that the document does not have.
#[derive(Debug)]
struct Around {
    sentence: Sentence,
    /// What each span of the sentence is written as.
    spans: Vec<Written>,
    /// Whether words are written although the model has no translation of what is around them.
    is_strict: bool,
}

/// What stands in place of a span.
#[derive(Debug, Clone)]
pub(super) enum Written {
    /// The span of the document with this number.
    Span(usize),
    /// The translation of a term.
    Term(String),
}

impl Attempt {
    pub(super) fn new(carrier: Carrier, wants: bool) -> Self {
        Self { carrier, wants, around: None }
    }

    /// An attempt in which the spans of `sentence` are written as `spans`.
    pub(super) fn around(
        sentence: Sentence,
        spans: Vec<Written>,
        is_strict: bool,
        options: &Options,
    ) -> Self {
        let carrier = Carrier::new(&sentence, options);
        Self { carrier, wants: false, around: Some(Around { sentence, spans, is_strict }) }
    }

    /// The sentence by the hypothesis at `rank`, else by the best.
    pub(super) fn rewritten(&self, rank: usize) -> Rewritten {
        let rewritten = self.carrier.rewritten(rank);
        let Some(around) = &self.around else { return rewritten };
        match rewritten {
            Rewritten::Items(items) => {
                Rewritten::Items(items.into_iter().map(|item| around.written(item)).collect())
            }
            Rewritten::Unchanged if around.is_strict || !around.has_prose() => {
                Rewritten::Items(around.unchanged())
            }
            Rewritten::Unchanged => Rewritten::Unchanged,
        }
    }
}

impl Around {
    fn written(&self, item: Item) -> Item {
        match item {
            Item::Span(number) => match &self.spans[number] {
                Written::Span(span) => Item::Span(*span),
                Written::Term(text) => Item::Prose(text.clone()),
            },
            prose => prose,
        }
    }

    /// The sentence as it is, but for what its spans are written as.
    fn unchanged(&self) -> Vec<Item> {
        let Sentence { text, spans } = &self.sentence;
        let (mut items, mut at) = (Vec::new(), 0);
        for (number, span) in spans.iter().enumerate() {
            items.push(Item::Prose(text[at..span.at.start].to_owned()));
            items.push(self.written(Item::Span(number)));
            at = span.at.end;
        }
        items.push(Item::Prose(text[at..].to_owned()));
        items
    }

    fn has_prose(&self) -> bool {
        let Sentence { text, spans } = &self.sentence;
        let mut at = 0;
        for span in spans {
            if has_letters(&text[at..span.at.start]) {
                return true;
            }
            at = span.at.end;
        }
        has_letters(&text[at..])
    }
}
