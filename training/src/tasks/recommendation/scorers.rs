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
/// Users that are asked about at most in each window.
const USERS: usize = 1000;

/// The settings with the best mean NDCG@10 over the users of all `windows`, which share one catalogue;
/// others are those of `config`.
pub(super) fn choose(windows: &[Trial], config: &ScorersConfig) -> Result<ScorersConfig> {
    let mut windows = windows.to_vec();
    windows.iter_mut().for_each(|trial| super::spread(&mut trial.cases, USERS));
    let windows = &windows[..];
    let num_items = windows.first().map_or(0, |trial| trial.train.items.len());
    let mut chosen = *config;
    let mut best = f64::NEG_INFINITY;
    if num_items <= config.ease_items.min(Ease::MOST_ITEMS) {
        let lambdas = match num_items > MANY_ITEMS {
            true => vec![config.ease.lambda],
            false => vec![100.0, 300.0, 1000.0],
        };
        for lambda in lambdas {
            let settings = EaseConfig { lambda, ..config.ease };
            let fit = |trial: &Trial| Ease::fit(&trial.train.histories, num_items, &settings);
            let mut models = windows.iter().map(fit).collect::<Result<Vec<_>, _>>()?;
            for decay in DECAYS {
                models = models.into_iter().map(|model| model.with_decay(decay)).collect();
                if is_better(&mut best, windows, &models) {
                    chosen.ease = EaseConfig { lambda, decay, ..config.ease };
                }
            }
        }
    } else {
        for shrink in [10.0, 50.0, 200.0] {
            let settings = NeighboursConfig { shrink, ..config.neighbours };
            let fit = |trial: &Trial| Neighbours::fit(&trial.train.histories, num_items, &settings);
            let mut models: Vec<_> = windows.iter().map(fit).collect();
            for decay in DECAYS {
                models = models.into_iter().map(|model| model.with_decay(decay)).collect();
                if is_better(&mut best, windows, &models) {
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
        let fit = |trial: &Trial| Cooccurrence::fit(&trial.train.histories, num_items, &settings);
        let models: Vec<_> = windows.iter().map(fit).collect();
        if is_better(&mut best, windows, &models) {
            chosen.cooccurrence = settings;
        }
    }
    Ok(chosen)
}

/// Whether a scorer, fitted before each of `windows`, does better than `best`, which it then
/// becomes.
fn is_better<S: Scorer>(best: &mut f64, windows: &[Trial], models: &[S]) -> bool {
    let mut scores: Vec<Scores> = Vec::new();
    for (trial, scorer) in windows.iter().zip(models) {
        let outcome = Outcome::of_scorer(trial, scorer);
        let main = trial.main_group();
        let members = trial.groups().into_iter().find(|(name, _)| name == main);
        let members = members.map(|(_, members)| members).unwrap_or_default();
        scores.extend(members.into_iter().map(|i| outcome.scores[i]));
    }
    let ndcg = Scores::mean(&scores).ndcg;
    let is_better = ndcg > *best;
    *best = best.max(ndcg);
    is_better
}
