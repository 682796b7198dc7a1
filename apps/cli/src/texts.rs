//! Translates whole texts: each in a session of its own, all of them in the same batches.

use std::sync::Arc;

use dragoman_core::translate::{Leg, Translate, Translation, TranslationJob, Wanted};
use dragoman_text::{Ask, Glossary, Options, Rewritten, Sentence, Session};

/// Segments that the model sees at once.
const BATCH: usize = 64;

/// Sentences of a document that are translated before progress is told.
const CHUNK: usize = 128;

/// What is asked of every text.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) source: String,
    pub(crate) target: String,
    /// Domain experts to ask; `auto` alone asks the one that fits each text.
    pub(crate) domains: Vec<String>,
    /// Ways to translate a text, the best included.
    pub(crate) num_hypotheses: usize,
    pub(crate) trace: bool,
    pub(crate) terms: Terms,
}

/// The terms that translations use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    pub(crate) glossary: Option<Arc<Glossary>>,
    /// Whether the model searches for a sentence with them; else they are carried around it.
    pub(crate) searched: bool,
}

/// A translated text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Translated {
    /// The best translation first. An alternative differs in one sentence or more.
    pub(crate) texts: Vec<String>,
    /// Mean log-probability per sentence of the best.
    pub(crate) score: f32,
    /// The domain it was taken for, if that was to be guessed.
    pub(crate) domain: Option<String>,
    /// The experts that its tokens visited, sentence by sentence.
    pub(crate) legs: Vec<Leg>,
}

/// Translates `texts` as `wish` says, in their order.
pub(crate) fn translate(
    translator: &dyn Translate,
    texts: &[&str],
    wish: &Wish,
) -> anyhow::Result<Vec<Translated>> {
    let options = options(translator, wish);
    let mut texts: Vec<Text> = (texts.iter())
        .map(|text| Text {
            session: Session::new(text, &options),
            domains: domains(translator, text, wish),
            answers: Vec::new(),
        })
        .collect();
    loop {
        let mut segments: Vec<Segment> = Vec::new();
        for (text, session) in texts.iter().enumerate() {
            let asked = session.session.asks();
            segments.extend(asked.into_iter().map(|ask| Segment { text, ask }));
        }
        if segments.is_empty() {
            break;
        }
        let mut answers = answers(translator, &texts, &segments, wish)?.into_iter().peekable();
        let mut owners = segments.iter().map(|segment| segment.text).peekable();
        for (i, text) in texts.iter_mut().enumerate() {
            let first = text.answers.len();
            while owners.next_if_eq(&i).is_some() {
                text.answers.extend(answers.next());
            }
            let own: Vec<Vec<String>> = text.answers[first..].iter().map(hypotheses).collect();
            text.session.accept(&own);
        }
    }
    Ok(texts.into_iter().map(|text| text.finish(wish)).collect())
}

/// Translates the sentences of a document, and tells `progress` how many are done.
pub(crate) fn translate_sentences(
    translator: &dyn Translate,
    sentences: &[Sentence],
    wish: &Wish,
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Vec<Rewritten>> {
    let options = options(translator, wish);
    let sample: String = sentences.iter().take(CHUNK).map(|s| format!("{}\n", s.text)).collect();
    let domains = domains(translator, &sample, wish);
    let mut rewritten = Vec::with_capacity(sentences.len());
    for chunk in sentences.chunks(CHUNK) {
        let mut session = Session::of_sentences(chunk, &options);
        loop {
            let asks = session.asks();
            if asks.is_empty() {
                break;
            }
            let job = |asked: Ask| wish.job(asked, domains.clone());
            let answers = ask(translator, asks.into_iter().map(job).collect())?;
            session.accept(&answers.iter().map(hypotheses).collect::<Vec<_>>());
        }
        rewritten.extend(session.rewritten());
        progress(rewritten.len());
    }
    Ok(rewritten)
}

fn options(translator: &dyn Translate, wish: &Wish) -> Options {
    Options {
        source: wish.source.clone(),
        target: wish.target.clone(),
        placeholders: translator.placeholders(&wish.source, &wish.target),
        glossary: wish.terms.glossary.clone(),
        prefers_terms: wish.terms.searched && translator.can_want(&wish.source, &wish.target),
        ..Options::default()
    }
}

impl Wish {
    fn job(&self, ask: Ask, domains: Vec<String>) -> TranslationJob {
        TranslationJob {
            source: self.source.clone(),
            target: self.target.clone(),
            domains,
            text: ask.text,
            num_hypotheses: self.num_hypotheses,
            trace: self.trace,
            wanted: Wanted { terms: ask.terms },
        }
    }
}

/// The texts of an answer, best first.
fn hypotheses(answer: &Translation) -> Vec<String> {
    answer.hypotheses.iter().map(|found| found.text.clone()).collect()
}

/// A text on its way through the model.
struct Text {
    session: Session,
    domains: Vec<String>,
    /// What the model answered, over all rounds.
    answers: Vec<Translation>,
}

/// What the model is asked, and for which text.
struct Segment {
    text: usize,
    ask: Ask,
}

impl Text {
    fn finish(mut self, wish: &Wish) -> Translated {
        let finished = self.session.finish(wish.num_hypotheses.saturating_sub(1));
        let mut score = 0.0;
        let mut legs = Vec::new();
        for &i in &finished.used {
            score += self.answers[i].hypotheses.first().map_or(0.0, |best| best.score);
            legs.append(&mut self.answers[i].legs);
        }
        let domain = if is_auto(wish) { self.domains.into_iter().next() } else { None };
        let score = score / finished.used.len().max(1) as f32;
        Translated { texts: finished.texts, score, domain, legs }
    }
}

fn is_auto(wish: &Wish) -> bool {
    wish.domains == ["auto"]
}

/// The domains of one text.
fn domains(translator: &dyn Translate, text: &str, wish: &Wish) -> Vec<String> {
    if !is_auto(wish) {
        return wish.domains.clone();
    }
    let best = translator.detect_domain(text, &wish.source, &wish.target);
    best.filter(|(_, probability)| *probability > 0.5).map(|(name, _)| name).into_iter().collect()
}

/// The answers to `segments`.
fn answers(
    translator: &dyn Translate,
    texts: &[Text],
    segments: &[Segment],
    wish: &Wish,
) -> anyhow::Result<Vec<Translation>> {
    let job =
        |segment: &Segment| wish.job(segment.ask.clone(), texts[segment.text].domains.clone());
    ask(translator, segments.iter().map(job).collect())
}

/// The answers to `jobs`, which are asked with others of like length.
fn ask(translator: &dyn Translate, jobs: Vec<TranslationJob>) -> anyhow::Result<Vec<Translation>> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|&i| jobs[i].text.len());
    let mut answers: Vec<Option<Translation>> = vec![None; jobs.len()];
    for batch in order.chunks(BATCH) {
        let batch_jobs: Vec<TranslationJob> = batch.iter().map(|&i| jobs[i].clone()).collect();
        for (&i, answer) in batch.iter().zip(translator.translate(&batch_jobs)?) {
            answers[i] = Some(answer);
        }
    }
    Ok(answers.into_iter().map(|answer| answer.expect("every job is in a batch")).collect())
}
