//! Users at a moment, and what they did then.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use dragoman_core::recommend::{
    Event,
    popularity::{Popularity, Window},
    segments::Segment,
};
use dragoman_data::interactions::{Interactions, describe::POPULARITY_DAYS, split::Split};

use super::lines;
use crate::{Error, Result};

/// The group of all users who had done something before.
pub const WARM: &str = "warm";
/// The group of those who had not.
pub const COLD: &str = "cold";

/// A user to recommend to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// Identifier of the user; of a file of lines the number of the line.
    pub user: String,
    /// What the user had done, oldest first.
    pub history: Vec<Event>,
    /// The items that the user had seen by then, where that is told apart; the service does not
    /// recommend them either.
    pub read: Vec<u32>,
    /// What the user did then, once each; items outside the catalogue are `u32::MAX`.
    pub targets: Vec<u32>,
    /// What is known of the user otherwise.
    pub labels: Vec<String>,
    /// The moment, in seconds since 1970.
    pub now: i64,
    /// Names of the groups that the user belongs to.
    pub groups: Vec<String>,
}

/// What is known at a moment, and who is to be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// All that happened before.
    pub train: Interactions,
    /// The moment of the cut; without times 0.
    pub now: i64,
    /// Which items were known then, by index: those with an event.
    pub candidates: Vec<bool>,
    /// Events of each item in the last thirty days, or without times all of them.
    pub popularity: Vec<f32>,
    /// The users.
    pub cases: Vec<Case>,
    /// Whether items that a user has met are recommended again.
    pub keeps_seen: bool,
}

impl Trial {
    /// Asks about everybody who did something from `cut` until `end`.
    pub fn in_time(log: &Interactions, cut: i64, end: Option<i64>, keeps_seen: bool) -> Self {
        Self::of_split(log.split_at(cut, end), cut, keeps_seen)
    }

    /// Asks about everybody's last event, without the `skip` that follow it.
    pub fn leave_one_out(log: &Interactions, skip: usize, keeps_seen: bool) -> Self {
        let now = log.events().map(|event| event.time.saturating_add(1)).max().unwrap_or(0);
        let mut split = log.leave_one_out(skip);
        let reads = std::mem::take(&mut split.train.reads);
        let mut trial = Self::of_split(split, now, keeps_seen);
        trial.train.reads = reads; // learned from; what was read last is often what is done next
        for case in &mut trial.cases {
            case.now = case.history.last().map_or(now, |event| event.time);
            case.groups.retain(|group| group != COLD && group != WARM);
        }
        trial
    }

    /// Asks about the users of two files, histories and what came next, a line for each user, with
    /// the items of `train`.
    pub fn of_lines(
        train: Interactions,
        histories: &Path,
        targets: &Path,
        keeps_seen: bool,
    ) -> Result<Self> {
        lines::check(histories, targets)?;
        let (before, after) = (lines::read(histories)?, lines::read(targets)?);
        let index: HashMap<&str, u32> =
            train.items.iter().zip(0..).map(|(item, index)| (item.id.as_str(), index)).collect();
        let lookup = |id: &String| index.get(id.as_str()).copied();
        let now = train.events().map(|event| event.time.saturating_add(1)).max().unwrap_or(0);
        let mut cases = Vec::new();
        for (number, targets) in &after {
            let history = before.get(number).map_or(&[][..], Vec::as_slice);
            let event = |item| Event { item, kind: 0, value: 1.0, time: now };
            let history: Vec<_> = history.iter().filter_map(lookup).map(event).collect();
            let mut seen = HashSet::new();
            let targets = targets.iter().filter(|id| seen.insert(id.as_str()));
            let targets = targets.map(|id| lookup(id).unwrap_or(u32::MAX)).collect();
            let groups = vec!["all".to_owned(), activity(history.len())];
            let user = number.to_string();
            cases.push(Case { user, history, targets, now, groups, ..Case::default() });
        }
        let mut trial = Self::new(train, now, keeps_seen);
        if trial.train.is_empty() {
            trial.candidates.fill(true);
            for event in cases.iter().flat_map(|case| &case.history) {
                trial.popularity[event.item as usize] += 1.0;
            }
        }
        trial.ask(cases);
        match trial.cases.is_empty() {
            false => Ok(trial),
            true => {
                let reason = "no line holds a next item that the user had not met".to_owned();
                Err(Error::TestSet { path: targets.to_owned(), reason })
            }
        }
    }

    /// What new users are asked after their first `k` events, for users with at least `most + 1`
    /// events after the cut and none before.
    #[must_use]
    pub fn after_first(&self, log: &Interactions, k: usize, most: usize) -> Self {
        let split = log.split_at(self.now, None);
        let mut cases = Vec::new();
        for (user, after) in split.targets.iter().enumerate() {
            let before = &split.train.histories[user];
            if before.is_empty() && after.len() > most {
                let history = after[..k].to_vec();
                let now = history.last().map_or(self.now, |event| event.time);
                cases.push(Case {
                    user: log.users[user].id.clone(),
                    targets: distinct(&after[k..]),
                    history,
                    labels: log.users[user].labels.clone(),
                    now,
                    groups: vec!["all".into()],
                    read: Vec::new(),
                });
            }
        }
        let mut trial = Self { cases: Vec::new(), ..self.clone() };
        trial.ask(cases);
        trial
    }

    fn of_split(split: Split, now: i64, keeps_seen: bool) -> Self {
        let mut trial = Self::new(split.train, now, keeps_seen);
        let description = trial.train.describe(now);
        let cases = split.targets.iter().enumerate().filter(|(_, targets)| !targets.is_empty());
        let cases = cases
            .map(|(user, targets)| {
                let history = trial.train.histories[user].clone();
                let segment = description.segments[user];
                Case {
                    user: trial.train.users[user].id.clone(),
                    targets: distinct(targets),
                    labels: trial.train.users[user].labels.clone(),
                    now,
                    groups: groups(history.len(), segment),
                    read: trial.train.read_before(user, now),
                    history,
                }
            })
            .collect();
        trial.ask(cases);
        trial
    }

    fn new(train: Interactions, now: i64, keeps_seen: bool) -> Self {
        let window = match train.has_times {
            true => Window::Days { days: POPULARITY_DAYS },
            false => Window::All,
        };
        let num_items = train.items.len();
        let popularity = Popularity::fit(train.events(), num_items, now, window).counts().to_vec();
        let mut candidates = vec![false; num_items];
        train.events().for_each(|event| candidates[event.item as usize] = true);
        Self { train, now, candidates, popularity, cases: Vec::new(), keeps_seen }
    }

    /// Takes cases in; where what was met is not recommended, it is no target either.
    fn ask(&mut self, mut cases: Vec<Case>) {
        if !self.keeps_seen {
            for case in &mut cases {
                let Case { history, read, targets, .. } = case;
                targets.retain(|target| {
                    history.iter().all(|event| event.item != *target) && !read.contains(target)
                });
            }
        }
        cases.retain(|case| !case.targets.is_empty());
        self.cases = cases;
    }

    /// The places of the cases of each group that has any, in a fixed order.
    pub fn groups(&self) -> Vec<(String, Vec<usize>)> {
        places(self.cases.iter().map(|case| case.groups.as_slice()))
    }

    /// The name of the group that a trial is summed up by: users who are known, or all.
    pub fn main_group(&self) -> &'static str {
        let is_warm = |case: &Case| case.groups.iter().any(|group| group == WARM);
        if self.cases.iter().any(is_warm) { WARM } else { "all" }
    }

    /// Writes minus infinity over what is not to be recommended.
    pub fn exclude(&self, case: &Case, scores: &mut [f32]) {
        for (score, &known) in scores.iter_mut().zip(&self.candidates) {
            if !known {
                *score = f32::NEG_INFINITY;
            }
        }
        if !self.keeps_seen {
            let history = case.history.iter().map(|event| event.item);
            for item in history.chain(case.read.iter().copied()) {
                scores[item as usize] = f32::NEG_INFINITY;
            }
        }
    }
}

/// The places of the users of each group that has any, in a fixed order, by the groups of each user.
pub(super) fn places<'a>(users: impl Iterator<Item = &'a [String]>) -> Vec<(String, Vec<usize>)> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, names) in users.enumerate() {
        for name in names {
            groups.entry(name).or_default().push(place);
        }
    }
    let mut groups: Vec<_> =
        groups.into_iter().map(|(name, places)| (name.to_owned(), places)).collect();
    let order = order();
    groups.sort_by_key(|(name, _)| order.iter().position(|known| known == name));
    groups
}

/// The groups of a user with so many events.
pub(super) fn groups(events: usize, segment: Segment) -> Vec<String> {
    let warmth = if events > 0 { WARM } else { COLD };
    let mut groups = vec!["all".to_owned(), warmth.to_owned(), activity(events)];
    groups.push(format!("segment.{}", segment.name()));
    groups
}

/// Numbers of events by which users are grouped, from the first of each.
const ACTIVITY: [(usize, &str); 5] = [
    (100, "100+ events"),
    (20, "20-99 events"),
    (5, "5-19 events"),
    (1, "1-4 events"),
    (0, "0 events"),
];

fn activity(events: usize) -> String {
    let found = ACTIVITY.iter().find(|&&(from, _)| events >= from);
    found.map_or("", |&(_, name)| name).to_owned()
}

/// The names of all groups as a report lists them.
fn order() -> Vec<String> {
    let segments = Segment::ALL.iter().map(|segment| format!("segment.{}", segment.name()));
    let activity = ACTIVITY.iter().rev().map(|&(_, name)| name.to_owned());
    ["all", WARM, COLD].map(str::to_owned).into_iter().chain(segments).chain(activity).collect()
}

fn distinct(events: &[Event]) -> Vec<u32> {
    let mut met = std::collections::HashSet::new();
    events.iter().map(|event| event.item).filter(|&item| met.insert(item)).collect()
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::Item;
    use dragoman_data::interactions::User;

    use super::*;

    /// `(user, item, time)` over three users and five items.
    fn log(events: &[(u32, u32, i64)]) -> Interactions {
        let users = (0..3).map(|id| User { id: id.to_string(), labels: vec![] }).collect();
        let items = (0..5).map(|id| Item { id: id.to_string(), ..Item::default() }).collect();
        let event = |&(user, item, time): &_| (user, Event { item, kind: 0, value: 1.0, time });
        Interactions::new(users, items, vec![String::new()], events.iter().map(event))
    }

    #[test]
    fn a_cut_asks_about_those_who_went_on_and_about_new_things_only() {
        let log =
            log(&[(0, 0, 1), (0, 1, 2), (0, 1, 11), (0, 4, 12), (0, 4, 13), (1, 2, 3), (2, 0, 14)]);
        let trial = Trial::in_time(&log, 10, None, false);
        assert_eq!(trial.candidates, [true, true, true, false, false]);
        let shown: Vec<_> =
            trial.cases.iter().map(|case| (case.history.len(), case.targets.clone())).collect();
        assert_eq!(shown, [(2, vec![4]), (0, vec![0])]);
        let names: Vec<_> = trial.groups().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["all", "warm", "cold", "segment.new", "0 events", "1-4 events"]);
        let again = Trial::in_time(&log, 10, None, true);
        assert_eq!(again.cases[0].targets, [1, 4]);
    }

    #[test]
    fn what_was_read_is_not_recommended_and_no_target() {
        let mut log = log(&[(0, 0, 1), (1, 1, 1), (1, 2, 2), (0, 1, 11), (0, 2, 12)]);
        let read = |item, time| Event { item, kind: 0, value: 1.0, time };
        log.reads = vec![vec![read(1, 9), read(2, 10)], Vec::new(), Vec::new()];
        let trial = Trial::in_time(&log, 10, None, false);
        let mut scores = [1.0; 5];
        trial.exclude(&trial.cases[0], &mut scores);
        let none = f32::NEG_INFINITY;
        assert_eq!(
            (scores, &trial.cases[0].targets[..]),
            ([none, none, 1.0, none, none], &[2][..])
        );
        let again = Trial::in_time(&log, 10, None, true);
        assert_eq!(again.cases[0].targets, [1, 2]);
    }

    #[test]
    fn what_is_met_or_unknown_is_excluded() {
        let log = log(&[(0, 0, 1), (1, 1, 1), (1, 2, 2), (0, 1, 11)]);
        let trial = Trial::in_time(&log, 10, None, false);
        let mut scores = [1.0; 5];
        trial.exclude(&trial.cases[0], &mut scores);
        let none = f32::NEG_INFINITY;
        assert_eq!(scores, [none, 1.0, 1.0, none, none]);
    }

    #[test]
    fn new_users_are_asked_again_after_their_first_events() {
        let log = log(&[(1, 0, 1), (0, 0, 11), (0, 1, 12), (0, 2, 13), (2, 3, 11)]);
        let trial = Trial::in_time(&log, 10, None, false);
        let after = trial.after_first(&log, 1, 2);
        assert_eq!(after.cases.len(), 1);
        assert_eq!((after.cases[0].history.len(), &after.cases[0].targets[..]), (1, &[1, 2][..]));
        assert_eq!(after.cases[0].now, 11);
    }

    #[test]
    fn files_of_lines_are_matched_by_number() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (histories, targets) = (folder.path().join("h.txt"), folder.path().join("t.txt"));
        fs_err::write(&histories, "0 1\n\n2 nobody\n")?;
        fs_err::write(&targets, "2 2\n3\n77 77\n")?; // said twice, a target counts once
        let trial = Trial::of_lines(log(&[(0, 0, 0)]), &histories, &targets, false)?;
        let shown: Vec<_> =
            trial.cases.iter().map(|case| (case.history.len(), case.targets.clone())).collect();
        assert_eq!(shown, [(2, vec![2]), (0, vec![3]), (1, vec![u32::MAX])]);
        Ok(())
    }
}
