//! Scores without a model: items that users of the user's items liked too, items like them, and among
//! these the popular ones.
//!
//! How much popularity counts depends on the log: where fashion changes, what is popular now says more than neighbours
//! do; where it does not, neighbours have it in their counts already. For a user who liked little yet, popularity among
//! the users who share labels stands in for it, as far as there are such labels ([`LabelLifts`]).
//!
//! A list needs the score of every item only where it is put in another order afterwards. For the first
//! places of a plain one it is enough to know what an item can score at most, which is cheap.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use ahash::{AHashMap, AHashSet};
use dragoman_store::Result;

use super::{
    Settings, TenantIndex,
    content::Content,
    item_index::ItemIndex,
    label_lifts::LabelLifts,
    neighbours::Near,
    rank::{Candidate, Ordered},
};

/// The latest of a user's items whose neighbours are asked.
pub(super) const SEEDS: usize = 30;

/// How much less the neighbours of an item count than those of the one after it.
const DECAY: f32 = 0.97;

/// The latest of a user's items whose words count.
const DESCRIBED: usize = 20;

/// Shares of neighbours and content in a score without a model.
const SHARES: [f32; 2] = [1.0, 0.5];

/// The share of popularity where too few items are popular to say how steady that is.
const UNSURE: f32 = 0.25;

/// With so many liked items a user's labels say nothing any more.
const FEW: usize = 5;

/// The share of popularity among users who share labels, for a user who liked nothing yet.
const LABELS: f32 = 0.5;

/// Popularity has a share of one up to the first steadiness, and none from the second on.
const STEADY: [f64; 2] = [0.75, 0.95];

/// The most popular items that are looked at before the others, which then have less to gain.
const POPULAR: usize = 300;

/// What the items of a tenant score for a user.
pub(super) struct LiveScores {
    /// The items whose neighbours were asked, the latest first.
    seeds: Vec<(String, Arc<Near>)>,
    /// How near the neighbours are to all of them.
    together: AHashMap<u32, f32>,
    /// How much each item has of what the user's items are made of.
    content: Content,
    /// What puts both on a scale up to one, with their shares.
    scales: [f32; 2],
    /// The share of popularity.
    popularity: f32,
    /// How much more users who share labels with the user like items.
    lifts: LabelLifts,
    /// What puts popularity times these on a scale up to one.
    lift_scale: f32,
    /// The share of these labels; above 0 popularity alone speaks for an item, too.
    labels: f32,
}

impl LiveScores {
    /// Scores for somebody with `labels` whose items are `recent`, the latest first.
    pub(super) fn new(
        index: &TenantIndex,
        settings: &Settings,
        recent: &[&str],
        labels: &[String],
    ) -> Result<Self> {
        let catalogue = index.items();
        let popularity = catalogue.popularity();
        let mut seeds = Vec::with_capacity(SEEDS);
        let mut together: AHashMap<u32, f32> = AHashMap::new();
        for (id, share) in recent.iter().take(SEEDS).zip(shares()) {
            let near = index.neighbours.of_item(&index.tenant, settings, id, &catalogue)?;
            let share = share * near.vote();
            for &(number, count) in &near.counts {
                if (number as usize) < catalogue.entries().len() {
                    *together.entry(number).or_default() += share * f32::from(count);
                }
            }
            seeds.push(((*id).to_owned(), near));
        }
        together.iter_mut().for_each(|(number, score)| *score *= popularity.damping(*number));
        let described = recent.iter().take(DESCRIBED);
        let described: Vec<u32> = described.filter_map(|id| catalogue.number(id)).collect();
        let content = Content::new(&catalogue, &described);
        let nearest = together.values().copied().fold(f32::MIN_POSITIVE, f32::max);
        let scales = [SHARES[0] / nearest, SHARES[1] / content.most];
        let share = share_of_popularity(popularity.steadiness());
        let mut scores = Self {
            seeds,
            together,
            content,
            scales,
            popularity: share,
            lifts: LabelLifts::default(),
            lift_scale: 1.0,
            labels: 0.0,
        };
        if recent.len() < FEW
            && let Some(lifts) = LabelLifts::read(index, settings, labels, &catalogue)?
        {
            let known = recent.len() as f32 / FEW as f32;
            scores.labels = LABELS * (1.0 - known);
            scores.lift_scale = 1.0 / lifts.greatest(popularity);
            scores.lifts = lifts;
            scores.popularity = known * share;
        }
        Ok(scores)
    }

    /// Whether nothing speaks for any item.
    pub(super) fn is_empty(&self) -> bool {
        self.labels == 0.0
            && self.content.found.is_empty()
            && !self.together.values().any(|part| *part > 0.0)
    }

    /// What scores are made of, with the share of each.
    pub(super) fn parts(&self) -> Vec<(&'static str, f32)> {
        let mut parts = Vec::new();
        if !self.seeds.is_empty() || self.labels == 0.0 {
            parts.extend([("neighbours", SHARES[0]), ("content", SHARES[1])]);
        }
        parts.push(("popularity", self.popularity));
        if self.labels > 0.0 {
            parts.push(("labels", self.labels));
        }
        parts
    }

    /// The items that the item `number` rests on, with their shares, the latest first.
    pub(super) fn from(&self, number: u32) -> Vec<(String, f32)> {
        let share = |((id, near), share): (&(String, Arc<Near>), f32)| {
            let (_, count) = near.counts.iter().find(|(other, _)| *other == number)?;
            Some((id.clone(), share * near.vote() * f32::from(*count)))
        };
        self.seeds.iter().zip(shares()).filter_map(share).collect()
    }

    /// The score of an item, if anything speaks for it.
    pub(super) fn of(&self, catalogue: &ItemIndex, number: u32) -> Option<f32> {
        let own = self.personal(catalogue, number);
        let relative = catalogue.popularity().relative_to_best()(number);
        self.speaks_for(own, relative).then(|| self.with_popularity(number, own, relative))
    }

    /// Whether an item has a score that has `own` beside its popularity: popularity alone makes nothing personal,
    /// unless labels had a say in what it counts.
    fn speaks_for(&self, own: f32, relative: f32) -> bool {
        own > 0.0 || self.labels > 0.0 && relative > f32::NEG_INFINITY
    }

    /// What speaks for an item beside its popularity.
    fn personal(&self, catalogue: &ItemIndex, number: u32) -> f32 {
        let together = self.together.get(&number).copied().unwrap_or(0.0);
        together * self.scales[0] + self.content.of(catalogue, number) * self.scales[1]
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
        let most_popular = (self.popularity + self.labels) * 1.0001; // what popularity adds at most, rounded up
        let take = |best: &mut Best, number: u32, own: f32, relative: f32| {
            let is_scored = self.speaks_for(own, relative) && best.takes(own + most_popular);
            if is_scored && passes(&number) {
                best.add(number, self.with_popularity(number, own, relative));
            }
        };
        // Those with neighbours score most, then those that users of the same labels prefer, and then those that are
        // popular: after them few others are worth a closer look.
        for &number in self.together.keys() {
            take(&mut best, number, self.personal(catalogue, number), relative(number));
        }
        let mut looked_at = AHashSet::new();
        if self.labels > 0.0 {
            looked_at
                .extend(self.lifts.lifted().filter(|number| !self.together.contains_key(number)));
            for &number in &looked_at {
                take(&mut best, number, self.personal(catalogue, number), relative(number));
            }
        }
        let mut ceiling = 0.0f32; // popularity of what is not looked at yet
        if self.labels > 0.0 || !self.content.found.is_empty() {
            for (place, number) in catalogue.popularity().ranked().enumerate() {
                let relative = relative(number);
                // Where popularity alone makes a score, as many as count are looked at. No item that is left is lifted.
                let alone = (self.popularity + self.labels * self.lift_scale) * relative.exp();
                if place >= POPULAR && (self.labels == 0.0 || !best.takes(alone)) {
                    ceiling = alone;
                    break;
                }
                if !self.together.contains_key(&number) && looked_at.insert(number) {
                    take(&mut best, number, self.personal(catalogue, number), relative);
                }
            }
        }
        for &(number, content) in &self.content.found {
            let own = content * self.scales[1]; // alone, or it was taken before
            if best.takes(own + ceiling)
                && !self.together.contains_key(&number)
                && !looked_at.contains(&number)
                && passes(&number)
            {
                best.add(number, self.with_popularity(number, own, relative(number)));
            }
        }
        best.found
    }

    /// A score of `own` for the item `number`, whose popularity relative to the best has the logarithm `relative`.
    fn with_popularity(&self, number: u32, own: f32, relative: f32) -> f32 {
        let labels = match self.labels {
            0.0 => 0.0,
            share => share * self.lift_scale * self.lifts.of_item(number),
        };
        own + (self.popularity + labels) * relative.exp()
    }
}

/// What the neighbours of a user's items count, of the latest item first.
fn shares() -> impl Iterator<Item = f32> {
    std::iter::successors(Some(1.0), |share| Some(share * DECAY))
}

/// The share of popularity in a score.
fn share_of_popularity(steadiness: Option<f64>) -> f32 {
    let [changing, steady] = STEADY;
    let share = |steadiness: f64| ((steady - steadiness) / (steady - changing)).clamp(0.0, 1.0);
    steadiness.map_or(UNSURE, |steadiness| share(steadiness) as f32)
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
            described in prop::collection::vec(0u32..40, 0..3),
            lifts in prop::collection::vec((0u32..40, 1u8..9), 0..20),
            (most, hidden, popularity, labels) in (0usize..45, 0u32..5, 0f32..1.0, prop::sample::select(vec![0.0f32, 0.5])),
        ) {
            let mut catalogue = ItemIndex::new(1000.0);
            for (i, (times, words)) in popular.iter().zip(&content).enumerate() {
                let categories = (0..*words).map(|word| format!("c{word}")).collect();
                let item = Item { item_id: format!("{i:02}"), categories, ..Item::default() };
                let number = catalogue.put(&item);
                (0..*times).for_each(|_| catalogue.touch(number, 1.0, 5000));
            }
            let lifts = LabelLifts::from_factors(lifts.into_iter().map(|(number, lift)| (number, f32::from(lift) / 4.0)));
            let scores = LiveScores {
                seeds: Vec::new(),
                together: near.into_iter().map(|(number, score)| (number, f32::from(score))).collect(),
                content: Content::new(&catalogue, &described),
                scales: [0.3, 0.2],
                popularity,
                lift_scale: 1.0 / lifts.greatest(catalogue.popularity()),
                lifts,
                labels,
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
            let is_empty = (0..40).all(|number| scores.of(&catalogue, number).is_none());
            prop_assert_eq!(scores.is_empty(), is_empty && labels == 0.0);
        }
    }

    #[test]
    fn items_and_words_may_come_after_the_scores_were_made() {
        let mut catalogue = ItemIndex::new(1000.0);
        let item = |id: &str, categories: &[&str]| Item {
            item_id: id.into(),
            categories: categories.iter().map(|&name| name.into()).collect(),
            ..Item::default()
        };
        let first = catalogue.put(&item("first", &["known"]));
        let content = Content::new(&catalogue, &[first]);
        let scores = LiveScores {
            seeds: Vec::new(),
            together: AHashMap::new(),
            content,
            scales: [1.0, 1.0],
            popularity: 0.0,
            lifts: LabelLifts::default(),
            lift_scale: 1.0,
            labels: 0.0,
        };
        let second = catalogue.put(&item("second", &["known", "new"]));
        catalogue.put(&item("first", &["known", "newer"]));
        let third = catalogue.put(&item("third", &["newest"]));
        assert_eq!(scores.of(&catalogue, second), Some(1.0 / 2f32.sqrt()));
        assert_eq!(scores.of(&catalogue, third), None);
        let found = scores.candidates(&catalogue, |_| true, usize::MAX);
        assert_eq!(found.iter().map(|one| one.number).collect::<Vec<_>>(), [first]);
    }

    #[test]
    fn popularity_counts_where_it_changes() {
        let mut catalogue = ItemIndex::new(1000.0);
        let touch = |catalogue: &mut ItemIndex, i: u32, times: u32, time: i64| {
            let item = Item { item_id: format!("{i:02}"), ..Item::default() };
            let number = catalogue.put(&item);
            (0..times).for_each(|_| catalogue.touch(number, 1.0, time));
        };
        (0..49).for_each(|i| touch(&mut catalogue, i, 10 * (i + 1), 5000));
        assert_eq!(share_of_popularity(catalogue.popularity().steadiness()), UNSURE);
        touch(&mut catalogue, 49, 500, 5000);
        assert_eq!(share_of_popularity(catalogue.popularity().steadiness()), 0.0);
        // What was liked least becomes what is liked most.
        (0..50).for_each(|i| touch(&mut catalogue, i, 50 - i, 9000));
        assert_eq!(share_of_popularity(catalogue.popularity().steadiness()), 1.0);
    }
}
