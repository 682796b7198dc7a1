//! An evaluation as people read it: tables for the terminal, JSON, and a page.

mod page;
mod text;

use std::collections::BTreeMap;

use dragoman_data::interactions::split::Cuts;
use serde::{Deserialize, Serialize};

use super::{baselines::Settings, lists::Beyond, metrics::Scores, protocol::Protocol};
use crate::metrics::significance::{Bootstrap, Interval};

/// All that was asked and found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// What was asked.
    pub setup: Setup,
    /// How the baselines were set, if they were asked.
    pub settings: Option<Settings>,
    /// New users behind the cold-start curves.
    pub curve_users: usize,
    /// What was asked event by event; none where there is no cut in time.
    #[serde(default)]
    pub successive: Option<Questions>,
    /// What everybody answered, baselines first.
    pub systems: Vec<System>,
    /// Each model but the first beside the first.
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// What the list of each user is worth; not in the JSON of the figures.
    #[serde(skip)]
    pub users: Vec<UserScores>,
}

/// One model beside another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The one.
    pub model: String,
    /// The other.
    pub beside: String,
    /// How much more the one is worth in NDCG@10 by group of users, paired by user.
    pub groups: Vec<(String, Interval)>,
}

/// What one user's lists are worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserScores {
    /// Identifier of the user.
    pub user: String,
    /// The groups that the user belongs to.
    pub groups: Vec<String>,
    /// By name of the system.
    pub scores: BTreeMap<String, Scores>,
}

/// The log and how it was split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// How the log is split into past and future.
    pub protocol: Protocol,
    /// The moments of the cuts.
    pub cuts: Option<Cuts>,
    /// Of the whole log, whatever format it was read from.
    pub sha256: String,
    /// Users of the log.
    pub users: usize,
    /// Items of the log.
    pub items: usize,
    /// Events of the log.
    pub events: usize,
    /// Events before the test.
    pub train_events: usize,
    /// Items that had an event before the test: what is ranked.
    pub known_items: usize,
    /// Users with targets.
    pub test_users: usize,
    /// The group that the first table is about.
    pub main_group: String,
    /// Whether items that a user has met may be recommended.
    pub keeps_seen: bool,
    /// How intervals were drawn.
    pub bootstrap: Bootstrap,
}

/// Events that were asked about one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// How many of each user at most.
    pub most: usize,
    /// How many of all users.
    pub events: usize,
}

/// What one recommender is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Whether it is a baseline.
    pub is_baseline: bool,
    /// By group of users.
    pub groups: Vec<Group>,
    /// All its lists together.
    pub beyond: Beyond,
    /// Share of the places of the lists that it could fill.
    pub filled: f64,
    /// NDCG@10 of new users after so many events.
    pub curve: Vec<(usize, f64)>,
    /// By group of users, when it is asked about one event after another: means over the users of
    /// their means over the events.
    #[serde(default)]
    pub successive: Vec<Group>,
}

/// What one recommender is worth to a group of users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many users.
    pub users: usize,
    /// Mean scores.
    pub mean: Scores,
    /// Where 95 % of the resampled means of NDCG@10 lie.
    pub ndcg_interval: Interval,
    /// The best baseline and the difference of NDCG@10 to it, paired by user.
    pub beside_best: Option<(String, Interval)>,
    /// The same beside Pop-30d.
    pub beside_recent: Option<(String, Interval)>,
    /// NDCG@10 without what most people choose: RecTools' `DebiasConfig`, the mean over some draws.
    #[serde(default)]
    pub debiased_ndcg: Option<f64>,
}

impl Evaluation {
    /// All numbers as JSON, for other programs.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("scores are plain numbers and strings")
    }

    /// The scores of each user, a line of JSON for each, for tests of one's own.
    pub fn users_as_lines(&self) -> String {
        let line = |user: &UserScores| serde_json::to_string(user).expect("plain numbers and text");
        self.users.iter().map(|user| line(user) + "\n").collect()
    }

    /// One self-contained page.
    pub fn to_html(&self) -> String {
        page::render(self)
    }

    /// What should be known before a number is believed.
    pub fn caution(&self) -> Option<&'static str> {
        (self.setup.protocol == Protocol::LeaveOneOut).then_some(
            "Leave-one-out leaks: training sees what others did after a user's last event \
             (arXiv 2307.14951, 2507.16289). For comparison with papers only.",
        )
    }
}

impl System {
    /// Its figures for the group called `name`.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The segments in which it is worst and best, by NDCG@10.
    pub fn extremes(&self) -> Option<(&Group, &Group)> {
        let segments = || self.groups.iter().filter(|group| group.name.starts_with("segment."));
        let by_ndcg = |a: &&Group, b: &&Group| a.mean.ndcg.total_cmp(&b.mean.ndcg);
        Some((segments().min_by(by_ndcg)?, segments().max_by(by_ndcg)?))
    }
}
