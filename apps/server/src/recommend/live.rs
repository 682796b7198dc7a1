//! Scores without a model: items that users of the latest items liked too, items like them, and among
//! these the popular ones.
//!
//! A list needs the score of every item only where it is put in another order afterwards. For the first
//! places of a plain one it is enough to know what an item can score at most, which is cheap.

use std::{cmp::Reverse, collections::BinaryHeap};

use ahash::AHashMap;
use dragoman_store::Result;

use super::{
    Settings, TenantIndex,
    item_index::ItemIndex,
    neighbours::Near,
    rank::{Candidate, Ordered},
};

/// The latest of a user's items whose neighbours are asked.
const SEEDS: usize = 5;

/// Shares of neighbours, content and popularity in a score without a model.
pub(super) const SHARES: [f32; 3] = [1.0, 0.5, 0.25];

/// What the items of a tenant score for a user.
pub(super) struct LiveScores {
    /// The items whose neighbours were asked, the latest first.
    seeds: Vec<(String, Near)>,
    /// How near the neighbours are to all of them.
    together: AHashMap<u32, f32>,
    /// How much each item has of what the user's items are made of; empty if the user has none.
    content: Vec<f32>,
    /// What puts both on a scale up to one, with their shares.
    scales: [f32; 2],
}

impl LiveScores {
    /// Scores for somebody whose items are `recent`, the latest first.
    pub(super) fn new(index: &TenantIndex, settings: &Settings, recent: &[&str]) -> Result<Self> {
        let catalogue = index.items();
        let mut seeds = Vec::with_capacity(SEEDS);
        let mut together: AHashMap<u32, f32> = AHashMap::new();
        for (place, id) in recent.iter().take(SEEDS).enumerate() {
            let near = index.neighbours.of_item(&index.tenant, settings, id, &catalogue)?;
            for &(number, score) in near.iter() {
                if (number as usize) < catalogue.entries().len() {
                    *together.entry(number).or_default() += share_at(place, score);
                }
            }
            seeds.push(((*id).to_owned(), near));
        }
        let recent: Vec<u32> = recent.iter().filter_map(|id| catalogue.number(id)).collect();
        let (content, most) = alike(&catalogue, &recent);
        let nearest = together.values().copied().fold(f32::MIN_POSITIVE, f32::max);
        let scales = [SHARES[0] / nearest, SHARES[1] / most];
        Ok(Self { seeds, together, content, scales })
    }

    /// Whether nothing speaks for any item.
    pub(super) fn is_empty(&self) -> bool {
        !self.together.values().chain(&self.content).any(|part| *part > 0.0)
    }

    /// The items that the item `number` rests on, with their shares, the latest first.
    pub(super) fn from(&self, number: u32) -> Vec<(String, f32)> {
        let share = |(place, (id, near)): (usize, &(String, Near))| {
            let (_, score) = near.iter().find(|(other, _)| *other == number)?;
            Some((id.clone(), share_at(place, *score)))
        };
        self.seeds.iter().enumerate().filter_map(share).collect()
    }

    /// The score of an item, if anything speaks for it.
    pub(super) fn of(&self, catalogue: &ItemIndex, number: u32) -> Option<f32> {
        let own = self.personal(number);
        let relative = catalogue.popularity().relative_to_best();
        (own > 0.0).then(|| with_popularity(own, relative(number)))
    }

    /// What speaks for an item beside its popularity, which alone makes nothing personal.
    fn personal(&self, number: u32) -> f32 {
        let content = self.content.get(number as usize).copied().unwrap_or(0.0);
        let together = self.together.get(&number).copied().unwrap_or(0.0);
        together * self.scales[0] + content * self.scales[1]
    }

    /// The items that pass and have a score; where only the best `most` count, perhaps not those behind them.
    pub(super) fn candidates(
        &self,
        catalogue: &ItemIndex,
        passes: impl Fn(&u32) -> bool,
        most: usize,
    ) -> Vec<Candidate> {
        let relative = catalogue.popularity().relative_to_best();
        let mut best = Best::new(most);
        let mut take = |number: u32, own: f32| {
            if own > 0.0 && best.takes(own + SHARES[2]) && passes(&number) {
                best.add(number, with_popularity(own, relative(number)));
            }
        };
        // Those with neighbours score most: after them few others are worth a closer look.
        self.together.keys().for_each(|&number| take(number, self.personal(number)));
        for (&content, number) in self.content.iter().zip(0u32..) {
            let own = content * self.scales[1]; // without neighbours, or it was taken before
            if content > 0.0 && !self.together.contains_key(&number) {
                take(number, own);
            }
        }
        best.found
    }
}

/// What a neighbour of the item at `place` of the latest adds.
fn share_at(place: usize, score: f32) -> f32 {
    score / (1.0 + place as f32).sqrt()
}

/// A score of `own` for an item whose popularity relative to the best has the logarithm `relative`.
fn with_popularity(own: f32, relative: f32) -> f32 {
    own + SHARES[2] * relative.exp()
}

/// Candidates of which the best `most` count.
struct Best {
    most: usize,
    /// The best scores so far.
    scores: BinaryHeap<Reverse<Ordered>>,
    /// Every candidate that was among the best when it came.
    found: Vec<Candidate>,
}

impl Best {
    fn new(most: usize) -> Self {
        Self { most, scores: BinaryHeap::new(), found: Vec::new() }
    }

    /// Whether a score may be among the best; equal ones may.
    fn takes(&self, score: f32) -> bool {
        let is_full = self.scores.len() >= self.most;
        !is_full || self.scores.peek().is_some_and(|Reverse(last)| score >= last.0)
    }

    fn add(&mut self, number: u32, score: f32) {
        if !self.takes(score) {
            return;
        }
        self.found.push(Candidate { number, tier: 0, score });
        if self.most < usize::MAX {
            self.scores.push(Reverse(Ordered(score)));
            if self.scores.len() > self.most {
                self.scores.pop();
            }
        }
    }
}

/// How much each item has of what the items `numbers` are made of, and the most that one has.
fn alike(catalogue: &ItemIndex, numbers: &[u32]) -> (Vec<f32>, f32) {
    let mut most = f32::MIN_POSITIVE;
    if numbers.is_empty() {
        return (Vec::new(), most);
    }
    // Whole numbers: their sum does not depend on the order of words.
    let mut counts = vec![0u32; catalogue.words()];
    for &number in numbers {
        let entry = catalogue.entry(number);
        for &word in entry.categories.iter().chain(&entry.labels) {
            counts[word as usize] += 1;
        }
    }
    let content = catalogue.map_words(|words| {
        match words.iter().map(|&word| counts[word as usize]).sum::<u32>() {
            0 => 0.0,
            sum => {
                let score = sum as f32 / numbers.len() as f32 / (words.len() as f32).sqrt();
                most = most.max(score);
                score
            }
        }
    });
    (content, most)
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;
    use proptest::prelude::*;

    use super::*;
    use crate::recommend::rank::{self, Order, Place};

    proptest! {
        #[test]
        fn the_best_are_the_same_whether_all_are_scored_or_not(
            near in prop::collection::vec((0u32..40, 0u8..4), 0..20),
            content in prop::collection::vec(0u8..4, 40),
            popular in prop::collection::vec(0u8..5, 40),
            (most, hidden) in (0usize..45, 0u32..5),
        ) {
            let mut catalogue = ItemIndex::new(1000.0);
            for (i, times) in popular.iter().enumerate() {
                let item = Item { item_id: format!("{i:02}"), ..Item::default() };
                let number = catalogue.put(&item);
                (0..*times).for_each(|_| catalogue.touch(number, 1.0, 5000));
            }
            let scores = LiveScores {
                seeds: Vec::new(),
                together: near.into_iter().map(|(number, score)| (number, f32::from(score))).collect(),
                content: content.into_iter().map(f32::from).collect(),
                scales: [0.3, 0.2],
            };
            let passes = |number: &u32| number % 5 != hidden;
            let all: Vec<Candidate> = (0..40)
                .filter(passes)
                .filter_map(|number| {
                    let score = scores.of(&catalogue, number)?;
                    Some(Candidate { number, tier: 0, score })
                })
                .collect();
            let first = |candidates| {
                rank::page(&catalogue, candidates, &Order::default(), Place { offset: 0, n: most })
            };
            prop_assert_eq!(first(scores.candidates(&catalogue, passes, most)), first(all.clone()));
            prop_assert_eq!(scores.candidates(&catalogue, passes, usize::MAX).len(), all.len());
            prop_assert_eq!(scores.is_empty(), (0..40).all(|number| scores.of(&catalogue, number).is_none()));
        }
    }
}
