//! Learns how to mix the transformer with the cheap scorers, on events that none of them saw.
//!
//! The users of a validation window are few, so little is learned of them: for each segment expert,
//! or for each segment by rule, the best of some mixtures by NDCG@10, where a user counts by the
//! weight of the expert, or as a member, and all users together count like a few more. A mixture is
//! judged with those beside it, so that no peak of chance wins.

mod fallback;

use std::collections::BTreeMap;

use dragoman_core::{
    recommend::{Blend, Query, behaviour::Behaviour, segments::Segment},
    recommender::{Components, Recommender},
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
    /// Whose mixtures are learned.
    pub by: BlendBy,
    /// Whether the transformer has a part; without it the cheap scorers are alone.
    pub transformer: bool,
    /// Parts that a mixture is made of: weights are multiples of one of so many.
    pub parts: usize,
    /// How many users of a segment all users together count like.
    pub pool: f64,
    /// Windows of time whose users it is learned from: the one by which weights are chosen and
    /// earlier ones as long, before each of which a model of its own learns. One window of a small
    /// log shows one trend.
    pub windows: usize,
    /// Users that are asked about at most in each window.
    pub users: usize,
    /// Best items of each scorer among which a mixture is judged.
    pub candidates: usize,
    /// A segment is compared with simple scorers only if it has so many users; users without any event
    /// are served what is popular where there are fewer.
    pub fallback_users: usize,
    /// For new users the mixture must be better than the best simple scorer by so many standard
    /// errors, or it is left out.
    pub margin: f64,
}

impl Default for BlendConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            by: BlendBy::Gate,
            transformer: true,
            parts: 10,
            pool: 20.0,
            windows: 1,
            users: 3000,
            candidates: 100,
            fallback_users: 20,
            margin: 1.0,
        }
    }
}

/// Whose mixtures are learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlendBy {
    /// One for each segment expert; those of a user are weighed by the gate. A model without experts
    /// has one for all users.
    #[default]
    Gate,
    /// One for each segment by rule, whatever the model is made of.
    Rule,
}

/// A user of the validation window.
struct Case {
    /// Standardised scores of the candidates, by scorer.
    scores: Vec<Vec<f32>>,
    /// Which candidates are targets; targets that are no candidate have numbers beyond.
    targets: Vec<u32>,
    gates: Vec<f32>,
    behaviour: Behaviour,
}

/// Share of a scorer that has none, so that it has a logarithm.
const NONE: f32 = 1e-3;

/// What the users of a window did next, as a model scores it that knows what lies before.
pub(super) struct Window {
    cases: Vec<Case>,
}

impl Window {
    /// Asks `recommender` about the users of `trial`, evenly spread.
    pub(super) fn ask(
        recommender: &Recommender,
        trial: &Trial,
        config: &BlendConfig,
    ) -> Result<Self> {
        Ok(Self { cases: cases(recommender, trial, config)? })
    }
}

/// Learns the blend of `recommender`, and of models like it, by what the users of `windows` did
/// next.
pub(super) fn fit(recommender: &Recommender, windows: Vec<Window>, config: &BlendConfig) -> Blend {
    let before = recommender.blend();
    let cases: Vec<Case> = windows.into_iter().flat_map(|window| window.cases).collect();
    let Some(first) = cases.first() else { return before.clone() };
    let scorers = recommender.scorers();
    let mut mixtures = mixtures(scorers.len(), config.parts.max(1));
    mixtures.retain(|parts| config.transformer || parts[0] == 0);
    let table: Vec<Vec<f64>> = (cases.par_iter())
        .map(|case| mixtures.iter().map(|shares| ndcg(case, &parts(shares))).collect())
        .collect();
    let best = |weights: &[f64]| parts(&mixtures[best(&mixtures, &table, weights)]);

    let even = vec![1.0; cases.len()];
    let mut rows =
        vec![vec![0.0; Blend::inputs(&first.gates, &first.behaviour).len()]; scorers.len()];
    let mut note = |place: usize, shares: Vec<f32>| {
        for (row, share) in rows.iter_mut().zip(shares) {
            row[place] = share.max(NONE).ln();
        }
    };
    let pool = config.pool / cases.len() as f64;
    if first.gates.is_empty() || config.by == BlendBy::Rule {
        note(0, best(&even));
    } else {
        for expert in 0..first.gates.len() {
            let weights: Vec<f64> =
                cases.iter().map(|case| f64::from(case.gates[expert]) + pool).collect();
            note(1 + expert, best(&weights));
        }
    }
    let mut blend = Blend { scorers, weights: rows, fallback: BTreeMap::new(), ..before.clone() };
    if config.by == BlendBy::Rule {
        for segment in Segment::ALL {
            let is_member = |case: &Case| blend.rules.segment(&case.behaviour) == segment;
            let weight = |case: &Case| f64::from(u8::from(is_member(case))) + pool;
            let weights: Vec<f64> = cases.iter().map(weight).collect();
            blend.fallback.insert(segment, best(&weights));
        }
    }
    fallback::fall_back(&mut blend, &cases, config);
    blend
}

/// The users of `trial`, evenly spread.
fn cases(recommender: &Recommender, trial: &Trial, config: &BlendConfig) -> Result<Vec<Case>> {
    let wanted = &trial.cases;
    let count = wanted.len().min(config.users);
    let chosen: Vec<&trial::Case> = (0..count).map(|i| &wanted[i * wanted.len() / count]).collect();
    let mut cases = Vec::with_capacity(count);
    for users in chosen.chunks(64) {
        let queries: Vec<Query<'_>> = users.iter().map(|case| query(case, trial)).collect();
        let components = recommender.components(&queries)?;
        let case = |(case, components)| self::case(trial, case, components, config.candidates);
        cases.extend(users.iter().copied().zip(components).map(case));
    }
    Ok(cases)
}

fn query<'a>(case: &'a trial::Case, trial: &'a Trial) -> Query<'a> {
    let trial::Case { history, labels, now, .. } = case;
    Query { history, labels, now: *now, popularity: &trial.popularity }
}

/// Keeps of all items those that any of the scorers would put in front.
fn case(trial: &Trial, case: &trial::Case, components: Components, most: usize) -> Case {
    let Components { mut scores, gates, behaviour, .. } = components;
    let mut candidates: Vec<u32> = Vec::new();
    for scores in &mut scores {
        trial.exclude(case, scores);
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        // Stable: of equal scores the first item stays in front.
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        order.truncate(most);
        candidates.extend(order.iter().filter(|item| scores[**item as usize].is_finite()));
    }
    candidates.sort_unstable();
    candidates.dedup();
    let place = |item: &u32| candidates.binary_search(item).map_or(u32::MAX, |place| place as u32);
    let targets = case.targets.iter().map(place).collect();
    let of = |scores: &Vec<f32>| candidates.iter().map(|&item| scores[item as usize]).collect();
    Case { scores: scores.iter().map(of).collect(), targets, gates, behaviour }
}

/// All ways to give `parts` parts to `count` scorers.
fn mixtures(count: usize, parts: usize) -> Vec<Vec<usize>> {
    if count == 1 {
        return vec![vec![parts]];
    }
    let with = |first: usize| {
        let rest = mixtures(count - 1, parts - first).into_iter();
        rest.map(move |rest| [vec![first], rest].concat())
    };
    (0..=parts).flat_map(with).collect()
}

/// Parts as shares of one.
fn parts(mixture: &[usize]) -> Vec<f32> {
    let all: usize = mixture.iter().sum();
    mixture.iter().map(|&part| part as f32 / all.max(1) as f32).collect()
}

/// The place of the mixture that is best in the weighted mean of `table` (by user and mixture)
/// together with those that differ from it by one part.
fn best(mixtures: &[Vec<usize>], table: &[Vec<f64>], weights: &[f64]) -> usize {
    let mut sums = vec![0.0; mixtures.len()];
    for (row, weight) in table.iter().zip(weights) {
        sums.iter_mut().zip(row).for_each(|(sum, ndcg)| *sum += weight * ndcg);
    }
    let place: BTreeMap<&[usize], usize> = mixtures.iter().map(Vec::as_slice).zip(0..).collect();
    let smooth = |i: usize| {
        let (mut sum, mut count) = (sums[i], 1.0);
        for from in 0..mixtures[i].len() {
            for to in (0..mixtures[i].len()).filter(|&to| to != from && mixtures[i][from] > 0) {
                let mut other = mixtures[i].clone();
                other[from] -= 1;
                other[to] += 1;
                if let Some(&other) = place.get(other.as_slice()) {
                    sum += sums[other];
                    count += 1.0;
                }
            }
        }
        sum / count
    };
    let smoothed: Vec<f64> = (0..mixtures.len()).map(smooth).collect();
    let better = |a: &usize, b: &usize| smoothed[*a].total_cmp(&smoothed[*b]);
    (0..mixtures.len()).max_by(better).unwrap_or(0)
}

/// NDCG@10 of a mixture for one user.
fn ndcg(case: &Case, shares: &[f32]) -> f64 {
    let mut mixture = vec![0.0; case.scores.first().map_or(0, Vec::len)];
    for (share, scores) in shares.iter().zip(&case.scores) {
        mixture.iter_mut().zip(scores).for_each(|(sum, score)| *sum += share * score);
    }
    Scores::of(&top(&mixture), &case.targets).ndcg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Users who take what the second scorer says if they have few events, else the first.
    pub(super) fn cases() -> Vec<Case> {
        let case = |i: usize| {
            let is_new = i.is_multiple_of(2);
            let (good, bad) = (i % 30, (i * 7 + 3) % 30);
            let peak = |place: usize| -> Vec<f32> {
                (0..30).map(|item| if item == place { 3.0 } else { item as f32 / 30.0 }).collect()
            };
            let (new, old) = if is_new { (good, bad) } else { (bad, good) };
            let events = if is_new { 1 } else { 50 };
            Case {
                scores: vec![peak(old), peak(new)],
                behaviour: Behaviour { events, ..Behaviour::default() },
                gates: if is_new { vec![1.0, 0.0] } else { vec![0.0, 1.0] },
                targets: vec![good as u32],
            }
        };
        (0..60).map(case).collect()
    }

    #[test]
    fn every_segment_trusts_the_scorer_that_is_right_for_it() {
        let cases = cases();
        let mixtures = mixtures(2, 10);
        assert_eq!(mixtures.len(), 11);
        let table: Vec<Vec<f64>> = (cases.iter())
            .map(|case| mixtures.iter().map(|shares| ndcg(case, &parts(shares))).collect())
            .collect();
        for expert in 0..2 {
            let weights: Vec<f64> =
                cases.iter().map(|case| f64::from(case.gates[expert])).collect();
            let shares = parts(&mixtures[best(&mixtures, &table, &weights)]);
            assert!(shares[1 - expert] > 0.6, "{shares:?} for expert {expert}");
        }
    }

    #[test]
    fn all_ways_to_share_are_tried() {
        assert_eq!(mixtures(4, 10).len(), 286);
        assert!(mixtures(3, 4).iter().all(|mixture| mixture.iter().sum::<usize>() == 4));
    }
}
