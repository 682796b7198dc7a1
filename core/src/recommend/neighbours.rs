//! Item-to-item neighbours by cosine: the cheap expert for large catalogues.

use candle::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{
    Event,
    scorer::{Scorer, Tensors, number},
    sets::Sets,
    sparse::{SparseRows, by_recency, greatest},
};
use crate::Result;

/// Settings of [`Neighbours`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NeighboursConfig {
    /// Similar items kept for each item.
    pub neighbours: usize,
    /// Added below the fraction, so that items with few users are similar to little.
    pub shrink: f32,
    /// How much less an item of the history counts than the one after it; 1 is not at all.
    pub decay: f32,
    /// Of a longer history the last items alone count.
    pub longest_history: usize,
}

/// For each item those that share most users with it, `|i∩j| / (√(|i|·|j|) + shrink)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    similar: SparseRows,
    decay: f32,
}

impl Default for NeighboursConfig {
    fn default() -> Self {
        Self { neighbours: 50, shrink: 100.0, decay: 0.9, longest_history: 1000 }
    }
}

impl Neighbours {
    /// Finds the neighbours in `histories`, oldest first, over a catalogue of `num_items`.
    pub fn fit<H: AsRef<[Event]>>(
        histories: &[H],
        num_items: usize,
        config: &NeighboursConfig,
    ) -> Self {
        let sets = Sets::new(histories, num_items, config.longest_history);
        let rows = sets.rows(|item, together| {
            let size = sets.count(item) as f32;
            let similarity = |(other, &both): (usize, &f32)| {
                let norm = (size * sets.count(other) as f32).sqrt() + config.shrink;
                (both > 0.0 && other != item).then(|| (other as u32, both / norm))
            };
            let row = together.iter().enumerate().filter_map(similarity).collect();
            greatest(row, config.neighbours, false)
        });
        Self { similar: SparseRows::new(rows), decay: config.decay }
    }

    /// The same with another weight of older events.
    #[must_use]
    pub fn with_decay(self, decay: f32) -> Self {
        Self { decay, ..self }
    }

    /// The neighbours of each item with their similarity.
    pub fn similar(&self) -> &SparseRows {
        &self.similar
    }

    /// What the weight of an item falls by for each later one.
    pub fn decay(&self) -> f32 {
        self.decay
    }

    /// The tensors `neighbours.*`.
    pub fn to_tensors(&self) -> Result<Tensors> {
        let mut tensors = self.similar.to_tensors("neighbours")?;
        tensors.insert("neighbours.decay".into(), Tensor::new(&[self.decay], &Device::Cpu)?);
        Ok(tensors)
    }

    /// What [`Self::to_tensors`] wrote.
    pub fn from_tensors(tensors: &Tensors) -> Result<Self> {
        let decay = number(tensors, "neighbours.decay")?;
        Ok(Self { similar: SparseRows::from_tensors(tensors, "neighbours")?, decay })
    }
}

impl Scorer for Neighbours {
    fn num_items(&self) -> usize {
        self.similar.num_items()
    }

    fn score(&self, history: &[Event], _now: i64, out: &mut [f32]) {
        assert_eq!(out.len(), self.num_items(), "a score for each item");
        out.fill(0.0);
        for (item, weight) in by_recency(history, self.decay) {
            self.similar.add(item, weight, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn history(items: &[u32]) -> Vec<Event> {
        items.iter().map(|&item| Event { item, kind: 0, value: 1.0, time: 0 }).collect()
    }

    #[test]
    fn similarity_is_the_shrunk_cosine_and_older_events_count_less() {
        let histories = [history(&[0, 1]), history(&[0, 1, 1]), history(&[1, 2]), history(&[3])];
        let config = NeighboursConfig { shrink: 1.0, decay: 0.5, ..Default::default() };
        let neighbours = Neighbours::fit(&histories, 5, &config);
        let both = 2.0 / (6f32.sqrt() + 1.0);
        assert!((neighbours.similar().get(0, 1) - both).abs() < 1e-6);
        assert_eq!(neighbours.similar().get(0, 0), 0.0);
        let mut scores = [f32::NAN; 5];
        neighbours.score(&history(&[2, 0, 9]), 0, &mut scores);
        let third = 1.0 / (3f32.sqrt() + 1.0);
        let expected = 0.5 * both + 0.25 * third;
        assert!((scores[1] - expected).abs() < 1e-6, "{scores:?}");
        assert_eq!(scores[3], 0.0);
    }

    #[test]
    fn only_the_nearest_are_kept_and_tensors_bring_them_back() -> Result<()> {
        let histories = [history(&[0, 1, 2]), history(&[0, 1])];
        let config = NeighboursConfig { neighbours: 1, ..Default::default() };
        let neighbours = Neighbours::fit(&histories, 3, &config);
        assert_eq!(neighbours.similar().row(0).0, [1]);
        assert_eq!(Neighbours::from_tensors(&neighbours.to_tensors()?)?, neighbours);
        Ok(())
    }
}
