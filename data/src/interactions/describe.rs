//! How the users of a log behaved, at the time of each event.

use dragoman_core::recommend::{
    behaviour::{Behaviour, Categories},
    popularity::Trends,
    segments::{Segment, SegmentRules},
};

use super::Interactions;

/// Days of the window in which popularity is counted.
pub const POPULARITY_DAYS: f64 = 30.0;

/// What each user is like at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The lines between the segments, drawn from all users with events.
    pub rules: SegmentRules,
    /// Statistics, by user.
    pub behaviours: Vec<Behaviour>,
    /// Segment, by user.
    pub segments: Vec<Segment>,
}

impl Interactions {
    /// The popularity percentile of every event's item, 0 to 1, in the thirty days before it, by
    /// user and place in the history; without times, among the events of users before it.
    pub fn percentiles(&self) -> Vec<Vec<f32>> {
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(self.len());
        for (user, history) in self.histories.iter().enumerate() {
            order.extend((0..history.len()).map(|place| (user, place)));
        }
        order.sort_by_key(|&(user, place)| self.histories[user][place].time);
        let mut trends = Trends::new(self.items.len(), POPULARITY_DAYS);
        let mut percentiles: Vec<Vec<f32>> =
            self.histories.iter().map(|history| vec![0.0; history.len()]).collect();
        for (user, place) in order {
            let event = self.histories[user][place];
            trends.advance(event.time);
            percentiles[user][place] = trends.percentile(event.item);
            trends.add(event.item, event.time);
        }
        percentiles
    }

    /// What the users are like at the moment `now`, by all events of this log, which should end
    /// there.
    pub fn describe(&self, now: i64) -> Description {
        let categories = Categories::new(&self.items);
        let percentiles = self.percentiles();
        let behaviours: Vec<_> = self
            .histories
            .iter()
            .zip(&percentiles)
            .map(|(history, percentiles)| {
                Behaviour::of(history, now, |place| percentiles[place], &categories)
            })
            .collect();
        let rules = SegmentRules::fit(&behaviours);
        let segments = behaviours.iter().map(|behaviour| rules.segment(behaviour)).collect();
        Description { rules, behaviours, segments }
    }
}
