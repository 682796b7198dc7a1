//! What follows what: co-occurrence within a few steps, nearer ones counting more.

use candle::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Event,
    scorer::{Scorer, Tensors, number},
    sparse::{SparseRows, greatest},
};
use crate::Result;

/// Settings of [`Cooccurrence`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CooccurrenceConfig {
    /// Steps within which one event follows another.
    pub window: usize,
    /// How much less a follower counts than the one before it, in training and when asked.
    pub decay: f32,
    /// Seconds between two neighbours after which a session ends; none: a history is one session.
    pub session_gap: Option<i64>,
    /// Added to the number of an item's followers, so that rare items do not speak loudly.
    pub shrink: f32,
    /// Followers kept for each item.
    pub keep: usize,
}

/// A Markov chain with a long memory: for each item the share of those that came soon after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cooccurrence {
    followers: SparseRows,
    window: u32,
    decay: f32,
}

impl Default for CooccurrenceConfig {
    fn default() -> Self {
        Self { window: 5, decay: 0.8, session_gap: None, shrink: 10.0, keep: 512 }
    }
}

impl Cooccurrence {
    /// Counts followers in `histories`, oldest first, over a catalogue of `num_items`.
    pub fn fit<H: AsRef<[Event]>>(
        histories: &[H],
        num_items: usize,
        config: &CooccurrenceConfig,
    ) -> Self {
        let mut pairs: Vec<Vec<(u32, f32)>> = vec![Vec::new(); num_items];
        for history in histories {
            let history = history.as_ref();
            for (place, event) in history.iter().enumerate() {
                let followers = followers(&history[place..], config);
                if let Some(row) = pairs.get_mut(event.item as usize) {
                    row.extend(followers.filter(|&(item, _)| (item as usize) < num_items));
                }
            }
        }
        let rows: Vec<_> = pairs.into_par_iter().map(|row| shares(row, config)).collect();
        let window = u32::try_from(config.window).unwrap_or(u32::MAX);
        Self { followers: SparseRows::new(rows), window, decay: config.decay }
    }

    /// The followers of each item with their share.
    pub fn followers(&self) -> &SparseRows {
        &self.followers
    }

    /// Events at the end of a history that count.
    pub fn window(&self) -> usize {
        self.window as usize
    }

    /// What the weight of an event falls by for each later one.
    pub fn decay(&self) -> f32 {
        self.decay
    }

    /// The tensors `cooccurrence.*`.
    pub fn to_tensors(&self) -> Result<Tensors> {
        let mut tensors = self.followers.to_tensors("cooccurrence")?;
        let cpu = &Device::Cpu;
        tensors.insert("cooccurrence.window".into(), Tensor::new(&[self.window], cpu)?);
        tensors.insert("cooccurrence.decay".into(), Tensor::new(&[self.decay], cpu)?);
        Ok(tensors)
    }

    /// What [`Self::to_tensors`] wrote.
    pub fn from_tensors(tensors: &Tensors) -> Result<Self> {
        Ok(Self {
            followers: SparseRows::from_tensors(tensors, "cooccurrence")?,
            window: number(tensors, "cooccurrence.window")?,
            decay: number(tensors, "cooccurrence.decay")?,
        })
    }
}

/// What follows the first event of `history`, with its weight.
fn followers<'a>(
    history: &'a [Event],
    config: &CooccurrenceConfig,
) -> impl Iterator<Item = (u32, f32)> + use<'a> {
    let CooccurrenceConfig { window, decay, session_gap, .. } = *config;
    let is_one_session = move |pair: &&[Event]| {
        let gap = pair[1].time.saturating_sub(pair[0].time);
        session_gap.is_none_or(|longest| gap <= longest)
    };
    let mut weight = 1.0 / decay;
    history.windows(2).take(window).take_while(is_one_session).map(move |pair| {
        weight *= decay;
        (pair[1].item, weight)
    })
}

/// Adds up what follows one item, and divides it by all of it.
fn shares(mut pairs: Vec<(u32, f32)>, config: &CooccurrenceConfig) -> Vec<(u32, f32)> {
    pairs.sort_by_key(|&(item, _)| item); // stable: sums have one order
    let merged = pairs.chunk_by(|a, b| a.0 == b.0);
    let row: Vec<_> = merged
        .map(|same| (same[0].0, same.iter().map(|&(_, weight)| weight).sum::<f32>()))
        .collect();
    let total = row.iter().map(|&(_, weight)| weight).sum::<f32>() + config.shrink;
    let row = row.into_iter().map(|(item, weight)| (item, weight / total)).collect();
    greatest(row, config.keep, false)
}

impl Scorer for Cooccurrence {
    fn num_items(&self) -> usize {
        self.followers.num_items()
    }

    fn score(&self, history: &[Event], _now: i64, out: &mut [f32]) {
        assert_eq!(out.len(), self.num_items(), "a score for each item");
        out.fill(0.0);
        let mut weight = 1.0;
        for event in history.iter().rev().take(self.window as usize) {
            self.followers.add(event.item, weight, out);
            weight *= self.decay;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(events: &[(u32, i64)]) -> Vec<Event> {
        let event = |&(item, time): &(u32, i64)| Event { item, kind: 0, value: 1.0, time };
        events.iter().map(event).collect()
    }

    fn config() -> CooccurrenceConfig {
        CooccurrenceConfig { window: 2, decay: 0.5, shrink: 0.0, ..Default::default() }
    }

    #[test]
    fn followers_count_by_nearness_and_the_last_event_most() {
        let histories = [history(&[(0, 0), (1, 0), (2, 0), (3, 0)]), history(&[(0, 0), (2, 0)])];
        let model = Cooccurrence::fit(&histories, 4, &config());
        // After 0: once 1 at once, and 2 at once and in two steps; 3 is too far.
        assert_eq!(model.followers().row(0), (&[1, 2][..], &[0.4, 0.6][..]));
        let mut scores = [0.0; 4];
        model.score(&history(&[(3, 0), (0, 0), (1, 0)]), 0, &mut scores);
        let [after_one, after_zero] = [1.0, 0.5];
        let expected = after_one * (2.0 / 3.0) + after_zero * 0.6;
        assert!((scores[2] - expected).abs() < 1e-6, "{scores:?}");
    }

    #[test]
    fn a_session_ends_with_a_pause() {
        let histories = [history(&[(0, 0), (1, 10), (2, 100)])];
        let config = CooccurrenceConfig { session_gap: Some(30), ..config() };
        let model = Cooccurrence::fit(&histories, 3, &config);
        assert_eq!(model.followers().row(0).0, [1]);
        assert_eq!(model.followers().row(1).0, [0u32; 0]);
    }

    #[test]
    fn tensors_bring_the_chain_back() -> Result<()> {
        let model = Cooccurrence::fit(&[history(&[(0, 0), (1, 0), (9, 0)])], 2, &config());
        assert_eq!(Cooccurrence::from_tensors(&model.to_tensors()?)?, model);
        Ok(())
    }
}
