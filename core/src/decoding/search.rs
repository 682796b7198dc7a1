//! Greedy and beam search over many sentences at once.
//!
//! The rows of a step are the live hypotheses of all sentences. Nothing is padded, and no
//! sentence sees another: what comes out does not depend on what stands beside it.

use crate::{
    Result,
    context::Context,
    decoding::cache::{DecoderCache, StepRows},
    kernels::softmax::LogitRows,
    models::translation::{Encoded, TranslationModel},
    ops,
};

/// How hypotheses are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchConfig {
    /// Hypotheses kept per sentence; 1 is greedy search.
    pub beam_size: usize,
    /// Exponent `α` of the length in the score `Σ log p / length^α`.
    pub length_penalty: f32,
    /// A target has at most `max_ratio · source + max_extra` tokens.
    pub max_ratio: f32,
    /// See `max_ratio`.
    pub max_extra: usize,
    /// Token that ends a sentence; it and those after it are what can be said.
    pub end: u32,
}

impl SearchConfig {
    /// Greedy search with `end` as the last token.
    pub fn greedy(end: u32) -> Self {
        Self { beam_size: 1, length_penalty: 1.0, max_ratio: 2.0, max_extra: 12, end }
    }

    fn max_length(&self, source: usize, max_positions: usize) -> usize {
        let length = (source as f32 * self.max_ratio) as usize + self.max_extra;
        length.min(max_positions - 1)
    }
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

/// What one sentence has so far.
#[derive(Debug, Default)]
struct Finished {
    hypotheses: Vec<Hypothesis>,
}

/// A way to go on from a live hypothesis.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    row: usize,
    token: u32,
    log_prob: f32,
    total: f32,
}

/// The likeliest next tokens of every row, best first.
struct Likeliest {
    /// Tokens for each row.
    width: usize,
    /// Tokens, `(R, width)`, and their log-probabilities.
    tokens: Vec<u32>,
    log_probs: Vec<f32>,
}

/// Searches the best targets of `encoded` sentences, best first, at most `beam_size` each.
///
/// `routes` names the way of each sentence and `starts` the token from which it begins.
pub fn search(
    model: &TranslationModel,
    encoded: &Encoded,
    (routes, starts): (&[u32], &[u32]),
    config: &SearchConfig,
    context: &Context,
) -> Result<Vec<Vec<Hypothesis>>> {
    let mut cache = model.start(encoded, context)?;
    let mut finished: Vec<Finished> = Vec::new();
    finished.resize_with(encoded.layout.len(), Finished::default);
    let begin = |(sentence, &next): (usize, &u32)| {
        let hypothesis = Hypothesis::default();
        Live { sentence, hypothesis, total: 0.0, next }
    };
    let mut live: Vec<Live> = starts.iter().enumerate().map(begin).collect();
    let max_positions = model.config().max_positions;
    while !live.is_empty() {
        let (likeliest, visits) = step(model, &live, routes, &mut cache, config, context)?;
        let candidates = expand(&live, &likeliest);
        let (next, parents) = advance(&live, &candidates, &visits, &mut finished, |sentence| {
            let source = encoded.layout.lengths()[sentence];
            (config, config.max_length(source, max_positions))
        });
        cache.select(&parents);
        live = next;
    }
    Ok(finished.into_iter().map(|finished| finished.best(config.beam_size)).collect())
}

/// The likeliest next tokens of every live hypothesis, and where the tokens before them went.
fn step(
    model: &TranslationModel,
    live: &[Live],
    routes: &[u32],
    cache: &mut DecoderCache,
    config: &SearchConfig,
    context: &Context,
) -> Result<(Likeliest, Vec<TokenVisits>)> {
    let ids: Vec<u32> = live.iter().map(|live| live.next).collect();
    let sentences: Vec<usize> = live.iter().map(|live| live.sentence).collect();
    let row_routes: Vec<u32> = sentences.iter().map(|&sentence| routes[sentence]).collect();
    let rows = StepRows { sentences: &sentences, routes: &row_routes };
    let output = model.step(&ids, &rows, cache, context)?;
    let mut visits = vec![TokenVisits::new(); live.len()];
    for layer in &output.routing {
        for (row, went) in layer.visits.iter().enumerate() {
            let named = went.iter().map(|&(e, weight)| (layer.experts[e].clone(), weight));
            visits[row].push((layer.layer.clone(), named.collect()));
        }
    }
    let logits = model.logits(&output.hidden, context)?; // (R, V)
    let rows = LogitRows { width: model.config().vocab_size, first_output: config.end as usize };
    let likeliest = ops::with_values(&logits, |logits| Likeliest::of(logits, rows, config))?;
    Ok((likeliest, visits))
}

impl Likeliest {
    /// One token for each row of `logits` in greedy search, else twice the beam: half of them may be
    /// ends. Logits are looked over, never copied: there are many.
    fn of(logits: &[f32], rows: LogitRows, config: &SearchConfig) -> Self {
        let width = if config.beam_size == 1 { 1 } else { 2 * config.beam_size };
        let (mut log_probs, tokens) = rows.top_k(logits, width);
        let sums = rows.log_sum_exp(logits);
        for (log_probs, sum) in log_probs.chunks_exact_mut(width).zip(sums) {
            log_probs.iter_mut().for_each(|logit| *logit -= sum);
        }
        Self { width, tokens, log_probs }
    }
}

/// The best ways to go on for each sentence, best first; equal ones in the order of rows and
/// tokens.
fn expand(live: &[Live], likeliest: &Likeliest) -> Vec<Vec<Candidate>> {
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
        let of = |(&log_prob, &token): (&f32, &u32)| Candidate {
            row,
            token,
            log_prob,
            total: live.total + log_prob,
        };
        let new = log_probs[best.clone()].iter().zip(&tokens[best]).map(of);
        if let Some(sentence) = candidates.last_mut() {
            sentence.extend(new);
        }
    }
    for sentence in &mut candidates {
        sentence.sort_by(|a, b| b.total.total_cmp(&a.total));
        sentence.truncate(width);
    }
    candidates
}

/// Ends the hypotheses that are at their end and keeps the best others: the next live ones, and
/// the rows they come from.
fn advance<'a>(
    live: &[Live],
    candidates: &[Vec<Candidate>],
    visits: &[TokenVisits],
    finished: &mut [Finished],
    limits: impl Fn(usize) -> (&'a SearchConfig, usize),
) -> (Vec<Live>, Vec<usize>) {
    let (mut next, mut parents) = (Vec::new(), Vec::new());
    for candidates in candidates {
        let Some(first) = candidates.first() else { continue };
        let sentence = live[first.row].sentence;
        let (config, max_length) = limits(sentence);
        let before = next.len();
        for (rank, candidate) in candidates.iter().enumerate() {
            let from = &live[candidate.row];
            let mut hypothesis = from.hypothesis.clone();
            hypothesis.log_probs.push(candidate.log_prob);
            let length = hypothesis.log_probs.len() as f32;
            hypothesis.score = candidate.total / length.powf(config.length_penalty);
            if candidate.token == config.end {
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
        let is_long = next.get(before).is_some_and(|l| l.hypothesis.tokens.len() >= max_length);
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

impl Finished {
    /// Whether nothing live can become better than what is finished.
    fn is_done(&self, live: &[Live], config: &SearchConfig) -> bool {
        if self.hypotheses.len() < config.beam_size {
            return false;
        }
        let best = self.hypotheses.iter().map(|h| h.score).fold(f32::NEG_INFINITY, f32::max);
        // Log-probabilities only fall; at equal length the live score is what it could end with.
        live.iter().all(|live| live.hypothesis.score <= best)
    }

    fn best(mut self, count: usize) -> Vec<Hypothesis> {
        self.hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.hypotheses.truncate(count);
        self.hypotheses
    }
}
