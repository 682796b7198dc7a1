//! Cuts a log in two: in time, as a service lives, or at everybody's last event, as papers do.

use dragoman_core::recommend::Event;
use serde::{Deserialize, Serialize};

use super::Interactions;
use crate::{Error, Result};

/// Two moments of a log: what happened before the first is for training while settings are chosen,
/// what lies between for choosing them, and what happened from the second on for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cuts {
    /// Where the validation window begins, in seconds since 1970.
    pub valid: i64,
    /// Where it ends and the test begins.
    pub test: i64,
}

/// A log up to a cut, and what each user did then.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// All users and items, and the events before the cut.
    pub train: Interactions,
    /// The events that are to be foretold, by user; empty for those who did nothing more.
    pub targets: Vec<Vec<Event>>,
}

impl Interactions {
    /// The moments that divide the log: `test` at the `quantile` of all times (0.9 leaves a tenth
    /// of the events to the test), `valid` at 0.9 of the rest.
    pub fn cuts(&self, quantile: f64) -> Result<Cuts> {
        if !self.has_times {
            let reason = "these interactions have an order but no times, so they cannot be cut in \
                          time; use leave-one-out (`--protocol loo`)";
            return Err(Error::Config(reason.into()));
        }
        if !(quantile > 0.0 && quantile < 1.0) {
            let reason = format!("the quantile {quantile} must lie between 0 and 1, such as 0.9");
            return Err(Error::Config(reason));
        }
        let mut times: Vec<i64> = self.events().map(|event| event.time).collect();
        times.sort_unstable();
        let test = moment(&times, quantile);
        times.truncate(times.partition_point(|&time| time < test));
        let valid = moment(&times, 0.9);
        if times.first().is_none_or(|&first| first >= valid) {
            let reason = "too few of the interactions lie before the cut to train on; choose a \
                          larger quantile";
            return Err(Error::Config(reason.into()));
        }
        Ok(Cuts { valid, test })
    }

    /// At most `count` moments at which a log may be cut for windows with as many events as lie from
    /// `valid` until `end`: `valid` itself first, then earlier ones, as long as three windows' worth
    /// of events lie before.
    pub fn window_cuts(&self, valid: i64, end: Option<i64>, count: usize) -> Vec<i64> {
        let mut times: Vec<i64> = self.events().map(|event| event.time).collect();
        times.sort_unstable();
        let until = end.map_or(times.len(), |end| times.partition_point(|&time| time < end));
        let known = times.partition_point(|&time| time < valid);
        let size = until.saturating_sub(known).max(1);
        let mut cuts = vec![valid];
        for place in (1..count).map_while(|back| known.checked_sub(back * size)) {
            if place < 3 * size || times[place] >= cuts[cuts.len() - 1] {
                break;
            }
            cuts.push(times[place]);
        }
        cuts
    }

    /// The same users and items with the events before `time`.
    #[must_use]
    pub fn before(&self, time: i64) -> Self {
        let until = |events: &Vec<Event>| events[..place(events, time)].to_vec();
        let (histories, reads) = (self.histories.iter(), self.reads.iter());
        Self {
            histories: histories.map(until).collect(),
            reads: reads.map(until).collect(),
            ..self.without_events()
        }
    }

    /// Cuts the log at `time`; what happened from `end` on is left out.
    pub fn split_at(&self, time: i64, end: Option<i64>) -> Split {
        let targets = self.histories.iter().map(|history| {
            let until = end.map_or(history.len(), |end| place(history, end));
            history[place(history, time).min(until)..until].to_vec()
        });
        Split { train: self.before(time), targets: targets.collect() }
    }

    /// Takes from every user with three events or more the last one for a target, without `skip`
    /// that follow it: `skip` is 0 for the test, 1 for choosing settings.
    ///
    /// What others did later is in the training part, which no service could know.
    pub fn leave_one_out(&self, skip: usize) -> Split {
        let mut train = self.without_events();
        let mut targets = Vec::with_capacity(self.users.len());
        for history in &self.histories {
            let (before, last) = match history.len().checked_sub(skip + 1) {
                Some(place) if place + skip >= 2 => (&history[..place], vec![history[place]]),
                _ => (history.as_slice(), Vec::new()),
            };
            train.histories.push(before.to_vec());
            targets.push(last);
        }
        for (reads, targets) in self.reads.iter().zip(&targets) {
            let mut reads = reads.clone();
            if let Some(target) = targets.first() {
                reads.retain(|read| read.time <= target.time && read.item != target.item);
            }
            train.reads.push(reads);
        }
        Split { train, targets }
    }

    fn without_events(&self) -> Self {
        Self {
            users: self.users.clone(),
            items: self.items.clone(),
            kinds: self.kinds.clone(),
            histories: Vec::new(),
            reads: Vec::new(),
            has_times: self.has_times,
        }
    }
}

/// How many events of a history lie before `time`.
fn place(history: &[Event], time: i64) -> usize {
    history.partition_point(|event| event.time < time)
}

/// The first whole second at or after a quantile of sorted `times`, between two of which the
/// quantile is interpolated.
fn moment(times: &[i64], quantile: f64) -> i64 {
    let place = quantile * times.len().saturating_sub(1) as f64;
    let at = |place: f64| times.get(place as usize).copied().unwrap_or_default();
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + ((high - low) as f64 * place.fract()).ceil() as i64
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::Item;
    use proptest::prelude::*;

    use super::*;
    use crate::interactions::User;

    /// A log of `(user, time)`, whose items are numbered as the events are.
    fn log(events: &[(u32, i64)]) -> Interactions {
        let users = (0..4).map(|id| User { id: id.to_string(), labels: vec![] }).collect();
        let items =
            (0..events.len()).map(|id| Item { id: id.to_string(), ..Item::default() }).collect();
        let events = events.iter().enumerate().map(|(item, &(user, time))| {
            (user, Event { item: item as u32, kind: 0, value: 1.0, time })
        });
        Interactions::new(users, items, vec![String::new()], events)
    }

    #[test]
    fn a_tenth_of_the_events_is_left_to_the_test_and_a_tenth_of_the_rest_to_validation()
    -> Result<()> {
        let events: Vec<_> = (0..100).map(|i| (i % 4, 1000 + 10 * i64::from(i))).collect();
        let log = log(&events);
        let cuts = log.cuts(0.9)?;
        assert_eq!(log.before(cuts.test).len(), 90);
        assert_eq!(log.before(cuts.valid).len(), 81);
        let split = log.split_at(cuts.valid, Some(cuts.test));
        assert_eq!(split.targets.iter().map(Vec::len).sum::<usize>(), 9);
        Ok(())
    }

    #[test]
    fn the_last_event_is_the_target_and_short_histories_stay_whole() {
        let log = log(&[(0, 1), (0, 2), (0, 3), (1, 5), (1, 6), (0, 4)]);
        let test = log.leave_one_out(0);
        assert_eq!(test.targets[0].iter().map(|event| event.item).collect::<Vec<_>>(), [5]);
        assert_eq!((test.targets[1].len(), test.train.histories[1].len()), (0, 2));
        let valid = log.leave_one_out(1);
        assert_eq!(valid.targets[0].iter().map(|event| event.item).collect::<Vec<_>>(), [2]);
        assert_eq!(valid.train.histories[0].len(), 2);
    }

    #[test]
    fn logs_that_cannot_be_cut_say_why() {
        let message = |log: &Interactions, quantile| {
            log.cuts(quantile).map_or_else(|error| error.to_string(), |_| String::new())
        };
        assert!(message(&log(&[(0, 0), (1, 0)]), 0.9).contains("--protocol loo"));
        assert!(message(&log(&[(0, 5), (1, 6)]), 1.5).contains("quantile 1.5"));
        assert!(message(&log(&[(0, 5), (1, 5)]), 0.9).contains("too few"));
    }

    #[test]
    fn windows_go_back_as_long_as_enough_lies_before() {
        let events: Vec<(u32, i64)> = (0..100).map(|time| (time as u32 % 4, time)).collect();
        let log = log(&events);
        assert_eq!(log.window_cuts(80, Some(90), 3), [80, 70, 60]);
        assert_eq!(log.window_cuts(80, None, 9), [80, 60]);
        assert_eq!(log.window_cuts(80, Some(90), 1), [80]);
    }

    proptest! {
        #[test]
        fn every_event_is_on_one_side_of_a_cut(
            events in prop::collection::vec((0u32..4, 1i64..50), 1..60),
            time in 0i64..60,
        ) {
            let log = log(&events);
            let split = log.split_at(time, None);
            for ((before, after), all) in
                split.train.histories.iter().zip(&split.targets).zip(&log.histories)
            {
                prop_assert_eq!(&[before.as_slice(), after].concat(), all);
                prop_assert!(before.iter().all(|event| event.time < time));
                prop_assert!(after.iter().all(|event| event.time >= time));
            }
        }
    }
}
