//! The cheap scorers of a model, side by side.

use std::collections::HashMap;

use candle::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    Event,
    cooccurrence::{Cooccurrence, CooccurrenceConfig},
    ease::{Ease, EaseConfig},
    neighbours::{Neighbours, NeighboursConfig},
    popularity::{self, Popularity, Window},
    scorer::{Scorer, Tensors, vector},
    sparse::by_recency,
};
use crate::{Error, Result};

/// What relates items to items in this catalogue.
#[derive(Debug, Clone, PartialEq)]
enum Items {
    Ease(Ease),
    Neighbours(Neighbours),
}

/// Settings of the cheap scorers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScorersConfig {
    /// Catalogues of at most so many items get EASE, larger ones neighbours.
    pub ease_items: usize,
    /// Settings of EASE.
    pub ease: EaseConfig,
    /// Settings of the neighbours.
    pub neighbours: NeighboursConfig,
    /// Settings of the co-occurrence.
    pub cooccurrence: CooccurrenceConfig,
}

impl Default for ScorersConfig {
    fn default() -> Self {
        Self {
            ease_items: Ease::MOST_ITEMS,
            ease: EaseConfig::default(),
            neighbours: NeighboursConfig::default(),
            cooccurrence: CooccurrenceConfig::default(),
        }
    }
}

/// The scorers that read a history without a transformer, and how popular the items were.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorers {
    items: Items,
    cooccurrence: Cooccurrence,
    /// Events of each item in the whole log.
    counts: Vec<f32>,
}

impl Scorers {
    /// Fits all of them to `histories` over a catalogue of `num_items`.
    pub fn fit<H: AsRef<[Event]> + Sync>(
        histories: &[H],
        num_items: usize,
        config: &ScorersConfig,
    ) -> Result<Self> {
        let items = match num_items <= config.ease_items.min(Ease::MOST_ITEMS) {
            true => Items::Ease(Ease::fit(histories, num_items, &config.ease)?),
            false => Items::Neighbours(Neighbours::fit(histories, num_items, &config.neighbours)),
        };
        let cooccurrence = Cooccurrence::fit(histories, num_items, &config.cooccurrence);
        let events = histories.iter().flat_map(AsRef::as_ref);
        let counts = Popularity::fit(events, num_items, i64::MAX, Window::All).counts().to_vec();
        Ok(Self { items, cooccurrence, counts })
    }

    /// Names of the scorers.
    pub fn names(&self) -> [&'static str; 3] {
        let items = match self.items {
            Items::Ease(_) => "ease",
            Items::Neighbours(_) => "neighbours",
        };
        [items, "cooccurrence", "popularity.ever"]
    }

    /// How popular each item was in the log, 0 to 1.
    pub fn percentiles(&self) -> Vec<f32> {
        popularity::percentiles(&self.counts)
    }

    /// Scores of all items, by scorer in the order of [`Scorers::names`].
    pub fn scores(&self, history: &[Event], now: i64) -> [Vec<f32>; 3] {
        let score = |scorer: &dyn Scorer| {
            let mut scores = vec![0.0; scorer.num_items()];
            scorer.score(history, now, &mut scores);
            scores
        };
        let items: &dyn Scorer = match &self.items {
            Items::Ease(ease) => ease,
            Items::Neighbours(neighbours) => neighbours,
        };
        [score(items), score(&self.cooccurrence), self.counts.clone()]
    }

    /// What each event of `history` adds to the score of `item`, by those scorers that read it.
    pub fn contributions(&self, history: &[Event], item: u32) -> [Vec<f32>; 2] {
        let [mut items, mut followers] = [(); 2].map(|()| vec![0.0; history.len()]);
        let (rows, decay) = match &self.items {
            Items::Ease(ease) => (ease.weights(), ease.decay()),
            Items::Neighbours(neighbours) => (neighbours.similar(), neighbours.decay()),
        };
        let weights: HashMap<u32, f32> = by_recency(history, decay).into_iter().collect();
        let mut counted = std::collections::HashSet::new();
        for (place, event) in history.iter().enumerate().rev() {
            if counted.insert(event.item) {
                let weight = weights.get(&event.item).copied().unwrap_or_default();
                items[place] = weight * rows.get(event.item, item);
            }
        }
        let mut weight = 1.0;
        for (place, event) in history.iter().enumerate().rev().take(self.cooccurrence.window()) {
            followers[place] = weight * self.cooccurrence.followers().get(event.item, item);
            weight *= self.cooccurrence.decay();
        }
        [items, followers]
    }

    /// How similar other items are to `item`, with their number; those left out are not.
    pub fn similar(&self, item: u32) -> impl Iterator<Item = (u32, f32)> + '_ {
        let rows = match &self.items {
            Items::Ease(ease) => ease.weights(),
            Items::Neighbours(neighbours) => neighbours.similar(),
        };
        let (columns, values) = rows.row(item);
        columns.iter().copied().zip(values.iter().copied())
    }

    /// All tensors, by name.
    pub fn to_tensors(&self) -> Result<Tensors> {
        let mut tensors = match &self.items {
            Items::Ease(ease) => ease.to_tensors()?,
            Items::Neighbours(neighbours) => neighbours.to_tensors()?,
        };
        tensors.extend(self.cooccurrence.to_tensors()?);
        tensors.insert("counts".into(), Tensor::new(self.counts.as_slice(), &Device::Cpu)?);
        Ok(tensors)
    }

    /// What [`Self::to_tensors`] wrote.
    pub fn from_tensors(tensors: &Tensors) -> Result<Self> {
        let items = match tensors.contains_key("ease.decay") {
            true => Items::Ease(Ease::from_tensors(tensors)?),
            false => Items::Neighbours(Neighbours::from_tensors(tensors)?),
        };
        let cooccurrence = Cooccurrence::from_tensors(tensors)?;
        let counts: Vec<f32> = vector(tensors, "counts")?;
        let of_items = match &items {
            Items::Ease(ease) => ease.num_items(),
            Items::Neighbours(neighbours) => neighbours.num_items(),
        };
        let is_whole = counts.iter().all(|count| count.is_finite());
        let scorers = Self { items, cooccurrence, counts };
        let sizes = [of_items, scorers.cooccurrence.num_items()];
        if !is_whole || sizes.iter().any(|&size| size != scorers.counts.len()) {
            let reason = "the cheap scorers do not fit together";
            return Err(Error::Invalid(reason.into()));
        }
        Ok(scorers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(items: &[u32]) -> Vec<Event> {
        items.iter().map(|&item| Event { item, kind: 0, value: 1.0, time: 0 }).collect()
    }

    #[test]
    fn contributions_add_up_to_the_scores_and_tensors_bring_all_back() -> Result<()> {
        let log = [history(&[0, 1, 2]), history(&[2, 1]), history(&[0, 2, 1, 3])];
        for ease_items in [0, 10] {
            let config = ScorersConfig { ease_items, ..ScorersConfig::default() };
            let scorers = Scorers::fit(&log, 4, &config)?;
            let seen = history(&[0, 2, 0]);
            let (scores, parts) = (scorers.scores(&seen, 0), scorers.contributions(&seen, 1));
            for (scores, parts) in scores.iter().zip(parts) {
                assert!((scores[1] - parts.iter().sum::<f32>()).abs() < 1e-6, "{parts:?}");
            }
            assert_eq!(Scorers::from_tensors(&scorers.to_tensors()?)?, scorers);
        }
        Ok(())
    }
}
