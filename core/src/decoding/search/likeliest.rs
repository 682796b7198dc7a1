//! The likeliest next tokens of every row: of the model, mixed with what neighbours vote for, with the tokens
//! that a lexicon favours raised, and with those that are wanted among them.

use super::{SearchConfig, TokenVisits};
use crate::{
    kernels::softmax::LogitRows,
    retrieval::{Found, Mixture, ModelView},
    vocabulary::Outputs,
};

/// The likeliest next tokens of every row, best first.
pub(super) struct Likeliest {
    /// Tokens for each row.
    pub(super) width: usize,
    /// Tokens, `(R, width)`, and their log-probabilities.
    pub(super) tokens: Vec<u32>,
    pub(super) log_probs: Vec<f32>,
}

impl Likeliest {
    /// One token for each row of `logits` in greedy search, else twice the beam: half of them may be
    /// ends. Logits are looked over, never copied: there are many.
    pub(super) fn of(
        logits: &[f32],
        rows: LogitRows,
        outputs: &Outputs,
        config: &SearchConfig,
    ) -> Self {
        let width = if config.beam_size == 1 { 1 } else { 2 * config.beam_size };
        let looked_at = width + outputs.banned.len();
        let (mut log_probs, mut tokens, sums) = rows.best(logits, looked_at);
        for (log_probs, sum) in log_probs.chunks_exact_mut(looked_at).zip(sums) {
            log_probs.iter_mut().for_each(|logit| *logit -= sum);
        }
        if looked_at > width {
            let kept = |row: usize| {
                let all = row * looked_at..(row + 1) * looked_at;
                all.filter(|&i| !outputs.banned.contains(&tokens[i])).take(width)
            };
            let places: Vec<usize> = (0..tokens.len() / looked_at).flat_map(kept).collect();
            log_probs = places.iter().map(|&i| log_probs[i]).collect();
            tokens = places.iter().map(|&i| tokens[i]).collect();
        }
        Self { width, tokens, log_probs }
    }

    /// Mixes the probabilities of the rows for which something was found with the votes, and returns
    /// the mixtures; none at all where nothing was looked up.
    ///
    /// What is not voted for keeps its order, so the best of a mixture are among the best of the model
    /// and the tokens that are voted for.
    pub(super) fn mix(
        &mut self,
        found: &[Vec<Found<'_>>],
        view: Logits<'_>,
    ) -> Vec<Option<Mixture>> {
        let width = self.width;
        let mixture = |(row, found): (usize, &Vec<Found<'_>>)| {
            if found.is_empty() {
                return None;
            }
            let log_prob = view.log_probs(row);
            let best = (self.tokens[row * width], self.log_probs[row * width]);
            Some(Mixture::new(found, &ModelView { best, log_prob: &log_prob }))
        };
        let mixtures: Vec<Option<Mixture>> = found.iter().enumerate().map(mixture).collect();
        for (row, mixture) in mixtures.iter().enumerate() {
            let Some(mixture) = mixture else { continue };
            let log_prob = view.log_probs(row);
            let places = row * width..(row + 1) * width;
            let mut tokens = self.tokens[places.clone()].to_vec();
            let voted = mixture.votes.iter().map(|(token, _)| *token);
            let new: Vec<u32> = voted.filter(|token| !tokens.contains(token)).collect();
            tokens.extend(new);
            let mixed = |token: u32| (token, mixture.log_prob(token, log_prob(token)));
            let mut mixed: Vec<(u32, f32)> = tokens.into_iter().map(mixed).collect();
            mixed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (place, (token, log_prob)) in places.zip(mixed) {
                self.tokens[place] = token;
                self.log_probs[place] = log_prob;
            }
        }
        mixtures
    }

    /// Raises the log-probabilities of the tokens that are favoured in each row by their bonus, and lowers
    /// all others so that they are probabilities again. The order of the others stays, so the best are
    /// among the best of before and those with a bonus.
    pub(super) fn raise(
        &mut self,
        bonuses: &[Vec<(u32, f32)>],
        mixtures: &[Option<Mixture>],
        view: Logits<'_>,
    ) {
        let width = self.width;
        for (row, bonuses) in bonuses.iter().enumerate().filter(|(_, tokens)| !tokens.is_empty()) {
            let (of_model, mixture) =
                (view.log_probs(row), mixtures.get(row).and_then(Option::as_ref));
            let before = |token: u32| {
                let log_prob = of_model(token);
                mixture.map_or(log_prob, |mixture| mixture.log_prob(token, log_prob))
            };
            let places = row * width..(row + 1) * width;
            let best = self.tokens[places.clone()].iter().zip(&self.log_probs[places.clone()]);
            let mut all: Vec<(u32, f32)> =
                best.map(|(token, log_prob)| (*token, *log_prob)).collect();
            let mut more = 0.0f32;
            for &(token, bonus) in bonuses {
                let log_prob = before(token);
                more += log_prob.exp() * bonus.exp_m1();
                match all.iter_mut().find(|(known, _)| *known == token) {
                    Some((_, known)) => *known += bonus,
                    None => all.push((token, log_prob + bonus)),
                }
            }
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (place, (token, log_prob)) in places.zip(all) {
                self.tokens[place] = token;
                self.log_probs[place] = log_prob - more.ln_1p();
            }
        }
    }

    /// Puts in place of the last tokens of each row those that are wanted, whatever their probability.
    pub(super) fn want(
        &mut self,
        wanted: &[Vec<u32>],
        mixtures: &[Option<Mixture>],
        view: Logits<'_>,
    ) {
        let width = self.width;
        for (row, wanted) in wanted.iter().enumerate() {
            let places = row * width..(row + 1) * width;
            let missing = |token: &&u32| !self.tokens[places.clone()].contains(token);
            let missing: Vec<u32> = wanted.iter().filter(missing).copied().collect();
            if missing.is_empty() {
                continue;
            }
            let (log_prob, last) = (view.log_probs(row), places.end);
            // Half of the places stay what they are.
            for (i, token) in missing.into_iter().take(width / 2).enumerate() {
                let mixture = mixtures.get(row).and_then(Option::as_ref);
                let of_model = log_prob(token);
                self.tokens[last - 1 - i] = token;
                self.log_probs[last - 1 - i] =
                    mixture.map_or(of_model, |mixture| mixture.log_prob(token, of_model));
            }
        }
    }
}

/// The logits of all rows.
#[derive(Clone, Copy)]
pub(super) struct Logits<'a> {
    pub(super) logits: &'a [f32],
    pub(super) rows: LogitRows,
}

impl<'a> Logits<'a> {
    /// The log-probability of each token of a row.
    fn log_probs(&self, row: usize) -> impl Fn(u32) -> f32 + use<'a> {
        let width = self.rows.width;
        let logits = &self.logits[row * width..(row + 1) * width];
        let sum = self.rows.log_sum_exp(logits)[0];
        move |token| logits[token as usize] - sum
    }
}

/// Notes in a trace how much retrieval experts counted.
pub(super) fn note(
    visits: &mut [TokenVisits],
    found: &[Vec<Found<'_>>],
    mixtures: &[Option<Mixture>],
) {
    for ((visits, found), mixture) in visits.iter_mut().zip(found).zip(mixtures) {
        let Some(mixture) = mixture else { continue };
        let weight = (1.0 - mixture.share) as f32 / found.len() as f32;
        let named = found.iter().map(|found| (found.name.to_string(), weight));
        visits.push(("retrieval".into(), named.collect()));
    }
}
