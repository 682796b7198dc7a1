//! The users of an added route: from whom its expert learns, and by whom it is judged.

use dragoman_core::{
    config::RecommendationConfig,
    recommend::{Blend, Catalogue, Event, Profiler, behaviour::Behaviour},
    register::Register,
};
use dragoman_data::interactions::Interactions;

use super::{learners::Learner, spread};
use crate::{
    Error, Result,
    recommendation::trial::{Case, Trial},
};

/// Users that an expert needs to learn from, at least.
const LEARNERS: usize = 20;
/// Users that say how good it is, at least.
const JUDGES: usize = 5;
/// Users that are asked in a trial, at most.
const ASKED: usize = 2000;

/// Users who take a route.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// Those who took it at some moment before the trial, with what they did at these moments.
    pub(super) learners: Vec<Learner>,
    /// What those who take it did next.
    pub(crate) trial: Trial,
    /// Features of the user of each case.
    pub(super) features: Vec<Vec<u32>>,
}

/// What tells the users of a route apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) config: &'a RecommendationConfig,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) profiler: &'a Profiler,
    /// With the route in it.
    pub(crate) register: &'a Register,
    pub(crate) route: usize,
}

impl Members {
    /// Finds them in `log`, whose items and kinds are those of the model. The newest tenth of it is
    /// the trial, or without times everybody's last event.
    ///
    /// # Errors
    /// Fails when there are too few of them.
    pub(crate) fn find(
        reader: Reader<'_>,
        log: &Interactions,
        blend: &Blend,
        keeps_seen: bool,
    ) -> Result<Self> {
        let mut trial = match log.has_times {
            true => Trial::in_time(log, log.cuts(0.9)?.test, None, keeps_seen),
            false => Trial::leave_one_out(log, 0, keeps_seen),
        };
        trial.cases.retain(|case| reader.takes(case));
        for case in &mut trial.cases {
            case.groups = vec!["all".into()];
        }
        let train = &trial.train;
        let users = train.users.iter().zip(&train.histories);
        let learners: Vec<Learner> = users
            .filter(|(_, history)| !history.is_empty())
            .filter_map(|(user, history)| {
                let features = reader.features(&user.labels);
                let learner = Learner::new(history, features, reader.profiler, &blend.rules);
                let is_label = reader.moments(history, &user.labels);
                learner.on_route(reader.route, is_label)
            })
            .collect();
        let (found, asked) = (learners.len(), trial.cases.len());
        if found < LEARNERS || asked < JUDGES {
            return Err(reader.too_few(log, found, asked));
        }
        spread(&mut trial.cases, ASKED);
        let features = trial.cases.iter().map(|case| reader.features(&case.labels)).collect();
        Ok(Self { learners, trial, features })
    }

    /// Number of users to learn from.
    pub(crate) fn learners(&self) -> usize {
        self.learners.len()
    }
}

impl Reader<'_> {
    fn is_member(&self, behaviour: &Behaviour, labels: &[String]) -> bool {
        self.register.route_of_user(behaviour, labels) == self.route
    }

    fn takes(&self, case: &Case) -> bool {
        let behaviours = self.profiler.behaviours(&case.history, case.now);
        behaviours.last().is_some_and(|now| self.is_member(now, &case.labels))
    }

    /// Whether a user took the route when each event came.
    fn moments(&self, history: &[Event], labels: &[String]) -> Vec<bool> {
        let now = history.last().map_or(0, |event| event.time);
        let behaviours = self.profiler.behaviours(history, now);
        let before = behaviours.iter().take(history.len());
        before.map(|behaviour| self.is_member(behaviour, labels)).collect()
    }

    /// Features of a user, as the model knows them.
    fn features(&self, labels: &[String]) -> Vec<u32> {
        if self.config.num_user_features == 0 {
            return Vec::new();
        }
        let place =
            |label: &String| self.catalogue.user_features.iter().position(|known| known == label);
        labels.iter().filter_map(place).map(|place| place as u32).collect()
    }

    fn too_few(&self, log: &Interactions, found: usize, asked: usize) -> Error {
        let route = &self.register.routes[self.route];
        let rule = route.rule.as_ref().map(ToString::to_string).unwrap_or_default();
        let earlier = match self.register.routes[1..self.route].is_empty() {
            true => "",
            false => " and no rule of an earlier route does",
        };
        let active = log.histories.iter().filter(|history| !history.is_empty()).count();
        Error::Expert(format!(
            "`{rule}` matches {found} of {active} users before the newest tenth of the log{earlier}, \
             and {asked} of those who did something new in it; it takes {LEARNERS} to learn from and \
             {JUDGES} to judge by: widen the rule, or bring more data"
        ))
    }
}
