//! Popularity that fades by half in a fixed time, kept up to date event by event.
//!
//! With weights that grow with the time of the event, in place of shrinking with its age (forward
//! decay; Cormode and others, 2009), the sum of an item changes only when something happens to it,
//! and the order of items not at all as time passes. Sums are kept as logarithms.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

/// How popular each item is, by number.
#[derive(Debug, Default)]
pub(crate) struct Popularity {
    /// Growth of a weight in a second.
    rate: f64,
    /// Logarithm of each item's sum; minus infinity where nothing happened.
    sums: Vec<f64>,
    ranked: BTreeSet<(Reverse<Ordered>, Arc<str>, u32)>,
}

/// A number that is never NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Popularity {
    /// A popularity that fades by half in `half_life` seconds.
    pub(crate) fn new(half_life: f64) -> Self {
        Self { rate: std::f64::consts::LN_2 / half_life.max(1.0), ..Self::default() }
    }

    /// Makes room for `len` items.
    pub(crate) fn grow(&mut self, len: usize) {
        self.sums.resize(len, f64::NEG_INFINITY);
    }

    /// Adds `weight` at `time` in seconds to the item `number`, which is called `id`; a negative
    /// weight takes back what was added.
    pub(crate) fn add(&mut self, number: u32, id: &Arc<str>, weight: f64, time: i64) {
        let old = self.sums[number as usize];
        let event = weight.abs().ln() + self.rate * time as f64;
        let top = old.max(event);
        let sum = (old - top).exp() + (event - top).exp() * weight.signum();
        // What is left of a sum after all of it was taken back is rounding.
        let new = if sum > 1e-9 { top + sum.ln() } else { f64::NEG_INFINITY };
        if weight != 0.0 && !new.is_nan() {
            self.set(number, id, new);
        }
    }

    /// Forgets the item `number`.
    pub(crate) fn forget(&mut self, number: u32, id: &str) {
        self.set(number, &id.into(), f64::NEG_INFINITY);
    }

    fn set(&mut self, number: u32, id: &Arc<str>, sum: f64) {
        let old = std::mem::replace(&mut self.sums[number as usize], sum);
        if old != f64::NEG_INFINITY {
            self.ranked.remove(&(Reverse(Ordered(old)), Arc::clone(id), number));
        }
        if sum != f64::NEG_INFINITY {
            self.ranked.insert((Reverse(Ordered(sum)), Arc::clone(id), number));
        }
    }

    /// Events of the item `number` that are left at `now`, each counted by what did not fade.
    pub(crate) fn at(&self, number: u32, now: i64) -> f64 {
        (self.sums[number as usize] - self.rate * now as f64).exp()
    }

    /// Numbers of the items that anything happened to, most popular first, ties by identifier.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranked.iter().map(|(_, _, number)| *number)
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popularity(items: usize) -> (Popularity, Vec<Arc<str>>) {
        let mut popularity = Popularity::new(100.0);
        popularity.grow(items);
        (popularity, (0..items).map(|i| i.to_string().into()).collect())
    }

    #[test]
    fn an_event_counts_half_after_its_half_life() {
        let (mut popularity, ids) = popularity(1);
        let start = 1_700_000_000;
        popularity.add(0, &ids[0], 2.0, start);
        assert!((popularity.at(0, start) - 2.0).abs() < 1e-6);
        assert!((popularity.at(0, start + 100) - 1.0).abs() < 1e-6);
        popularity.add(0, &ids[0], 1.0, start + 100);
        assert!((popularity.at(0, start + 200) - 1.0).abs() < 1e-6);
        popularity.add(0, &ids[0], -1.0, start + 100);
        assert!((popularity.at(0, start + 200) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_order_is_by_sum_and_then_by_identifier() {
        let (mut popularity, ids) = popularity(4);
        for (number, time) in [(2, 10), (1, 10), (0, 5)] {
            popularity.add(number, &ids[number as usize], 1.0, time);
        }
        assert_eq!(popularity.ranked().collect::<Vec<_>>(), [1, 2, 0]);
        popularity.add(1, &ids[1], -1.0, 10);
        assert_eq!(popularity.ranked().collect::<Vec<_>>(), [2, 0]);
        popularity.forget(2, "2");
        assert_eq!(popularity.ranked().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn ancient_and_far_future_events_do_no_harm() {
        let (mut popularity, ids) = popularity(2);
        popularity.add(0, &ids[0], 1.0, -62_135_596_800);
        popularity.add(0, &ids[0], 1.0, 1_000);
        popularity.add(1, &ids[1], 1.0, i64::MAX);
        assert!((popularity.at(0, 1_000) - 1.0).abs() < 1e-6);
        assert_eq!(popularity.ranked().collect::<Vec<_>>(), [1, 0]);
        popularity.add(0, &ids[0], 0.0, 5);
        assert!(popularity.at(0, 1_000).is_finite());
    }
}
