//! Histories as the model reads them: one row for the start, and one for each event.

use crate::{config::RecommendationConfig, ops::NO_ROW, ragged::Ragged, recommend::Event};

/// What one user did, for the model to go on from.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// What the user did, oldest first.
    pub events: &'a [Event],
    /// Features of the user.
    pub features: &'a [u32],
    /// When the next event is to be predicted.
    pub now: i64,
    /// Statistics of the user's behaviour before the first event and after each: `(L + 1, S)`.
    pub statistics: &'a [f32],
    /// Index of the route.
    pub route: u32,
}

/// Histories for one pass: their rows stand one after another in `(N, D)`.
///
/// The first row of a history stands for its start, so that a user without events has a row, too.
/// The others stand for its last events. Each row knows the time until the next event, or until
/// now: it is known when a recommendation is requested.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryBatch {
    /// Where each history lies.
    pub layout: Ragged,
    /// Item of each row; [`NO_ROW`] at the start.
    pub items: Vec<u32>,
    /// Kind of each row: 0 at the start, else one more than that of the event.
    pub kinds: Vec<u32>,
    /// Bucket of the value of each event; [`NO_ROW`] at the start.
    pub values: Vec<u32>,
    /// Bucket of the time until the next event.
    pub gaps: Vec<u32>,
    /// Features of each user.
    pub features: Vec<Vec<u32>>,
    /// Statistics of each row, `(N, S)`.
    pub statistics: Vec<f32>,
    /// Route of each row.
    pub routes: Vec<u32>,
    /// Events of each history that came before those that are seen.
    pub hidden: Vec<usize>,
}

impl HistoryBatch {
    /// Puts `histories` one after another.
    pub fn new(config: &RecommendationConfig, histories: &[History<'_>]) -> Self {
        let seen = |history: &History<'_>| history.events.len().min(config.max_history);
        let lengths: Vec<usize> = histories.iter().map(|history| seen(history) + 1).collect();
        let layout = Ragged::contiguous(&lengths);
        let rows = layout.rows();
        let mut batch = Self {
            items: Vec::with_capacity(rows),
            kinds: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            gaps: Vec::with_capacity(rows),
            features: histories.iter().map(|history| history.features.to_vec()).collect(),
            statistics: Vec::with_capacity(rows * config.num_statistics),
            routes: Vec::with_capacity(rows),
            hidden: Vec::with_capacity(histories.len()),
            layout,
        };
        histories.iter().for_each(|history| batch.push(config, history));
        batch
    }

    fn push(&mut self, config: &RecommendationConfig, history: &History<'_>) {
        let hidden = history.events.len() - history.events.len().min(config.max_history);
        self.hidden.push(hidden);
        self.items.push(NO_ROW);
        self.kinds.push(0);
        self.values.push(NO_ROW);
        self.gaps.push(0);
        self.routes.push(history.route);
        let last_kind = config.num_kinds as u32 - 1;
        for (i, event) in history.events.iter().enumerate().skip(hidden) {
            let next = history.events.get(i + 1).map_or(history.now, |next| next.time);
            let kind = u32::from(event.kind);
            self.items.push(event.item);
            self.kinds.push(1 + if kind > last_kind { 0 } else { kind });
            self.values.push(config.value_bucket(event.value));
            self.gaps.push(config.gap_bucket(next.saturating_sub(event.time)));
            self.routes.push(history.route);
        }
        self.statistics.extend(&history.statistics[hidden * config.num_statistics..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_events_are_seen_and_the_last_one_knows_the_time_since() {
        let config = RecommendationConfig {
            max_history: 2,
            num_gaps: 8,
            num_statistics: 1,
            ..Default::default()
        };
        let event = |item, time| Event { item, kind: 9, value: 1.0, time };
        let events = [event(5, 0), event(6, 1), event(7, 5)];
        let statistics = [0.0, 0.1, 0.2, 0.3];
        let history =
            History { events: &events, features: &[], now: 21, statistics: &statistics, route: 0 };
        let nobody = History { events: &[], statistics: &[0.5], ..history };
        let batch = HistoryBatch::new(&config, &[history, nobody]);
        assert_eq!(batch.layout.lengths(), [3, 1]);
        assert_eq!(batch.items, [NO_ROW, 6, 7, NO_ROW]);
        assert_eq!(batch.kinds, [0, 1, 1, 0], "an unknown kind counts as the first");
        assert_eq!(batch.gaps, [0, 3, 5, 0]);
        assert_eq!(batch.statistics, [0.1, 0.2, 0.3, 0.5]);
        assert_eq!(batch.hidden, [1, 0]);
    }
}
