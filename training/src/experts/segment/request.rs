//! The request to add an expert for a group of users.

use std::path::PathBuf;

use crate::config::Budget;

/// An expert for a group of users.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRequest {
    /// Name of the expert, such as `segment.lead`.
    pub name: String,
    /// Which users take its route, such as `events >= 50`.
    pub rule: String,
    /// What the log is called in the register.
    pub data: String,
    /// Licence of the log, for the register.
    pub licence: String,
    /// The segment expert whose copy it starts as; without one, the one that the gate gives the most
    /// weight for these users.
    pub parent: Option<String>,
    /// Inner width, at least that of the parent, which it is by default.
    pub width: Option<usize>,
    /// When training is over, at the latest.
    pub budget: Budget,
    /// The learning rate at its peak.
    pub learning_rate: f64,
    /// By how many points NDCG@10 may fall; with 0 it has to rise.
    pub max_drop: f64,
    /// Whether items that a user has met are recommended again.
    pub keeps_seen: bool,
    /// Seed of all that is random.
    pub seed: u64,
    /// The folder of the run: checkpoints, log and report.
    pub work: PathBuf,
    /// Shows nothing while training.
    pub quiet: bool,
}

impl SegmentRequest {
    /// Adds the expert called `name` for the users that `rule` matches, in the folder `work`.
    pub fn new(name: &str, rule: &str, work: PathBuf) -> Self {
        Self {
            name: name.into(),
            rule: rule.into(),
            data: String::new(),
            licence: String::new(),
            parent: None,
            width: None,
            budget: Budget { steps: 1000, minutes: 0.0 },
            learning_rate: 5e-3,
            max_drop: 0.0,
            keeps_seen: false,
            seed: 1,
            work,
            quiet: false,
        }
    }
}
