//! How popular items are: at a moment, and as time goes by.

use std::collections::{HashMap, VecDeque};

use candle::Tensor;
use serde::{Deserialize, Serialize};

use super::{
    Event,
    behaviour::DAY,
    scorer::{Scorer, Tensors, vector},
};
use crate::{Error, Result};

/// Which events count, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Window {
    /// All, alike.
    All,
    /// Those of the last days, alike.
    Days {
        /// How many.
        days: f64,
    },
    /// All, halved again and again.
    Decay {
        /// Days after which an event counts half.
        half_life: f64,
    },
}

/// A count of each item's events.
#[derive(Debug, Clone, PartialEq)]
pub struct Popularity {
    counts: Vec<f32>,
}

impl Window {
    /// What an event at `time` counts at `now`; the future counts nothing.
    pub fn weight(self, time: i64, now: i64) -> f64 {
        let days = now.saturating_sub(time) as f64 / DAY;
        match self {
            _ if days < 0.0 => 0.0,
            Self::All => 1.0,
            Self::Days { days: length } => f64::from(u8::from(days <= length)),
            Self::Decay { half_life } => (-days / half_life).exp2(),
        }
    }
}

impl Popularity {
    /// Counts `events` before `now` on a catalogue of `num_items`.
    pub fn fit<'a>(
        events: impl IntoIterator<Item = &'a Event>,
        num_items: usize,
        now: i64,
        window: Window,
    ) -> Self {
        let mut counts = vec![0.0f64; num_items];
        for event in events {
            if let Some(count) = counts.get_mut(event.item as usize) {
                *count += window.weight(event.time, now);
            }
        }
        Self { counts: counts.into_iter().map(|count| count as f32).collect() }
    }

    /// The counts, by item.
    pub fn counts(&self) -> &[f32] {
        &self.counts
    }

    /// The tensor `popularity.counts`.
    pub fn to_tensors(&self) -> Result<Tensors> {
        let counts = Tensor::new(self.counts.as_slice(), &candle::Device::Cpu)?;
        Ok(HashMap::from([("popularity.counts".to_owned(), counts)]))
    }

    /// The counts that [`Self::to_tensors`] wrote.
    pub fn from_tensors(tensors: &Tensors) -> Result<Self> {
        let counts: Vec<f32> = vector(tensors, "popularity.counts")?;
        match counts.iter().all(|count| count.is_finite()) {
            true => Ok(Self { counts }),
            false => Err(Error::Weight {
                name: "popularity.counts".into(),
                reason: "it holds what is not a number".into(),
            }),
        }
    }
}

impl Scorer for Popularity {
    fn num_items(&self) -> usize {
        self.counts.len()
    }

    fn score(&self, _history: &[Event], _now: i64, out: &mut [f32]) {
        out.copy_from_slice(&self.counts);
    }
}

/// The share of items that are less popular than each, 0 to 1, ties counting half.
pub fn percentiles(counts: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|&a, &b| counts[a].total_cmp(&counts[b]));
    let mut percentiles = vec![0.0; counts.len()];
    let mut below = 0;
    for ties in order.chunk_by(|&a, &b| counts[a] == counts[b]) {
        let middle = below as f64 + 0.5 * ties.len() as f64;
        for &item in ties {
            percentiles[item] = (middle / counts.len() as f64) as f32;
        }
        below += ties.len();
    }
    percentiles
}

/// The popularity of all items in a window that moves along with time: feed it events in the order
/// of time, and ask at any moment between.
#[derive(Debug, Clone)]
pub struct Trends {
    seconds: i64,
    window: VecDeque<(i64, u32)>,
    counts: Vec<u32>,
    /// How many items have each count, as a Fenwick tree.
    having: Vec<u32>,
}

impl Trends {
    /// Counts above this share a rank.
    const MOST: usize = 1 << 16;

    /// An empty window of `days` over `num_items`.
    pub fn new(num_items: usize, days: f64) -> Self {
        let seconds = (days * DAY) as i64;
        let counts = vec![0; num_items];
        let mut trends =
            Self { seconds, window: VecDeque::new(), counts, having: vec![0; Self::MOST + 1] };
        trends.shift(0, num_items as i64);
        trends
    }

    /// Adds an event at `time`, not earlier than any before.
    pub fn add(&mut self, item: u32, time: i64) {
        self.advance(time);
        if (item as usize) < self.counts.len() {
            self.window.push_back((time, item));
            self.change(item, 1);
        }
    }

    /// Forgets what is older than the window at `time`.
    pub fn advance(&mut self, time: i64) {
        while let Some(&(old, item)) = self.window.front() {
            if time.saturating_sub(old) <= self.seconds {
                break;
            }
            self.window.pop_front();
            self.change(item, -1);
        }
    }

    /// The share of items with fewer events in the window, 0 to 1, ties counting half.
    pub fn percentile(&self, item: u32) -> f32 {
        let Some(&count) = self.counts.get(item as usize) else { return 0.5 };
        let count = (count as usize).min(Self::MOST - 1);
        let (below, until) = (self.up_to(count), self.up_to(count + 1));
        ((f64::from(below) + f64::from(until)) / 2.0 / self.counts.len() as f64) as f32
    }

    /// Events of each item in the window.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The same, to score by.
    pub fn popularity(&self) -> Popularity {
        Popularity { counts: self.counts.iter().map(|&count| count as f32).collect() }
    }

    fn change(&mut self, item: u32, by: i64) {
        let before = self.counts[item as usize];
        let after = (i64::from(before) + by) as u32;
        self.counts[item as usize] = after;
        self.shift(before as usize, -1);
        self.shift(after as usize, 1);
    }

    fn shift(&mut self, count: usize, by: i64) {
        let mut place = count.min(Self::MOST - 1) + 1;
        while place <= Self::MOST {
            self.having[place] = (i64::from(self.having[place]) + by) as u32;
            place += place & place.wrapping_neg();
        }
    }

    /// How many items have a count below `count`.
    fn up_to(&self, count: usize) -> u32 {
        let (mut place, mut sum) = (count, 0);
        while place > 0 {
            sum += self.having[place];
            place -= place & place.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(item: u32, day: i64) -> Event {
        Event { item, kind: 0, value: 1.0, time: day * 86_400 }
    }

    #[test]
    fn windows_count_what_they_say() {
        let events = [event(0, 1), event(0, 2), event(1, 9), event(2, 12)];
        let counts = |window| Popularity::fit(&events, 3, 10 * 86_400, window).counts;
        assert_eq!(counts(Window::All), [2.0, 1.0, 0.0]); // nothing is known of the 12th
        assert_eq!(counts(Window::Days { days: 7.0 }), [0.0, 1.0, 0.0]);
        assert_eq!(counts(Window::Days { days: 8.0 }), [1.0, 1.0, 0.0]);
        assert_eq!(counts(Window::Decay { half_life: 1.0 })[1..], [0.5, 0.0]);
    }

    #[test]
    fn percentiles_split_ties() {
        assert_eq!(percentiles(&[0.0, 5.0, 0.0, 2.0]), [0.25, 0.875, 0.25, 0.625]);
    }

    #[test]
    fn a_moving_window_ranks_as_counting_anew_does() {
        let events: Vec<_> = (0..300u32).map(|i| event(i * i % 11, i64::from(i / 4))).collect();
        let mut trends = Trends::new(11, 7.0);
        for (place, event) in events.iter().enumerate() {
            trends.add(event.item, event.time);
            let anew =
                Popularity::fit(&events[..=place], 11, event.time, Window::Days { days: 7.0 });
            let expected = percentiles(anew.counts());
            for item in 0..11 {
                assert_eq!(trends.percentile(item), expected[item as usize], "{place}");
            }
        }
        trends.advance(i64::MAX);
        assert!(trends.counts().iter().all(|&count| count == 0));
    }

    #[test]
    fn tensors_bring_the_counts_back() -> Result<()> {
        let popularity = Popularity { counts: vec![3.0, 0.5] };
        assert_eq!(Popularity::from_tensors(&popularity.to_tensors()?)?, popularity);
        assert!(Popularity::from_tensors(&HashMap::new()).is_err());
        Ok(())
    }
}
