//! Learns how to mix the transformer with the cheap scorers, on events that none of them saw.

use std::collections::BTreeMap;

use dragoman_core::{
    recommend::{
        Blend, Query, Recommend,
        behaviour::Behaviour,
        segments::{Segment, SegmentRules},
    },
    recommender::Recommender,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    recommendation::{
        metrics::{Scores, top},
        trial::{self, Trial},
    },
};

/// How the mixture is learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlendConfig {
    /// Whether there is a mixture at all; without one the transformer is alone.
    pub enabled: bool,
    /// Steps down the slope of the loss.
    pub steps: usize,
    /// Length of a step.
    pub rate: f32,
    /// How much large weights cost, but for those that hold for all users.
    pub ridge: f32,
    /// Numbers that are held at most, scores of items for users and scorers.
    pub most_scores: usize,
    /// A segment falls back to a simple scorer only if so many users say that it is better there.
    pub fallback_users: usize,
}

impl Default for BlendConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            steps: 200,
            rate: 0.05,
            ridge: 0.01,
            most_scores: 40_000_000,
            fallback_users: 20,
        }
    }
}

/// A user of the validation window.
struct Case {
    /// Standardised scores, by scorer.
    scores: Vec<Vec<f32>>,
    /// What the mixture is told of the user.
    inputs: Vec<f32>,
    behaviour: Behaviour,
    gates: Vec<f32>,
    targets: Vec<u32>,
    /// Whether each item may be recommended.
    is_open: Vec<bool>,
}

/// Learns the blend of `recommender` by what the users of `trial` did next.
pub(super) fn fit(
    recommender: &Recommender,
    trial: &Trial,
    rules: SegmentRules,
    config: &BlendConfig,
) -> Result<Blend> {
    let cases = cases(recommender, trial, config)?;
    let Some(first) = cases.first() else {
        return Ok(Blend { rules, ..Blend::default() });
    };
    let scorers = recommender.scorers();
    let mut blend = Blend {
        weights: vec![vec![0.0; first.inputs.len()]; scorers.len()],
        scorers,
        rules,
        fallback: BTreeMap::new(),
    };
    descend(&mut blend, &cases, config);
    blend.fallback = fallbacks(&blend, &cases, config);
    Ok(blend)
}

/// The users of `trial`, evenly spread, as many as memory allows.
fn cases(recommender: &Recommender, trial: &Trial, config: &BlendConfig) -> Result<Vec<Case>> {
    let num_items = recommender.items().len();
    let wanted = &trial.cases;
    let most = (config.most_scores / (num_items * recommender.scorers().len()).max(1)).max(1);
    let count = wanted.len().min(most);
    let chosen: Vec<&trial::Case> = (0..count).map(|i| &wanted[i * wanted.len() / count]).collect();
    let mut cases = Vec::with_capacity(count);
    for users in chosen.chunks(64) {
        let queries: Vec<Query<'_>> = users.iter().map(|case| query(case, trial)).collect();
        for (case, components) in users.iter().zip(recommender.components(&queries)?) {
            let mut open = vec![0.0; num_items];
            trial.exclude(case, &mut open);
            let is_open: Vec<bool> = open.iter().map(|score| *score == 0.0).collect();
            let known = |item: &&u32| is_open.get(**item as usize) == Some(&true);
            let targets: Vec<u32> = case.targets.iter().filter(known).copied().collect();
            if !targets.is_empty() {
                cases.push(Case {
                    inputs: Blend::inputs(&components.gates, &components.behaviour),
                    scores: components.scores,
                    behaviour: components.behaviour,
                    gates: components.gates,
                    targets,
                    is_open,
                });
            }
        }
    }
    Ok(cases)
}

fn query<'a>(case: &'a trial::Case, trial: &'a Trial) -> Query<'a> {
    let trial::Case { history, labels, now, .. } = case;
    Query { history, labels, now: *now, popularity: &trial.popularity }
}

/// Minimises the mean over users of the cross-entropy between `softmax(τ · mixture)` over what they
/// have not met and their next items, by Adam (Kingma & Ba 2015); `τ` is learned beside the weights.
fn descend(blend: &mut Blend, cases: &[Case], config: &BlendConfig) {
    let (count, width) = (blend.scorers.len(), blend.weights[0].len());
    let mut values = vec![0.0f32; count * width + 1]; // the last one is ln τ
    let (mut first, mut second) = (vec![0.0f32; values.len()], vec![0.0f32; values.len()]);
    for step in 1..=config.steps {
        let mut slope: Vec<f32> = vec![0.0; values.len()];
        let slopes: Vec<Vec<f32>> =
            cases.par_iter().map(|case| self::slope(&values, case, (count, width))).collect();
        for one in slopes {
            slope.iter_mut().zip(one).for_each(|(sum, x)| *sum += x / cases.len() as f32);
        }
        for (i, slope) in slope[..count * width].iter_mut().enumerate() {
            if i % width != 0 {
                *slope += config.ridge * values[i];
            }
        }
        let corrections = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(step as i32));
        for (i, value) in values.iter_mut().enumerate() {
            first[i] = 0.9 * first[i] + 0.1 * slope[i];
            second[i] = 0.999 * second[i] + 0.001 * slope[i] * slope[i];
            let root = (second[i] / corrections[1]).sqrt() + 1e-8;
            *value -= config.rate * first[i] / corrections[0] / root;
        }
    }
    for (row, values) in blend.weights.iter_mut().zip(values.chunks(width)) {
        row.copy_from_slice(&values[..width]);
    }
}

/// Slope of the loss of one user by all weights and `ln τ`.
fn slope(values: &[f32], case: &Case, (count, width): (usize, usize)) -> Vec<f32> {
    let tau = values[count * width].exp();
    let rows = values.chunks_exact(width).take(count);
    let logits: Vec<f32> =
        rows.map(|row| row.iter().zip(&case.inputs).map(|(w, x)| w * x).sum()).collect();
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let total: f32 = shares.iter().sum();
    let shares: Vec<f32> = shares.iter().map(|share| share / total).collect();

    let mixture = mix(case, &shares);
    let open = || mixture.iter().zip(&case.is_open).filter(|(_, open)| **open).map(|(x, _)| *x);
    let greatest = open().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = open().map(|score| (tau * (score - greatest)).exp()).sum();
    // Means of each scorer, and of the mixture, under the model less those of the next items.
    let mut excess = vec![0.0f32; count];
    for (item, score) in mixture.iter().enumerate().filter(|(item, _)| case.is_open[*item]) {
        let prob = (tau * (score - greatest)).exp() / sum;
        for (excess, scores) in excess.iter_mut().zip(&case.scores) {
            *excess += prob * scores[item];
        }
    }
    for &target in &case.targets {
        for (excess, scores) in excess.iter_mut().zip(&case.scores) {
            *excess -= scores[target as usize] / case.targets.len() as f32;
        }
    }
    let mean: f32 = shares.iter().zip(&excess).map(|(share, excess)| share * excess).sum();
    let mut slope = Vec::with_capacity(values.len());
    for (share, excess) in shares.iter().zip(&excess) {
        let by_logit = tau * share * (excess - mean);
        slope.extend(case.inputs.iter().map(|input| by_logit * input));
    }
    slope.push(tau * mean);
    slope
}

fn mix(case: &Case, shares: &[f32]) -> Vec<f32> {
    let mut mixture = vec![0.0; case.is_open.len()];
    for (share, scores) in shares.iter().zip(&case.scores) {
        mixture.iter_mut().zip(scores).for_each(|(sum, score)| *sum += share * score);
    }
    mixture
}

/// For each segment in which one of the cheap scorers alone is better than the mixture, that one.
fn fallbacks(blend: &Blend, cases: &[Case], config: &BlendConfig) -> BTreeMap<Segment, Vec<f32>> {
    let count = blend.scorers.len();
    let mut candidates: Vec<Vec<f32>> = vec![Vec::new()]; // the mixture itself
    for k in 1..count {
        let mut alone = vec![0.0; count];
        alone[k] = 1.0;
        candidates.push(alone);
    }
    let mut fallbacks = BTreeMap::new();
    for segment in Segment::ALL {
        let members: Vec<&Case> =
            cases.iter().filter(|case| blend.rules.segment(&case.behaviour) == segment).collect();
        if members.is_empty() || members.len() < config.fallback_users {
            continue;
        }
        let mean = |candidate: &Vec<f32>| -> f64 {
            let ndcg = |case: &&Case| match candidate.is_empty() {
                true => ndcg(case, &blend.shares(&case.gates, &case.behaviour)),
                false => ndcg(case, candidate),
            };
            // Summed in order: a parallel sum would have no fixed one.
            members.par_iter().map(ndcg).collect::<Vec<f64>>().iter().sum()
        };
        let sums: Vec<f64> = candidates.iter().map(mean).collect();
        let best = (1..candidates.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]));
        if let Some(best) = best.filter(|&best| sums[best] > sums[0]) {
            fallbacks.insert(segment, candidates[best].clone());
        }
    }
    fallbacks
}

/// NDCG@10 of the mixture for one user.
fn ndcg(case: &Case, shares: &[f32]) -> f64 {
    let mut mixture = mix(case, shares);
    for (score, _) in mixture.iter_mut().zip(&case.is_open).filter(|(_, open)| !**open) {
        *score = f32::NEG_INFINITY;
    }
    Scores::of(&top(&mixture), &case.targets).ndcg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users who take what the first scorer says if they have few events, else the second.
    fn cases() -> Vec<Case> {
        let case = |i: usize| {
            let is_new = i.is_multiple_of(2);
            let (good, bad) = (i % 10, (i * 7 + 3) % 10);
            let peak = |place: usize| -> Vec<f32> {
                (0..10).map(|item| if item == place { 3.0 } else { 0.0 }).collect()
            };
            let (new, old) = if is_new { (good, bad) } else { (bad, good) };
            let events = if is_new { 1 } else { 50 };
            let behaviour = Behaviour { events, ..Behaviour::default() };
            let gates = if is_new { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
            Case {
                scores: vec![peak(old), peak(new)],
                inputs: Blend::inputs(&gates, &behaviour),
                behaviour,
                gates,
                targets: vec![good as u32],
                is_open: vec![true; 10],
            }
        };
        (0..60).map(case).collect()
    }

    fn blend(cases: &[Case]) -> Blend {
        Blend {
            scorers: ["transformer", "popularity"].map(String::from).to_vec(),
            weights: vec![vec![0.0; cases[0].inputs.len()]; 2],
            ..Blend::default()
        }
    }

    #[test]
    fn the_mixture_learns_whom_to_trust_for_whom() {
        let cases = cases();
        let mut blend = blend(&cases);
        descend(&mut blend, &cases, &BlendConfig::default());
        for case in &cases {
            let shares = blend.shares(&case.gates, &case.behaviour);
            assert_eq!(ndcg(case, &shares), 1.0, "{shares:?}");
        }
        assert!(fallbacks(&blend, &cases, &BlendConfig::default()).is_empty());
    }

    #[test]
    fn a_segment_falls_back_where_something_simple_is_better() {
        let cases = cases();
        let mut blend = blend(&cases);
        blend.weights[0][0] = 5.0; // the transformer for all
        let fallbacks = fallbacks(&blend, &cases, &BlendConfig::default());
        assert_eq!(fallbacks, BTreeMap::from([(Segment::New, vec![0.0, 1.0])]));
    }
}
