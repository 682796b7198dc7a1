//! Takes a sentence through the model so that it uses the terms of a glossary.
//!
//! The sentence is asked as it is first: most models know most terms. Where a term is missing, a
//! model that can is asked again, and searches for the best sentence that has the terms: so they
//! stand in their place and their form. If the glossary is strict, or the model cannot do that, the
//! term is carried around the model at last, as what is not prose, and its translation stands where
//! it comes out. A text that is a term and nothing else is not asked.
//!
//! Acronyms are looked for in the same way: one that the model lost is carried around it.

mod alone;
mod attempt;

use std::{ops::Range, sync::Arc};

use self::{
    alone::Alone,
    attempt::{Attempt, Written},
};
use crate::{
    capitals,
    carry::{Answer, Carrier, repeats},
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
    /// Acronyms, which a translation has, too.
    acronyms: Vec<Range<usize>>,
    /// What the sentence becomes when it is one term that no attempt uses.
    alone: Option<Alone>,
    attempts: Vec<Attempt>,
    stage: Stage,
    chosen: Chosen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Plain,
    Searched,
    Around,
    Kept,
    Done,
}

/// What a sentence is written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Attempt(usize),
    /// The term that the sentence is.
    Term,
    /// It stays as it is.
    Source,
}

impl TermCarrier {
    /// Prepares `sentence` for its way.
    pub(crate) fn new(sentence: &Sentence, options: &Options) -> Self {
        let glossary = options.glossary.clone();
        let terms = glossary.as_ref().map(|glossary| free_terms(glossary, sentence));
        let terms = terms.unwrap_or_default();
        let alone = glossary.as_ref().and_then(|g| Alone::new(sentence, &terms, g));
        let mut acronyms = free(capitals::acronyms(&sentence.text, &options.source), sentence);
        acronyms.retain(|at| !terms.iter().any(|t| t.at.start < at.end && at.start < t.at.end));
        let is_term = alone.as_ref().is_some_and(|alone| !alone.is_inflected);
        let is_kept = terms.is_empty() && capitals::is_acronym_alone(sentence, &options.source);
        let chosen = match (is_term, is_kept) {
            (true, _) => Chosen::Term,
            (false, true) => Chosen::Source,
            (false, false) => Chosen::Attempt(0),
        };
        let is_known = chosen != Chosen::Attempt(0);
        let is_simple = terms.is_empty() && acronyms.is_empty();
        let carrier = || Attempt::new(Carrier::new(sentence, options), false);
        Self {
            sentence: sentence.clone(),
            glossary,
            terms,
            acronyms,
            alone,
            attempts: if is_known { Vec::new() } else { vec![carrier()] },
            stage: if is_known || is_simple { Stage::Done } else { Stage::Plain },
            chosen,
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

    /// Whether there is anything left to ask.
    pub(crate) fn is_asking(&self, options: &Options) -> bool {
        let mut segments = Vec::new();
        self.attempts.iter().any(|attempt| {
            attempt.carrier.ask(options, &mut segments);
            !segments.is_empty()
        })
    }

    /// Judges the attempts that were answered, and makes the next ones.
    fn advance(&mut self, options: &Options) {
        let last = self.attempts.len() - 1;
        let chosen = match self.chosen {
            Chosen::Attempt(chosen) => chosen,
            Chosen::Term | Chosen::Source => return self.stage = Stage::Done,
        };
        match self.stage {
            Stage::Plain if self.missing(0).is_empty() => self.keep_acronyms(options),
            Stage::Plain if options.prefers_terms => {
                self.stage = Stage::Searched;
                self.attempts.push(Attempt::new(Carrier::new(&self.sentence, options), true));
            }
            Stage::Searched => {
                if self.is_sane(last) && self.missing(last).len() < self.missing(chosen).len() {
                    self.chosen = Chosen::Attempt(last);
                }
                self.go_on(options);
            }
            Stage::Plain => self.go_on(options),
            Stage::Around => {
                if self.missing(last).len() < self.missing(chosen).len() {
                    self.chosen = Chosen::Attempt(last);
                }
                self.keep_acronyms(options);
            }
            Stage::Kept => {
                let keeps_more = self.lost(last).len() < self.lost(chosen).len();
                if keeps_more && self.missing(last).len() <= self.missing(chosen).len() {
                    self.chosen = Chosen::Attempt(last);
                }
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
    }

    /// What comes behind the attempts in which the model has the terms.
    fn go_on(&mut self, options: &Options) {
        let Chosen::Attempt(chosen) = self.chosen else { return self.stage = Stage::Done };
        let is_strict = self.glossary.as_ref().is_some_and(|glossary| glossary.is_strict());
        let is_complete = self.missing(chosen).is_empty();
        if !is_complete && self.alone.is_some() {
            self.chosen = Chosen::Term;
            self.stage = Stage::Done;
        } else if is_complete || self.stage == Stage::Searched && !is_strict {
            self.keep_acronyms(options);
        } else {
            let Some(glossary) = self.glossary.clone() else { return };
            let around =
                |term: &FoundTerm| (term.at.clone(), glossary.written(&self.sentence.text, term));
            let around = self.missing(chosen).into_iter().map(around).collect();
            self.stage = Stage::Around;
            self.go_around(around, options);
        }
    }

    /// Adds the attempt in which the acronyms that the chosen one lost are no prose, if there are any.
    fn keep_acronyms(&mut self, options: &Options) {
        let Chosen::Attempt(chosen) = self.chosen else { return self.stage = Stage::Done };
        let lost = self.lost(chosen);
        if lost.is_empty() {
            return self.stage = Stage::Done;
        }
        let around = |at: &Range<usize>| (at.clone(), self.sentence.text[at.clone()].to_owned());
        let around = lost.into_iter().map(around).collect();
        self.stage = Stage::Kept;
        self.go_around(around, options);
    }

    /// Adds the attempt in which these words are no prose, and become what stands beside them.
    fn go_around(&mut self, words: Vec<(Range<usize>, String)>, options: &Options) {
        let is_strict = self.glossary.as_ref().is_some_and(|glossary| glossary.is_strict());
        let mut spans: Vec<(Span, Written)> = Vec::new();
        for (number, span) in self.sentence.spans.iter().enumerate() {
            spans.push((span.clone(), Written::Span(number)));
        }
        for (at, text) in words {
            spans.push((Span { at, role: Role::Noun }, Written::Term(text)));
        }
        // Markup stands before a word that begins where it stands, and behind one that ends there.
        spans.sort_by_key(|(span, _)| (span.at.start, span.at.end));
        let (spans, written) = spans.into_iter().unzip();
        let sentence = Sentence { text: self.sentence.text.clone(), spans };
        self.attempts.push(Attempt::around(sentence, written, is_strict, options));
    }

    /// The terms that an attempt does not use as often as the sentence has them.
    fn missing(&self, attempt: usize) -> Vec<&FoundTerm> {
        let Some(glossary) = &self.glossary else { return Vec::new() };
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

    /// The acronyms that an attempt does not hold as often as the sentence.
    fn lost(&self, attempt: usize) -> Vec<&Range<usize>> {
        let text = self.text(attempt);
        let mut lost = Vec::new();
        for (i, at) in self.acronyms.iter().enumerate() {
            let acronym = &self.sentence.text[at.clone()];
            let same = |at: &&Range<usize>| self.sentence.text[(*at).clone()] == *acronym;
            let before = self.acronyms[..i].iter().filter(same).count();
            if capitals::count(&text, acronym) <= before {
                lost.push(at);
            }
        }
        lost
    }

    /// Whether an attempt did not run wild: it is not much longer than the plain one, does not say the
    /// same again and again, and no term is in it more often than in the sentence and in the plain one.
    fn is_sane(&self, attempt: usize) -> bool {
        let Some(glossary) = &self.glossary else { return true };
        let (text, plain) = (self.text(attempt), self.text(0));
        let words = |text: &str| text.split_whitespace().count();
        let added: usize = self.terms.iter().map(|t| words(glossary.translation(t.entry))).sum();
        let is_long = words(&text) > words(&plain) + words(&plain) / 3 + added + 1;
        if is_long || repeats(&self.sentence.text, &text) {
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

    /// The text of the sentence.
    pub(crate) fn source(&self) -> &str {
        &self.sentence.text
    }

    /// The sentence by the hypothesis at `rank`, else by the best.
    pub(crate) fn rewritten(&self, rank: usize) -> Rewritten {
        match (self.chosen, &self.alone) {
            (Chosen::Attempt(chosen), _) => self.attempts[chosen].rewritten(rank),
            (Chosen::Term, Some(alone)) => alone.rewritten(),
            (Chosen::Term | Chosen::Source, _) => Rewritten::Unchanged,
        }
    }

    /// The numbers of the answers that the sentence is made of.
    pub(crate) fn used(&self) -> Vec<usize> {
        match self.chosen {
            Chosen::Attempt(chosen) => self.attempts[chosen].carrier.used(),
            Chosen::Term | Chosen::Source => Vec::new(),
        }
    }
}

/// The terms of `sentence` that no span is in the way of.
fn free_terms(glossary: &Glossary, sentence: &Sentence) -> Vec<FoundTerm> {
    let mut terms = glossary.find(&sentence.text);
    terms.retain(|term| is_free(&term.at, sentence));
    terms
}

/// Those of `places` that no span is in the way of.
fn free(mut places: Vec<Range<usize>>, sentence: &Sentence) -> Vec<Range<usize>> {
    places.retain(|at| is_free(at, sentence));
    places
}

fn is_free(at: &Range<usize>, sentence: &Sentence) -> bool {
    let reaches_in = |span: &Span| {
        span.at.start < at.end && at.start < span.at.end
            || span.at.is_empty() && at.start < span.at.start && span.at.end < at.end
    };
    !sentence.spans.iter().any(reaches_in)
}

#[cfg(test)]
mod tests;
