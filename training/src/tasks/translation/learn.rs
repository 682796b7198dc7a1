//! What the training loop asks of a translation task.

use std::path::Path;

use candle::{Device, Tensor};
use dragoman_core::{
    collective::ExpertOwners,
    models::translation::{RevivedExpert, TranslationBatch},
    moe::{LayerRouting, Revival},
    params::ParamStore,
    tokenizer::PAD,
};
use dragoman_data::batch::{Batcher, Cursor};

use super::{TranslationTask, augment::Augmenter, bias::BiasedBatch, dev};
use crate::{
    Result,
    config::{BalanceOver, RunConfig},
    control::Control,
    task::{Evaluation, ExpertLoad, ExportNote, Losses, Part, Size, Task},
    tasks::EXPERT_FILE,
};

/// Noise on the weights of an expert that starts again, so that it grows apart from its parent.
const REVIVAL_NOISE: f32 = 0.01;

impl Task for TranslationTask {
    type Batch = BiasedBatch;
    type Cursor = Cursor;

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn expert_owners(&self) -> Option<&ExpertOwners> {
        self.owners.as_ref()
    }

    fn next_batch(&mut self) -> Result<BiasedBatch> {
        loop {
            let mut augment = Augmenter::new(&self.config.augment, self.batcher.cursor());
            let pairs = self.batcher.next().expect("the sequence of batches is endless");
            let longest = self.config.model.max_positions - 2; // beside the tag and the end
            let own = self.vocabulary.tokenizer();
            let (examples, bonuses): (Vec<_>, Vec<_>) = (pairs.into_iter())
                .map(|pair| match own {
                    Some(tokenizer) => augment.apply(pair, tokenizer, longest),
                    None => pair, // pairs of other vocabularies are taken as they are
                })
                .filter_map(|pair| {
                    let example = self.example(&pair)?;
                    let bonuses = self.bonuses_of(&pair, &example);
                    Some((example, bonuses))
                })
                .unzip();
            if !examples.is_empty() {
                let padding = (!self.params.device().is_cpu()).then_some(PAD);
                return Ok(BiasedBatch::new(TranslationBatch::new(&examples, padding), &bonuses));
            }
        }
    }

    fn skip_batch(&mut self) -> Result<()> {
        let is_trained = |route: &u32| self.directions[*route as usize].is_some();
        // One without any pair to learn from is no micro-batch.
        while !self.batcher.skip_batch().iter().any(is_trained) {}
        Ok(())
    }

    fn cursor(&self) -> Cursor {
        self.batcher.cursor()
    }

    fn seek(&mut self, cursor: Cursor) -> Result<()> {
        seed_masks(self.params.device(), &cursor)?;
        self.batcher = Batcher::new(self.corpus.clone(), self.config.batches.clone(), cursor)?;
        Ok(())
    }

    fn size(&self, batch: &BiasedBatch) -> Size {
        Size {
            inputs: batch.pairs.source_layout.lengths().iter().sum(),
            labels: batch.pairs.target_layout.lengths().iter().sum(),
        }
    }

    fn loss(&self, batch: &BiasedBatch, part: &Part<'_>) -> Result<Losses> {
        let config = part.config;
        let mut context = part.context(self.config.precision);
        context.only_experts = self.expert.is_some();
        context.expert_owners.clone_from(&self.owners);
        context.balance_later = config.loss.balance_over == BalanceOver::Step;
        let BiasedBatch { pairs, bonuses } = batch;
        let output = self.model.forward(pairs, &context)?;
        let (mut total, sums) =
            self.output_loss(part, bonuses).forward(&output.hidden, &pairs.labels)?;

        let mut router: Option<Tensor> = None; // (2,): balance losses and z-losses, over all layers
        for routing in &output.routing {
            if let Some(losses) = &routing.losses {
                router = Some(match router {
                    Some(sum) => (sum + losses)?,
                    None => losses.clone(),
                });
            }
        }
        let mut figures = sums.figures();
        if let Some(router) = router {
            let factors = [config.loss.balance, config.loss.router_z];
            let weights = factors.map(|factor| (factor * part.share) as f32);
            let weights = Tensor::new(&weights, router.device())?;
            total = (total + (&router * weights)?.sum_all()?)?;
            let values = router.to_device(&Device::Cpu)?.to_vec1::<f32>()?;
            figures.balance = f64::from(values[0]) * sums.labels;
            figures.router_z = f64::from(values[1]) * sums.labels;
            figures.total += factors[0] * figures.balance + factors[1] * figures.router_z;
        }
        let load = expert_load(&output.routing);
        let choices = output.routing.into_iter().filter_map(|routing| routing.choices).collect();
        Ok(Losses { total, figures, load, choices })
    }

    fn after_step(&self, load: &ExpertLoad, config: &RunConfig) -> Result<()> {
        Ok(self.model.update_corrections(load, config.loss.correction_speed)?)
    }

    fn revive_experts(
        &self,
        load: &ExpertLoad,
        config: &RunConfig,
        step: u64,
    ) -> Result<Vec<RevivedExpert>> {
        if config.revive_below == 0.0 || self.expert.is_some() {
            return Ok(Vec::new());
        }
        let seed = config.seed.wrapping_add(step << 16);
        let revival = Revival { threshold: config.revive_below, noise: REVIVAL_NOISE, seed };
        Ok(self.model.revive_experts(load, &revival)?)
    }

    fn evaluate(&mut self, control: &Control) -> Result<Option<Evaluation>> {
        dev::evaluate(self, control)
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

/// Lets a device that draws its own masks (not the CPU) draw others than before a resumption.
pub(super) fn seed_masks(device: &Device, cursor: &Cursor) -> Result<()> {
    if !device.is_cpu() {
        let at = cursor.window.wrapping_mul(1 << 20).wrapping_add(cursor.batch);
        device.set_seed(cursor.seed.wrapping_add(at))?;
    }
    Ok(())
}

/// Visits by layer and expert.
pub(super) fn expert_load(routing: &[LayerRouting]) -> ExpertLoad {
    let visits = |layer: &LayerRouting| {
        let visits = layer.load.iter().map(|&visits| visits as f64);
        (layer.layer.clone(), layer.experts.iter().cloned().zip(visits).collect())
    };
    routing.iter().map(visits).collect()
}
