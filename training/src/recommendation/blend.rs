//! Two scorers together: often better than either, and the bar that a gate has to clear.

use dragoman_core::recommend::{Event, scorer::Scorer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    metrics::{Scores, top},
    trial::{Case, Trial},
};

/// Weights of the second scorer that are tried.
const WEIGHTS: [f32; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Which two scorers, and how much the second counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlendConfig {
    /// Name of the first.
    pub first: String,
    /// Name of the second.
    pub second: String,
    /// Weight of the second, 0 to 1; the first has the rest.
    pub weight: f32,
}

/// The weighted sum of the standard scores of two scorers.
pub struct Blend<'a> {
    first: &'a dyn Scorer,
    second: &'a dyn Scorer,
    weight: f32,
}

type Named = (String, Box<dyn Scorer>);

impl BlendConfig {
    /// Such as `EASE+Pop-30d .4`.
    pub fn name(&self) -> String {
        format!("{}+{} {:.1}", self.first, self.second, self.weight)
    }
}

impl<'a> Blend<'a> {
    /// Finds the two among `scorers`.
    pub fn of(config: &BlendConfig, scorers: &'a [Named]) -> Option<Self> {
        let find = |wanted: &String| {
            scorers.iter().find(|(name, _)| name == wanted).map(|(_, scorer)| scorer.as_ref())
        };
        Some(Self {
            first: find(&config.first)?,
            second: find(&config.second)?,
            weight: config.weight,
        })
    }
}

impl Scorer for Blend<'_> {
    fn num_items(&self) -> usize {
        self.first.num_items()
    }

    fn score(&self, history: &[Event], now: i64, out: &mut [f32]) {
        let second = standard_scores(self.second, history, now);
        self.first.score(history, now, out);
        standardise(out);
        mix(out, &second, self.weight);
    }
}

/// Shifts and scales scores to mean 0 and deviation 1; scores that are all the same become 0.
pub fn standardise(scores: &mut [f32]) {
    let n = scores.len().max(1) as f64;
    let mean = scores.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = scores.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    let scale = if variance > 1e-24 { 1.0 / variance.sqrt() } else { 0.0 };
    scores.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) * scale) as f32);
}

fn standard_scores(scorer: &dyn Scorer, history: &[Event], now: i64) -> Vec<f32> {
    let mut scores = vec![0.0; scorer.num_items()];
    scorer.score(history, now, &mut scores);
    standardise(&mut scores);
    scores
}

fn mix(first: &mut [f32], second: &[f32], weight: f32) {
    first.iter_mut().zip(second).for_each(|(x, y)| *x = (1.0 - weight) * *x + weight * y);
}

/// Tries every pair of scorers with every weight, and takes the best by mean NDCG@10; none where
/// there are not two, or no users.
pub(super) fn choose(trial: &Trial, scorers: &[Named]) -> Option<BlendConfig> {
    let pairs: Vec<(usize, usize)> =
        (0..scorers.len()).flat_map(|a| (a + 1..scorers.len()).map(move |b| (a, b))).collect();
    let try_all = |case: &Case| -> Vec<f64> {
        let standard: Vec<Vec<f32>> = scorers
            .iter()
            .map(|(_, scorer)| standard_scores(scorer.as_ref(), &case.history, case.now))
            .collect();
        let ndcg = |a: usize, b: usize, weight: f32| {
            let mut scores = standard[a].clone();
            mix(&mut scores, &standard[b], weight);
            trial.exclude(case, &mut scores);
            Scores::of(&top(&scores), &case.targets).ndcg
        };
        let all = pairs.iter().flat_map(|&(a, b)| WEIGHTS.map(|weight| ndcg(a, b, weight)));
        all.collect()
    };
    let by_case: Vec<Vec<f64>> = trial.cases.par_iter().map(try_all).collect();
    let total = |choice: usize| by_case.iter().map(|of_case| of_case[choice]).sum::<f64>();
    let totals: Vec<f64> = (0..pairs.len() * WEIGHTS.len()).map(total).collect();
    let best = (0..totals.len()).rev().max_by(|&a, &b| totals[a].total_cmp(&totals[b]))?;
    let (a, b) = pairs[best / WEIGHTS.len()];
    (!by_case.is_empty()).then(|| BlendConfig {
        first: scorers[a].0.clone(),
        second: scorers[b].0.clone(),
        weight: WEIGHTS[best % WEIGHTS.len()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_scores_have_mean_zero_and_deviation_one() {
        let mut scores = [1.0, 3.0];
        standardise(&mut scores);
        assert_eq!(scores, [-1.0, 1.0]);
        let mut same = [7.0; 3];
        standardise(&mut same);
        assert_eq!(same, [0.0; 3]);
    }
}
