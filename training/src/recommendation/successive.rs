//! One event after another, as a live server is asked.
//!
//! Each event after a cut is predicted from all that its user did before it, the events after the cut
//! included, at the time of the event. Of what happens after the cut everything is known that a
//! server would count by then: the user's own events to the second, what is popular to the day. What
//! takes learning is known as of the cut.
//!
//! A user is worth the mean over the events asked about, and a group the mean over its users: a mean
//! over all events would be about the few users who do most.

use std::collections::{BTreeMap, HashSet};

use dragoman_core::recommend::{Event, popularity::Trends};
use dragoman_data::interactions::{Interactions, describe::POPULARITY_DAYS};

use super::{
    baselines::Recent,
    metrics::Scores,
    panel::Panel,
    report::Questions,
    trial::{self, Case, Trial},
};
use crate::Result;

/// Seconds between two counts of what is popular.
const DAY: i64 = 86_400;
/// Days of the shorter window, that of Pop-7d.
const WEEK: f64 = 7.0;

/// The events of users after a cut, to be asked about one by one.
pub(super) struct Successive {
    /// The names of the groups of each user.
    users: Vec<Vec<String>>,
    /// What is asked, by the day of the event after the cut, each with the place of its user.
    days: BTreeMap<i64, Vec<(usize, Case)>>,
    /// Times and items of all events of the log, in the order of time.
    events: Vec<(i64, u32)>,
    /// How many of each user are asked about at most.
    most: usize,
}

impl Successive {
    /// Asks about the events of `log` from the cut of `test` on, about at most `most` of each user,
    /// which are spread evenly over them. What a user has met by then is no target, unless met items
    /// are recommended again; none if nothing is left to ask about.
    pub(super) fn new(log: &Interactions, test: &Trial, most: usize) -> Option<Self> {
        let split = log.split_at(test.now, None);
        let segments = test.train.describe(test.now).segments;
        let mut users = Vec::new();
        let mut days: BTreeMap<i64, Vec<(usize, Case)>> = BTreeMap::new();
        for (user, after) in split.targets.iter().enumerate() {
            let history = &log.histories[user];
            let before = history.len() - after.len();
            let read = test.train.read_before(user, test.now);
            let met = read.iter().copied().chain(history[..before].iter().map(|event| event.item));
            let asked = spread(&places(history, before, met.collect(), test.keeps_seen), most);
            for &place in &asked {
                let Event { item, time, .. } = history[place];
                let case = Case {
                    user: log.users[user].id.clone(),
                    history: history[..place].to_vec(),
                    read: read.clone(),
                    targets: vec![item],
                    labels: log.users[user].labels.clone(),
                    now: time,
                    groups: Vec::new(),
                };
                days.entry((time - test.now) / DAY).or_default().push((users.len(), case));
            }
            if !asked.is_empty() {
                users.push(trial::groups(before, segments[user]));
            }
        }
        let mut events: Vec<_> = log.events().map(|event| (event.time, event.item)).collect();
        events.sort_unstable();
        (!users.is_empty()).then_some(Self { users, days, events, most })
    }

    /// How many events are asked about.
    pub(super) fn questions(&self) -> Questions {
        Questions { most: self.most, events: self.days.values().map(Vec::len).sum() }
    }

    /// The places of the users of each group that has any, in a fixed order.
    pub(super) fn groups(&self) -> Vec<(String, Vec<usize>)> {
        trial::places(self.users.iter().map(Vec::as_slice))
    }

    /// What each recommender of `panel` is worth to each user; `test` is the trial at the cut.
    pub(super) fn scores(
        self,
        test: Trial,
        mut panel: Panel<'_>,
    ) -> Result<Vec<(String, Vec<Scores>)>> {
        let (cut, num_users) = (test.now, self.users.len());
        let mut moving = Moving::new(&self.events, test.candidates.len());
        let mut trial = test;
        let mut names = Vec::new();
        let mut scores: Vec<Vec<Vec<Scores>>> = Vec::new();
        for (day, asked) in self.days {
            trial.now = cut + day * DAY;
            let recent = moving.until(trial.now);
            trial.popularity = recent.month.counts().to_vec();
            panel.follow(recent);
            let (users, cases): (Vec<usize>, _) = asked.into_iter().unzip();
            trial.cases = cases;
            let outcomes = panel.ask(&trial)?;
            scores.resize(outcomes.len(), vec![Vec::new(); num_users]);
            for (scores, (_, outcome)) in scores.iter_mut().zip(&outcomes) {
                users.iter().zip(&outcome.scores).for_each(|(&user, one)| scores[user].push(*one));
            }
            names = outcomes.into_iter().map(|(name, _)| name).collect();
        }
        let by_user = |scores: Vec<Vec<Scores>>| scores.iter().map(|of| Scores::mean(of)).collect();
        Ok(names.into_iter().zip(scores.into_iter().map(by_user)).collect())
    }
}

/// The places of a history from `before` on that are asked about, of a user who has met these items
/// before.
fn places(history: &[Event], before: usize, mut met: HashSet<u32>, keeps_seen: bool) -> Vec<usize> {
    let mut is_new = |item: u32| met.insert(item) || keeps_seen;
    (before..history.len()).filter(|&place| is_new(history[place].item)).collect()
}

/// At most `most` of `places`, spread evenly.
fn spread(places: &[usize], most: usize) -> Vec<usize> {
    let count = places.len().min(most);
    (0..count).map(|i| places[i * places.len() / count]).collect()
}

/// What is popular, as time goes by.
struct Moving<'a> {
    /// Times and items of the events to come.
    events: &'a [(i64, u32)],
    week: Trends,
    month: Trends,
}

impl<'a> Moving<'a> {
    fn new(events: &'a [(i64, u32)], num_items: usize) -> Self {
        let [week, month] = [WEEK, POPULARITY_DAYS].map(|days| Trends::new(num_items, days));
        Self { events, week, month }
    }

    /// Counts the events before `now`, not earlier than any moment asked for before.
    fn until(&mut self, now: i64) -> Recent {
        let (past, future) = self.events.split_at(self.events.partition_point(|e| e.0 < now));
        self.events = future;
        let counted = |trends: &mut Trends| {
            past.iter().for_each(|&(time, item)| trends.add(item, time));
            trends.advance(now);
            trends.popularity()
        };
        Recent { week: counted(&mut self.week), month: counted(&mut self.month) }
    }
}

#[cfg(test)]
mod tests {
    use dragoman_core::recommend::{
        Item,
        popularity::{Popularity, Window},
    };
    use dragoman_data::interactions::User;

    use super::{super::baselines::Settings, *};

    /// `(user, item, time)` over three users and seven items.
    fn log(events: &[(u32, u32, i64)]) -> Interactions {
        let users = (0..3).map(|id| User { id: id.to_string(), labels: vec![] }).collect();
        let items = (0..7).map(|id| Item { id: id.to_string(), ..Item::default() }).collect();
        let event = |&(user, item, time): &_| (user, Event { item, kind: 0, value: 1.0, time });
        Interactions::new(users, items, vec![String::new()], events.iter().map(event))
    }

    fn successively(log: &Interactions, test: &Trial) -> Successive {
        Successive::new(log, test, 20).expect("somebody does something new")
    }

    /// User, events known and target of each case, in the order of asking.
    fn asked(successive: &Successive) -> Vec<(usize, usize, u32)> {
        let cases = successive.days.values().flatten();
        cases.map(|(user, case)| (*user, case.history.len(), case.targets[0])).collect()
    }

    #[test]
    fn every_new_item_is_asked_about_with_all_before_it_revealed() {
        let log = log(&[
            (0, 0, 1),
            (0, 1, 11),
            (0, 0, 12), // met before the cut
            (0, 1, 13), // met after it
            (0, 6, 14), // nobody knows it: missed by all
            (1, 1, 2),  // never asked
            (2, 0, 12),
        ]);
        let test = Trial::in_time(&log, 10, None, false);
        let successive = successively(&log, &test);
        assert_eq!(asked(&successive), [(0, 1, 1), (0, 4, 6), (1, 0, 0)]);
        let now: Vec<i64> = successive.days.values().flatten().map(|(_, case)| case.now).collect();
        assert_eq!(now, [11, 14, 12]);
        let groups = successive.groups();
        let of = |name: &str| groups.iter().find(|(group, _)| group == name).map(|(_, at)| &at[..]);
        assert_eq!(
            (of("all"), of("warm"), of("cold")),
            (Some(&[0, 1][..]), Some(&[0][..]), Some(&[1][..]))
        );
        let again = Trial::in_time(&log, 10, None, true);
        assert_eq!(successively(&log, &again).questions().events, 5);
    }

    #[test]
    fn of_many_events_a_few_are_asked_about_from_the_first_to_near_the_last() {
        assert_eq!(spread(&[3, 4, 5, 6, 7, 8, 9], 3), [3, 5, 7]);
        assert_eq!(spread(&[3, 4], 3), [3, 4]);
        assert!(spread(&[3, 4], 0).is_empty() && spread(&[], 3).is_empty());
    }

    #[test]
    fn users_count_alike_however_much_they_do() -> Result<()> {
        // Item 1 is what all take; user 0 goes on to three that nobody knows.
        let log = log(&[
            (2, 1, 1),
            (2, 0, 2),
            (2, 1, 3),
            (0, 1, 11),
            (0, 3, 12),
            (0, 4, 13),
            (0, 5, 14),
            (1, 1, 15),
        ]);
        let test = Trial::in_time(&log, 10, None, false);
        let successive = successively(&log, &test);
        assert_eq!(successive.questions(), Questions { most: 20, events: 5 });
        let panel = Panel::new(&test, Some(&Settings::default()), &[])?;
        let scores = successive.scores(test, panel)?;
        let (name, of_users) = &scores[0];
        assert_eq!(name, "Pop");
        let hits: Vec<f64> = of_users.iter().map(|scores| scores.hit).collect();
        assert_eq!(hits, [0.25, 1.0]);
        Ok(())
    }

    #[test]
    fn what_is_popular_is_what_was_by_the_beginning_of_the_day() {
        let events: Vec<_> = (0..200u32).map(|i| (0, i * i % 7, i64::from(i) * DAY / 3)).collect();
        let log = log(&events);
        let mut times: Vec<_> = log.events().map(|event| (event.time, event.item)).collect();
        times.sort_unstable();
        let mut moving = Moving::new(&times, 7);
        for now in [20 * DAY, 21 * DAY, 60 * DAY] {
            let recent = moving.until(now);
            let before = log.before(now);
            let anew = |days| Popularity::fit(before.events(), 7, now, Window::Days { days });
            assert_eq!((recent.week, recent.month), (anew(7.0), anew(30.0)));
        }
    }
}
