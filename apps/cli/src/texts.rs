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
    let mut sentences: Vec<&str> = Vec::new();
    for segment in segments.iter().flatten() {
        if let Segment::Sentence(text) = segment {
            sentences.push(text);
        }
    }
    let answers = sentences_of_like_length(translator, &sentences, wish)?;
    let mut answers = sentences.iter().zip(answers);
    Ok(segments.iter().map(|segments| join(segments, &mut answers)).collect())
}

fn sentences_of_like_length(
    translator: &Translator,
    sentences: &[&str],
    wish: &Wish,
) -> anyhow::Result<Vec<Translation>> {
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by_key(|&i| sentences[i].len());
    let mut answers: Vec<Option<Translation>> = vec![None; sentences.len()];
    for batch in order.chunks(BATCH) {
        let job = |&i: &usize| Job {
            source: wish.source.clone(),
            target: wish.target.clone(),
            domains: wish.domains.clone(),
            text: sentences[i].into(),
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
    answers: &mut impl Iterator<Item = (&'a &'a str, Translation)>,
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
