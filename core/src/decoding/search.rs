//! Greedy and beam search over many sentences at once.
//!
//! The rows of a step are the live hypotheses of all sentences. Nothing is padded, and no
//! sentence sees another: what comes out does not depend on what stands beside it.

mod config;
mod finished;
mod likeliest;

use candle::Tensor;
use rayon::prelude::*;

use self::{
    finished::Finished,
    likeliest::{Likeliest, Logits, note},
};
use super::{
    bias::Bias,
    hints::Hints,
    model::{Decoder, Encoded, EncoderDecoder},
};
use crate::{
    Error, Result,
    cache::StepRows,
    context::Context,
    kernels::softmax::LogitRows,
    ops,
    register::RowRoute,
    retrieval::{Found, Retrieval},
    vocabulary::Outputs,
};

pub use config::SearchConfig;

/// The sentences to search, in the order of their sources.
#[derive(Debug, Clone, Copy)]
pub struct Sentences<'a> {
    /// Route of each sentence.
    pub routes: &'a [RowRoute],
    /// What the decoder is given of each before it chooses; all equally long, at least one token.
    pub starts: &'a [Vec<u32>],
    /// Which tokens it may choose.
    pub outputs: &'a Outputs,
}

/// What else decides beside the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guidance<'a> {
    /// The terms that each sentence is to use; empty where none is to use any.
    pub biases: &'a [Option<&'a Bias>],
    /// What votes at every token of the rows that ask for it.
    pub retrieval: Option<&'a Retrieval>,
    /// What a lexicon says of each sentence; empty where there is none.
    pub hints: &'a [Option<Hints>],
    /// Whether each token begins a word; needed with hints.
    pub begins: &'a [bool],
}

/// What a sentence may become.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hypothesis {
    /// Tokens without the end.
    pub tokens: Vec<u32>,
    /// Log-probability of each token and of the end.
    pub log_probs: Vec<f32>,
    /// For each token, layer by layer, the experts it visited; only in a trace.
    pub visits: Vec<TokenVisits>,
    /// `Σ log p / length^α`.
    pub score: f32,
}

/// Names of the layers, and the experts with their weights, that one token visited.
pub type TokenVisits = Vec<(String, Vec<(String, f32)>)>;

/// A hypothesis that is not at its end.
#[derive(Debug, Clone)]
struct Live {
    sentence: usize,
    hypothesis: Hypothesis,
    total: f32,
    next: u32,
}

/// A way to go on from a live hypothesis.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    row: usize,
    token: u32,
    log_prob: f32,
    total: f32,
}

/// Searches the best targets of `encoded` sentences, best first, at most `beam_size` each.
///
/// # Errors
/// Fails when the model does, or when the starts of the sentences are not equally long.
pub fn search(
    model: &dyn EncoderDecoder,
    encoded: &Encoded,
    sentences: &Sentences<'_>,
    config: &SearchConfig,
    context: &Context,
) -> Result<Vec<Vec<Hypothesis>>> {
    search_with(model, (encoded, sentences), Guidance::default(), config, context)
}

/// Searches as [`search`] does, where `guidance` has a part in it.
///
/// # Errors
/// Fails as [`search`] does.
pub fn search_with(
    model: &dyn EncoderDecoder,
    (encoded, sentences): (&Encoded, &Sentences<'_>),
    guidance: Guidance<'_>,
    config: &SearchConfig,
    context: &Context,
) -> Result<Vec<Vec<Hypothesis>>> {
    let mut decoder = model.decoder(encoded, context)?;
    let mut finished: Vec<Finished> = Vec::new();
    finished.resize_with(encoded.layout.len(), Finished::default);
    let given = given_tokens(sentences)?;
    let mut live = begin(&mut *decoder, sentences, given, context)?;
    let pass = Pass { sentences, guidance, config, width: model.vocab_size(), given };
    while !live.is_empty() {
        let (likeliest, visits) = pass.step(&live, &mut *decoder, context)?;
        let candidates = expand(&live, &likeliest, &pass);
        let max_length = |sentence: usize| {
            let source = encoded.layout.lengths()[sentence];
            config.max_length(source, model.max_positions() - given)
        };
        let (next, parents) = pass.advance(&live, &candidates, &visits, &mut finished, max_length);
        decoder.reorder(&parents);
        live = next;
    }
    Ok(finished.into_iter().map(|finished| finished.best(config.beam_size)).collect())
}

/// How many tokens the decoder is given behind the first one.
fn given_tokens(sentences: &Sentences<'_>) -> Result<usize> {
    let length = sentences.starts.first().map_or(1, Vec::len);
    match length > 0 && sentences.starts.iter().all(|start| start.len() == length) {
        true => Ok(length - 1),
        false => Err(Error::Invalid("the starts of a batch are not equally long".into())),
    }
}

/// Gives the decoder all tokens of the starts but the last, which is the first that asks for more.
fn begin(
    decoder: &mut dyn Decoder,
    sentences: &Sentences<'_>,
    given: usize,
    context: &Context,
) -> Result<Vec<Live>> {
    let all: Vec<usize> = (0..sentences.starts.len()).collect();
    let rows = StepRows { sentences: &all, routes: sentences.routes };
    for place in 0..given {
        let ids: Vec<u32> = sentences.starts.iter().map(|start| start[place]).collect();
        decoder.step(&ids, &rows, context)?;
        decoder.reorder(&all);
    }
    let live = |(sentence, start): (usize, &Vec<u32>)| {
        let hypothesis = Hypothesis::default();
        Live { sentence, hypothesis, total: 0.0, next: start[given] }
    };
    Ok(sentences.starts.iter().enumerate().map(live).collect())
}

/// What stays the same in all steps of a search.
struct Pass<'a> {
    sentences: &'a Sentences<'a>,
    guidance: Guidance<'a>,
    config: &'a SearchConfig,
    /// Width of a row of logits, `V`.
    width: usize,
    /// Tokens that were given and not chosen; they count in the length of a hypothesis.
    given: usize,
}

impl Pass<'_> {
    /// The likeliest next tokens of every live hypothesis, and where the tokens before them went.
    fn step(
        &self,
        live: &[Live],
        decoder: &mut dyn Decoder,
        context: &Context,
    ) -> Result<(Likeliest, Vec<TokenVisits>)> {
        let Self { sentences, config, width, .. } = *self;
        let ids: Vec<u32> = live.iter().map(|live| live.next).collect();
        let places: Vec<usize> = live.iter().map(|live| live.sentence).collect();
        let routes: Vec<RowRoute> =
            places.iter().map(|&sentence| sentences.routes[sentence]).collect();
        let rows = StepRows { sentences: &places, routes: &routes };
        let output = decoder.step(&ids, &rows, context)?;
        let mut visits = vec![TokenVisits::new(); live.len()];
        for layer in &output.routing {
            for (row, went) in layer.visits.iter().enumerate() {
                let named = went.iter().map(|&(e, weight)| (layer.experts[e].clone(), weight));
                visits[row].push((layer.layer.clone(), named.collect()));
            }
        }
        let outputs = sentences.outputs;
        let rows = LogitRows { width, first_output: outputs.first as usize };
        let wanted = self.wanted(live);
        let bonuses = self.bonuses(live);
        let found = self.look_up(&routes, &output.hidden)?;
        let mut likeliest = None;
        let mut mixtures = Vec::new();
        decoder.with_logits(&output.hidden, context, &mut |logits| {
            let mut best = Likeliest::of(logits, rows, outputs, config);
            let view = Logits { logits, rows };
            mixtures = best.mix(&found, view);
            best.raise(&bonuses, &mixtures, view);
            if !wanted.is_empty() {
                best.want(&wanted, &mixtures, view);
            }
            likeliest = Some(best);
        })?; // (R, V)
        if context.trace {
            note(&mut visits, &found, &mixtures);
        }
        let none = || Error::Invalid("a decoder gave no logits".into());
        Ok((likeliest.ok_or_else(none)?, visits))
    }

    /// What the retrieval experts of each row find near its state; nothing at all where no row asks.
    fn look_up(&self, routes: &[RowRoute], hidden: &Tensor) -> Result<Vec<Vec<Found<'_>>>> {
        let Some(retrieval) = self.guidance.retrieval else { return Ok(Vec::new()) };
        if !routes.iter().any(|route| retrieval.is_asked(*route)) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        ops::with_values(hidden, |hidden| {
            let states = hidden.par_chunks_exact(hidden.len() / routes.len());
            let look_up = |(route, state): (&RowRoute, &[f32])| retrieval.look_up(*route, state);
            found = routes.par_iter().zip(states).map(look_up).collect();
        })?;
        Ok(found)
    }

    /// The terms of a sentence, if it is to use any.
    fn bias(&self, sentence: usize) -> Option<&Bias> {
        self.guidance.biases.get(sentence).copied().flatten()
    }

    /// The tokens that a lexicon favours next in each live hypothesis; nothing at all where no sentence
    /// has hints.
    fn bonuses(&self, live: &[Live]) -> Vec<Vec<(u32, f32)>> {
        let Guidance { hints, begins, .. } = self.guidance;
        let of = |live: &Live| hints.get(live.sentence).and_then(Option::as_ref);
        if live.iter().all(|live| of(live).is_none()) {
            return Vec::new();
        }
        let after =
            |live: &Live| of(live).map(|hints| hints.after(&live.hypothesis.tokens, begins));
        live.iter().map(|live| after(live).unwrap_or_default()).collect()
    }

    /// The tokens of terms that each live hypothesis may have next; nothing at all where no sentence
    /// has terms.
    fn wanted(&self, live: &[Live]) -> Vec<Vec<u32>> {
        if live.iter().all(|live| self.bias(live.sentence).is_none()) {
            return Vec::new();
        }
        let after =
            |live: &Live| self.bias(live.sentence).map(|bias| bias.after(&live.hypothesis.tokens));
        live.iter().map(|live| after(live).unwrap_or_default()).collect()
    }
}

/// The best ways to go on for each sentence, best first; equal ones in the order of rows and
/// tokens. Of a sentence with terms those that end without them are left out, and each bank of
/// hypotheses has its share.
fn expand(live: &[Live], likeliest: &Likeliest, pass: &Pass<'_>) -> Vec<Vec<Candidate>> {
    let Likeliest { width, tokens, log_probs } = likeliest;
    let width = *width;
    let mut candidates: Vec<Vec<Candidate>> = Vec::new();
    let mut last = None;
    for (row, live) in live.iter().enumerate() {
        if last != Some(live.sentence) {
            candidates.push(Vec::new());
            last = Some(live.sentence);
        }
        let best = row * width..(row + 1) * width;
        let of = |i: usize| {
            let (token, log_prob) = (tokens[i], log_probs[i]);
            Candidate { row, token, log_prob, total: live.total + log_prob }
        };
        let new = best.map(of);
        if let Some(sentence) = candidates.last_mut() {
            sentence.extend(new);
        }
    }
    for sentence in &mut candidates {
        sentence.sort_by(|a, b| b.total.total_cmp(&a.total));
        let Some(first) = sentence.first() else { continue };
        match pass.bias(live[first.row].sentence) {
            None => sentence.truncate(width),
            Some(bias) => share(sentence, live, bias, (pass.sentences.outputs.end, width)),
        }
    }
    candidates
}

/// Leaves of the candidates of a sentence with terms as many as there is room for.
fn share(candidates: &mut Vec<Candidate>, live: &[Live], bias: &Bias, (end, width): (u32, usize)) {
    let tokens_of = |candidate: &Candidate| &live[candidate.row].hypothesis.tokens;
    candidates.retain(|candidate| candidate.token != end || bias.is_met(tokens_of(candidate)));
    let progress = |candidate: &Candidate| {
        let mut tokens = tokens_of(candidate).clone();
        tokens.push(candidate.token);
        bias.progress(&tokens)
    };
    let progress: Vec<usize> = candidates.iter().map(progress).collect();
    // A beam takes the first of them, and as many ends as there are before.
    let beam = width.div_ceil(2);
    let chosen = super::bias::allocate(&progress, beam);
    let mut place = 0;
    candidates.retain(|_| {
        let is_chosen = chosen.contains(&place);
        place += 1;
        is_chosen
    });
}

impl Pass<'_> {
    /// Ends the hypotheses that are at their end and keeps the best others: the next live ones, and
    /// the rows they come from.
    fn advance(
        &self,
        live: &[Live],
        candidates: &[Vec<Candidate>],
        visits: &[TokenVisits],
        finished: &mut [Finished],
        max_length: impl Fn(usize) -> usize,
    ) -> (Vec<Live>, Vec<usize>) {
        let (config, end) = (self.config, self.sentences.outputs.end);
        let (mut next, mut parents) = (Vec::new(), Vec::new());
        for candidates in candidates {
            let Some(first) = candidates.first() else { continue };
            let sentence = live[first.row].sentence;
            let before = next.len();
            for (rank, candidate) in candidates.iter().enumerate() {
                let from = &live[candidate.row];
                let mut hypothesis = from.hypothesis.clone();
                hypothesis.log_probs.push(candidate.log_prob);
                let length = (self.given + hypothesis.log_probs.len()) as f32;
                hypothesis.score = candidate.total / length.powf(config.length_penalty);
                if candidate.token == end {
                    // An end counts only among the best, or a beam would fill with worse ones.
                    if rank < config.beam_size {
                        finished[sentence].hypotheses.push(hypothesis);
                    }
                    continue;
                }
                if next.len() - before == config.beam_size {
                    continue;
                }
                hypothesis.tokens.push(candidate.token);
                hypothesis.visits.push(visits[candidate.row].clone());
                let (total, next_token) = (candidate.total, candidate.token);
                next.push(Live { sentence, hypothesis, total, next: next_token });
                parents.push(candidate.row);
            }
            let longest = max_length(sentence);
            let is_long = next.get(before).is_some_and(|l| l.hypothesis.tokens.len() >= longest);
            if is_long && finished[sentence].hypotheses.is_empty() {
                let cut = next[before..].iter().map(|live| live.hypothesis.clone());
                finished[sentence].hypotheses.extend(cut);
            }
            let is_done = finished[sentence].is_done(&next[before..], config);
            if is_long || is_done || next.len() == before {
                next.truncate(before);
                parents.truncate(before);
            }
        }
        (next, parents)
    }
}
