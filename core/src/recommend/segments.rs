//! The four segments that experts are made for, by rule: what a gate begins with, and what an
//! evaluation reports.

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;

/// A kind of user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// Hardly known yet.
    New,
    /// Does much.
    Power,
    /// Follows what is popular at the time.
    Trend,
    /// Stays with few kinds of thing.
    Consistent,
    /// None of these.
    Other,
}

/// Where the segments begin; asked in the order of [`Segment`], so that each user has one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRules {
    /// A user with fewer events is new.
    pub new_below: u32,
    /// A user with at least as many events is a power user.
    pub power_from: u32,
    /// Mean popularity percentile from which a user follows trends.
    pub trend_from: f32,
    /// Entropy of categories up to which a user is consistent.
    pub consistent_until: f32,
}

impl Segment {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::New, Self::Power, Self::Trend, Self::Consistent, Self::Other];

    /// Those that have an expert.
    pub const WITH_EXPERT: [Self; 4] = [Self::New, Self::Power, Self::Trend, Self::Consistent];

    /// The name, such as `trend`; that of the expert is `segment.trend`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Power => "power",
            Self::Trend => "trend",
            Self::Consistent => "consistent",
            Self::Other => "other",
        }
    }
}

impl Default for SegmentRules {
    /// What holds where nothing has been measured.
    fn default() -> Self {
        Self { new_below: 5, power_from: 100, trend_from: 0.95, consistent_until: 0.6 }
    }
}

impl SegmentRules {
    /// Draws the lines from how users behave: power users have 100 events or are among the top
    /// fifth, trend-followers are the top third by popularity, consistent users the bottom third by
    /// entropy, each among those who are not new.
    pub fn fit(users: &[Behaviour]) -> Self {
        let rules = Self::default();
        let known = || users.iter().filter(|user| user.events >= rules.new_below);
        let quantile = |mut values: Vec<f32>, share: f64| {
            values.sort_by(f32::total_cmp);
            let place = (share * values.len() as f64).ceil() as usize;
            values.get(place.clamp(1, values.len().max(1)) - 1).copied()
        };
        let above = |value: f32| value.next_up(); // the last of the lower two thirds is below
        let events = quantile(known().map(|user| user.events as f32).collect(), 0.8);
        let popularity = quantile(known().filter_map(|user| user.popularity).collect(), 2.0 / 3.0);
        let entropy = quantile(known().filter_map(|user| user.entropy).collect(), 1.0 / 3.0);
        Self {
            power_from: events.map_or(rules.power_from, |events| {
                (events as u32 + 1).clamp(rules.new_below, rules.power_from)
            }),
            trend_from: popularity.map_or(rules.trend_from, above),
            consistent_until: entropy.unwrap_or(rules.consistent_until),
            ..rules
        }
    }

    /// The segment of a user.
    pub fn segment(&self, user: &Behaviour) -> Segment {
        if user.events < self.new_below {
            Segment::New
        } else if user.events >= self.power_from {
            Segment::Power
        } else if user.popularity.is_some_and(|mean| mean >= self.trend_from) {
            Segment::Trend
        } else if user.entropy.is_some_and(|entropy| entropy <= self.consistent_until) {
            Segment::Consistent
        } else {
            Segment::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(events: u32, popularity: f32, entropy: f32) -> Behaviour {
        let (popularity, entropy) = (Some(popularity), Some(entropy));
        Behaviour { events, popularity, entropy, ..Behaviour::default() }
    }

    #[test]
    fn thirds_and_fifths_are_drawn_among_those_who_are_not_new() {
        let mut users: Vec<_> =
            (0..30).map(|i| user(10 + i, i as f32 / 30.0, 1.0 - i as f32 / 30.0)).collect();
        users.extend([user(0, 0.0, 0.0), user(4, 1.0, 0.0)]);
        let rules = SegmentRules::fit(&users);
        let count = |segment| users.iter().filter(|user| rules.segment(user) == segment).count();
        assert_eq!(rules.power_from, 34); // 24 users have 10 to 33 events
        assert_eq!(count(Segment::New), 2);
        assert_eq!(count(Segment::Power), 6);
        assert_eq!(count(Segment::Trend), 4); // ten, six of whom are power users
        assert_eq!(count(Segment::Consistent), 0); // they are the same people here
        assert_eq!(count(Segment::Other), 20);
    }

    #[test]
    fn a_hundred_events_are_power_wherever_the_fifth_lies() {
        let users: Vec<_> = (0..10).map(|i| user(500 + i, 0.5, 0.5)).collect();
        assert_eq!(SegmentRules::fit(&users).power_from, 100);
        assert_eq!(SegmentRules::fit(&[]), SegmentRules::default());
    }

    #[test]
    fn a_catalogue_without_categories_has_no_consistent_users() {
        let users: Vec<_> =
            (0..9).map(|_| Behaviour { entropy: None, ..user(9, 0.5, 0.0) }).collect();
        let rules = SegmentRules::fit(&users);
        assert!(users.iter().all(|user| rules.segment(user) == Segment::Other));
    }
}
