//! Learning to recommend: histories in, a transformer with segment experts out.

mod blend;
mod added_catalogue;
mod config;
mod dev;
mod expert;
mod export;
mod popularity_bias;
mod learners;
mod members;
mod protocol;
mod scorers;
mod stages;

use std::path::PathBuf;

use candle::{D, Device, Tensor};
use candle_nn::ops::{log_softmax, softmax};
use dragoman_core::{
    config::RecommendationConfig,
    context::{Context, Training},
    models::recommendation::RecommendationModel,
    params::ParamStore,
    recommend::{
        Blend, Catalogue, Profiler, Scorers, ScorersConfig,
        behaviour::{Behaviour, Categories},
        popularity,
        segments::{Segment, SegmentRules},
    },
    register::Register,
};
use dragoman_data::{interactions::Interactions, shuffle::Shuffle};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use blend::BlendConfig;
pub use config::{ModelShape, Objective, SegmentsConfig, TrainConfig};
pub use protocol::Protocol;
pub use stages::train;

pub(crate) use added_catalogue::CatalogueStart;
pub(crate) use members::{Members, Reader};

use self::{
    dev::Validation,
    learners::{Learner, NO_SEGMENT, TrainingBatch, weigh},
    popularity_bias::PopularityBias,
};
use crate::{
    Error, Result,
    control::Control,
    loss::items::{ItemLabels, ItemLoss, LogitBias},
    recommendation::trial::Trial,
    report::log::ModelSize,
    task::{Evaluation, ExpertLoad, ExportNote, Figures, Losses, Part, Size, Task},
    tasks::EXPERT_FILE,
};

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
        let mut learners: Vec<Learner> = (log.users.iter().zip(&log.histories))
            .filter(|(_, history)| !history.is_empty())
            .map(|(user, history)| Learner::new(history, features(&user.labels), &profiler, &rules))
            .collect();
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
        json!({
            "model": self.model.config(),
            "segments": self.config.segments,
            "users": self.learners.len(),
            "events": self.learners.iter().map(|learner| learner.events.len()).sum::<usize>(),
        })
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

    /// Items drawn evenly that all rows of a batch are classified against; none if that is all items.
    fn negatives(&self, part: &Part<'_>) -> Option<Vec<u32>> {
        let (all, wanted) = (self.model.num_items(), self.config.objective.negatives);
        if wanted == 0 || wanted >= all {
            return None;
        }
        let shuffle = Shuffle::new(all as u64, part.config.seed, NEGATIVES + part.index);
        Some((0..wanted as u64).map(|place| shuffle.get(place) as u32).collect())
    }

    /// Weight of the prior of the gate at a step of the run.
    fn prior(&self, part: &Part<'_>) -> f64 {
        let SegmentsConfig { prior_start, prior_end, .. } = self.config.segments;
        let progress = match part.config.budget.steps {
            0 => 1.0,
            steps => (part.step as f64 / steps as f64).min(1.0),
        };
        prior_start + (prior_end - prior_start) * progress
    }

    /// What the gates should be by rule, and how evenly they spread, weighed; with the unweighed
    /// balance for the log.
    fn gate_loss(
        &self,
        gates: &[Tensor],
        batch: &TrainingBatch,
        part: &Part<'_>,
    ) -> Result<Option<(Tensor, f64)>> {
        if self.expert.is_some() {
            return Ok(None); // the other gates of the group are frozen, so there is no balance
        }
        let known: Vec<u32> = (0u32..)
            .zip(&batch.segments)
            .filter(|(_, segment)| **segment != NO_SEGMENT)
            .map(|(row, _)| row)
            .collect();
        let slots: Vec<u32> = known.iter().map(|&row| batch.segments[row as usize]).collect();
        let count = known.len();
        let known = Tensor::from_vec(known, count, &Device::Cpu)?;
        let slots = Tensor::from_vec(slots, (count, 1), &Device::Cpu)?;
        let mut total: Option<Tensor> = None;
        let mut balance = 0.0;
        for logits in gates {
            let mean = softmax(logits, D::Minus1)?.mean(0)?; // (G,)
            let spread = (mean.sqr()?.sum_all()? * logits.dim(1)? as f64)?;
            balance += f64::from(spread.to_scalar::<f32>()?);
            let mut loss = (spread * part.config.loss.balance)?;
            if count > 0 {
                let log_probs = log_softmax(&logits.index_select(&known, 0)?, D::Minus1)?;
                let nll = log_probs.gather(&slots, 1)?.mean_all()?.neg()?;
                loss = (loss + (nll * self.prior(part))?)?;
            }
            let loss = (loss * (part.share / gates.len() as f64))?;
            total = Some(match total {
                Some(sum) => (sum + loss)?,
                None => loss,
            });
        }
        Ok(total.map(|total| (total, balance / gates.len() as f64)))
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

/// Streams of random numbers from here on draw negatives; those before draw orders of users.
const NEGATIVES: u64 = 1 << 40;
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

impl Task for RecommendationTask {
    type Batch = TrainingBatch;
    type Cursor = Cursor;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn next_batch(&mut self) -> Result<TrainingBatch> {
        let seed = self.config.run.seed;
        let Cursor { epoch, batch: number } = self.cursor;
        let users = self.learners.len() as u64;
        let shuffle = Shuffle::new(users, seed, epoch);
        let size = self.config.batch_users as u64;
        let places = number * size..((number + 1) * size).min(users);
        let learners: Vec<&Learner> =
            places.clone().map(|place| &self.learners[shuffle.get(place) as usize]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch << 32 | number);
        let config = self.model.config();
        let objective = &self.config.objective;
        let batch = TrainingBatch::new(config, objective, &self.kind_weights, &learners, &mut rng);
        self.cursor = match places.end == users {
            true => Cursor { epoch: epoch + 1, batch: 0 },
            false => Cursor { epoch, batch: number + 1 },
        };
        Ok(batch)
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn seek(&mut self, cursor: Cursor) -> Result<()> {
        self.cursor = cursor;
        Ok(())
    }

    fn size(&self, batch: &TrainingBatch) -> Size {
        let labels = batch.weights.iter().filter(|weight| **weight > 0.0).count();
        Size { inputs: batch.items.len(), labels }
    }

    fn loss(&self, batch: &TrainingBatch, part: &Part<'_>) -> Result<Losses> {
        let config = part.config;
        let training = Training {
            seed: config.seed,
            step: part.index,
            dropout: config.dropout,
            expert_dropout: config.expert_dropout,
        };
        let mut context = Context::training(self.config.precision, training);
        context.only_experts = self.expert.is_some();
        let vectors = self.model.item_vectors(self.config.objective.item_dropout, &context)?;
        let output = self.model.forward(&batch.inputs, &vectors, &context)?;
        let loss = ItemLoss {
            label_smoothing: config.loss.label_smoothing,
            scale: 1.0 / part.labels as f32,
            precision: self.config.precision,
        };
        let rows: Vec<u32> =
            batch.times.iter().map(|&time| self.popularity_bias.row(time)).collect();
        let bias = self.popularity_bias.table().map(|table| LogitBias { table, rows: &rows });
        let labels = ItemLabels { items: &batch.items, weights: &batch.weights, bias };
        let (mut total, sums) = match self.negatives(part) {
            None => loss.forward(&output.hidden, &vectors, labels)?,
            Some(negatives) => loss.sampled(&output.hidden, &vectors, labels, &negatives)?,
        };
        let mut figures = Figures {
            labels: sums.labels,
            total: sums.loss,
            loss: sums.loss,
            nll: sums.nll,
            correct: sums.correct,
            ..Figures::default()
        };
        if let Some((gates, balance)) = self.gate_loss(&output.gates, batch, part)? {
            figures.balance = balance * sums.labels;
            figures.total += f64::from(gates.to_scalar::<f32>()?) * sums.labels / part.share;
            total = (total + gates)?;
        }
        Ok(Losses { total, figures, load: self.load(&output.gates)? })
    }

    fn evaluate(&mut self, control: &Control) -> Result<Option<Evaluation>> {
        let Some((trial, features)) = &self.dev else { return Ok(None) };
        let validation =
            Validation { trial, features, profiler: &self.profiler, route: self.route };
        validation.evaluate(&self.model, control)
    }

    fn export(&self, dir: &std::path::Path, note: &ExportNote<'_>) -> Result<()> {
        match self.expert {
            Some(_) => {
                fs_err::create_dir_all(dir)?;
                Ok(self.params.save(&dir.join(EXPERT_FILE))?)
            }
            None => self.write_model(dir, note),
        }
    }
}

impl RecommendationTask {
    /// How much of the rows each expert has in each layer.
    fn load(&self, gates: &[Tensor]) -> Result<ExpertLoad> {
        let mut load = ExpertLoad::new();
        let group = &self.register.routes[self.route].group;
        for (layer, logits) in self.model.config().layers().into_iter().zip(gates) {
            let sums = softmax(&logits.detach(), D::Minus1)?.sum(0)?.to_vec1::<f32>()?;
            let visits = group.iter().cloned().zip(sums.into_iter().map(f64::from)).collect();
            load.insert(layer, visits);
        }
        Ok(load)
    }
}
