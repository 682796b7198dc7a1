//! Learning to recommend: histories in, a transformer with segment experts out.

mod blend;
mod added_catalogue;
mod config;
mod dev;
mod expert;
mod export;
mod learn;
mod popularity_bias;
mod learners;
mod members;
mod protocol;
mod scorers;
mod stages;

use std::path::PathBuf;

use candle::Device;
use dragoman_core::{
    config::RecommendationConfig,
    models::recommendation::RecommendationModel,
    params::ParamStore,
    recommend::{
        Blend, Catalogue, Event, Profiler, Scorers, ScorersConfig,
        behaviour::{Behaviour, Categories},
        popularity,
        segments::{Segment, SegmentRules},
    },
    register::Register,
};
use dragoman_data::interactions::Interactions;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use blend::{BlendBy, BlendConfig};
pub use config::{ModelShape, Objective, SegmentsConfig, TrainConfig};
pub use protocol::Protocol;
pub use stages::train;

pub(crate) use added_catalogue::CatalogueStart;
pub(crate) use members::{Members, Reader};

use self::{
    learners::{Learner, weigh},
    popularity_bias::PopularityBias,
};
use crate::{Error, Result, recommendation::trial::Trial, report::log::ModelSize};

/// Where a run leaves its results.
#[derive(Debug, Clone)]
pub struct RunPaths {
    /// The run's folder: its checkpoints, log and report, and `model/` with the best weights.
    pub out: PathBuf,
    /// Shows nothing while training.
    pub quiet: bool,
}

/// Where the next batch comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Passes over all users so far.
    pub epoch: u64,
    /// Batches of this pass so far.
    pub batch: u64,
}

/// A model that learns from a log.
pub(crate) struct RecommendationTask {
    config: TrainConfig,
    /// Those of the weights that learn.
    params: ParamStore,
    /// The expert that learns, if it is one alone.
    expert: Option<String>,
    /// Index of the route that all learners take.
    route: usize,
    register: Register,
    model: RecommendationModel,
    catalogue: Catalogue,
    profiler: Profiler,
    learners: Vec<Learner>,
    kind_weights: Vec<f32>,
    popularity_bias: PopularityBias,
    scorers: Scorers,
    blend: Blend,
    /// Users by whom the best weights are chosen, and their features.
    dev: Option<(Trial, Vec<Vec<u32>>)>,
    cursor: Cursor,
}

impl RecommendationTask {
    /// A new model of what happened in `log`, chosen by a trial if there is one.
    fn new(
        config: &TrainConfig,
        scorers: &ScorersConfig,
        log: &Interactions,
        dev: Option<Trial>,
    ) -> Result<Self> {
        if log.is_empty() {
            let reason = "there are no events to learn from";
            return Err(Error::Recommendation(reason.into()));
        }
        let users = log.users.iter().map(|user| &user.labels);
        let (items, kinds) = (log.items.clone(), log.kinds.clone());
        let catalogue = Catalogue::new(items, kinds, users, config.features());
        let shape = shape(config, &catalogue, log);
        let layers = shape.layers();
        let names: Vec<String> =
            Segment::WITH_EXPERT.iter().map(|s| format!("segment.{}", s.name())).collect();
        let names: Vec<&str> = match config.segments.d_ff {
            0 => Vec::new(),
            _ => names.iter().map(String::as_str).collect(),
        };
        let register = Register::for_segments(&names, config.segments.d_ff, &layers);
        let params = ParamStore::new(&Device::Cpu, config.run.seed);
        let model = RecommendationModel::new(&shape, &register, catalogue.content(), &params)?;

        let profiler = profiler(log);
        let scorers = Scorers::fit(&log.histories, log.items.len(), scorers)?;
        let end = log.events().map(|event| event.time).max().unwrap_or_default();
        let behaviours: Vec<Behaviour> = (log.histories.iter())
            .filter_map(|history| profiler.behaviours(history, end).pop())
            .collect();
        let rules = SegmentRules::fit(&behaviours);
        let index = catalogue.user_index();
        let features = |labels: &[String]| -> Vec<u32> {
            match config.model.user_features {
                true => labels.iter().filter_map(|l| index.get(l.as_str()).copied()).collect(),
                false => Vec::new(),
            }
        };
        let counts_reads = config.objective.read_weight > 0.0;
        let learner = |(number, history): (usize, &Vec<Event>)| {
            let features = features(&log.users[number].labels);
            let learner = Learner::new(history, features, &profiler, &rules);
            if counts_reads { learner.who_read(log.reads_of(number)) } else { learner }
        };
        let active = log.histories.iter().enumerate().filter(|(_, history)| !history.is_empty());
        let mut learners: Vec<Learner> = active.map(learner).collect();
        weigh(&mut learners, config.objective.user_power);
        let weight = |kind: &String| config.objective.kinds.get(kind).copied().unwrap_or(1.0);
        let kind_weights = log.kinds.iter().map(weight).collect();
        let dev = dev.map(|mut trial| {
            spread(&mut trial.cases, config.dev_users);
            let features = trial.cases.iter().map(|case| features(&case.labels)).collect();
            (trial, features)
        });
        drop(index);
        Ok(Self {
            config: config.clone(),
            params,
            expert: None,
            route: 0,
            register,
            model,
            catalogue,
            profiler,
            learners,
            kind_weights,
            popularity_bias: PopularityBias::new(log, &shape),
            scorers,
            blend: Blend { rules, ..Blend::default() },
            dev,
            cursor: Cursor::default(),
        })
    }

    /// What makes this run the run it is: with other values, its checkpoints are of no use.
    fn identity(&self) -> serde_json::Value {
        let mut identity = json!({
            "model": self.model.config(),
            "segments": self.config.segments,
            "users": self.learners.len(),
            "events": self.learners.iter().map(|learner| learner.events.len()).sum::<usize>(),
        });
        if self.config.objective.read_weight > 0.0 {
            let reads = self.learners.iter().flat_map(|learner| &learner.reads);
            identity["reads"] = reads.map(Vec::len).sum::<usize>().into();
        }
        identity
    }

    fn size_of_model(&self) -> ModelSize {
        let tables = |name: &str| name.contains("embedding");
        let dense = self.params.iter().filter(|param| !tables(param.name()));
        let items = self.catalogue.items.len() * self.config.model.d_model;
        ModelSize {
            parameters: self.params.elem_count() as u64,
            active_encoder_parameters: 0,
            active_decoder_parameters: (dense.map(|p| p.elem_count()).sum::<usize>() + items)
                as u64,
        }
    }
}

/// The shape of the model, as far as the data says it.
fn shape(config: &TrainConfig, catalogue: &Catalogue, log: &Interactions) -> RecommendationConfig {
    let ModelShape { gaps, values, user_features, .. } = config.model;
    RecommendationConfig {
        num_items: catalogue.items.len(),
        num_features: catalogue.features.len(),
        num_user_features: if user_features { catalogue.user_features.len() } else { 0 },
        num_kinds: catalogue.kinds.len(),
        value_edges: if values { value_edges(log) } else { Vec::new() },
        num_gaps: if gaps && log.has_times { GAPS } else { 0 },
        num_statistics: Behaviour::FEATURES,
        ..config.shape()
    }
}

/// Buckets of time between events: the last one begins after 34 years.
const GAPS: usize = 32;
/// Buckets of values at most.
const VALUES: usize = 10;

/// Edges that divide the values of a log into buckets: one for each value if there are few, else
/// one for each tenth of the events; none if all are alike.
fn value_edges(log: &Interactions) -> Vec<f32> {
    let mut values: Vec<f32> = log.events().map(|event| event.value).collect();
    values.retain(|value| value.is_finite());
    values.sort_by(f32::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() <= VALUES {
        distinct.pop();
        return distinct;
    }
    let mut edges: Vec<f32> = (1..VALUES).map(|i| values[i * values.len() / VALUES]).collect();
    edges.dedup();
    edges
}

/// What sums histories up, by the popularity of the items in the whole log.
fn profiler(log: &Interactions) -> Profiler {
    let mut counts = vec![0.0f32; log.items.len()];
    log.events().for_each(|event| counts[event.item as usize] += 1.0);
    Profiler {
        categories: Categories::new(&log.items),
        percentiles: popularity::percentiles(&counts),
    }
}

/// Keeps `limit` of `cases`, evenly spread; all if that is 0.
fn spread<T: Clone>(cases: &mut Vec<T>, limit: usize) {
    let all = cases.len();
    if (1..all).contains(&limit) {
        *cases = (0..limit).map(|i| cases[i * all / limit].clone()).collect();
    }
}
