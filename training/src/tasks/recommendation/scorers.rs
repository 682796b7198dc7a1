//! Chooses how the cheap scorers are set, from a few settings of each.

use dragoman_core::recommend::{
    ScorersConfig,
    cooccurrence::{Cooccurrence, CooccurrenceConfig},
    ease::{Ease, EaseConfig},
    neighbours::{Neighbours, NeighboursConfig},
    scorer::Scorer,
};

use crate::{
    Result,
    recommendation::{metrics::Scores, ranking::Outcome, trial::Trial},
};

/// Weights of an event beside the one after it that are tried.
const DECAYS: [f32; 5] = [1.0, 0.98, 0.95, 0.9, 0.8];
/// Catalogues up to this size have EASE's regularisation chosen; beyond, inverting is dear.
const MANY_ITEMS: usize = 5000;
/// Users that are asked about at most.
const USERS: usize = 1000;

/// The settings with the best mean NDCG@10 in `trial`; others are those of `config`.
pub(super) fn choose(trial: &Trial, config: &ScorersConfig) -> Result<ScorersConfig> {
    let mut trial = trial.clone();
    super::spread(&mut trial.cases, USERS);
    let (histories, num_items) = (&trial.train.histories, trial.train.items.len());
    let mut chosen = *config;
    let mut best = f64::NEG_INFINITY;
    if num_items <= config.ease_items.min(Ease::MOST_ITEMS) {
        let lambdas = match num_items > MANY_ITEMS {
            true => vec![config.ease.lambda],
            false => vec![100.0, 300.0, 1000.0],
        };
        for lambda in lambdas {
            let mut ease = Ease::fit(histories, num_items, &EaseConfig { lambda, ..config.ease })?;
            for decay in DECAYS {
                ease = ease.with_decay(decay);
                if is_better(&mut best, &trial, &ease) {
                    chosen.ease = EaseConfig { lambda, decay, ..config.ease };
                }
            }
        }
    } else {
        for shrink in [10.0, 50.0, 200.0] {
            let settings = NeighboursConfig { shrink, ..config.neighbours };
            let mut neighbours = Neighbours::fit(histories, num_items, &settings);
            for decay in DECAYS {
                neighbours = neighbours.with_decay(decay);
                if is_better(&mut best, &trial, &neighbours) {
                    chosen.neighbours = NeighboursConfig { decay, ..settings };
                }
            }
        }
    }
    best = f64::NEG_INFINITY;
    for (window, decay, shrink) in
        [(1, 1.0, 10.0), (5, 0.5, 10.0), (5, 0.8, 10.0), (5, 0.8, 100.0), (10, 0.9, 10.0)]
    {
        let settings = CooccurrenceConfig { window, decay, shrink, ..config.cooccurrence };
        if is_better(&mut best, &trial, &Cooccurrence::fit(histories, num_items, &settings)) {
            chosen.cooccurrence = settings;
        }
    }
    Ok(chosen)
}

/// Whether a scorer does better than `best`, which it then becomes.
fn is_better(best: &mut f64, trial: &Trial, scorer: &dyn Scorer) -> bool {
    let outcome = Outcome::of_scorer(trial, scorer);
    let main = trial.main_group();
    let members = trial.groups().into_iter().find(|(name, _)| name == main);
    let scores = members.map(|(_, members)| members).unwrap_or_default();
    let scores: Vec<Scores> = scores.into_iter().map(|i| outcome.scores[i]).collect();
    let ndcg = Scores::mean(&scores).ndcg;
    let is_better = ndcg > *best;
    *best = best.max(ndcg);
    is_better
}
