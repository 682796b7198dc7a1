//! What is measured of all lists together: how much of the catalogue they show, and how well known
//! it is.

use dragoman_core::recommend::{behaviour::Categories, popularity::percentiles};
use serde::{Deserialize, Serialize};

use super::{metrics::TOP, trial::Trial};

/// Lists beyond their accuracy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Beyond {
    /// Share of the catalogue that is in any list.
    pub coverage: f64,
    /// Gini coefficient of how often each item is shown: 0 evenly, towards 1 for a few items.
    pub gini: f64,
    /// Mean of `-log₂` of the share of users who have met an item: bits of surprise.
    pub novelty: f64,
    /// Mean popularity percentile of what is shown, 0 to 1.
    pub popularity: f64,
    /// How much more popular that is than what the same users had met, by the same percentiles;
    /// none where no user had met anything.
    pub drift: Option<f64>,
    /// Mean over the lists of how unlike two of their items are, 0 to 1: one minus the share of
    /// categories that both have of those that either has (Ziegler et al. 2005, with Jaccard's
    /// likeness); none where no category is known.
    #[serde(default)]
    pub diversity: Option<f64>,
}

impl Beyond {
    /// Describes the `lists` of all cases of a trial.
    pub fn of(trial: &Trial, lists: &[Vec<u32>]) -> Self {
        let known = trial.candidates.iter().filter(|&&known| known).count().max(1);
        let users = trial.train.histories.iter().filter(|history| !history.is_empty()).count();
        let met = met_by(trial);
        let percentiles = percentiles(&trial.popularity);
        let mut shown = vec![0u32; trial.candidates.len()];
        lists.iter().flatten().for_each(|&item| shown[item as usize] += 1);
        let all = || lists.iter().flatten().map(|&item| item as usize);
        let surprise = |item: usize| (users.max(1) as f64 / f64::from(met[item].max(1))).log2();
        let shown_of_known: Vec<u32> =
            (0..shown.len()).filter(|&item| trial.candidates[item]).map(|i| shown[i]).collect();
        Self {
            coverage: shown.iter().filter(|&&times| times > 0).count() as f64 / known as f64,
            gini: gini(shown_of_known),
            novelty: mean(all().map(surprise)).unwrap_or(0.0),
            popularity: mean(all().map(|item| f64::from(percentiles[item]))).unwrap_or(0.0),
            drift: drift(trial, lists, &percentiles),
            diversity: diversity(&Categories::new(&trial.train.items), lists),
        }
    }
}

/// Users who met each item.
fn met_by(trial: &Trial) -> Vec<u32> {
    let mut met = vec![0; trial.candidates.len()];
    for history in &trial.train.histories {
        let mut items: Vec<u32> = history.iter().map(|event| event.item).collect();
        items.sort_unstable();
        items.dedup();
        items.iter().for_each(|&item| met[item as usize] += 1);
    }
    met
}

fn drift(trial: &Trial, lists: &[Vec<u32>], percentiles: &[f32]) -> Option<f64> {
    let of = |items: &mut dyn Iterator<Item = u32>| {
        mean(items.map(|item| f64::from(percentiles[item as usize])))
    };
    mean(trial.cases.iter().zip(lists).filter_map(|(case, list)| {
        let before = of(&mut case.history.iter().map(|event| event.item))?;
        Some(of(&mut list.iter().copied())? - before)
    }))
}

fn diversity(categories: &Categories, lists: &[Vec<u32>]) -> Option<f64> {
    let unlike = |a: u32, b: u32| {
        let (a, b) = (categories.of(a), categories.of(b));
        let common = a.iter().filter(|category| b.contains(category)).count();
        let all = a.len() + b.len() - common;
        (!a.is_empty() && !b.is_empty()).then(|| 1.0 - common as f64 / all as f64)
    };
    let of_list = |list: &Vec<u32>| {
        let pairs = (0..list.len()).flat_map(|i| (0..i).map(move |j| (list[i], list[j])));
        mean(pairs.filter_map(|(a, b)| unlike(a, b)))
    };
    mean(lists.iter().filter_map(of_list))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), x| (sum + x, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn gini(mut counts: Vec<u32>) -> f64 {
    counts.sort_unstable();
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let n = counts.len() as f64;
    let weighted: f64 =
        counts.iter().enumerate().map(|(i, &count)| (i as f64 + 1.0) * f64::from(count)).sum();
    if total > 0.0 { 2.0 * weighted / (n * total) - (n + 1.0) / n } else { 0.0 }
}

/// Items that a list could not fill are missing from it; this many places are filled.
pub fn places(lists: &[Vec<u32>]) -> f64 {
    let filled: usize = lists.iter().map(Vec::len).sum();
    filled as f64 / (lists.len() * TOP).max(1) as f64
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::Item;

    use super::*;

    #[test]
    fn lists_are_as_diverse_as_their_pairs_are_unlike() {
        let item = |names: &[&str]| Item {
            categories: names.iter().map(|&name| name.to_owned()).collect(),
            ..Item::default()
        };
        let items = [item(&["crime"]), item(&["crime", "love"]), item(&["love"]), item(&[])];
        let categories = Categories::new(&items);
        let of = |lists: &[Vec<u32>]| diversity(&categories, lists);
        assert_eq!(of(&[vec![0, 0]]), Some(0.0));
        assert_eq!(of(&[vec![0, 2]]), Some(1.0));
        assert_eq!(of(&[vec![0, 1], vec![0, 2, 3]]), Some(0.75)); // the last has no category
        assert_eq!(of(&[vec![0], vec![3, 3], vec![]]), None);
    }

    #[test]
    fn gini_is_zero_for_an_even_spread_and_near_one_for_a_single_item() {
        assert!(gini(vec![3, 3, 3, 3]).abs() < 1e-12);
        assert!((gini(vec![0, 0, 0, 8]) - 0.75).abs() < 1e-12); // (n − 1) / n
        assert_eq!(gini(vec![0, 0]), 0.0);
        assert!((gini(vec![1, 3]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn lists_that_are_not_full_are_told() {
        assert_eq!(places(&[vec![0; 10], vec![0; 5]]), 0.75);
    }
}
