//! NDCG as it were if the items that most people choose were asked for no oftener than others.
//!
//! The definition is that of RecTools (`DebiasConfig`): an item whose users among the targets are
//! more than `Q3 + 1.5·(Q3 − Q1)` of all items' numbers of users, rounded down, is a target of so
//! many of them only, drawn by chance; users without a target left count no more. RecTools draws
//! once, so that its figure depends on the seed; this one is the mean over some seeded draws, which
//! are the same for all who are compared.

use std::collections::BTreeMap;

use dragoman_data::shuffle::Shuffle;

use super::{
    metrics::Scores,
    trial::{Case, Trial},
};

/// How often it is drawn who keeps an item that too many have.
const DRAWS: u64 = 100;

/// The debiased NDCG@10 of the lists of each system, by group of users; none where no user of a
/// group has a target left.
pub(super) fn debiased_ndcg(
    trial: &Trial,
    groups: &[(String, Vec<usize>)],
    lists: &[&[Vec<u32>]],
    seed: u64,
) -> Vec<Vec<Option<f64>>> {
    let mut sums = vec![vec![(0.0, 0u32); groups.len()]; lists.len()];
    let chosen = Chosen::new(&trial.cases);
    for draw in 0..DRAWS {
        let targets = chosen.draw(&trial.cases, seed, draw);
        for (sums, lists) in sums.iter_mut().zip(lists) {
            for ((sum, draws), (_, places)) in sums.iter_mut().zip(groups) {
                let left = places.iter().filter(|&&place| !targets[place].is_empty());
                let ndcg = |&place: &usize| Scores::of(&lists[place], &targets[place]).ndcg;
                let ndcg: Vec<f64> = left.map(ndcg).collect();
                if !ndcg.is_empty() {
                    *sum += ndcg.iter().sum::<f64>() / ndcg.len() as f64;
                    *draws += 1;
                }
            }
        }
    }
    let mean = |(sum, draws): (f64, u32)| (draws > 0).then(|| sum / f64::from(draws));
    sums.into_iter().map(|of_system| of_system.into_iter().map(mean).collect()).collect()
}

/// Who has which item as a target.
struct Chosen {
    /// Places of the cases, by item.
    users: BTreeMap<u32, Vec<usize>>,
    /// Users that an item may have.
    most: usize,
}

impl Chosen {
    fn new(cases: &[Case]) -> Self {
        let mut users: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (place, case) in cases.iter().enumerate() {
            // What is outside the catalogue could be anything: it is no item that many have.
            for &item in case.targets.iter().filter(|&&item| item != u32::MAX) {
                users.entry(item).or_default().push(place);
            }
        }
        let most = border(users.values().map(Vec::len).collect());
        Self { users, most }
    }

    /// The targets that are left of each case.
    fn draw(&self, cases: &[Case], seed: u64, draw: u64) -> Vec<Vec<u32>> {
        let mut targets: Vec<Vec<u32>> = cases.iter().map(|case| case.targets.clone()).collect();
        for (&item, places) in self.users.iter().filter(|(_, places)| places.len() > self.most) {
            let shuffle = Shuffle::new(places.len() as u64, seed, draw << 32 | u64::from(item));
            for position in self.most..places.len() {
                let place = places[shuffle.get(position as u64) as usize];
                targets[place].retain(|&target| target != item);
            }
        }
        targets
    }
}

/// `Q3 + 1.5·(Q3 − Q1)`, rounded down; quartiles lie between two counts in proportion.
fn border(mut counts: Vec<usize>) -> usize {
    counts.sort_unstable();
    let quantile = |share: f64| {
        let place = share * counts.len().saturating_sub(1) as f64;
        let at = |place: f64| counts.get(place as usize).map_or(0.0, |&count| count as f64);
        at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
    };
    let (first, third) = (quantile(0.25), quantile(0.75));
    (third + 1.5 * (third - first)) as usize
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::{Event, Item};
    use dragoman_data::interactions::{Interactions, User};

    use super::*;

    /// Nine users, six of whom take item 0 after the cut, the others 1, 2 and 3.
    fn trial() -> Trial {
        let users: Vec<User> =
            (0..9).map(|id| User { id: id.to_string(), labels: vec![] }).collect();
        let items = (0..5).map(|id| Item { id: id.to_string(), ..Item::default() }).collect();
        let event = |item, time| Event { item, kind: 0, value: 1.0, time };
        let before = (0..9).map(|user| (user, event(4, 1)));
        let after =
            (0..9).map(|user| (user, event([0, 0, 0, 0, 0, 0, 1, 2, 3][user as usize], 11)));
        let log = Interactions::new(users, items, vec![String::new()], before.chain(after));
        Trial::in_time(&log, 10, None, false)
    }

    fn all() -> Vec<(String, Vec<usize>)> {
        vec![("all".into(), (0..9).collect()), ("first".into(), vec![0])]
    }

    #[test]
    fn borders_are_those_of_rectools() {
        // Checked with rectools 0.19: debias_interactions on so many users for each item.
        assert_eq!(border(vec![1, 1, 1, 6]), 4); // Q1 = 1, Q3 = 2.25
        assert_eq!(border(vec![1, 1, 1, 1, 2, 9]), 2); // Q1 = 1, Q3 = 1.75
        assert_eq!(border(vec![3, 9, 4, 4, 5, 30, 2]), 12); // Q1 = 3.5, Q3 = 7
        assert_eq!(border(vec![5]), 5);
        assert_eq!(border(vec![]), 0);
    }

    #[test]
    fn what_too_many_take_counts_as_often_as_the_border_says() {
        let trial = trial();
        let everybody = vec![vec![0]; 9];
        let nobody = vec![vec![4]; 9];
        let ndcg = debiased_ndcg(&trial, &all(), &[&everybody, &nobody], 1);
        // Four of the six keep item 0, whoever they are: 4 hits of 7 users, not 6 of 9.
        assert!((ndcg[0][0].unwrap_or_default() - 4.0 / 7.0).abs() < 1e-12, "{ndcg:?}");
        assert_eq!(ndcg[0][1], Some(1.0)); // whenever the first user has a target, it is found
        assert_eq!(ndcg[1], [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn draws_differ_and_repeat_themselves() {
        let trial = trial();
        // Half of those who take item 0 are shown it: 2 of 7 in the long run.
        let lists: Vec<Vec<u32>> = (0..9).map(|user| vec![u32::from(user >= 3) * 4]).collect();
        let ndcg = |seed| debiased_ndcg(&trial, &all(), &[&lists], seed)[0][0].unwrap_or_default();
        assert!((ndcg(1) - 2.0 / 7.0).abs() < 0.08, "{}", ndcg(1));
        assert_eq!(ndcg(1), ndcg(1));
        assert_ne!(ndcg(1), ndcg(2));
    }
}
