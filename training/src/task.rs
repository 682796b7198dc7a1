//! What the training loop asks of a model and its data.

use std::{collections::BTreeMap, path::Path};

use candle::Tensor;
use dragoman_core::{
    collective::ExpertOwners,
    context::{Context, Training},
    kernels::matmul::Precision,
    models::translation::RevivedExpert,
    moe::Choices,
    params::ParamStore,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Result, config::RunConfig, control::Control, report::log::DevRow};

/// A model together with the data it learns from and what it is trained to get right.
///
/// All randomness is a function of the seed and the step, and the data's order one of
/// [`Task::Cursor`], so that a run can go on where it stopped.
pub trait Task {
    /// What the model sees at once: a micro-batch.
    type Batch;
    /// Where the data goes on.
    type Cursor: Serialize + DeserializeOwned;

    /// The weights.
    fn params(&self) -> &ParamStore;

    /// Where experts are, if they are sharded over ranks.
    fn expert_owners(&self) -> Option<&ExpertOwners> {
        None
    }

    /// The next micro-batch.
    fn next_batch(&mut self) -> Result<Self::Batch>;

    /// Passes over the next micro-batch, which another rank learns from.
    fn skip_batch(&mut self) -> Result<()> {
        self.next_batch().map(drop)
    }

    /// Where the next micro-batch will come from.
    fn cursor(&self) -> Self::Cursor;

    /// Goes on from `cursor`.
    fn seek(&mut self, cursor: Self::Cursor) -> Result<()>;

    /// How much there is to learn from `batch`.
    fn size(&self, batch: &Self::Batch) -> Size;

    /// The loss of `batch`, already weighted for its share of the step.
    fn loss(&self, batch: &Self::Batch, part: &Part<'_>) -> Result<Losses>;

    /// What else changes with a step, after the update of the weights; `load` says where the tokens
    /// of the step went.
    fn after_step(&self, _load: &ExpertLoad, _config: &RunConfig) -> Result<()> {
        Ok(())
    }

    /// Restarts experts that hardly any token visited, as `config` says; `load` says where the tokens
    /// of the last steps went. The optimiser then forgets the weights that changed.
    fn revive_experts(
        &self,
        _load: &ExpertLoad,
        _config: &RunConfig,
        _step: u64,
    ) -> Result<Vec<RevivedExpert>> {
        Ok(Vec::new())
    }

    /// How good the model is on the development sets; none if there are none, or if `control`
    /// stopped it halfway.
    fn evaluate(&mut self, control: &Control) -> Result<Option<Evaluation>>;

    /// Writes a model directory that can be served to `dir`, which does not exist yet.
    fn export(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()>;
}

/// Counts that a batch contributes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Size {
    /// What the model reads: source tokens, or items of histories.
    pub inputs: usize,
    /// Decoder labels: target tokens, or items to predict.
    pub labels: usize,
}

/// The place of a micro-batch in the run.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Settings of the run.
    pub config: &'a RunConfig,
    /// The step, from 1.
    pub step: u64,
    /// A number that no other micro-batch of the run has.
    pub index: u64,
    /// Labels of all micro-batches of the step: the loss is a mean over them.
    pub labels: usize,
    /// Share of the step's labels that are in this micro-batch.
    pub share: f64,
}

impl Part<'_> {
    /// The pass over the micro-batch, with the run's dropout.
    pub fn context(&self, precision: Precision) -> Context {
        let RunConfig { seed, dropout, expert_dropout, .. } = *self.config;
        Context::training(precision, Training { seed, step: self.index, dropout, expert_dropout })
    }
}

/// The loss of a micro-batch, and what it is made of.
#[derive(Debug)]
pub struct Losses {
    /// What is minimised, a scalar: sums over the micro-batches of a step give the step's loss.
    pub total: Tensor,
    /// Figures for the log.
    pub figures: Figures,
    /// Where the tokens went.
    pub load: ExpertLoad,
    /// What each layer chose, where its balance loss is not in the total yet.
    pub choices: Vec<Choices>,
}

/// Visits by layer and expert.
pub type ExpertLoad = BTreeMap<String, BTreeMap<String, f64>>;

/// The experts that no token visited, by layer; layers without any visit are left out.
pub fn idle_experts(load: &ExpertLoad) -> impl Iterator<Item = (&str, Vec<&str>)> {
    load.iter().filter_map(|(layer, visits)| {
        let idle = visits.iter().filter(|(_, count)| **count == 0.0);
        let idle: Vec<&str> = idle.map(|(expert, _)| expert.as_str()).collect();
        (!idle.is_empty() && idle.len() < visits.len()).then_some((layer.as_str(), idle))
    })
}

/// Adds visits to others.
pub fn add_load(sums: &mut ExpertLoad, load: ExpertLoad) {
    for (layer, visits) in load {
        let sums = sums.entry(layer).or_default();
        for (expert, visits) in visits {
            *sums.entry(expert).or_default() += visits;
        }
    }
}

/// Sums over the labels that a log line averages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Labels the sums run over.
    pub labels: f64,
    /// Everything that is minimised, times labels.
    pub total: f64,
    /// Sum of the (smoothed) loss of the labels.
    pub loss: f64,
    /// Sum of the negative log-likelihood, in nats.
    pub nll: f64,
    /// Labels that were the most likely.
    pub correct: f64,
    /// Balance loss, times labels.
    pub balance: f64,
    /// Router z-loss, times labels.
    pub router_z: f64,
}

impl Figures {
    /// Adds the sums of another micro-batch.
    pub fn add(&mut self, other: &Self) {
        self.labels += other.labels;
        self.total += other.total;
        self.loss += other.loss;
        self.nll += other.nll;
        self.correct += other.correct;
        self.balance += other.balance;
        self.router_z += other.router_z;
    }

    /// A sum as a mean over the labels.
    pub fn mean(&self, sum: f64) -> f64 {
        sum / self.labels.max(1.0)
    }
}

/// How good a model is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// One number to choose by; more is better.
    pub score: f64,
    /// What the number is, such as `chrF++`.
    pub chosen_by: String,
    /// Scores of every development set.
    pub rows: Vec<DevRow>,
    /// Something to look at, a line each: a few outputs.
    pub samples: Vec<String>,
    /// Where the tokens of each route went, by the route's name.
    pub loads: BTreeMap<String, ExpertLoad>,
}

/// What a model directory says about its making.
#[derive(Debug, Clone, Copy)]
pub struct ExportNote<'a> {
    /// Steps made.
    pub step: u64,
    /// The last evaluation of these weights.
    pub evaluation: Option<&'a Evaluation>,
}
