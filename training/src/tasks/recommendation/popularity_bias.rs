//! How popular the items were at the time of each event: what a logit begins with.

use dragoman_core::{config::RecommendationConfig, recommend::popularity::Trends};
use dragoman_data::interactions::{Interactions, describe::POPULARITY_DAYS};

/// Moments at most between which popularity stands still.
const MOMENTS: usize = 256;

/// The popularity of all items at some moments, as logits.
#[derive(Debug, Clone, Default)]
pub(super) struct PopularityBias {
    /// Ascending; what holds from each until the next.
    moments: Vec<i64>,
    /// One row for each moment, `(R, V)`; empty if popularity counts nothing.
    table: Vec<f32>,
}

impl PopularityBias {
    /// Counts the events of the thirty days before each of some moments of `log`, between which as
    /// many events lie; without times, all events.
    pub(super) fn new(log: &Interactions, config: &RecommendationConfig) -> Self {
        if config.popularity == 0.0 {
            return Self::default();
        }
        let mut events: Vec<_> = log.events().map(|event| (event.time, event.item)).collect();
        events.sort_unstable();
        let logits = |counts: &[u32]| -> Vec<f32> {
            counts.iter().map(|&count| config.popularity_logit(count as f32)).collect()
        };
        let mut trends = Trends::new(log.items.len(), POPULARITY_DAYS);
        if !log.has_times {
            events.iter().for_each(|&(time, item)| trends.add(item, time));
            return Self { moments: vec![i64::MIN], table: logits(trends.counts()) };
        }
        let step = events.len().div_ceil(MOMENTS);
        let mut popularity_bias = Self::default();
        for (place, &(time, item)) in events.iter().enumerate() {
            if place % step == 0 {
                trends.advance(time);
                popularity_bias.moments.push(time);
                popularity_bias.table.extend(logits(trends.counts()));
            }
            trends.add(item, time);
        }
        popularity_bias
    }

    /// The rows, `(R, V)`; none if popularity counts nothing.
    pub(super) fn table(&self) -> Option<&[f32]> {
        (!self.table.is_empty()).then_some(&self.table)
    }

    /// The row that holds at `time`.
    pub(super) fn row(&self, time: i64) -> u32 {
        self.moments.partition_point(|&moment| moment <= time).saturating_sub(1) as u32
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::{Event, Item};
    use dragoman_data::interactions::User;

    use super::*;

    #[test]
    fn an_item_is_popular_after_its_events_and_no_longer_a_month_later() {
        let day = 86_400;
        let events = [(0, day), (0, 2 * day), (1, 3 * day), (1, 90 * day)];
        let events = events.map(|(item, time)| (0, Event { item, kind: 0, value: 1.0, time }));
        let log = Interactions::new(
            vec![User::default()],
            vec![Item::default(); 2],
            vec![String::new()],
            events,
        );
        let config = RecommendationConfig { popularity: 1.0, ..Default::default() };
        let popularity_bias = PopularityBias::new(&log, &config);
        let row = |time: i64| -> Vec<f32> {
            let start = popularity_bias.row(time) as usize * 2;
            popularity_bias
                .table()
                .map(|table| table[start..start + 2].to_vec())
                .unwrap_or_default()
        };
        assert_eq!(row(0), [0.0, 0.0]);
        assert_eq!(row(3 * day), [3f32.ln(), 0.0]);
        assert_eq!(row(90 * day), [0.0, 0.0]);
        assert!(PopularityBias::new(&log, &RecommendationConfig::default()).table().is_none());
    }
}
