//! A second catalogue that is learned over a finished model.

use dragoman_core::{
    config::RecommendationConfig,
    directory::LoadedRecommendation,
    recommend::{
        Blend, Catalogue, Event, Profiler, Scorers, ScorersConfig, segments::SegmentRules,
    },
    recommender::Recommender,
};
use dragoman_data::interactions::{Interactions, User};

use super::{
    Learner, Protocol, RecommendationTask, TrainConfig,
    blend::{self, Window},
    scorers, shape, spread,
};
use crate::{Result, recommendation::trial::Trial};

/// What a run about a new catalogue begins with.
#[derive(Debug, Clone)]
pub(crate) struct CatalogueStart {
    /// Shape of the model with the catalogue's tables.
    pub(crate) shape: RecommendationConfig,
    /// Its items.
    pub(crate) catalogue: Catalogue,
    /// Its scorers, fitted before the trial.
    pub(crate) scorers: Scorers,
    /// How they are set.
    pub(crate) settings: ScorersConfig,
    /// The newest tenth, or everybody's last event.
    pub(crate) trial: Trial,
}

impl CatalogueStart {
    /// Describes the catalogue of `log`, and chooses how its scorers are set.
    pub(crate) fn new(config: &TrainConfig, log: &Interactions) -> Result<Self> {
        let trial = Protocol::All.newest(log, config.keep_seen)?;
        let users = log.users.iter().map(|user| &user.labels);
        let (items, kinds) = (log.items.clone(), log.kinds.clone());
        let catalogue = Catalogue::new(items, kinds, users, config.features());
        let shape = shape(config, &catalogue, &trial.train);
        let settings = scorers::choose(std::slice::from_ref(&trial), &config.scorers)?;
        let scorers = Scorers::fit(&trial.train.histories, log.items.len(), &settings)?;
        Ok(Self { shape, catalogue, scorers, settings, trial })
    }

    /// The lines between the segments, drawn from how the users behaved before the trial.
    pub(crate) fn rules(&self, profiler: &Profiler) -> SegmentRules {
        let end = self.trial.train.events().map(|event| event.time).max().unwrap_or_default();
        let histories = self.trial.train.histories.iter();
        let last = |history: &Vec<Event>| profiler.behaviours(history, end).pop();
        SegmentRules::fit(&histories.filter_map(last).collect::<Vec<_>>())
    }

    /// Learns how the scorers of `recommender` are mixed.
    pub(crate) fn blend(&self, recommender: &Recommender, config: &TrainConfig) -> Result<Blend> {
        let window = Window::ask(recommender, &self.trial, &config.blend)?;
        Ok(blend::fit(recommender, vec![window], &config.blend))
    }
}

impl RecommendationTask {
    /// A task in which only the catalogue of `loaded`, whose expert is called `expert`, learns: its
    /// tables and the expert, from all users before `trial`.
    pub(crate) fn of_catalogue(
        config: &TrainConfig,
        loaded: LoadedRecommendation,
        expert: &str,
        trial: &Trial,
    ) -> Self {
        let profiler = loaded.profiler();
        let index = loaded.catalogue.user_index();
        let features = |labels: &[String]| -> Vec<u32> {
            match config.model.user_features {
                true => labels.iter().filter_map(|l| index.get(l.as_str()).copied()).collect(),
                false => Vec::new(),
            }
        };
        let users = trial.train.users.iter().zip(&trial.train.histories);
        let rules = &loaded.blend.rules;
        let learner = |(user, history): (&User, &Vec<Event>)| {
            Learner::new(history, features(&user.labels), &profiler, rules)
        };
        let learners = users.filter(|(_, history)| !history.is_empty()).map(learner).collect();
        let mut trial = trial.clone();
        spread(&mut trial.cases, config.dev_users);
        let asked = trial.cases.iter().map(|case| features(&case.labels)).collect();
        drop(index);
        Self::of_one(config, loaded, expert, learners, (trial, asked))
    }
}
