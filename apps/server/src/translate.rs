//! From texts to translations: detection, sentences, batches, and everything put back together.

use std::sync::Arc;

use actix_web::web;
use dragoman_core::{
    text::{Segment, has_letters, restore, split},
    translate::{Job, Leg, Translate, Translation},
};
use serde::Serialize;

use crate::{
    batcher::Batcher,
    detect::{Detected, Detector},
    error::ApiError,
    html, languages,
    model::Loaded,
};

/// Sentences of a request at most: so that one request cannot fill the memory.
const MAX_SENTENCES: usize = 100_000;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) texts: Vec<String>,
    /// Language of the texts; `None` to guess it for each.
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    pub(crate) is_html: bool,
    pub(crate) num_alternatives: usize,
    pub(crate) domains: Domains,
    pub(crate) trace: bool,
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
}

/// A text on its way: where its sentences are, and how to write it again.
struct Prepared {
    source: String,
    detected: Option<Detected>,
    domains: Vec<String>,
    guessed: Option<GuessedDomain>,
    plan: Plan,
}

/// What a text is made of.
enum Plan {
    /// Not to be translated.
    Keep(String),
    Text(Vec<Part>),
    Html(html::Document),
}

/// A piece of a plain text.
enum Part {
    Keep(String),
    Sentence(String),
}

/// Translates what `order` asks for with `model`, whose languages to offer are `known`.
pub(crate) async fn translate(
    order: Order,
    model: &Arc<Loaded>,
    known: Arc<Vec<String>>,
    detector: &Arc<Detector>,
    batcher: &Batcher,
) -> Result<Vec<Done>, ApiError> {
    let order = Arc::new(order);
    let prepare = {
        let (order, model, detector) =
            (Arc::clone(&order), Arc::clone(model), Arc::clone(detector));
        move || prepare(&order, &model, &known, &detector)
    };
    let texts = web::block(prepare).await??;
    if texts.iter().map(|text| text.sentences().count()).sum::<usize>() > MAX_SENTENCES {
        let reason = format!("more than {MAX_SENTENCES} sentences; send less at a time");
        return Err(ApiError::invalid(reason));
    }

    let jobs = |text: &Prepared| text.sentences().map(|s| order.job(text, s)).collect();
    let counted: Vec<Vec<Job>> = texts.iter().map(jobs).collect();
    let counts: Vec<usize> = counted.iter().map(Vec::len).collect();
    let translations = batcher.translate(model, counted.into_iter().flatten().collect()).await?;

    let mut rest = translations.as_slice();
    let mut done = Vec::with_capacity(texts.len());
    for (text, count) in texts.into_iter().zip(counts) {
        let (own, others) = rest.split_at(count);
        rest = others;
        done.push(order.assemble(text, own, model, batcher).await?);
    }
    Ok(done)
}

/// Guesses languages and finds sentences. CPU-bound.
fn prepare(
    order: &Order,
    model: &Loaded,
    known: &[String],
    detector: &Detector,
) -> Result<Vec<Prepared>, ApiError> {
    let prepare = |text: &String| {
        let (source, detected) = match &order.source {
            Some(source) => (source.clone(), None),
            None => {
                let plain = if order.is_html { html::visible_text(text) } else { text.clone() };
                let best = detector.detect(&plain, known).swap_remove(0);
                let source = languages::resolve(known, &best.language).unwrap_or(&best.language);
                (source.to_owned(), Some(best))
            }
        };
        let plan = Plan::new(text, &source, order);
        if !matches!(plan, Plan::Keep(_)) && !model.model.can_translate(&source, &order.target) {
            return Err(no_route(&source, &order.target));
        }
        let (domains, guessed) = order.domains(text, &source, &plan, model)?;
        Ok(Prepared { source, detected, domains, guessed, plan })
    };
    order.texts.iter().map(prepare).collect()
}

/// The error for a domain that no expert knows in this direction: names those that are known.
fn other_direction(name: &str, source: &str, target: &str, model: &dyn Translate) -> ApiError {
    let known = model.domains();
    let known: Vec<String> =
        known.into_iter().filter(|domain| model.covers(domain, source, target)).collect();
    let known = match known.is_empty() {
        true => "which has no domains".into(),
        false => format!("which has {}", known.join(", ")),
    };
    let (from, to) = (languages::public(source), languages::public(target));
    ApiError::invalid(format_args!("domain `{name}` is not supported for {from} to {to}, {known}"))
}

/// The error for a pair that the model cannot translate.
pub(crate) fn no_route(source: &str, target: &str) -> ApiError {
    ApiError::NoRoute { source_language: source.into(), target: target.into() }
}

impl Plan {
    fn new(text: &str, source: &str, order: &Order) -> Self {
        if source == order.target || !has_letters(text) {
            return Self::Keep(text.to_owned());
        }
        if order.is_html {
            return Self::Html(html::Document::parse(text, source));
        }
        let part = |segment| match segment {
            Segment::Verbatim(text) => Part::Keep(text.to_owned()),
            Segment::Sentence(text) => Part::Sentence(text.to_owned()),
        };
        Self::Text(split(text, source).into_iter().map(part).collect())
    }
}

impl Prepared {
    /// What the model is asked, in order.
    fn sentences(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.plan {
            Plan::Keep(_) => Box::new(std::iter::empty()),
            Plan::Html(document) => Box::new(document.sentences()),
            Plan::Text(parts) => Box::new(parts.iter().filter_map(|part| match part {
                Part::Keep(_) => None,
                Part::Sentence(text) => Some(text.as_str()),
            })),
        }
    }
}

impl Order {
    /// The domains of one text, and the guess they come from.
    fn domains(
        &self,
        text: &str,
        source: &str,
        plan: &Plan,
        model: &Loaded,
    ) -> Result<(Vec<String>, Option<GuessedDomain>), ApiError> {
        let model = &model.model;
        match &self.domains {
            // What is not translated needs no expert.
            Domains::Named(_) if matches!(plan, Plan::Keep(_)) => Ok((Vec::new(), None)),
            Domains::Named(named) => {
                let stranger = named.iter().find(|name| !model.covers(name, source, &self.target));
                match stranger {
                    None => Ok((named.clone(), None)),
                    Some(name) => Err(other_direction(name, source, &self.target, model.as_ref())),
                }
            }
            Domains::Auto => {
                let plain = if self.is_html { html::visible_text(text) } else { text.to_owned() };
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

    fn job(&self, text: &Prepared, sentence: &str) -> Job {
        // An alternative to a whole document is nothing that upstream offers.
        let num_alternatives = if self.is_html { 0 } else { self.num_alternatives };
        Job {
            source: text.source.clone(),
            target: self.target.clone(),
            domains: text.domains.clone(),
            text: sentence.to_owned(),
            num_hypotheses: 1 + num_alternatives,
            trace: self.trace,
        }
    }

    async fn assemble(
        &self,
        mut text: Prepared,
        translations: &[Arc<Translation>],
        model: &Arc<Loaded>,
        batcher: &Batcher,
    ) -> Result<Done, ApiError> {
        let plan = std::mem::replace(&mut text.plan, Plan::Keep(String::new()));
        let (written, alternatives, num_sentences) = match plan {
            Plan::Keep(text) => (text, Vec::new(), 0),
            Plan::Text(parts) => {
                let (text, alternatives) = self.join(&parts, translations);
                (text, alternatives, translations.len())
            }
            Plan::Html(document) => {
                let first = Self::best(document.sentences(), translations);
                // Marks are placed on a thread where that takes nobody's time.
                let place = move || {
                    let pieces: Vec<String> =
                        document.unplaced(&first).map(str::to_owned).collect();
                    (document, first, pieces)
                };
                let (document, first, pieces) = web::block(place).await?;
                let jobs = pieces.iter().map(|piece| self.job(&text, piece)).collect();
                let second = batcher.translate(model, jobs).await?;
                let second = Self::best(pieces.iter().map(String::as_str), &second);
                let write = move || (document.render(&first, &second), document.num_sentences());
                let (written, num_sentences) = web::block(write).await?;
                (written, Vec::new(), num_sentences)
            }
        };
        let sentences = &translations[..num_sentences];
        let scores = sentences.iter().map(|found| found.hypotheses[0].score);
        let score = (num_sentences > 0).then(|| scores.sum::<f32>() / num_sentences as f32);
        let legs = sentences.iter().flat_map(|found| found.legs.iter().cloned()).collect();
        let Prepared { detected, guessed: domain, .. } = text;
        Ok(Done { text: written, detected, domain, alternatives, legs, score })
    }

    /// The best translation of each of `sentences`, repaired.
    fn best<'a>(
        sentences: impl Iterator<Item = &'a str>,
        translations: &[Arc<Translation>],
    ) -> Vec<String> {
        let best =
            |(source, found): (&str, &Arc<Translation>)| restore(source, &found.hypotheses[0].text);
        sentences.zip(translations).map(best).collect()
    }

    /// Writes a plain text again: the best translation, and what else it could be.
    fn join(&self, parts: &[Part], translations: &[Arc<Translation>]) -> (String, Vec<String>) {
        let write = |rank: usize| {
            let mut translations = translations.iter();
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Keep(kept) => text.push_str(kept),
                    Part::Sentence(source) => {
                        let found = translations.next().expect("one translation a sentence");
                        let hypotheses = &found.hypotheses;
                        let hypothesis = hypotheses.get(rank).unwrap_or(&hypotheses[0]);
                        text.push_str(&html::unescape(&restore(source, &hypothesis.text)));
                    }
                }
            }
            text
        };
        let best = write(0);
        let mut alternatives: Vec<String> = Vec::new();
        for rank in 1..=self.num_alternatives {
            let other = write(rank);
            if other != best && !alternatives.contains(&other) {
                alternatives.push(other);
            }
        }
        (best, alternatives)
    }
}
