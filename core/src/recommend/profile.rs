//! What a gate receives about a user, at every moment of a history.

use super::{
    Event,
    behaviour::{Behaviour, Categories, Tracker},
};

/// Sums up histories: the same in training and in a server.
///
/// How popular an item is counts as in the log that the model learned from, so that a history means
/// the same whenever it is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profiler {
    /// Categories of the items.
    pub categories: Categories,
    /// Popularity percentile of each item, 0 to 1; items beyond count as 0.5.
    pub percentiles: Vec<f32>,
}

impl Profiler {
    /// How the user behaved before the first event and after each, `L + 1` of them, each seen from
    /// the time of the next event, the last one from `now`.
    pub fn behaviours(&self, events: &[Event], now: i64) -> Vec<Behaviour> {
        let mut tracker = Tracker::new(&self.categories);
        let mut behaviours = Vec::with_capacity(events.len() + 1);
        for event in events {
            behaviours.push(tracker.at(event.time));
            let percentile = self.percentiles.get(event.item as usize).copied();
            tracker.push(event, percentile.unwrap_or(0.5));
        }
        behaviours.push(tracker.at(now));
        behaviours
    }

    /// The same as the gate reads it, `(L + 1, S)`.
    pub fn statistics(&self, events: &[Event], now: i64) -> Vec<f32> {
        self.behaviours(events, now).iter().flat_map(Behaviour::features).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_knows_only_what_came_before() {
        let profiler = Profiler { percentiles: vec![0.2, 0.6], ..Profiler::default() };
        let event = |item, time| Event { item, kind: 0, value: 1.0, time };
        let behaviours = profiler.behaviours(&[event(0, 0), event(1, 86_400)], 3 * 86_400);
        assert_eq!(behaviours.iter().map(|b| b.events).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(behaviours[1].popularity, Some(0.2));
        assert_eq!(behaviours[1].recency_days, 1.0);
        assert_eq!(behaviours[2].recency_days, 2.0);
        assert!((behaviours[2].popularity.unwrap_or(0.0) - 0.4).abs() < 1e-6);
    }
}
