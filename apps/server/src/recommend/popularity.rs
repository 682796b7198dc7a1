//! Popularity that fades by half in a fixed time, kept up to date event by event.
//!
//! Weights grow with the time of the event instead of shrinking with its age (forward decay;
//! Cormode and others, 2009), so the sum of an item changes only when an event comes or goes, and
//! the order of items does not change as time passes. Sums are exact: a weight is a whole number of
//! units of its half-life, so the order in which events come and go leaves no rounding behind, and
//! a server that reads all events anew has the same sums.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

/// Binary digits of a weight behind the point.
const FRACTION: f64 = 40.0;

/// How much less neighbours of an item count for each time that it was liked: the exponent that the validation windows of
/// three logs prefer (docs/recommendation-speed.md).
const DAMPING: f32 = -0.3;

/// The most popular items whose popularity is compared with how often they were liked at all.
const COMPARED: usize = 100;

/// With fewer items nothing is compared.
const FEW: usize = 50;

/// Weights above this count as this, so that no sum overflows.
const MAX_WEIGHT: f64 = (1u64 << 32) as f64;

/// How popular each item is, by number.
#[derive(Debug, Default)]
pub(crate) struct Popularity {
    half_life: f64,
    sums: Vec<Sum>,
    /// Events of all items.
    events: i64,
    ranked: BTreeSet<(Reverse<Ordered>, Arc<str>, u32)>,
}

/// The weights of an item.
#[derive(Debug, Clone)]
struct Sum {
    /// For each half-life with events, the latest first: the units counted in it, never 0.
    octaves: Vec<(i64, i128)>,
    /// Binary logarithm of the sum at time 0; minus infinity without events.
    log2: f64,
    /// Events, whatever they weigh and however old they are.
    count: i64,
    /// What the count makes of the neighbours' votes for the item.
    damping: f32,
}

/// A number that is never NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Default for Sum {
    fn default() -> Self {
        Self { octaves: Vec::new(), log2: f64::NEG_INFINITY, count: 0, damping: 1.0 }
    }
}

impl Sum {
    fn add(&mut self, octave: i64, units: i128) {
        match self.octaves.binary_search_by(|(known, _)| octave.cmp(known)) {
            Ok(place) => {
                self.octaves[place].1 += units;
                if self.octaves[place].1 == 0 {
                    self.octaves.remove(place);
                }
            }
            Err(place) => self.octaves.insert(place, (octave, units)),
        }
        self.log2 = self.log2();
    }

    fn log2(&self) -> f64 {
        let Some(&(latest, _)) = self.octaves.first() else { return f64::NEG_INFINITY };
        let part =
            |&(octave, units): &(i64, i128)| units as f64 * (octave as f64 - latest as f64).exp2();
        let sum: f64 = self.octaves.iter().map(part).sum();
        if sum > 0.0 { sum.log2() - FRACTION + latest as f64 } else { f64::NEG_INFINITY }
    }
}

impl Popularity {
    /// A popularity that fades by half in `half_life` seconds.
    pub(crate) fn new(half_life: f64) -> Self {
        Self { half_life: half_life.max(1.0), ..Self::default() }
    }

    /// Makes room for `len` items.
    pub(crate) fn grow(&mut self, len: usize) {
        self.sums.resize_with(len, Sum::default);
    }

    /// Adds `weight` at `time` in seconds to the item `number`, which is called `id`; a negative
    /// weight takes back what was added.
    pub(crate) fn add(&mut self, number: u32, id: &Arc<str>, weight: f64, time: i64) {
        if weight == 0.0 || weight.is_nan() {
            return;
        }
        let place = time as f64 / self.half_life;
        let octave = place.floor();
        let size = weight.abs().min(MAX_WEIGHT) * (place - octave + FRACTION).exp2();
        let units = size.round().max(1.0) as i128;
        let units = if weight < 0.0 { -units } else { units };
        self.events += if weight < 0.0 { -1 } else { 1 };
        let sum = &mut self.sums[number as usize];
        let old = sum.log2;
        sum.add(octave as i64, units);
        sum.count += if weight < 0.0 { -1 } else { 1 };
        sum.damping = (sum.count.max(1) as f32).powf(DAMPING);
        let new = sum.log2;
        self.rank(number, id, (old, new));
    }

    /// Forgets the item `number`.
    pub(crate) fn forget(&mut self, number: u32, id: &Arc<str>) {
        let old = std::mem::take(&mut self.sums[number as usize]);
        self.events -= old.count;
        self.rank(number, id, (old.log2, f64::NEG_INFINITY));
    }

    fn rank(&mut self, number: u32, id: &Arc<str>, (old, new): (f64, f64)) {
        if old != f64::NEG_INFINITY {
            self.ranked.remove(&(Reverse(Ordered(old)), Arc::clone(id), number));
        }
        if new != f64::NEG_INFINITY {
            self.ranked.insert((Reverse(Ordered(new)), Arc::clone(id), number));
        }
    }

    /// Events of the item `number` that are left at `now`, each counted by what did not fade.
    pub(crate) fn at(&self, number: u32, now: i64) -> f64 {
        self.log_at(number, now).exp().min(f64::MAX)
    }

    /// The logarithm of [`at`](Self::at); minus infinity where nothing happened.
    fn log_at(&self, number: u32, now: i64) -> f64 {
        (self.sums[number as usize].log2 - now as f64 / self.half_life) * std::f64::consts::LN_2
    }

    /// The logarithm of the share of the most popular item that an item has, by its number, at most 0;
    /// minus infinity where nothing happened. It does not change as time passes.
    pub(crate) fn relative_to_best(&self) -> impl Fn(u32) -> f32 + '_ {
        let best = self.ranked.first().map_or(0.0, |(Reverse(Ordered(best)), ..)| *best);
        move |number| ((self.sums[number as usize].log2 - best) * std::f64::consts::LN_2) as f32
    }

    /// How many events are counted.
    pub(crate) fn events(&self) -> u64 {
        u64::try_from(self.events).unwrap_or(0)
    }

    /// What the votes of neighbours for the item `number` are multiplied by: they come more often for an item that many
    /// like anyway.
    pub(crate) fn damping(&self, number: u32) -> f32 {
        self.sums[number as usize].damping
    }

    /// How much what is popular now is what was always popular: the correlation of both over the most popular items, −1
    /// to 1; none where there are few.
    pub(crate) fn steadiness(&self) -> Option<f64> {
        let relative = self.relative_to_best();
        let top = self.ranked.iter().take(COMPARED).map(|(_, _, number)| {
            (f64::from(relative(*number).exp()), self.sums[*number as usize].count as f64)
        });
        let top: Vec<(f64, f64)> = top.collect();
        if top.len() < FEW {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| top.iter().map(of).sum::<f64>() / top.len() as f64;
        let (now, ever) = (mean(|one| one.0), mean(|one| one.1));
        let product = |of: &dyn Fn(&(f64, f64)) -> f64| top.iter().map(of).sum::<f64>();
        let together = product(&|one| (one.0 - now) * (one.1 - ever));
        let alone = product(&|one| (one.0 - now).powi(2)) * product(&|one| (one.1 - ever).powi(2));
        (alone > 0.0).then(|| together / alone.sqrt())
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
    use proptest::prelude::*;

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
        popularity.forget(2, &ids[2]);
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
        assert!(popularity.at(0, 1_000).is_finite() && popularity.at(1, 1_000).is_finite());
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order_of_events(
            events in prop::collection::vec((0u32..4, 0.001f64..1e6, 0i64..2_000_000_000), 0..40),
            gone in prop::collection::vec((0u32..4, 0.001f64..1e6, 0i64..2_000_000_000), 0..40),
        ) {
            let (mut live, ids) = popularity(4);
            let id = |number: u32| &ids[number as usize];
            for &(number, weight, time) in gone.iter().chain(&events) {
                live.add(number, id(number), weight, time);
            }
            for &(number, weight, time) in &gone {
                live.add(number, id(number), -weight, time);
            }
            let (mut fresh, ids) = popularity(4);
            for &(number, weight, time) in events.iter().rev() {
                fresh.add(number, &ids[number as usize], weight, time);
            }
            prop_assert_eq!(live.ranked().collect::<Vec<_>>(), fresh.ranked().collect::<Vec<_>>());
            prop_assert_eq!(live.events(), events.len() as u64);
            for number in 0..4 {
                let bits = |one: &Popularity| one.log_at(number, 2_000_000_000).to_bits();
                prop_assert_eq!(bits(&live), bits(&fresh));
            }
        }
    }
}
