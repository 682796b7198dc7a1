//! The beginning of an expert: what it will be, and the model with it.

use std::collections::BTreeMap;

use candle::{DType, Device};
use dragoman_core::{
    directory::{Files, Fresh, Loaded},
    kernels::matmul::Precision,
    register::{ExpertEntry, Register},
};

use super::NEXT;
use crate::{
    Error, Result,
    config::LossConfig,
    experts::{
        corpus::Prepared,
        plan::{ExpertPlan, Kind, Model, possible_parents},
        request::AddRequest,
        run,
    },
    task::{Part, Task},
    translation::{ExpertsConfig, RunPaths, TrainConfig, TranslationTask},
};

/// Batches that choose a parent.
const PARENT_BATCHES: usize = 4;

/// What is known before it is decided what the expert will be.
pub(super) struct Start<'a> {
    pub(super) request: &'a AddRequest,
    pub(super) old: Option<&'a ExpertEntry>,
    pub(super) files: &'a Files,
    pub(super) register: &'a Register,
    pub(super) prepared: &'a Prepared,
}

impl Start<'_> {
    pub(super) fn plan(&self, kind: &Kind, base: &Loaded) -> Result<ExpertPlan> {
        if let Some(old) = self.old {
            let name = format!("{}{NEXT}", old.name);
            let entry = ExpertEntry { name, detector: None, ..old.clone() };
            let entry = ExpertEntry { metrics: BTreeMap::new(), file: String::new(), ..entry };
            return Ok(ExpertPlan { entry, routes: Vec::new() });
        }
        let config = self.files.translation_config()?;
        let Kind::Pair(pair) = kind else {
            return ExpertPlan::domain(
                self.request,
                self.register,
                &config,
                &self.prepared.directions,
            );
        };
        if self.request.lora.is_some() {
            let reason =
                "`--lora` is for domains; a pair expert takes its parent's place as a full copy";
            return Err(Error::Expert(reason.into()));
        }
        let parents = possible_parents(self.request, pair, self.register)?;
        let model =
            Model { register: self.register, config: &config, vocabulary: &*base.vocabulary };
        let plan = |parent: &ExpertEntry| ExpertPlan::pair(self.request, pair, parent, model);
        let plans = parents.into_iter().map(plan).collect::<Result<Vec<_>>>()?;
        self.nearest(plans)
    }

    /// The plan whose parent gives the lowest loss before any training.
    fn nearest(&self, plans: Vec<ExpertPlan>) -> Result<ExpertPlan> {
        let mut best: Option<(f64, ExpertPlan)> = None;
        for plan in plans {
            if self.request.parent.is_some() {
                return Ok(plan);
            }
            let loss = self.first_loss(&plan)?;
            tracing::info!(parent = plan.entry.parent, loss, "tried as a parent");
            if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                best = Some((loss, plan));
            }
        }
        let none = || Error::Expert("this model has no pair expert to start from".into());
        best.map(|(_, plan)| plan).ok_or_else(none)
    }

    fn first_loss(&self, plan: &ExpertPlan) -> Result<f64> {
        let config = self.config(plan)?;
        let mut task = self.task(plan, &config)?;
        let (mut nll, mut labels) = (0.0, 0.0);
        for index in 0..PARENT_BATCHES {
            let batch = task.next_batch()?;
            let size = task.size(&batch).labels;
            let (step, index) = (1, index as u64);
            let part = Part { config: &config.run, step, index, labels: size, share: 1.0 };
            let figures = task.loss(&batch, &part)?.figures;
            nll += figures.nll;
            labels += figures.labels;
        }
        Ok(nll / labels)
    }

    pub(super) fn load(&self, plan: &ExpertPlan) -> Result<Loaded> {
        let fresh = Fresh { device: &Device::Cpu, seed: self.request.seed };
        let loaded = self.files.load_with(&plan.entry, &plan.routes, fresh)?;
        if let Some(old) = self.old {
            for (name, value) in self.files.expert_tensors(old)? {
                let name = format!("experts.{}.{name}", plan.entry.name);
                if let Some(param) = loaded.params.iter().find(|param| param.name() == name) {
                    param.set(&value.to_dtype(DType::F32)?)?;
                }
            }
        }
        Ok(loaded)
    }

    pub(super) fn paths(&self) -> RunPaths {
        let Self { request, prepared, .. } = self;
        RunPaths {
            corpus: request.work.clone(),
            dev: prepared.dev_base.clone(),
            out: request.work.clone(),
            quiet: request.quiet,
        }
    }

    pub(super) fn task(&self, plan: &ExpertPlan, config: &TrainConfig) -> Result<TranslationTask> {
        let (name, directions) = (&plan.entry.name, &self.prepared.directions);
        TranslationTask::of_expert(config, self.load(plan)?, name, directions, &self.paths())
    }

    /// The settings of the run.
    pub(super) fn config(&self, plan: &ExpertPlan) -> Result<TrainConfig> {
        let model = self.files.translation_config()?;
        let Self { request, prepared, .. } = self;
        let is_pair = !plan.routes.is_empty();
        let mut run = run::config(request.budget, request.learning_rate, request.seed);
        // The gates of a route's other experts are frozen: only a new pair expert's row can move.
        let balance = if is_pair { LossConfig::default().balance } else { 0.0 };
        run.loss = LossConfig { balance, router_z: 0.0, ..LossConfig::default() };
        let mut config = TrainConfig {
            name: request.name.clone(),
            precision: Precision::Bf16,
            experts: ExpertsConfig { free: 0, d_ff: plan.entry.d_ff },
            dev: prepared.dev.clone(),
            run,
            ..TrainConfig::default()
        };
        config.batches.max_tokens = 2048;
        config.batches.max_length = config.batches.max_length.min(model.max_positions - 2);
        config.batches.window = 1 << 13;
        config.model = model;
        Ok(config)
    }
}
