//! From texts to translations: languages and domains are guessed, and each text goes through the
//! model in a session of its own, all of them in the same batches.

mod document;

use std::sync::Arc;

use dragoman_core::translate::{Leg, Translate, Translation, TranslationJob, Wanted};
use dragoman_languages::{self as languages, Detected, LanguageDetector};
use dragoman_store::MemoryMatch;
use dragoman_text::{Ask, Format, Options, Session, Splitting, Tags, html, xml};
use serde::Serialize;

use crate::{
    batcher::Batcher, error::ServiceError, glossaries::Chosen, memory::Memory, model::Loaded,
    telemetry::block,
};

pub(crate) use document::{DocumentOrder, order_document, translate_sentences};

/// Sentences of a request at most: so that one request cannot fill the memory.
const MAX_SENTENCES: usize = 100_000;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) texts: Vec<String>,
    /// Language of the texts; `None` to guess it for each.
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    pub(crate) format: Format,
    pub(crate) markup: Markup,
    /// Whether attributes of HTML that readers see are translated, too.
    pub(crate) attributes: bool,
    pub(crate) num_alternatives: usize,
    pub(crate) domains: Domains,
    pub(crate) trace: bool,
    /// The terms to use.
    pub(crate) glossaries: Option<Chosen>,
    /// What was translated before.
    pub(crate) memory: Option<Memory>,
}

/// How a text is cut, and what its markup means.
#[derive(Debug, Clone, Default)]
pub(crate) struct Markup {
    pub(crate) splitting: Splitting,
    pub(crate) tags: Tags,
}

/// The domain experts to ask as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Domains {
    /// These.
    Named(Vec<String>),
    /// The one that fits each text, if any does.
    Auto,
}

/// The domain that a text was taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GuessedDomain {
    /// Its name; none if the text is of no known domain.
    pub(crate) name: Option<String>,
    /// How sure that is, in percent.
    pub(crate) confidence: f32,
}

/// A translated text, and what else is known about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Done {
    pub(crate) text: String,
    /// The guessed language, if it was to be guessed.
    pub(crate) detected: Option<Detected>,
    /// The guessed domain, if it was to be guessed.
    pub(crate) domain: Option<GuessedDomain>,
    pub(crate) alternatives: Vec<String>,
    pub(crate) legs: Vec<Leg>,
    /// Mean over the sentences of their log-probability per token; `None` without a sentence.
    pub(crate) score: Option<f32>,
    /// The chrF++ that each sentence probably has, 0 to 100; `None` where the model estimates none.
    pub(crate) quality: Option<Vec<f32>>,
    /// What the memory has that is like the text, if that was to be shown.
    pub(crate) memory: Vec<MemoryMatch>,
}

/// A text on its way through the model.
struct Prepared {
    source: String,
    detected: Option<Detected>,
    domains: Vec<String>,
    guessed: Option<GuessedDomain>,
    session: Session,
    /// What the model answered, over all rounds.
    answers: Vec<Arc<Translation>>,
    /// The translation of the text as a whole that is remembered; the session is empty then.
    remembered: Option<String>,
    matches: Vec<MemoryMatch>,
}

/// Translates what `order` asks for with `model`, whose languages to offer are `known`.
pub(crate) async fn translate(
    order: Order,
    model: &Arc<Loaded>,
    known: Arc<Vec<String>>,
    detector: &Arc<LanguageDetector>,
    batcher: &Batcher,
) -> Result<Vec<Done>, ServiceError> {
    let order = Arc::new(order);
    let prepare = {
        let (order, model, detector) =
            (Arc::clone(&order), Arc::clone(model), Arc::clone(detector));
        move || prepare(&order, &model, &known, &detector)
    };
    let mut texts = block(prepare).await??;
    loop {
        let asks: Vec<Vec<Ask>> = texts.iter().map(|text| text.session.asks()).collect();
        let counts: Vec<usize> = asks.iter().map(Vec::len).collect();
        match counts.iter().sum() {
            0 => break,
            1..=MAX_SENTENCES => {}
            _ => {
                let reason = format!("more than {MAX_SENTENCES} sentences; send less at a time");
                return Err(ServiceError::invalid(reason));
            }
        }
        let jobs = |(text, asks): (&Prepared, Vec<Ask>)| {
            asks.into_iter().map(|ask| order.job(text, ask)).collect::<Vec<_>>()
        };
        let jobs = texts.iter().zip(asks).flat_map(jobs).collect();
        let answers = answers(&order, model, batcher, jobs).await?;
        texts = block(move || accept(texts, &counts, &answers)).await?;
    }
    let num_alternatives = order.num_alternatives;
    let finish = move || texts.into_iter().map(|text| text.finish(num_alternatives)).collect();
    Ok(block(finish).await?)
}

/// The answers to `jobs`: what is remembered, and for the others what the model says.
async fn answers(
    order: &Arc<Order>,
    model: &Arc<Loaded>,
    batcher: &Batcher,
    jobs: Vec<TranslationJob>,
) -> Result<Vec<Arc<Translation>>, ServiceError> {
    let Some(memory) = order.memory.clone() else { return batcher.translate(model, jobs).await };
    let recall = move || memory.answers(&jobs).map(|remembered| (jobs, remembered));
    let (jobs, remembered) = block(recall).await??;
    let is_open = |(job, known): (TranslationJob, &Option<_>)| known.is_none().then_some(job);
    let open = jobs.into_iter().zip(&remembered).filter_map(is_open).collect();
    let mut found = batcher.translate(model, open).await?.into_iter();
    let answer = |known: Option<Arc<Translation>>| {
        known.unwrap_or_else(|| found.next().expect("an answer for every job"))
    };
    Ok(remembered.into_iter().map(answer).collect())
}

/// The texts of an answer, best first.
fn hypotheses(answer: &Arc<Translation>) -> Vec<String> {
    answer.hypotheses.iter().map(|found| found.text.clone()).collect()
}

/// Gives each of `texts` its share of `answers`. CPU-bound: marks find their places.
fn accept(
    mut texts: Vec<Prepared>,
    counts: &[usize],
    mut answers: &[Arc<Translation>],
) -> Vec<Prepared> {
    for (text, &count) in texts.iter_mut().zip(counts) {
        let (own, others) = answers.split_at(count);
        answers = others;
        text.answers.extend(own.iter().cloned());
        text.session.accept(&own.iter().map(hypotheses).collect::<Vec<_>>());
    }
    texts
}

/// Guesses languages and finds sentences. CPU-bound.
fn prepare(
    order: &Order,
    model: &Loaded,
    known: &[String],
    detector: &LanguageDetector,
) -> Result<Vec<Prepared>, ServiceError> {
    let guesses = match &order.source {
        Some(_) => Vec::new(),
        None => detector.detect_all(
            &order.texts.iter().map(|text| order.plain(text)).collect::<Vec<_>>(),
            known,
        ),
    };
    check_guesses(&guesses, known)?;
    let prepare = |(i, text): (usize, &String)| {
        let (source, detected) = match &order.source {
            Some(source) => (source.clone(), None),
            None => {
                let best = guesses[i].clone();
                // Among others what is in no language of the model comes back as it is, with its language.
                let source = languages::resolve(known, &best.language).unwrap_or(&order.target);
                (source.to_owned(), Some(best))
            }
        };
        let (remembered, matches) = order.recall(text, &source)?;
        let asked = if remembered.is_some() { "" } else { text };
        let session = Session::new(asked, &order.options(&source, model)?);
        if !session.is_empty() && !model.model.can_translate(&source, &order.target) {
            return Err(no_route(&source, &order.target));
        }
        let (domains, guessed) = order.domains(text, &source, session.is_empty(), model)?;
        let answers = Vec::new();
        Ok(Prepared { source, detected, domains, guessed, session, answers, remembered, matches })
    };
    order.texts.iter().enumerate().map(prepare).collect()
}

/// Refuses texts of which none is in a language of the model: to send them back as they are would look
/// like a translation. What has no language, such as a number, may come back so.
pub(crate) fn check_guesses(guesses: &[Detected], known: &[String]) -> Result<(), ServiceError> {
    let sure: Vec<_> = guesses.iter().filter(|guess| guess.confidence > 0.0).collect();
    let is_known = |guess: &&Detected| languages::resolve(known, &guess.language).is_some();
    match sure.first() {
        Some(first) if !sure.iter().any(is_known) => Err(ServiceError::UnsupportedText {
            language: first.language.clone(),
            confidence: first.confidence as u8,
        }),
        _ => Ok(()),
    }
}

/// The error for a domain that no expert knows in this direction: names those that are known.
fn other_direction(name: &str, source: &str, target: &str, model: &dyn Translate) -> ServiceError {
    let known = model.domains();
    let known: Vec<String> =
        known.into_iter().filter(|domain| model.covers(domain, source, target)).collect();
    let known = match known.is_empty() {
        true => "which has no domains".into(),
        false => format!("which has {}", known.join(", ")),
    };
    let (from, to) = (languages::public(source), languages::public(target));
    ServiceError::invalid(format_args!(
        "domain `{name}` is not supported for {from} to {to}, {known}"
    ))
}

/// The error for a pair that the model cannot translate.
pub(crate) fn no_route(source: &str, target: &str) -> ServiceError {
    ServiceError::NoRoute { source_language: source.into(), target: target.into() }
}

impl Prepared {
    /// Writes the text. CPU-bound.
    fn finish(self, num_alternatives: usize) -> Done {
        let mut finished = self.session.finish(num_alternatives);
        let used: Vec<&Translation> = finished.used.iter().map(|&i| &*self.answers[i]).collect();
        let scores = used.iter().map(|found| found.hypotheses[0].score);
        let score = (!used.is_empty()).then(|| scores.sum::<f32>() / used.len() as f32);
        let tenth = |quality: f32| (10.0 * quality).round() / 10.0;
        let quality = used.iter().map(|found| found.hypotheses[0].quality.map(tenth)).collect();
        let legs = used.iter().flat_map(|found| found.legs.iter().cloned()).collect();
        let translated = finished.texts.remove(0);
        let text = self.remembered.unwrap_or(translated);
        let alternatives = finished.texts;
        let (detected, domain, memory) = (self.detected, self.guessed, self.matches);
        Done { text, detected, domain, alternatives, legs, score, quality, memory }
    }
}

impl Order {
    /// `text` without markup.
    fn plain(&self, text: &str) -> String {
        match self.format {
            Format::Text => text.to_owned(),
            Format::Html => html::visible_text(text),
            Format::Xml => xml::visible_text(text, &self.markup.tags),
        }
    }

    /// What is remembered of a text: its translation, if it is alike enough, and what else is alike.
    fn recall(
        &self,
        text: &str,
        source: &str,
    ) -> Result<(Option<String>, Vec<MemoryMatch>), ServiceError> {
        let Some(memory) = &self.memory else { return Ok((None, Vec::new())) };
        let shown = memory.shown(text, source, &self.target)?;
        Ok((memory.recall(text, source, &self.target)?, shown))
    }

    fn options(&self, source: &str, model: &Loaded) -> Result<Options, ServiceError> {
        let terms = self.glossaries.as_ref().map(|chosen| chosen.terms(source, &self.target));
        Ok(Options {
            source: source.to_owned(),
            target: self.target.clone(),
            format: self.format,
            splitting: self.markup.splitting,
            tags: self.markup.tags.clone(),
            glossary: terms.transpose()?.flatten(),
            // Carried terms are used more often and in better sentences: docs/glossaries.md.
            prefers_terms: false,
            placeholders: model.model.placeholders(source, &self.target),
            attributes: self.attributes,
        })
    }

    /// Refuses a domain that is named and that no expert knows for texts in `source`.
    pub(crate) fn check_domains(
        &self,
        source: &str,
        model: &dyn Translate,
    ) -> Result<(), ServiceError> {
        let Domains::Named(named) = &self.domains else { return Ok(()) };
        let stranger = named.iter().find(|name| !model.covers(name, source, &self.target));
        stranger.map_or(Ok(()), |name| Err(other_direction(name, source, &self.target, model)))
    }

    /// The domains of one text, and the guess they come from.
    fn domains(
        &self,
        text: &str,
        source: &str,
        is_kept: bool,
        model: &Loaded,
    ) -> Result<(Vec<String>, Option<GuessedDomain>), ServiceError> {
        let model = &model.model;
        match &self.domains {
            // What is not translated needs no expert.
            Domains::Named(_) if is_kept => Ok((Vec::new(), None)),
            Domains::Named(named) => {
                self.check_domains(source, model.as_ref())?;
                Ok((named.clone(), None))
            }
            Domains::Auto => {
                let plain = self.plain(text);
                let best = model.detect_domain(&plain, source, &self.target);
                let (name, probability) = match best {
                    Some((name, probability)) if probability > 0.5 => (Some(name), probability),
                    Some((_, probability)) => (None, 1.0 - probability),
                    None => (None, 0.0),
                };
                let confidence = (1000.0 * probability).round() / 10.0;
                Ok((name.clone().into_iter().collect(), Some(GuessedDomain { name, confidence })))
            }
        }
    }

    fn job(&self, text: &Prepared, ask: Ask) -> TranslationJob {
        // An alternative to a whole document is nothing that upstream offers.
        let is_text = self.format == Format::Text;
        let num_alternatives = if is_text { self.num_alternatives } else { 0 };
        TranslationJob {
            source: text.source.clone(),
            target: self.target.clone(),
            domains: text.domains.clone(),
            text: ask.text,
            num_hypotheses: 1 + num_alternatives,
            trace: self.trace,
            wanted: Wanted { terms: ask.terms },
        }
    }
}
