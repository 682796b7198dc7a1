//! What is measured of one list: NDCG, recall, hit, reciprocal rank, all at ten.

use serde::{Deserialize, Serialize};

/// Length of a list.
pub const TOP: usize = 10;

/// Scores of one list, each from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Normalised discounted cumulative gain: `Σ 1/log₂(rank + 1)` over the targets found, over that
    /// of a list that begins with `min(10, targets)` of them (Järvelin and Kekäläinen, 2002).
    pub ndcg: f64,
    /// Share of the targets that are in the list.
    pub recall: f64,
    /// Whether any is.
    pub hit: f64,
    /// One over the rank of the first.
    pub reciprocal_rank: f64,
}

impl Scores {
    /// Scores a list, best first, by what it should hold; a target outside it is missed.
    pub fn of(list: &[u32], targets: &[u32]) -> Self {
        let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
        let found: Vec<usize> =
            (0..list.len().min(TOP)).filter(|&rank| targets.contains(&list[rank])).collect();
        let Some(&first) = found.first() else { return Self::default() };
        let ideal: f64 = (0..targets.len().min(TOP)).map(gain).sum();
        Self {
            ndcg: found.iter().map(|&rank| gain(rank)).sum::<f64>() / ideal,
            recall: found.len() as f64 / targets.len() as f64,
            hit: 1.0,
            reciprocal_rank: 1.0 / (first as f64 + 1.0),
        }
    }

    /// The mean of each score; zero for no scores.
    pub fn mean(all: &[Self]) -> Self {
        let mean = |score: fn(&Self) -> f64| {
            all.iter().map(score).sum::<f64>() / (all.len() as f64).max(1.0)
        };
        Self {
            ndcg: mean(|scores| scores.ndcg),
            recall: mean(|scores| scores.recall),
            hit: mean(|scores| scores.hit),
            reciprocal_rank: mean(|scores| scores.reciprocal_rank),
        }
    }
}

/// The [`TOP`] items with the greatest scores, best first; of equals the first. Items with a score
/// of minus infinity or NaN are left out.
pub fn top(scores: &[f32]) -> Vec<u32> {
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(TOP + 1);
    let mut least = f32::NEG_INFINITY;
    for (item, &score) in scores.iter().enumerate() {
        if score > least {
            let place = best.partition_point(|&(other, _)| other >= score);
            best.insert(place, (score, item as u32));
            best.truncate(TOP);
            if best.len() == TOP {
                least = best[TOP - 1].0;
            }
        }
    }
    best.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_are_those_of_the_definition() {
        let list: Vec<u32> = (0..10).collect();
        let third = Scores::of(&list, &[2]);
        assert_eq!(third, Scores { ndcg: 0.5, recall: 1.0, hit: 1.0, reciprocal_rank: 1.0 / 3.0 });
        let two = Scores::of(&list, &[0, 99]); // 1 / (1 + 1/log₂3)
        assert!((two.ndcg - 0.613_147).abs() < 1e-6, "{two:?}");
        assert_eq!((two.recall, two.hit, two.reciprocal_rank), (0.5, 1.0, 1.0));
        let many: Vec<u32> = (0..100).collect();
        assert_eq!(Scores::of(&list, &many).ndcg, 1.0);
        assert_eq!(Scores::of(&list, &many).recall, 0.1);
        assert_eq!(Scores::of(&list, &[u32::MAX]), Scores::default());
    }

    #[test]
    fn ties_fall_to_the_first_and_the_excluded_never_appear() {
        let mut scores = [1.0; 20];
        scores[3] = f32::NEG_INFINITY;
        scores[4] = f32::NAN;
        scores[19] = 2.0;
        assert_eq!(top(&scores), [19, 0, 1, 2, 5, 6, 7, 8, 9, 10]);
        assert!(top(&[f32::NEG_INFINITY; 5]).is_empty());
    }

    proptest! {
        #[test]
        fn the_top_is_that_of_sorting(scores in prop::collection::vec(-3i8..3, 0..60)) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut order: Vec<u32> = (0..scores.len() as u32).collect();
            order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
            order.truncate(TOP);
            prop_assert_eq!(top(&scores), order);
        }
    }
}
