//! What the training loop asks of a recommendation task.

use std::path::Path;

use candle::{D, Device, Tensor};
use candle_nn::ops::{log_softmax, softmax};
use dragoman_core::params::ParamStore;
use dragoman_data::shuffle::Shuffle;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Cursor, RecommendationTask, SegmentsConfig,
    dev::Validation,
    learners::{Learner, NO_SEGMENT, TrainingBatch},
};
use crate::{
    Result,
    control::Control,
    loss::items::{ItemLabels, ItemLoss, LogitBias},
    task::{Evaluation, ExpertLoad, ExportNote, Losses, Part, Size, Task},
    tasks::EXPERT_FILE,
};

/// Streams of random numbers from here on draw negatives; those before draw orders of users.
const NEGATIVES: u64 = 1 << 40;

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
        let mut context = part.context(self.config.precision);
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
        let mut figures = sums.figures();
        let read_weight = self.config.objective.read_weight;
        if read_weight > 0.0 && !batch.reads.is_empty() {
            let (reads, sum) =
                loss.against_reads(&output.hidden, &vectors, labels, &batch.reads, read_weight)?;
            figures.total += sum;
            total = (total + reads)?;
        }
        if let Some((gates, balance)) = self.gate_loss(&output.gates, batch, part)? {
            figures.balance = balance * sums.labels;
            figures.total += f64::from(gates.to_scalar::<f32>()?) * sums.labels / part.share;
            total = (total + gates)?;
        }
        Ok(Losses { total, figures, load: self.load(&output.gates)?, choices: Vec::new() })
    }

    fn evaluate(&mut self, control: &Control) -> Result<Option<Evaluation>> {
        let Some((trial, features)) = &self.dev else { return Ok(None) };
        let validation =
            Validation { trial, features, profiler: &self.profiler, route: self.route };
        validation.evaluate(&self.model, control)
    }

    fn export(&self, dir: &Path, note: &ExportNote<'_>) -> Result<()> {
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
