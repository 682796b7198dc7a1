//! Users as training sees them: what they did, and what they were like at every moment.

use std::collections::HashSet;

use dragoman_core::{
    config::RecommendationConfig,
    models::recommendation::{History, HistoryBatch},
    recommend::{
        Event, Profiler,
        behaviour::Behaviour,
        segments::{Segment, SegmentRules},
    },
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Objective;
use crate::loss::reads::RowReads;

/// Stands for no segment with an expert.
pub(super) const NO_SEGMENT: u32 = u32::MAX;

/// Items at most that are negatives at one event because they were read, the newest.
const MAX_READS: usize = 20;

/// One user.
#[derive(Debug, Clone)]
pub(super) struct Learner {
    /// What the user did, oldest first.
    pub(super) events: Vec<Event>,
    /// Features of the user.
    pub(super) features: Vec<u32>,
    /// What the user was like before each event, `(L, S)`.
    statistics: Vec<f32>,
    /// Segment by rule before each event, as a slot of the group of experts.
    segments: Vec<u32>,
    /// What was read before each event, since the one before, and never acted upon, newest first; empty
    /// if that counts nothing.
    pub(super) reads: Vec<Vec<u32>>,
    /// Whether each event is learned from.
    is_label: Vec<bool>,
    /// How much one event counts.
    weight: f32,
    /// Index of the route.
    route: u32,
}

/// Histories with the items that follow.
#[derive(Debug, Clone)]
pub(crate) struct TrainingBatch {
    /// What the model sees.
    pub(super) inputs: HistoryBatch,
    /// The next item of each row.
    pub(super) items: Vec<u32>,
    /// How much each row counts.
    pub(super) weights: Vec<f32>,
    /// Segment by rule of each row.
    pub(super) segments: Vec<u32>,
    /// When the next item of each row was chosen.
    pub(super) times: Vec<i64>,
    /// What was read and passed over before the next item of each row was chosen.
    pub(super) reads: RowReads,
}

impl Learner {
    /// A user who did `events`, of which there is one at least.
    pub(super) fn new(
        events: &[Event],
        features: Vec<u32>,
        profiler: &Profiler,
        rules: &SegmentRules,
    ) -> Self {
        let (last, before) = events.split_last().expect("a user of a training batch has events");
        let behaviours = profiler.behaviours(before, last.time);
        let slot = |behaviour: &Behaviour| {
            let segment = rules.segment(behaviour);
            let slot = Segment::WITH_EXPERT.iter().position(|known| *known == segment);
            slot.map_or(NO_SEGMENT, |slot| slot as u32)
        };
        Self {
            events: events.to_vec(),
            features,
            statistics: behaviours.iter().flat_map(Behaviour::features).collect(),
            segments: behaviours.iter().map(slot).collect(),
            reads: Vec::new(),
            is_label: vec![true; events.len()],
            weight: 1.0,
            route: 0,
        }
    }

    /// The same user, who saw the items of `reads`, which are in the order of time. What came after the
    /// last event counts with it.
    pub(super) fn who_read(mut self, reads: &[Event]) -> Self {
        let acted_upon: HashSet<u32> = self.events.iter().map(|event| event.item).collect();
        let last = self.events.len() - 1;
        self.reads = vec![Vec::new(); self.events.len()];
        for read in reads.iter().rev().filter(|read| !acted_upon.contains(&read.item)) {
            let next = self.events.partition_point(|event| event.time < read.time);
            let items = &mut self.reads[next.min(last)];
            if items.len() < MAX_READS && !items.contains(&read.item) {
                items.push(read.item);
            }
        }
        self
    }

    /// The same user as one of those who take `route` at some moments: only the events that follow
    /// on such a moment are learned from. None if there is no such event.
    pub(super) fn on_route(mut self, route: usize, is_label: Vec<bool>) -> Option<Self> {
        let last = is_label.iter().rposition(|is_label| *is_label)?;
        let width = self.statistics.len() / self.events.len();
        self.events.truncate(last + 1);
        self.statistics.truncate((last + 1) * width);
        self.segments.truncate(last + 1);
        self.is_label = is_label[..=last].to_vec();
        self.route = route as u32;
        Some(self)
    }

    /// The events before the one at `end - 1`, asked for at its time.
    fn before(&self, end: usize, num_statistics: usize) -> History<'_> {
        History {
            events: &self.events[..end - 1],
            features: &self.features,
            now: self.events[end - 1].time,
            statistics: &self.statistics[..end * num_statistics],
            route: self.route,
        }
    }
}

/// Lets events of users with many of them count less, while the mean over all events stays one.
pub(super) fn weigh(learners: &mut [Learner], power: f32) {
    let raw = |learner: &Learner| f64::from((learner.events.len() as f32).powf(-power));
    let events: usize = learners.iter().map(|learner| learner.events.len()).sum();
    let sum: f64 = learners.iter().map(|learner| raw(learner) * learner.events.len() as f64).sum();
    for learner in learners {
        learner.weight = (raw(learner) * events as f64 / sum) as f32;
    }
}

impl TrainingBatch {
    /// Makes a batch of `learners`, of whom some are cut short at random.
    pub(super) fn new(
        config: &RecommendationConfig,
        objective: &Objective,
        kind_weights: &[f32],
        learners: &[&Learner],
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut ends = Vec::with_capacity(learners.len());
        for learner in learners {
            let all = learner.events.len();
            let is_cut = objective.truncate > 0.0 && rng.random::<f32>() < objective.truncate;
            let most = objective.truncate_to.clamp(1, all);
            ends.push(if is_cut { rng.random_range(1..=most) } else { all });
        }
        let pairs = learners.iter().zip(&ends);
        let histories: Vec<History<'_>> =
            pairs.map(|(learner, &end)| learner.before(end, config.num_statistics)).collect();
        let mut batch = HistoryBatch::new(config, &histories);
        let rows = batch.layout.rows();
        let (mut items, mut weights) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let (mut segments, mut times) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut reads = RowReads::default();
        for (i, (learner, &end)) in learners.iter().zip(&ends).enumerate() {
            let (hidden, first_row) = (batch.hidden[i], batch.layout.offsets()[i]);
            for place in hidden..end {
                // The next event, or with a horizon any of the next few: what the user will do.
                let ahead = match objective.horizon {
                    0 | 1 => 0,
                    horizon => rng.random_range(0..horizon.min(end - place)),
                };
                let event = &learner.events[place + ahead];
                if ahead > 0 && place > hidden {
                    let seconds = event.time.saturating_sub(learner.events[place - 1].time);
                    batch.gaps[first_row + place - hidden] = config.gap_bucket(seconds);
                }
                // Where the beginning is not seen, its row knows nothing to tell the item from.
                let is_label = (hidden == 0 || place > hidden) && learner.is_label[place];
                let kind = kind_weights.get(event.kind as usize).copied().unwrap_or(1.0);
                items.push(event.item);
                weights.push(if is_label { learner.weight * kind } else { 0.0 });
                segments.push(learner.segments[place]);
                times.push(event.time);
                reads.push(learner.reads.get(place).map_or(&[], Vec::as_slice));
            }
        }
        Self { inputs: batch, items, weights, segments, times, reads }
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::{Item, behaviour::Categories};

    use super::*;

    #[test]
    fn what_was_read_and_never_acted_upon_counts_at_the_next_event() {
        let event = |item, time| Event { item, kind: 0, value: 1.0, time };
        let items = vec![Item::default(); 10];
        let profiler = Profiler { categories: Categories::new(&items), percentiles: vec![0.5; 10] };
        let events = [event(0, 10), event(1, 20), event(2, 30)];
        let learner = Learner::new(&events, Vec::new(), &profiler, &SegmentRules::default());
        let reads = [(5, 10), (6, 11), (2, 12), (7, 13), (6, 14), (8, 20), (9, 40)];
        let learner = learner.who_read(&reads.map(|(item, time)| event(item, time)));
        assert_eq!(learner.reads, [vec![5], vec![8, 6, 7], vec![9]]);
    }
}
