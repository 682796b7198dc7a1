//! The probabilities of the model and of neighbours, mixed.

use super::{Found, gate::voted};

/// What the model thinks of the next token of a row.
pub struct ModelView<'a> {
    /// Its likeliest token, with the log-probability.
    pub best: (u32, f32),
    /// The log-probability of any token.
    pub log_prob: &'a dyn Fn(u32) -> f32,
}

/// `p(y) = share · p_model(y) + Σ votes for y`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// How much the model counts.
    pub share: f64,
    /// What is added to the tokens that neighbours vote for, by token.
    pub votes: Vec<(u32, f64)>,
}

impl Mixture {
    /// The mixture with what was found, one expert after another.
    pub fn new(found: &[Found<'_>], model: &ModelView<'_>) -> Self {
        let mut mixture = Self { share: 1.0, votes: Vec::new() };
        for Found { neighbours, gate, .. } in found {
            if neighbours.is_empty() {
                continue;
            }
            let top = voted(neighbours);
            let shares = gate.shares(neighbours, model.best, (model.log_prob)(top));
            mixture.share *= f64::from(shares.model);
            mixture.votes.iter_mut().for_each(|(_, vote)| *vote *= f64::from(shares.model));
            for (token, vote) in gate.votes(neighbours, &shares) {
                match mixture.votes.iter_mut().find(|(known, _)| *known == token) {
                    Some((_, sum)) => *sum += f64::from(vote),
                    None => mixture.votes.push((token, f64::from(vote))),
                }
            }
        }
        mixture
    }

    /// The log-probability of `token`, given that of the model.
    pub fn log_prob(&self, token: u32, of_model: f32) -> f32 {
        let vote = self.votes.iter().find(|(voted, _)| *voted == token);
        let vote = vote.map_or(0.0, |(_, vote)| *vote);
        (self.share * f64::from(of_model).exp() + vote).ln().max(f64::from(f32::MIN)) as f32
    }
}
