//! Adds a second catalogue to a model that recommends, with an expert of its own.

use std::path::PathBuf;

use candle::Device;
use dragoman_core::{
    directory::{Edit, Files, LoadedRecommendation, NewCatalogue, RecommendationParts},
    recommend::{
        Blend, Scorers,
        popularity::{Popularity, Window},
    },
    recommender::Recommender,
    register::{ExpertEntry, ExpertKind, Register, Route},
};
use dragoman_data::interactions::Interactions;
use serde_json::json;

use super::{
    plan::{Kind, check_new},
    run,
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::Budget,
    control::{Control, Ended},
    recommendation::{metrics::Scores, ranking::Outcome},
    report::log::{ModelSize, Table},
    tasks::recommendation::{CatalogueStart, RecommendationTask, TrainConfig},
    trainer::Summary,
};

/// A second catalogue, and what it learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueRequest {
    /// Name of its expert, such as `catalogue.books`.
    pub name: String,
    /// What the log is called in the register.
    pub data: String,
    /// Licence of the log, for the register.
    pub licence: String,
    /// Inner width of the expert; by default that of the model's segment experts.
    pub width: Option<usize>,
    /// When training is over, at the latest.
    pub budget: Budget,
    /// The learning rate at its peak.
    pub learning_rate: f64,
    /// By how many points NDCG@10 may be below that of the popular items.
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

/// How an attempt to add a catalogue ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CatalogueOutcome {
    /// The model has the catalogue.
    Added(Box<CatalogueAdded>),
    /// It was stopped at this step; the model is as it was, and the same request goes on.
    Stopped(u64),
}

/// A catalogue that came to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueAdded {
    /// What the register says about its expert.
    pub entry: ExpertEntry,
    /// Items in it.
    pub items: usize,
    /// Users it was judged by.
    pub asked: usize,
    /// NDCG@10 by system, in percent.
    pub scores: Vec<(String, f64)>,
    /// How training went.
    pub summary: Summary,
    /// The page about it.
    pub report: PathBuf,
}

/// Name of the score of the lists that users get.
const SERVED: &str = "served NDCG@10";
/// Name of the score of what is popular, which is the same for everybody.
const POPULAR: &str = "popular NDCG@10";

/// Trains the catalogue of `request` on `log` beside those of the model that `edit` holds, and
/// commits it.
///
/// Its tables, one expert in every layer and its gate rows learn; the rest is the model's, frozen.
/// Whatever happens before the commit, a stop, a crash or an error, leaves the model as it was.
pub fn add_catalogue(
    edit: Edit,
    request: &CatalogueRequest,
    log: &Interactions,
    control: &Control,
) -> Result<CatalogueOutcome> {
    let kind = Kind::of(&request.name)?;
    if kind != Kind::Catalogue {
        return Err(Error::Expert(format!("`{}` is no name of a catalogue", request.name)));
    }
    check_new(&request.name, &kind, edit.register())?;
    if log.is_empty() {
        return Err(Error::Expert("there are no events to learn from".into()));
    }
    let files = edit.files();
    let (entry, route) = plan(request, &files, edit.register())?;
    fs_err::create_dir_all(&request.work)?;
    let config = config(request, &files, &entry)?;
    let start = CatalogueStart::new(&config, log)?;
    if start.trial.cases.is_empty() {
        return Err(Error::NothingToRecommend);
    }
    let before = edit.register().clone();
    let fingerprint = log.fingerprint();
    let job = Job { request, files: &files, entry, route, config, start, fingerprint };

    let summary = job.train(&before, control)?;
    if summary.ended != Ended::Finished {
        return Ok(CatalogueOutcome::Stopped(summary.step));
    }
    let dtype = files.dtype()?;
    let best = run::best_weights(&summary, dtype)?;
    let (blend, scores) = job.mix(&best)?;
    job.check_drop(&scores)?;
    let mut entry = job.described(&summary, &scores);
    edit.write_expert(&mut entry, &run::own_names(&request.name, best), dtype)?;
    let mut register = before.clone();
    let CatalogueStart { shape, catalogue, settings, .. } = &job.start;
    let parts = RecommendationParts {
        config: shape,
        register: &before,
        catalogue,
        blend: &blend,
        // Now they may know of the newest events, too.
        scorers: &Scorers::fit(&log.histories, log.items.len(), settings)?,
    };
    edit.write_catalogue(&mut register, entry.short_name(), parts)?;
    register.experts.push(entry.clone());
    register.routes.push(job.route.clone());
    edit.commit(&register)?;
    let report = run::report(&request.work, job.table(&scores))?;
    // The run is over: another with this name starts from the beginning.
    fs_err::remove_dir_all(request.work.join("checkpoints"))?;
    let (items, asked) = (log.items.len(), job.start.trial.cases.len());
    let added = CatalogueAdded { entry, items, asked, scores, summary, report };
    Ok(CatalogueOutcome::Added(Box::new(added)))
}

/// The expert of the catalogue, and the route that leads to it beside the experts of all users.
fn plan(
    request: &CatalogueRequest,
    files: &Files,
    register: &Register,
) -> Result<(ExpertEntry, Route)> {
    let layers = files.recommendation_config()?.layers();
    let name = request.name.split_once('.').map_or("", |(_, name)| name);
    if register.routes.iter().any(|route| route.name == name) {
        let reason = format!("there is a route `{name}` already: choose another name");
        return Err(Error::Expert(reason));
    }
    let segments = register.experts.iter().find(|expert| expert.kind == ExpertKind::Segment);
    let d_ff = request.width.or(segments.map(|expert| expert.d_ff)).unwrap_or(WIDTH);
    let entry = ExpertEntry::new(request.name.clone(), ExpertKind::Catalogue, &layers, d_ff);
    let mut group = register.routes.first().map(|route| route.group.clone()).unwrap_or_default();
    group.push(entry.name.clone());
    Ok((entry, Route { name: name.into(), group, ..Route::default() }))
}

/// Inner width of the expert in a model without any.
const WIDTH: usize = 16;

/// The settings of the run.
fn config(request: &CatalogueRequest, files: &Files, entry: &ExpertEntry) -> Result<TrainConfig> {
    let model = files.recommendation_config()?;
    let run = run::config(request.budget, request.learning_rate, request.seed);
    let mut config = run::recommendation(&model, entry.d_ff, run);
    // Whether this log tells values, times and labels, it says itself.
    (config.model.gaps, config.model.values, config.model.user_features) = (true, true, true);
    config.objective.item_dropout = 0.1;
    Ok(TrainConfig { name: request.name.clone(), keep_seen: request.keeps_seen, ..config })
}

/// What all steps of the way know.
struct Job<'a> {
    request: &'a CatalogueRequest,
    files: &'a Files,
    entry: ExpertEntry,
    route: Route,
    config: TrainConfig,
    start: CatalogueStart,
    /// sha256 of the log.
    fingerprint: String,
}

impl Job<'_> {
    /// The model with the catalogue as it starts.
    fn load(&self) -> Result<LoadedRecommendation> {
        let CatalogueStart { shape, catalogue, scorers, .. } = self.start.clone();
        let (entry, route) = (self.entry.clone(), self.route.clone());
        let new = NewCatalogue { entry, route, config: shape, catalogue, scorers };
        let seed = self.request.seed;
        let mut loaded = self.files.load_new_catalogue(new, (&Device::Cpu, seed))?;
        loaded.blend.rules = self.start.rules(&loaded.profiler());
        Ok(loaded)
    }

    fn train(&self, before: &Register, control: &Control) -> Result<Summary> {
        let Self { request, entry, config, .. } = self;
        let mut task =
            RecommendationTask::of_catalogue(config, self.load()?, &entry.name, &self.start.trial);
        let parameters = task.parameters() as u64;
        let known = run::Known {
            name: &request.name,
            work: &request.work,
            identity: json!({
                "expert": entry.name,
                "d_ff": entry.d_ff,
                "log": self.fingerprint,
                "model": before.shared_sha256,
                "keeps_seen": request.keeps_seen,
                "seed": request.seed,
            }),
            model: ModelSize {
                parameters,
                active_encoder_parameters: 0,
                active_decoder_parameters: parameters,
            },
            quiet: request.quiet,
        };
        run::train(&mut task, known, (config, &config.run), control)
    }

    /// How the scorers are mixed with the best weights, and how good that is in the trial by which
    /// both were chosen, beside what is popular.
    fn mix(&self, best: &Tensors) -> Result<(Blend, Vec<(String, f64)>)> {
        let loaded = self.load()?;
        run::put(best, &loaded.params)?;
        let trial = &self.start.trial;
        let recommender = Recommender::new(loaded)?;
        let percent = |outcome: Outcome| 100.0 * Scores::mean(&outcome.scores).ndcg;
        let alone = percent(Outcome::of_model(trial, &recommender)?);
        let blend = self.start.blend(&recommender, &self.config)?;
        let recommender = recommender.with_blend(blend.clone())?;
        let served = percent(Outcome::of_model(trial, &recommender)?);
        let window = if trial.train.has_times { Window::Days { days: 30.0 } } else { Window::All };
        let (events, count) = (trial.train.events(), trial.train.items.len());
        let popular = Popularity::fit(events, count, trial.now, window);
        let popular = percent(Outcome::of_scorer(trial, &popular));
        let scores = [("NDCG@10", alone), (SERVED, served), (POPULAR, popular)];
        Ok((blend, scores.map(|(name, score)| (name.to_string(), score)).to_vec()))
    }

    fn check_drop(&self, scores: &[(String, f64)]) -> Result<()> {
        let score = |wanted: &str| {
            scores.iter().find(|(name, _)| name == wanted).map_or(0.0, |(_, score)| *score)
        };
        let (served, popular) = (score(SERVED), score(POPULAR));
        match served < popular - self.request.max_drop {
            true => Err(Error::Expert(format!(
                "the catalogue does no good: NDCG@10 {served:.2}, that of what is popular is \
                 {popular:.2}; the model is as it was. Train longer or on more, or allow it with \
                 `--max-drop`"
            ))),
            false => Ok(()),
        }
    }

    /// The register's entry, with where the expert comes from and how good it is.
    fn described(&self, summary: &Summary, scores: &[(String, f64)]) -> ExpertEntry {
        let CatalogueStart { catalogue, trial, .. } = &self.start;
        let mut figures = vec![
            ("items".into(), catalogue.items.len() as f64),
            ("users asked".into(), trial.cases.len() as f64),
        ];
        figures.extend(scores.iter().map(|(name, score)| (name.clone(), run::hundredth(*score))));
        let mut entry = self.entry.clone();
        let Self { request, fingerprint, .. } = self;
        let from = run::log(&request.data, fingerprint, &request.licence);
        run::describe(&mut entry, vec![from], summary, figures);
        entry
    }

    /// The scores as a table of the report.
    fn table(&self, scores: &[(String, f64)]) -> Table {
        let row = |(name, score): &(String, f64)| vec![name.clone(), format!("{score:.2}")];
        Table {
            title: format!("{} users of the catalogue", self.start.trial.cases.len()),
            columns: ["score", "percent"].map(String::from).to_vec(),
            rows: scores.iter().map(row).collect(),
        }
    }
}
