//! A text that is nothing but a term: its translation is known without the model.

use crate::{
    document::{Item, Rewritten},
    sentence::{Role, Sentence, Span},
    terms::{FoundTerm, Glossary},
};

/// What becomes of a sentence that is one term, with marks and markup around it at most.
#[derive(Debug, Clone)]
pub(super) struct Alone {
    items: Vec<Item>,
    /// Whether the term is inflected: the model may know that form of the translation.
    pub(super) is_inflected: bool,
}

impl Alone {
    /// `None` where the sentence has other words than those of a term.
    pub(super) fn new(
        sentence: &Sentence,
        terms: &[FoundTerm],
        glossary: &Glossary,
    ) -> Option<Self> {
        let [term] = terms else { return None };
        // A number is written as the target language does, which the model knows.
        let is_word = |span: &Span| matches!(span.role, Role::Number | Role::Figure);
        let others = [&sentence.text[..term.at.start], &sentence.text[term.at.end..]];
        let has_words = others.iter().any(|text| text.contains(char::is_alphanumeric));
        if has_words || sentence.spans.iter().any(is_word) {
            return None;
        }
        let found = sentence.text[term.at.clone()].to_lowercase();
        let is_inflected = found != glossary.source(term.entry).to_lowercase();
        let written = glossary.written(&sentence.text, term);
        Some(Self { items: items(sentence, term, &written), is_inflected })
    }

    pub(super) fn rewritten(&self) -> Rewritten {
        Rewritten::Items(self.items.clone())
    }
}

/// `sentence` with `written` in place of `term`, which no span touches.
fn items(sentence: &Sentence, term: &FoundTerm, written: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let prose = |items: &mut Vec<Item>, text: &str| match text.is_empty() {
        true => {}
        false => items.push(Item::Prose(text.to_owned())),
    };
    let (mut at, mut is_written) = (0, false);
    for (number, span) in sentence.spans.iter().enumerate() {
        let place = &span.at;
        if !is_written && term.at.end <= place.start {
            prose(&mut items, &sentence.text[at..term.at.start]);
            prose(&mut items, written);
            (at, is_written) = (term.at.end, true);
        }
        prose(&mut items, &sentence.text[at..place.start]);
        items.push(Item::Span(number));
        at = place.end;
    }
    if !is_written {
        prose(&mut items, &sentence.text[at..term.at.start]);
        prose(&mut items, written);
        at = term.at.end;
    }
    prose(&mut items, &sentence.text[at..]);
    items
}
