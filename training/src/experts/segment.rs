//! Adds an expert for a group of users, with a route that they take and others do not.

mod log;
mod plan;
mod request;
mod scores;

use std::path::{Path, PathBuf};

use candle::Device;
use dragoman_core::{
    directory::{Edit, Files, Fresh, LoadedRecommendation},
    register::{ExpertEntry, Register, Route},
};
use dragoman_data::interactions::Interactions;
use serde_json::json;

pub use request::SegmentRequest;
pub use scores::Measured;

use self::{log::Mapped, plan::SegmentPlan};
use super::{
    add::{self, Addition, Commit, Outcome},
    plan::{Kind, check_new},
    run,
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    control::Control,
    report::log::{ModelSize, Table},
    tasks::recommendation::{Members, Reader, RecommendationTask, TrainConfig},
    trainer::Summary,
};

/// How an attempt to add an expert for a group of users ended.
pub type SegmentOutcome = Outcome<SegmentAdded>;

/// An expert for a group of users that came to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentAdded {
    /// What the register says about it.
    pub entry: ExpertEntry,
    /// Scores with and without it, in percent.
    pub scores: Vec<Measured>,
    /// Users it learned from.
    pub learners: usize,
    /// Users it was judged by.
    pub asked: usize,
    /// Events of the log whose item the model does not know.
    pub unknown: usize,
    /// How training went.
    pub summary: Summary,
    /// The page about it.
    pub report: PathBuf,
}

/// Trains the expert of `request` on `log` for the model that `edit` holds, and commits it.
///
/// Whatever happens before the commit, a stop, a crash or an error, leaves the model as it was.
pub fn add_segment(
    edit: Edit,
    request: &SegmentRequest,
    log: &Interactions,
    control: &Control,
) -> Result<SegmentOutcome> {
    let files = edit.files();
    let new = NewSegment::new(request, log, &files, edit.register())?;
    add::add(edit, new, control)
}

/// The users of `route`, once the model `base` has it.
fn members(
    request: &SegmentRequest,
    base: &LoadedRecommendation,
    route: &Route,
    log: &Interactions,
) -> Result<Members> {
    let profiler = base.profiler();
    let mut register = base.register.clone();
    register.routes.push(route.clone());
    let reader = Reader {
        config: base.model.config(),
        catalogue: &base.catalogue,
        profiler: &profiler,
        route: register.routes.len() - 1,
        register: &register,
    };
    Members::find(reader, log, &base.blend, request.keeps_seen)
}

/// What all steps know.
struct NewSegment<'a> {
    request: &'a SegmentRequest,
    files: &'a Files,
    /// sha256 of the file of the shared weights.
    model: String,
    plan: SegmentPlan,
    members: Members,
    /// sha256 of the log.
    fingerprint: String,
    /// Events of the log whose item the model does not know.
    unknown: usize,
}

impl<'a> NewSegment<'a> {
    /// Finds the users of the group in the log, and decides what the expert will be.
    fn new(
        request: &'a SegmentRequest,
        log: &Interactions,
        files: &'a Files,
        register: &Register,
    ) -> Result<Self> {
        let kind = Kind::of(&request.name)?;
        if kind != Kind::Segment {
            let reason = format!("`{}` is no expert for a group of users", request.name);
            return Err(Error::Expert(reason));
        }
        check_new(&request.name, &kind, register)?;
        let route = plan::route(request, register)?;
        let named = |parent: &String| SegmentPlan::new(request, parent, register, &route);
        let named = request.parent.as_ref().map(named).transpose()?;
        let base = files.load_recommendation(&Device::Cpu)?;
        let Mapped { log: mapped, unknown } = Mapped::new(log, &base.catalogue);
        if mapped.is_empty() {
            return Err(Error::Expert(format!(
                "the model knows none of the {} items of the log: bring a log of its own catalogue",
                log.items.len()
            )));
        }
        let members = members(request, &base, &route, &mapped)?;
        let plan = match named {
            Some(plan) => plan,
            None => {
                let shares = members.shares(&base, request.seed)?;
                let nearest = SegmentPlan::nearest(&base.register, &shares);
                SegmentPlan::new(request, nearest, &base.register, &route)?
            }
        };
        let (model, fingerprint) = (register.shared_sha256.clone(), log.fingerprint());
        Ok(Self { request, files, model, plan, members, fingerprint, unknown })
    }

    fn load(&self) -> Result<LoadedRecommendation> {
        let SegmentPlan { entry, route } = &self.plan;
        let fresh = Fresh { device: &Device::Cpu, seed: self.request.seed };
        Ok(self.files.load_recommendation_with(entry, route, fresh)?)
    }

    /// The settings of the run.
    fn config(&self) -> Result<TrainConfig> {
        let (model, request) = (self.files.recommendation_config()?, self.request);
        let run = run::config(request.budget, request.learning_rate, request.seed);
        let config = run::recommendation(&model, self.plan.entry.d_ff, run);
        Ok(TrainConfig { name: request.name.clone(), keep_seen: request.keeps_seen, ..config })
    }

    /// Refuses an expert by what its users would be served.
    fn check_drop(&self, scores: &[Measured]) -> Result<()> {
        match scores.iter().find(|score| score.name == scores::SERVED) {
            Some(Measured { name, before, after }) if *after <= before - self.request.max_drop => {
                Err(Error::Expert(format!(
                    "the expert does no good: {name} {before:.2} without it, {after:.2} with it, of \
                     {} users; the model is as it was. Train longer or on more, or allow it with \
                     `--max-drop`",
                    self.members.trial.cases.len()
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Addition for NewSegment<'_> {
    type Scores = Vec<Measured>;
    type Added = SegmentAdded;

    fn plan(&self) -> (&ExpertEntry, Vec<Route>) {
        (&self.plan.entry, vec![self.plan.route.clone()])
    }

    fn work(&self) -> &Path {
        &self.request.work
    }

    fn train(&self, control: &Control) -> Result<Summary> {
        let config = self.config()?;
        let SegmentPlan { entry, route } = &self.plan;
        let mut task =
            RecommendationTask::of_expert(&config, self.load()?, &entry.name, &self.members);
        let request = self.request;
        let parameters = task.parameters() as u64;
        let known = run::Known {
            name: &request.name,
            work: &request.work,
            identity: json!({
                "expert": entry.name,
                "rule": route.rule,
                "parent": entry.parent,
                "d_ff": entry.d_ff,
                "log": self.fingerprint,
                "model": self.model,
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
        run::train(&mut task, known, &config, control)
    }

    fn judge(&self, best: &Tensors, control: &Control) -> Result<Option<Vec<Measured>>> {
        let loaded = self.load()?;
        run::put(best, &loaded.params)?;
        let without = self.files.load_recommendation(&Device::Cpu)?;
        let Some(before) = scores::measure(&self.members, without, 0, control)? else {
            return Ok(None);
        };
        let route = loaded.register.routes.len() - 1;
        let after = scores::measure(&self.members, loaded, route, control)?;
        let Some(after) = after else { return Ok(None) };
        let scores = scores::joined(before, &after);
        self.check_drop(&scores)?;
        Ok(Some(scores))
    }

    fn describe(&self, entry: &mut ExpertEntry, summary: &Summary, scores: &Vec<Measured>) {
        let Members { trial, .. } = &self.members;
        let mut figures = vec![
            ("users learned from".into(), self.members.learners() as f64),
            ("users asked".into(), trial.cases.len() as f64),
            ("events of unknown items".into(), self.unknown as f64),
        ];
        for Measured { name, before, after } in scores {
            figures.push((name.clone(), run::hundredth(*after)));
            figures.push((format!("{name} before"), run::hundredth(*before)));
        }
        let Self { request, fingerprint, .. } = self;
        let from = run::log(&request.data, fingerprint, &request.licence);
        run::describe(entry, vec![from], summary, figures);
    }

    fn table(&self, scores: &Vec<Measured>) -> Table {
        scores::table(scores, &self.members.trial)
    }

    fn added(self, commit: Commit<Vec<Measured>>) -> SegmentAdded {
        let Commit { entry, scores, summary, report } = commit;
        let (learners, asked) = (self.members.learners(), self.members.trial.cases.len());
        SegmentAdded { entry, scores, learners, asked, unknown: self.unknown, summary, report }
    }
}
