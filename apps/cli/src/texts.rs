//! Translates whole texts: cuts them into sentences, batches these, and puts them together again.

use dragoman_core::{
    text::{Segment, restore, split},
    translate::{Job, Leg, Translate, Translation},
    translator::Translator,
};

/// Sentences that the model sees at once.
const BATCH: usize = 64;

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
    translator: &Translator,
    texts: &[&str],
    wish: &Wish,
) -> anyhow::Result<Vec<Translated>> {
    let segments: Vec<Vec<Segment<'_>>> =
        texts.iter().map(|text| split(text, &wish.source)).collect();
    let domains: Vec<Vec<String>> =
        texts.iter().map(|text| domains(translator, text, wish)).collect();
    let mut sentences: Vec<Sentence<'_>> = Vec::new();
    for (segments, domains) in segments.iter().zip(&domains) {
        for segment in segments {
            if let Segment::Sentence(text) = segment {
                sentences.push(Sentence { text, domains });
            }
        }
    }
    let answers = sentences_of_like_length(translator, &sentences, wish)?;
    let mut answers = sentences.iter().map(|sentence| sentence.text).zip(answers);
    let mut joined: Vec<Translated> =
        segments.iter().map(|segments| join(segments, &mut answers)).collect();
    if is_auto(wish) {
        for (joined, domains) in joined.iter_mut().zip(domains) {
            joined.domain = domains.into_iter().next();
        }
    }
    Ok(joined)
}

/// A sentence, and the domains of its text.
struct Sentence<'a> {
    text: &'a str,
    domains: &'a [String],
}

fn is_auto(wish: &Wish) -> bool {
    wish.domains == ["auto"]
}

/// The domains of one text.
fn domains(translator: &Translator, text: &str, wish: &Wish) -> Vec<String> {
    if !is_auto(wish) {
        return wish.domains.clone();
    }
    let best = translator.detect_domain(text, &wish.source, &wish.target);
    best.filter(|(_, probability)| *probability > 0.5).map(|(name, _)| name).into_iter().collect()
}

fn sentences_of_like_length(
    translator: &Translator,
    sentences: &[Sentence<'_>],
    wish: &Wish,
) -> anyhow::Result<Vec<Translation>> {
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by_key(|&i| sentences[i].text.len());
    let mut answers: Vec<Option<Translation>> = vec![None; sentences.len()];
    for batch in order.chunks(BATCH) {
        let job = |&i: &usize| Job {
            source: wish.source.clone(),
            target: wish.target.clone(),
            domains: sentences[i].domains.to_vec(),
            text: sentences[i].text.into(),
            num_hypotheses: wish.num_hypotheses,
            trace: wish.trace,
        };
        let jobs: Vec<Job> = batch.iter().map(job).collect();
        for (&i, answer) in batch.iter().zip(translator.translate(&jobs)?) {
            answers[i] = Some(answer);
        }
    }
    Ok(answers.into_iter().map(|answer| answer.expect("every sentence is in a batch")).collect())
}

/// Puts one text together from its segments and the answers to its sentences.
fn join<'a>(
    segments: &[Segment<'_>],
    answers: &mut impl Iterator<Item = (&'a str, Translation)>,
) -> Translated {
    let mut joined = Translated { texts: vec![String::new()], ..Translated::default() };
    let mut count = 0;
    for segment in segments {
        let Segment::Sentence(_) = segment else {
            joined.texts.iter_mut().for_each(|text| text.push_str(segment.as_str()));
            continue;
        };
        let Some((source, answer)) = answers.next() else { break };
        let found = answer.hypotheses.iter().map(|found| restore(source, &found.text));
        let found: Vec<String> = found.collect();
        append(&mut joined.texts, &found);
        joined.score += answer.hypotheses.first().map_or(0.0, |best| best.score);
        joined.legs.extend(answer.legs);
        count += 1;
    }
    joined.score /= count.max(1) as f32;
    let best = joined.texts[0].clone();
    let mut seen = std::collections::HashSet::from([best]);
    let mut rank = 0;
    joined.texts.retain(|text| {
        rank += 1;
        rank == 1 || seen.insert(text.clone())
    });
    joined
}

/// Appends the way of each rank to the text of that rank; where one has fewer, its best.
fn append(texts: &mut Vec<String>, found: &[String]) {
    while texts.len() < found.len() {
        texts.push(texts[0].clone());
    }
    for (rank, text) in texts.iter_mut().enumerate() {
        text.push_str(found.get(rank).unwrap_or(&found[0]));
    }
}
