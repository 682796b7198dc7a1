//! Takes a sentence through the model so that it uses the terms of a glossary.
//!
//! The sentence is asked as it is first: most models know most terms. Where a term is missing, a
//! model that can is asked again, and searches for the best sentence that has the terms: so they
//! stand in their place and their form. If the glossary is strict, or the model cannot do that, the
//! term is carried around the model at last, as what is not prose, and its translation stands where
//! it comes out.

use std::sync::Arc;

use crate::{
    carry::{Answer, Carrier},
    document::{Item, Rewritten},
    options::Options,
    sentence::{Role, Sentence, Span},
    terms::{FoundTerm, Glossary},
};

/// What the model is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// The text to translate.
    pub text: String,
    /// Terms to use, each in several forms of which one is enough; none for most texts.
    pub terms: Vec<Vec<String>>,
}

/// One sentence on its way, in one attempt or several.
#[derive(Debug)]
pub(crate) struct TermCarrier {
    sentence: Sentence,
    glossary: Option<Arc<Glossary>>,
    terms: Vec<FoundTerm>,
    attempts: Vec<Attempt>,
    stage: Stage,
    /// The attempt that the sentence is written by.
    chosen: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Plain,
    Searched,
    Around,
    Done,
}

/// A sentence, asked in one way.
#[derive(Debug)]
struct Attempt {
    carrier: Carrier,
    /// Whether the model is to search for the terms.
    wants: bool,
    /// What each span of the carrier's sentence is written as.
    spans: Option<Vec<Written>>,
}

/// What stands in place of a span.
#[derive(Debug, Clone)]
enum Written {
    /// The span of the document with this number.
    Span(usize),
    /// The translation of a term.
    Term(String),
}

impl TermCarrier {
    /// Prepares `sentence` for its way.
    pub(crate) fn new(sentence: &Sentence, options: &Options) -> Self {
        let glossary = options.glossary.clone();
        let terms = glossary.as_ref().map(|glossary| free_terms(glossary, sentence));
        let terms = terms.unwrap_or_default();
        let carrier = Carrier::new(sentence, options);
        let stage = if terms.is_empty() { Stage::Done } else { Stage::Plain };
        Self {
            // A sentence without terms is not looked at again.
            sentence: match terms.is_empty() {
                true => Sentence { text: String::new(), spans: Vec::new() },
                false => sentence.clone(),
            },
            glossary,
            terms,
            attempts: vec![Attempt { carrier, wants: false, spans: None }],
            stage,
            chosen: 0,
        }
    }

    /// Adds what to ask the model next.
    pub(crate) fn ask(&self, options: &Options, asks: &mut Vec<Ask>) {
        for attempt in &self.attempts {
            let mut segments = Vec::new();
            attempt.carrier.ask(options, &mut segments);
            asks.extend(segments.into_iter().map(|text| self.asked(text, attempt.wants)));
        }
    }

    /// `text` with the terms that are in it.
    fn asked(&self, text: String, wants: bool) -> Ask {
        let Some(glossary) = self.glossary.as_ref().filter(|_| wants) else {
            return Ask { text, ..Ask::default() };
        };
        let found = glossary.find(&text);
        let terms = found.iter().map(|term| glossary.forms(term.entry)).collect();
        Ask { text, terms }
    }

    /// Takes what the model answered, each with its number.
    pub(crate) fn accept<'a>(&mut self, options: &Options, next: &mut impl FnMut() -> Answer<'a>) {
        for attempt in &mut self.attempts {
            attempt.carrier.accept(options, next);
        }
        while self.stage != Stage::Done && !self.is_asking(options) {
            self.advance(options);
        }
    }

    fn is_asking(&self, options: &Options) -> bool {
        let mut segments = Vec::new();
        self.attempts.iter().any(|attempt| {
            attempt.carrier.ask(options, &mut segments);
            !segments.is_empty()
        })
    }

    /// Judges the attempts that were answered, and makes the next ones.
    fn advance(&mut self, options: &Options) {
        let Some(glossary) = self.glossary.clone() else { return self.stage = Stage::Done };
        match self.stage {
            Stage::Plain if self.missing(0, &glossary).is_empty() => self.stage = Stage::Done,
            Stage::Plain if options.prefers_terms => {
                self.stage = Stage::Searched;
                let carrier = Carrier::new(&self.sentence, options);
                self.attempts.push(Attempt { carrier, wants: true, spans: None });
            }
            Stage::Plain => self.go_around(options, &glossary),
            Stage::Searched => {
                let missing = |attempt: usize| self.missing(attempt, &glossary).len();
                if self.is_sane(1, &glossary) && missing(1) < missing(0) {
                    self.chosen = 1;
                }
                let is_complete = self.missing(self.chosen, &glossary).is_empty();
                match is_complete || !glossary.is_strict() {
                    true => self.stage = Stage::Done,
                    false => self.go_around(options, &glossary),
                }
            }
            Stage::Around => {
                let last = self.attempts.len() - 1;
                let missing = |attempt: usize| self.missing(attempt, &glossary).len();
                if missing(last) < missing(self.chosen) {
                    self.chosen = last;
                }
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
    }

    /// Adds the attempt in which the terms that are still missing are no prose.
    fn go_around(&mut self, options: &Options, glossary: &Glossary) {
        self.stage = Stage::Around;
        let missing = self.missing(self.chosen, glossary);
        let mut spans: Vec<(Span, Written)> = Vec::new();
        for (number, span) in self.sentence.spans.iter().enumerate() {
            spans.push((span.clone(), Written::Span(number)));
        }
        for term in missing {
            let written = Written::Term(glossary.written(&self.sentence.text, term));
            spans.push((Span { at: term.at.clone(), role: Role::Noun }, written));
        }
        // Markup stands before a word that begins where it stands, and behind one that ends there.
        spans.sort_by_key(|(span, _)| (span.at.start, span.at.end));
        let (spans, written) = spans.into_iter().unzip();
        let sentence = Sentence { text: self.sentence.text.clone(), spans };
        let carrier = Carrier::new(&sentence, options);
        self.attempts.push(Attempt { carrier, wants: false, spans: Some(written) });
    }

    /// The terms that an attempt does not use as often as the sentence has them.
    fn missing(&self, attempt: usize, glossary: &Glossary) -> Vec<&FoundTerm> {
        let text = self.text(attempt);
        let mut left: Vec<(usize, usize)> = Vec::new();
        let mut missing = Vec::new();
        for term in &self.terms {
            let known = left.iter().position(|(entry, _)| *entry == term.entry);
            let at = known.unwrap_or_else(|| {
                left.push((term.entry, glossary.uses(&text, term.entry)));
                left.len() - 1
            });
            match &mut left[at].1 {
                0 => missing.push(term),
                uses => *uses -= 1,
            }
        }
        missing
    }

    /// Whether an attempt did not run wild: it is not much longer than the plain one, and no term is
    /// in it more often than in the sentence and in the plain one.
    fn is_sane(&self, attempt: usize, glossary: &Glossary) -> bool {
        let (text, plain) = (self.text(attempt), self.text(0));
        let words = |text: &str| text.split_whitespace().count();
        let added: usize = self.terms.iter().map(|t| words(glossary.translation(t.entry))).sum();
        if words(&text) > words(&plain) + words(&plain) / 3 + added + 1 {
            return false;
        }
        self.terms.iter().all(|term| {
            let wanted = self.terms.iter().filter(|other| other.entry == term.entry).count();
            let uses = glossary.uses(&text, term.entry);
            uses <= wanted.max(glossary.uses(&plain, term.entry))
        })
    }

    /// The text by an attempt.
    fn text(&self, attempt: usize) -> String {
        let Rewritten::Items(items) = self.attempts[attempt].rewritten(0) else {
            return self.sentence.text.clone();
        };
        let text = |item: Item| match item {
            Item::Prose(text) => text,
            Item::Span(span) => self.sentence.text[self.sentence.spans[span].at.clone()].to_owned(),
        };
        items.into_iter().map(text).collect()
    }

    /// The sentence by the hypothesis at `rank`, else by the best.
    pub(crate) fn rewritten(&self, rank: usize) -> Rewritten {
        self.attempts[self.chosen].rewritten(rank)
    }

    /// The numbers of the answers that the sentence is made of.
    pub(crate) fn used(&self) -> Vec<usize> {
        self.attempts[self.chosen].carrier.used()
    }
}

impl Attempt {
    fn rewritten(&self, rank: usize) -> Rewritten {
        let rewritten = self.carrier.rewritten(rank);
        let (Some(spans), Rewritten::Items(items)) = (&self.spans, &rewritten) else {
            return rewritten;
        };
        let item = |item: &Item| match item {
            Item::Span(number) => match &spans[*number] {
                Written::Span(span) => Item::Span(*span),
                Written::Term(text) => Item::Prose(text.clone()),
            },
            prose => prose.clone(),
        };
        Rewritten::Items(items.iter().map(item).collect())
    }
}

/// The terms of `sentence` that no span is in the way of.
fn free_terms(glossary: &Glossary, sentence: &Sentence) -> Vec<FoundTerm> {
    let mut terms = glossary.find(&sentence.text);
    terms.retain(|term| {
        let reaches_in = |span: &Span| {
            span.at.start < term.at.end && term.at.start < span.at.end
                || span.at.is_empty() && term.at.start < span.at.start && span.at.end < term.at.end
        };
        !sentence.spans.iter().any(reaches_in)
    });
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Session};

    /// Translates by `model`, which is told the terms that it is to use.
    fn translate(
        text: &str,
        entries: &[(&str, &str)],
        (strict, prefers_terms): (bool, bool),
        model: impl Fn(&Ask) -> String,
    ) -> String {
        let entries = entries.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let glossary = Glossary::new(entries, "en", "de", strict);
        let options = Options {
            source: "en".into(),
            target: "de".into(),
            format: if text.contains('<') { Format::Html } else { Format::Text },
            glossary: Some(Arc::new(glossary)),
            prefers_terms,
            ..Options::default()
        };
        let mut session = Session::new(text, &options);
        for _ in 0..12 {
            let asks = session.asks();
            let answers: Vec<[String; 1]> = asks.iter().map(|ask| [model(ask)]).collect();
            session.accept(&answers);
        }
        assert!(session.asks().is_empty(), "it comes to an end");
        session.finish(0).texts.swap_remove(0)
    }

    /// Knows the word `Haus`, and another where it is to use it.
    fn house(ask: &Ask) -> String {
        let noun = ask.terms.first().map_or("Haus", |forms| forms[0].as_str());
        let text = ask.text.replace("The house", &format!("Das {noun}"));
        text.replace("is big", "ist groß").replace("The ", "Das ")
    }

    #[test]
    fn a_term_that_the_model_knows_costs_nothing() {
        let asked = std::cell::Cell::new(0);
        let model = |ask: &Ask| {
            asked.set(asked.get() + 1);
            house(ask)
        };
        let text = translate("The house is big.", &[("house", "Haus")], (true, true), model);
        assert_eq!((text.as_str(), asked.get()), ("Das Haus ist groß.", 1));
    }

    #[test]
    fn a_term_is_searched_for_and_else_carried_if_it_must_be() {
        let entries = [("house", "Gebäude")];
        let text = translate("The house is big.", &entries, (false, true), house);
        assert_eq!(text, "Das Gebäude ist groß.");
        let deaf = |ask: &Ask| house(&Ask { text: ask.text.clone(), ..Ask::default() });
        let text = translate("The house is big.", &entries, (false, true), deaf);
        assert_eq!(text, "Das Haus ist groß.");
        let text = translate("The house is big.", &entries, (true, true), deaf);
        assert_eq!(text, "Das Gebäude ist groß.");
        let text = translate("The house is big.", &entries, (false, false), house);
        assert_eq!(text, "Das Gebäude ist groß.");
    }

    #[test]
    fn an_answer_that_runs_wild_is_not_taken() {
        let wild = |ask: &Ask| match ask.terms.len() {
            0 => house(ask),
            _ => "Das Gebäude am Gebäude ist ein Gebäude und groß.".into(),
        };
        let text = translate("The house is big.", &[("house", "Gebäude")], (false, true), wild);
        assert_eq!(text, "Das Haus ist groß.");
    }

    #[test]
    fn markup_and_what_is_not_translated_keep_their_places() {
        let entries = [("house", "house"), ("big", "groß")];
        let html = "<p>The <b>house</b> is big.</p>";
        let text = translate(html, &entries, (true, false), house);
        assert_eq!(text, "<p>Das <b>house</b> ist groß.</p>");
        let deaf = |ask: &Ask| house(&Ask { text: ask.text.clone(), ..Ask::default() });
        let text = translate("The house is big.", &entries, (true, true), deaf);
        assert_eq!(text, "Das house ist groß.");
    }
}
