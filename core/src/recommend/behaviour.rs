//! How a user behaves, in six numbers that a gate can read: the segments are defined on them.
//!
//! The same code counts in training, in evaluation and in a server, so that a gate is asked what it
//! was taught.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Event, Item};

/// Seconds of a day, as a divisor.
pub const DAY: f64 = 86_400.0;

/// The categories of the items, by index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Categories {
    names: Vec<String>,
    of_item: Vec<Vec<u32>>,
}

/// What a user did so far, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// Events.
    pub events: u32,
    /// Days since the first event.
    pub account_days: f32,
    /// Days since the last event.
    pub recency_days: f32,
    /// Mean popularity percentile of what was chosen, 0 to 1; none without events.
    pub popularity: Option<f32>,
    /// Entropy of the categories of what was chosen, over that of an even spread, 0 to 1; none
    /// where no category is known.
    pub entropy: Option<f32>,
    /// Share of events with an item that the user had met before, 0 to 1.
    pub repeat_rate: f32,
}

/// Counts event by event, so that every moment of a history costs one step.
#[derive(Debug, Clone)]
pub struct Tracker<'a> {
    categories: &'a Categories,
    events: u32,
    repeats: u32,
    first: i64,
    last: i64,
    percentiles: f64,
    met: HashSet<u32>,
    weights: HashMap<u32, f64>,
    /// Sum of the weights, and of `w·ln w`.
    total: f64,
    logs: f64,
}

impl Categories {
    /// The categories of `items`, numbered in the order in which they first appear.
    pub fn new(items: &[Item]) -> Self {
        let mut known = HashMap::new();
        let mut names = Vec::new();
        let mut number = |name: &String| {
            *known.entry(name.clone()).or_insert_with(|| {
                names.push(name.clone());
                names.len() as u32 - 1
            })
        };
        let of_item =
            items.iter().map(|item| item.categories.iter().map(&mut number).collect()).collect();
        Self { names, of_item }
    }

    /// The categories of an item; none for an item beyond the catalogue.
    pub fn of(&self, item: u32) -> &[u32] {
        self.of_item.get(item as usize).map_or(&[], Vec::as_slice)
    }

    /// Names of the categories, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Behaviour {
    /// Number of [`Self::features`].
    pub const FEATURES: usize = 8;

    /// Sums up `history`, oldest first, at the moment `now`; `percentile` says how popular the item
    /// of the event at a place of the history was, from 0 to 1.
    pub fn of(
        history: &[Event],
        now: i64,
        percentile: impl Fn(usize) -> f32,
        categories: &Categories,
    ) -> Self {
        let mut tracker = Tracker::new(categories);
        for (place, event) in history.iter().enumerate() {
            tracker.push(event, percentile(place));
        }
        tracker.at(now)
    }

    /// The same for a gate: bounded or logarithmic, about within -1 to 1.5, with a flag for each
    /// number that may be missing.
    pub fn features(&self) -> [f32; Self::FEATURES] {
        let days = |days: f32| days.ln_1p() / 7.0; // three years are 1
        [
            (self.events as f32).ln_1p() / 5.0, // 150 events are 1
            days(self.account_days),
            days(self.recency_days),
            2.0 * self.popularity.unwrap_or(0.5) - 1.0,
            2.0 * self.entropy.unwrap_or(0.5) - 1.0,
            self.repeat_rate,
            f32::from(u8::from(self.events > 0)),
            f32::from(u8::from(self.entropy.is_some())),
        ]
    }
}

impl<'a> Tracker<'a> {
    /// A user before the first event.
    pub fn new(categories: &'a Categories) -> Self {
        Self {
            categories,
            events: 0,
            repeats: 0,
            first: 0,
            last: 0,
            percentiles: 0.0,
            met: HashSet::new(),
            weights: HashMap::new(),
            total: 0.0,
            logs: 0.0,
        }
    }

    /// Counts the next event, whose item has that popularity percentile, 0 to 1.
    pub fn push(&mut self, event: &Event, percentile: f32) {
        if self.events == 0 {
            self.first = event.time;
        }
        self.events += 1;
        self.last = event.time;
        self.percentiles += f64::from(percentile);
        self.repeats += u32::from(!self.met.insert(event.item));
        let categories = self.categories.of(event.item);
        for &category in categories {
            let share = 1.0 / categories.len() as f64;
            let weight = self.weights.entry(category).or_default();
            self.logs -= entropy_term(*weight);
            *weight += share;
            self.logs += entropy_term(*weight);
            self.total += share;
        }
    }

    /// What was counted, seen from the moment `now`; an event of the future is of this moment.
    pub fn at(&self, now: i64) -> Behaviour {
        let events = f64::from(self.events);
        let days = |time: i64| (now.saturating_sub(time).max(0) as f64 / DAY) as f32;
        if self.events == 0 {
            return Behaviour::default();
        }
        Behaviour {
            events: self.events,
            account_days: days(self.first),
            recency_days: days(self.last),
            popularity: Some((self.percentiles / events) as f32),
            entropy: self.entropy(),
            repeat_rate: (f64::from(self.repeats) / events) as f32,
        }
    }

    fn entropy(&self) -> Option<f32> {
        let even = (self.categories.names.len() as f64).ln();
        let entropy = self.total.ln() - self.logs / self.total;
        (self.total > 0.0 && even > 0.0).then(|| (entropy / even).clamp(0.0, 1.0) as f32)
    }
}

fn entropy_term(weight: f64) -> f64 {
    if weight > 0.0 { weight * weight.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories() -> Categories {
        let item = |categories: &[&str]| Item {
            categories: categories.iter().map(|&name| name.to_owned()).collect(),
            ..Item::default()
        };
        Categories::new(&[item(&["crime"]), item(&["love"]), item(&["crime", "love"]), item(&[])])
    }

    fn event(item: u32, day: i64) -> Event {
        Event { item, kind: 0, value: 1.0, time: day * 86_400 }
    }

    #[test]
    fn numbers_follow_from_the_history() {
        let history = [event(0, 10), event(0, 12), event(1, 15), event(3, 20)];
        let percentile = |place: usize| [0.5, 0.7, 0.9, 0.9][place];
        let behaviour = Behaviour::of(&history, 21 * 86_400, percentile, &categories());
        assert_eq!(behaviour.events, 4);
        assert_eq!(behaviour.account_days, 11.0);
        assert_eq!(behaviour.recency_days, 1.0);
        assert!((behaviour.popularity.unwrap_or(0.0) - 0.75).abs() < 1e-6);
        assert_eq!(behaviour.repeat_rate, 0.25);
        // Two thirds and one third, in bits, because there are two categories.
        assert!((behaviour.entropy.unwrap_or(0.0) - 0.918_296).abs() < 1e-5, "{behaviour:?}");
    }

    #[test]
    fn one_kind_of_thing_has_no_entropy_and_an_even_spread_has_all() {
        let entropy = |items: &[u32]| {
            let history: Vec<_> = items.iter().map(|&item| event(item, 1)).collect();
            Behaviour::of(&history, 0, |_| 0.5, &categories()).entropy
        };
        assert_eq!(entropy(&[0, 0, 0]), Some(0.0));
        assert_eq!(entropy(&[0, 1]), Some(1.0));
        assert_eq!(entropy(&[2, 2, 2]), Some(1.0));
        assert_eq!(entropy(&[3, 99]), None); // no categories; beyond the catalogue
    }

    #[test]
    fn nobody_knows_a_user_without_events_and_the_future_is_now() {
        let nobody = Behaviour::of(&[], 7, |_| 0.5, &categories());
        assert_eq!(nobody, Behaviour::default());
        assert_eq!(nobody.features(), [0.0; 8]);
        let early = Behaviour::of(&[event(0, 9)], i64::MIN, |_| 0.5, &categories());
        assert_eq!((early.account_days, early.recency_days), (0.0, 0.0));
        assert!(early.features().iter().all(|x| x.is_finite()));
    }
}
