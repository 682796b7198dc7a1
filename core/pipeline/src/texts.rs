//! Translates whole texts: each in a session of its own, all of them in the same batches.

use std::sync::Arc;

use dragoman_core::{
    Error, Result,
    translate::{Leg, Translate, Translation, TranslationJob, Wanted},
};
use dragoman_text::{Ask, Format, Glossary, Options, Rewritten, Sentence, Session};

/// Segments that the model sees at once.
const BATCH: usize = 64;

/// Sentences of a document that are translated before progress is told.
const CHUNK: usize = 128;

/// What is asked of every text.
#[derive(Debug, Clone)]
pub struct TextRequest {
    /// Code of the language of the texts.
    pub source: String,
    /// Code of the language to translate into.
    pub target: String,
    /// How the texts are written.
    pub format: Format,
    /// Domain experts to ask; `auto` alone asks the one that fits each text.
    pub domains: Vec<String>,
    /// Ways to translate a text, the best included.
    pub num_hypotheses: usize,
    /// Whether the experts that tokens visited are recorded.
    pub trace: bool,
    /// The terms that translations use.
    pub terms: Terms,
}

/// The terms that translations use.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Terms and their translations.
    pub glossary: Option<Arc<Glossary>>,
    /// Whether the model searches for a sentence with them; else they are carried around it.
    pub searched: bool,
}

/// A translated text.
#[derive(Debug, Clone, Default)]
pub struct Translated {
    /// The best translation first. An alternative differs in one sentence or more.
    pub texts: Vec<String>,
    /// Mean log-probability per sentence of the best.
    pub score: f32,
    /// The domain it was taken for, if that was to be guessed.
    pub domain: Option<String>,
    /// The experts that its tokens visited, sentence by sentence.
    pub legs: Vec<Leg>,
}

/// Translates `texts` as `request` says, in their order. CPU-bound.
pub fn translate(
    translator: &dyn Translate,
    texts: &[&str],
    request: &TextRequest,
) -> Result<Vec<Translated>> {
    check_domains(translator, request)?;
    let options = options(translator, request);
    let mut texts: Vec<Text> = (texts.iter())
        .map(|text| Text {
            session: Session::new(text, &options),
            domains: domains(translator, text, request),
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
        let mut answers = answers(translator, &texts, &segments, request)?.into_iter().peekable();
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
    Ok(texts.into_iter().map(|text| text.finish(request)).collect())
}

/// Translates the sentences of a document, and tells `progress` how many are done.
pub fn translate_sentences(
    translator: &dyn Translate,
    sentences: &[Sentence],
    request: &TextRequest,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Rewritten>> {
    check_domains(translator, request)?;
    let options = options(translator, request);
    let sample: String = sentences.iter().take(CHUNK).map(|s| format!("{}\n", s.text)).collect();
    let domains = domains(translator, &sample, request);
    let mut rewritten = Vec::with_capacity(sentences.len());
    for chunk in sentences.chunks(CHUNK) {
        let mut session = Session::of_sentences(chunk, &options);
        loop {
            let asks = session.asks();
            if asks.is_empty() {
                break;
            }
            let job = |asked: Ask| request.job(asked, domains.clone());
            let answers = ask(translator, asks.into_iter().map(job).collect())?;
            session.accept(&answers.iter().map(hypotheses).collect::<Vec<_>>());
        }
        rewritten.extend(session.rewritten());
        progress(rewritten.len());
    }
    Ok(rewritten)
}

/// Refuses a domain that does not exist even where there is nothing to ask the model.
fn check_domains(translator: &dyn Translate, request: &TextRequest) -> Result<()> {
    let known = translator.domains();
    let is_known = |domain: &&String| is_auto(request) || known.contains(domain);
    match request.domains.iter().find(|domain| !is_known(domain)) {
        Some(domain) => Err(Error::unknown_domain(domain, &known)),
        None => Ok(()),
    }
}

fn options(translator: &dyn Translate, request: &TextRequest) -> Options {
    Options {
        source: request.source.clone(),
        target: request.target.clone(),
        format: request.format,
        placeholders: translator.placeholders(&request.source, &request.target),
        glossary: request.terms.glossary.clone(),
        prefers_terms: request.terms.searched
            && translator.can_want(&request.source, &request.target),
        ..Options::default()
    }
}

impl TextRequest {
    /// Asks for the best translation of plain texts from `source` into `target`.
    pub fn new(source: String, target: String) -> Self {
        Self {
            source,
            target,
            format: Format::default(),
            domains: Vec::new(),
            num_hypotheses: 1,
            trace: false,
            terms: Terms::default(),
        }
    }

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
    fn finish(mut self, request: &TextRequest) -> Translated {
        let finished = self.session.finish(request.num_hypotheses.saturating_sub(1));
        let mut score = 0.0;
        let mut legs = Vec::new();
        for &i in &finished.used {
            score += self.answers[i].hypotheses.first().map_or(0.0, |best| best.score);
            legs.append(&mut self.answers[i].legs);
        }
        let domain = if is_auto(request) { self.domains.into_iter().next() } else { None };
        let score = score / finished.used.len().max(1) as f32;
        Translated { texts: finished.texts, score, domain, legs }
    }
}

fn is_auto(request: &TextRequest) -> bool {
    request.domains == ["auto"]
}

/// The domains of one text.
fn domains(translator: &dyn Translate, text: &str, request: &TextRequest) -> Vec<String> {
    if !is_auto(request) {
        return request.domains.clone();
    }
    let best = translator.detect_domain(text, &request.source, &request.target);
    best.filter(|(_, probability)| *probability > 0.5).map(|(name, _)| name).into_iter().collect()
}

/// The answers to `segments`.
fn answers(
    translator: &dyn Translate,
    texts: &[Text],
    segments: &[Segment],
    request: &TextRequest,
) -> Result<Vec<Translation>> {
    let job =
        |segment: &Segment| request.job(segment.ask.clone(), texts[segment.text].domains.clone());
    ask(translator, segments.iter().map(job).collect())
}

/// The answers to `jobs`, which are asked with others of like length.
fn ask(translator: &dyn Translate, jobs: Vec<TranslationJob>) -> Result<Vec<Translation>> {
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
