//! Adds an expert to a model directory.

use std::path::PathBuf;

use candle::{Device, Tensor};
use dragoman_core::{
    detector::BUCKETS,
    directory::{Edit, Files, Loaded},
    kernels::matmul::Precision,
    register::{ExpertEntry, Register},
    translator::{Translator, TranslatorOptions},
};
use serde_json::json;

use super::{
    corpus::{Prepared, prepare},
    detector,
    plan::{Kind, Plan, check_new, possible_parents},
    request::AddRequest,
    run,
    scores::{self, Row},
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::LossConfig,
    control::{Control, Ended},
    task::{Part, Task},
    trainer::Summary,
    translation::{self, ExpertsConfig, RunPaths, TrainConfig, TranslationTask},
};

/// Batches that choose a parent.
const PARENT_BATCHES: usize = 4;

/// How an attempt to add an expert ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model has the expert.
    Added(Box<Added>),
    /// It was stopped at this step; the model is as it was, and the same request goes on.
    Stopped(u64),
}

/// An expert that came to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Added {
    /// What the register says about it.
    pub entry: ExpertEntry,
    /// Scores with and without it.
    pub rows: Vec<Row>,
    /// Pairs it learned from.
    pub pairs: usize,
    /// How training went.
    pub summary: Summary,
    /// The page about it.
    pub report: PathBuf,
}

/// Trains the expert of `request` for the model that `edit` holds, and commits it.
///
/// Whatever happens before the commit, a stop, a crash or an error, leaves the model as it was.
pub fn add(edit: Edit, request: &AddRequest, control: &Control) -> Result<Outcome> {
    let kind = Kind::of(&request.name)?;
    if matches!(kind, Kind::Segment | Kind::Catalogue) {
        let reason = format!("`{}` is an expert of models that recommend", request.name);
        return Err(Error::Expert(reason));
    }
    check_new(&request.name, &kind, edit.register())?;
    fs_err::create_dir_all(&request.work)?;
    let files = edit.files();
    let base = files.load_translation(&Device::Cpu)?;
    let prepared = prepare(request, &kind, edit.register(), &base.tokenizer)?;
    let before = edit.register().clone();
    let job = Job { request, files: &files, register: &before, prepared: &prepared };
    let plan = job.plan(&kind, &base)?;
    drop(base);

    let summary = job.train(&plan, control)?;
    let stopped = Outcome::Stopped(summary.step);
    if summary.ended != Ended::Finished {
        return Ok(stopped);
    }
    let dtype = files.dtype()?;
    let best = run::best_weights(&summary, dtype)?;
    let Some(rows) = job.compare(&plan, &best, control)? else { return Ok(stopped) };
    job.check_drop(&rows)?;
    let mut entry = plan.entry.clone();
    job.describe(&mut entry, &summary, &rows);
    let mut tensors = run::own_names(&request.name, best);
    job.add_detector(&mut entry, &mut tensors)?;

    edit.write_expert(&mut entry, &tensors, dtype)?;
    let mut register = before.clone();
    register.experts.push(entry.clone());
    register.routes.extend(plan.routes.iter().cloned());
    edit.commit(&register)?;
    let report = run::report(&request.work, scores::table(&rows))?;
    // The run is over: another with this name starts from the beginning.
    fs_err::remove_dir_all(request.work.join("checkpoints"))?;
    let pairs = prepared.pairs;
    Ok(Outcome::Added(Box::new(Added { entry, rows, pairs, summary, report })))
}

/// What all steps of the way know.
struct Job<'a> {
    request: &'a AddRequest,
    files: &'a Files,
    register: &'a Register,
    prepared: &'a Prepared,
}

impl Job<'_> {
    fn plan(&self, kind: &Kind, base: &Loaded) -> Result<Plan> {
        let config = self.files.translation_config()?;
        let Kind::Pair(pair) = kind else {
            return Plan::domain(self.request, self.register, &config, &self.prepared.directions);
        };
        if self.request.lora.is_some() {
            let reason =
                "`--lora` is for domains; a pair expert takes its parent's place as a full copy";
            return Err(Error::Expert(reason.into()));
        }
        let parents = possible_parents(self.request, pair, self.register)?;
        let plan = |parent: &ExpertEntry| {
            Plan::pair(self.request, pair, parent, (self.register, &config, &base.tokenizer))
        };
        let plans = parents.into_iter().map(plan).collect::<Result<Vec<_>>>()?;
        self.nearest(plans)
    }

    /// The plan whose parent gives the lowest loss before any training.
    fn nearest(&self, plans: Vec<Plan>) -> Result<Plan> {
        let mut best: Option<(f64, Plan)> = None;
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

    fn first_loss(&self, plan: &Plan) -> Result<f64> {
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

    fn load(&self, plan: &Plan) -> Result<Loaded> {
        Ok(self.files.load_with(&plan.entry, &plan.routes, (&Device::Cpu, self.request.seed))?)
    }

    fn paths(&self) -> RunPaths {
        let Self { request, prepared, .. } = self;
        RunPaths {
            corpus: request.work.clone(),
            dev: prepared.dev_base.clone(),
            out: request.work.clone(),
            quiet: request.quiet,
        }
    }

    fn task(&self, plan: &Plan, config: &TrainConfig) -> Result<TranslationTask> {
        let (name, directions) = (&plan.entry.name, &self.prepared.directions);
        TranslationTask::of_expert(config, self.load(plan)?, name, directions, &self.paths())
    }

    /// The settings of the run.
    fn config(&self, plan: &Plan) -> Result<TrainConfig> {
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

    fn train(&self, plan: &Plan, control: &Control) -> Result<Summary> {
        let config = self.config(plan)?;
        let mut task = self.task(plan, &config)?;
        let (request, entry) = (self.request, &plan.entry);
        let parameters = task.params().elem_count();
        let hashes: Vec<&str> =
            self.prepared.trained_on.iter().map(|corpus| corpus.sha256.as_str()).collect();
        let known = run::Known {
            name: &request.name,
            work: &request.work,
            identity: json!({
                "expert": entry.name,
                "d_ff": entry.d_ff,
                "lora": entry.lora,
                "parent": entry.parent,
                "routes": entry.routes,
                "corpora": hashes,
                "model": self.register.shared_sha256,
                "seed": request.seed,
            }),
            model: translation::cost::model_size(&config.model, &config.experts, parameters),
            quiet: request.quiet,
        };
        run::train(&mut task, known, (&config, &config.run), control)
    }

    /// Scores with and without the expert; none when `control` says stop.
    fn compare(&self, plan: &Plan, best: &Tensors, control: &Control) -> Result<Option<Vec<Row>>> {
        let loaded = self.load(plan)?;
        run::put(best, &loaded.params)?;
        let options = TranslatorOptions::default();
        let Loaded { model, register, tokenizer, .. } = loaded;
        let with = Translator::new(model, register, tokenizer, options)?;
        let without = Translator::open(self.files, options)?;
        let domains: Vec<String> = match plan.routes.is_empty() {
            true => vec![plan.entry.short_name().to_string()],
            false => Vec::new(),
        };
        let Prepared { dev, dev_base, directions, .. } = self.prepared;
        let sets = scores::test_sets((dev, dev_base), &self.request.general, directions)?;
        let mut rows = Vec::new();
        for (own, set) in sets {
            let before = scores::score(&without, &set, &[], control)?;
            let after = scores::score(&with, &set, &domains, control)?;
            let (Some(after), false) = (after, control.is_stopped()) else { return Ok(None) };
            let (name, pair, sentences) = (set.name, set.pair.to_string(), set.sources.len());
            rows.push(Row { set: name, pair, own, sentences, before, after });
        }
        Ok(Some(rows))
    }

    fn check_drop(&self, rows: &[Row]) -> Result<()> {
        let (before, after) = scores::means(rows);
        match before {
            Some(before) if after <= before - self.request.max_drop => Err(Error::Expert(format!(
                "the expert does no good: mean chrF++ {before:.2} without it, {after:.2} with it; the \
                 model is as it was. Train longer or on more, or allow it with `--max-drop`"
            ))),
            _ => Ok(()),
        }
    }

    /// Notes in the register's entry where the expert comes from and how good it is.
    fn describe(&self, entry: &mut ExpertEntry, summary: &Summary, rows: &[Row]) {
        let mut figures = vec![("target tokens".into(), summary.labels as f64)];
        for row in rows {
            let name = format!("chrF++ {} {}", row.pair, row.set);
            let before =
                row.before.map(|before| (format!("{name} before"), run::hundredth(before)));
            figures.push((name, run::hundredth(row.after)));
            figures.extend(before);
        }
        run::describe(entry, self.prepared.trained_on.clone(), summary, figures);
    }

    /// Trains a detector, if there are texts to tell the domain from.
    fn add_detector(&self, entry: &mut ExpertEntry, tensors: &mut Tensors) -> Result<()> {
        if entry.routes.is_empty() || self.request.general.is_empty() {
            return Ok(());
        }
        let mut sets = Vec::new();
        for path in &self.request.general {
            sets.push(translation::DevSet { sentences: 0, ..scores::general_set(path) });
        }
        let config = translation::DevConfig { sets };
        let directions = &self.prepared.directions;
        let sets = translation::load_test_sets(&config, "".as_ref(), directions)?;
        let other: Vec<String> = sets.into_iter().flat_map(|set| set.sources).collect();
        let Some(learned) = detector::learn(&self.prepared.sources, &other, self.request.seed)
        else {
            return Ok(());
        };
        entry.detector = Some(BUCKETS);
        entry.metrics.insert("detector recall".into(), learned.recall);
        entry.metrics.insert("detector false alarms".into(), learned.false_alarms);
        let weights = Tensor::from_vec(learned.weights, BUCKETS + 1, &Device::Cpu)?;
        tensors.insert("detector.weight".into(), weights);
        Ok(())
    }
}
