//! Adds a second catalogue to a model that recommends, with an expert of its own.

use std::path::{Path, PathBuf};

use candle::Device;
use dragoman_core::{
    directory::{Edit, Files, Fresh, LoadedRecommendation, NewCatalogue, RecommendationParts},
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
    add::{self, Addition, Commit},
    plan::{Kind, check_new},
    run,
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::Budget,
    control::Control,
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
pub type CatalogueOutcome = add::Outcome<CatalogueAdded>;

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
    let files = edit.files();
    let new = NewCatalogueExpert::new(request, log, &files, edit.register())?;
    add::add(edit, new, control)
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

/// What all steps know.
struct NewCatalogueExpert<'a> {
    request: &'a CatalogueRequest,
    log: &'a Interactions,
    files: &'a Files,
    /// The register without the catalogue.
    register: Register,
    entry: ExpertEntry,
    route: Route,
    config: TrainConfig,
    start: CatalogueStart,
    /// sha256 of the log.
    fingerprint: String,
}

/// How good a catalogue is.
struct Mixed {
    /// How its scorers are mixed.
    blend: Blend,
    /// NDCG@10 by system, in percent.
    scores: Vec<(String, f64)>,
}

impl<'a> NewCatalogueExpert<'a> {
    /// Decides what the expert will be.
    fn new(
        request: &'a CatalogueRequest,
        log: &'a Interactions,
        files: &'a Files,
        register: &Register,
    ) -> Result<Self> {
        let kind = Kind::of(&request.name)?;
        if kind != Kind::Catalogue {
            return Err(Error::Expert(format!("`{}` is no name of a catalogue", request.name)));
        }
        check_new(&request.name, &kind, register)?;
        if log.is_empty() {
            return Err(Error::Expert("there are no events to learn from".into()));
        }
        let (entry, route) = plan(request, files, register)?;
        let config = config(request, files, &entry)?;
        let start = CatalogueStart::new(&config, log)?;
        if start.trial.cases.is_empty() {
            return Err(Error::NothingToRecommend);
        }
        let (register, fingerprint) = (register.clone(), log.fingerprint());
        Ok(Self { request, log, files, register, entry, route, config, start, fingerprint })
    }

    /// The model with the catalogue as it starts.
    fn load(&self) -> Result<LoadedRecommendation> {
        let CatalogueStart { shape, catalogue, scorers, .. } = self.start.clone();
        let (entry, route) = (self.entry.clone(), self.route.clone());
        let new = NewCatalogue { entry, route, config: shape, catalogue, scorers };
        let fresh = Fresh { device: &Device::Cpu, seed: self.request.seed };
        let mut loaded = self.files.load_new_catalogue(new, fresh)?;
        loaded.blend.rules = self.start.rules(&loaded.profiler());
        Ok(loaded)
    }

    /// How the scorers are mixed with the best weights, and how good that is in the trial by which
    /// both were chosen, beside what is popular.
    fn mix(&self, best: &Tensors) -> Result<Mixed> {
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
        let scores = scores.map(|(name, score)| (name.to_string(), score)).to_vec();
        Ok(Mixed { blend, scores })
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
}

impl Addition for NewCatalogueExpert<'_> {
    type Scores = Mixed;
    type Added = CatalogueAdded;

    fn plan(&self) -> (&ExpertEntry, Vec<Route>) {
        (&self.entry, vec![self.route.clone()])
    }

    fn work(&self) -> &Path {
        &self.request.work
    }

    fn train(&self, control: &Control) -> Result<Summary> {
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
                "model": self.register.shared_sha256,
                "keeps_seen": request.keeps_seen,
                "seed": request.seed,
            }),
            model: ModelSize {
                parameters,
                active_encoder_parameters: 0,
                active_decoder_parameters: parameters,
            },
            config: &config.run,
            quiet: request.quiet,
        };
        run::train(&mut task, known, config, control)
    }

    fn judge(&self, best: &Tensors, _: &Control) -> Result<Option<Mixed>> {
        let mixed = self.mix(best)?;
        self.check_drop(&mixed.scores)?;
        Ok(Some(mixed))
    }

    fn describe(&self, entry: &mut ExpertEntry, summary: &Summary, mixed: &Mixed) {
        let CatalogueStart { catalogue, trial, .. } = &self.start;
        let mut figures = vec![
            ("items".into(), catalogue.items.len() as f64),
            ("users asked".into(), trial.cases.len() as f64),
        ];
        let score = |(name, score): &(String, f64)| (name.clone(), run::hundredth(*score));
        figures.extend(mixed.scores.iter().map(score));
        let Self { request, fingerprint, .. } = self;
        let from = run::log(&request.data, fingerprint, &request.licence);
        run::describe(entry, vec![from], summary, figures);
    }

    fn write_files(&self, edit: &Edit, register: &mut Register, mixed: &Mixed) -> Result<()> {
        let CatalogueStart { shape, catalogue, settings, .. } = &self.start;
        let parts = RecommendationParts {
            config: shape,
            register: &self.register,
            catalogue,
            blend: &mixed.blend,
            // Now they may know of the newest events, too.
            scorers: &Scorers::fit(&self.log.histories, self.log.items.len(), settings)?,
        };
        Ok(edit.write_catalogue(register, self.entry.short_name(), parts)?)
    }

    fn table(&self, mixed: &Mixed) -> Table {
        let row = |(name, score): &(String, f64)| vec![name.clone(), format!("{score:.2}")];
        Table {
            title: format!("{} users of the catalogue", self.start.trial.cases.len()),
            columns: ["score", "percent"].map(String::from).to_vec(),
            rows: mixed.scores.iter().map(row).collect(),
        }
    }

    fn added(self, commit: Commit<Mixed>) -> CatalogueAdded {
        let Commit { entry, scores: Mixed { scores, .. }, summary, report } = commit;
        let (items, asked) = (self.log.items.len(), self.start.trial.cases.len());
        CatalogueAdded { entry, items, asked, scores, summary, report }
    }
}
