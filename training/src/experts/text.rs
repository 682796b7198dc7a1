//! Adds an expert for a domain or a pair of languages.

mod start;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use candle::Device;
use dragoman_core::{
    directory::{Edit, Files},
    register::{ExpertEntry, ExpertKind, Register, Route},
    translator::{Translator, TranslatorOptions},
};
use serde_json::json;

use super::{
    add::{self, Addition, Commit, Outcome},
    corpus::{Prepared, prepare},
    detector::{self, DETECTOR},
    plan::{ExpertPlan, Kind, check_new},
    request::AddRequest,
    run,
    scores::{self, Paired, Row},
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    control::Control,
    evaluate::{LanguagePair, TestSet},
    metrics::{Chrf, Counts, Metric},
    report::log::Table,
    task::{Part, Task},
    trainer::Summary,
    translation,
};

use start::Start;

/// An expert that came to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Added {
    /// What the register says about it.
    pub entry: ExpertEntry,
    /// Scores with and without it.
    pub rows: Vec<Row>,
    /// How often chance alone would make a difference as large on the expert's own sets; none where
    /// the model could not translate them before.
    pub p_value: Option<f64>,
    /// Pairs it learned from.
    pub pairs: usize,
    /// How training went.
    pub summary: Summary,
    /// The page about it.
    pub report: PathBuf,
}

/// Trains the expert of `request`, for a domain or a pair of languages, for the model that `edit` holds,
/// and commits it.
///
/// Whatever happens before the commit, a stop, a crash or an error, leaves the model as it was.
pub fn add(edit: Edit, request: &AddRequest, control: &Control) -> Result<Outcome<Added>> {
    let files = edit.files();
    let new = TextExpert::new(request, &files, edit.register())?;
    add::add(edit, new, control)
}

/// What would be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What the register would say about the expert.
    pub entry: ExpertEntry,
    /// Routes that would come with it.
    pub routes: Vec<String>,
    /// Directions it would learn.
    pub directions: Vec<String>,
    /// Pairs it would learn from.
    pub pairs: usize,
    /// Sentences that would choose its weights.
    pub dev_sentences: usize,
    /// Weights it has.
    pub parameters: usize,
    /// Bytes of its file.
    pub bytes: usize,
    /// Seconds that a step takes now.
    pub seconds_a_step: f64,
}

/// Says what [`add`] would do, and leaves the model as it is.
pub fn preview(edit: &Edit, request: &AddRequest) -> Result<Preview> {
    let files = edit.files();
    let new = TextExpert::new(request, &files, edit.register())?;
    let config = new.start().config(&new.plan)?;
    let mut task = new.start().task(&new.plan, &config)?;
    let mut seconds = f64::INFINITY;
    for index in 0..TIMED_STEPS {
        let started = Instant::now();
        let batch = task.next_batch()?;
        let labels = task.size(&batch).labels;
        let part = Part { config: &config.run, step: 1, index, labels, share: 1.0 };
        task.loss(&batch, &part)?.total.backward()?;
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    let parameters = task.params().elem_count();
    let pair = |(source, target): &(String, String)| format!("{source}-{target}");
    Ok(Preview {
        entry: new.plan.entry.clone(),
        routes: new.plan.routes.iter().map(|route| route.name.clone()).collect(),
        directions: new.prepared.directions.iter().map(pair).collect(),
        pairs: new.prepared.pairs,
        dev_sentences: new.test_sets(&[])?.iter().map(|(_, set)| set.sources.len()).sum(),
        parameters,
        bytes: parameters * files.dtype()?.size_in_bytes(),
        seconds_a_step: seconds,
    })
}

/// Steps that a preview times.
const TIMED_STEPS: u64 = 3;
/// Sentences below which a gain says nothing.
const FEWEST_SENTENCES: usize = 10;
/// Largest p-value of a gain that is believed.
const LARGEST_P: f64 = 0.05;
/// What a domain is called while another of its name is there.
const NEXT: &str = "~next";

/// What all steps know.
struct TextExpert<'a> {
    request: AddRequest,
    /// The expert that is replaced.
    old: Option<ExpertEntry>,
    files: &'a Files,
    register: Register,
    prepared: Prepared,
    plan: ExpertPlan,
}

impl<'a> TextExpert<'a> {
    /// Prepares the corpora, and decides what the expert will be.
    fn new(request: &AddRequest, files: &'a Files, register: &Register) -> Result<Self> {
        let mut request = request.clone();
        let kind = Kind::of(&request.name)?;
        if kind == Kind::Retrieval {
            let reason = format!("`{}` is nothing to train: its texts are looked up", request.name);
            return Err(Error::Expert(reason));
        }
        if matches!(kind, Kind::Segment | Kind::Catalogue) {
            let reason = format!("`{}` is an expert of models that recommend", request.name);
            return Err(Error::Expert(reason));
        }
        let old = match request.updates {
            true => Some(to_update(&mut request, register)?),
            false => check_new(&request.name, &kind, register).map(|()| None)?,
        };
        fs_err::create_dir_all(&request.work)?;
        let base = files.load_translation(&Device::Cpu)?;
        let prepared = prepare(&request, &kind, register, &*base.vocabulary)?;
        let old_ref = old.as_ref();
        let start = Start { request: &request, old: old_ref, files, register, prepared: &prepared };
        let plan = start.plan(&kind, &base)?;
        drop(base);
        Ok(Self { request, old, files, register: register.clone(), prepared, plan })
    }

    fn start(&self) -> Start<'_> {
        let Self { request, old, files, register, prepared, .. } = self;
        Start { request, old: old.as_ref(), files, register, prepared }
    }

    /// Sets to judge the expert by, its own and those of other texts.
    fn test_sets(&self, general: &[String]) -> Result<Vec<(bool, TestSet)>> {
        let Prepared { dev, dev_base, directions, .. } = &self.prepared;
        scores::test_sets(dev, dev_base, general, directions)
    }

    /// Refuses an expert that does no good, or one whose gain may be chance.
    fn check_drop(&self, scores: &TextScores) -> Result<()> {
        let TextScores { rows, sentences, p_value } = scores;
        let (Some(before), after) = scores::means(rows) else { return Ok(()) };
        if after <= before - self.request.max_drop {
            return Err(Error::Expert(format!(
                "the expert does no good: mean chrF++ {before:.2} without it, {after:.2} with it; the \
                 model is as it was. Train longer or on more, or allow it with `--max-drop`"
            )));
        }
        if self.request.max_drop > 0.0 {
            return Ok(());
        }
        let p = p_value.unwrap_or(1.0);
        if *sentences >= FEWEST_SENTENCES && p <= LARGEST_P {
            return Ok(());
        }
        Err(Error::Expert(format!(
            "whether the expert does good cannot be said: mean chrF++ {before:.2} without it and \
             {after:.2} with it, on {sentences} sentences, may be chance (p = {p:.2}); the model is as it \
             was. Bring more pairs or sentences (`--dev`), or allow it with `--max-drop 0.1`"
        )))
    }
}

/// How good the model is without and with an expert.
struct TextScores {
    rows: Vec<Row>,
    /// Sentences of the expert's own sets.
    sentences: usize,
    p_value: Option<f64>,
}

/// The domain that `request` updates, whose directions become those of the request.
fn to_update(request: &mut AddRequest, register: &Register) -> Result<ExpertEntry> {
    let is_domain = |expert: &&ExpertEntry| expert.kind == ExpertKind::Domain;
    let Some(old) = register.expert(&request.name).filter(is_domain) else {
        let known: Vec<&str> = register.domain_experts().map(|e| e.name.as_str()).collect();
        return Err(Error::Expert(format!(
            "`{}` is no domain of this model{}; `dragoman expert add` makes a new one",
            request.name,
            if known.is_empty() {
                String::new()
            } else {
                format!(", which has {}", known.join(", "))
            }
        )));
    };
    if request.lora.is_some() || request.width.is_some() || request.parent.is_some() {
        let reason = "an update keeps the size of its expert: `--lora`, `--width` and `--parent` are \
                      for new ones";
        return Err(Error::Expert(reason.into()));
    }
    let covers = |pair: &&LanguagePair| {
        let route = register.route(&pair.source, &pair.target);
        route.is_some_and(|route| old.routes.contains(&register.routes[route].name))
    };
    if let Some(pair) = request.pairs.iter().find(|pair| !covers(pair)) {
        let reason = format!("`{}` covers {}, not {pair}", old.name, old.routes.join(", "));
        return Err(Error::Expert(reason));
    }
    if request.pairs.is_empty() {
        // Of a route between many languages the corpora say the pairs.
        let is_pair = |name: &&String| {
            register.routes.iter().any(|route| route.name == **name && route.between.is_empty())
        };
        let pairs = old.routes.iter().filter(is_pair).map(|route| route.parse());
        request.pairs = pairs.collect::<Result<_>>()?;
    }
    Ok(old.clone())
}

impl Addition for TextExpert<'_> {
    type Scores = TextScores;
    type Added = Added;

    fn plan(&self) -> (&ExpertEntry, Vec<Route>) {
        (&self.plan.entry, self.plan.routes.clone())
    }

    fn work(&self) -> &Path {
        &self.request.work
    }

    fn train(&self, control: &Control) -> Result<Summary> {
        let (request, entry) = (&self.request, &self.plan.entry);
        let config = self.start().config(&self.plan)?;
        let mut task = self.start().task(&self.plan, &config)?;
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
                "from": self.old.as_ref().map(|old| &old.sha256),
                "corpora": hashes,
                "model": self.register.shared_sha256,
                "seed": request.seed,
            }),
            model: translation::cost::model_size(&config.model, &config.experts, parameters),
            config: &config.run,
            quiet: request.quiet,
        };
        run::train(&mut task, known, &config, control)
    }

    fn judge(&self, best: &Tensors, control: &Control) -> Result<Option<TextScores>> {
        let loaded = self.start().load(&self.plan)?;
        run::put(best, &loaded.params)?;
        let options = TranslatorOptions::default();
        let with = Translator::of_loaded(loaded, options)?;
        let without = Translator::open(self.files, options)?;
        let domain = |entry: &ExpertEntry| vec![entry.short_name().to_string()];
        let new = if self.plan.routes.is_empty() { domain(&self.plan.entry) } else { Vec::new() };
        let old = self.old.as_ref().map(domain).unwrap_or_default();
        let mut rows = Vec::new();
        let mut paired = Paired::default();
        for (own, set) in self.test_sets(&self.request.general)? {
            let before = scores::count(&without, &set, &old, control)?;
            let after = scores::count(&with, &set, &new, control)?;
            let (Some(after), false) = (after, control.is_stopped()) else { return Ok(None) };
            let score = |counts: &Vec<Counts>| Chrf::plus_plus().score(&counts.iter().sum());
            let scores = (before.as_ref().map(score), score(&after));
            if let (true, Some(before)) = (own, before) {
                paired.add(before, &after);
            }
            let (name, pair, sentences) = (set.name, set.pair.to_string(), set.sources.len());
            rows.push(Row { set: name, pair, own, sentences, before: scores.0, after: scores.1 });
        }
        let (sentences, p_value) = (paired.sentences(), paired.p_value()?);
        let scores = TextScores { rows, sentences, p_value };
        self.check_drop(&scores)?;
        Ok(Some(scores))
    }

    fn describe(&self, entry: &mut ExpertEntry, summary: &Summary, scores: &TextScores) {
        let mut figures = vec![("target tokens".into(), summary.labels as f64)];
        for row in &scores.rows {
            let name = format!("chrF++ {} {}", row.pair, row.set);
            let before =
                row.before.map(|before| (format!("{name} before"), run::hundredth(before)));
            figures.push((name, run::hundredth(row.after)));
            figures.extend(before);
        }
        let mut trained_on = self.prepared.trained_on.clone();
        if let Some(old) = &self.old {
            entry.name.clone_from(&old.name);
            let earlier = old.trained_on.iter().filter(|corpus| !trained_on.contains(corpus));
            trained_on = earlier.cloned().chain(trained_on.clone()).collect();
        }
        run::describe(entry, trained_on, summary, figures);
    }

    /// Trains a detector, if there are texts to tell the domain from; an update keeps the old one.
    fn add_tensors(&self, entry: &mut ExpertEntry, tensors: &mut Tensors) -> Result<()> {
        if let (Some(old), true) = (&self.old, self.request.general.is_empty()) {
            let content = self.files.read(&old.file)?;
            let mut own = candle::safetensors::load_buffer(&content, &Device::Cpu)?;
            if let Some(weights) = own.remove(DETECTOR) {
                entry.detector = old.detector;
                tensors.insert(DETECTOR.into(), weights);
            }
            return Ok(());
        }
        if entry.routes.is_empty() || self.request.general.is_empty() {
            return Ok(());
        }
        let Prepared { directions, sources, .. } = &self.prepared;
        detector::add(&self.request, directions, sources, (entry, tensors))
    }

    fn enter(&self, register: &mut Register, entry: ExpertEntry) {
        match register.experts.iter_mut().find(|expert| expert.name == entry.name) {
            Some(old) => *old = entry,
            None => {
                register.experts.push(entry);
                register.routes.extend(self.plan.routes.iter().cloned());
            }
        }
    }

    fn table(&self, scores: &TextScores) -> Table {
        scores::table(&scores.rows)
    }

    fn added(self, commit: Commit<TextScores>) -> Added {
        let Commit { entry, scores: TextScores { rows, p_value, .. }, summary, report } = commit;
        Added { entry, rows, p_value, pairs: self.prepared.pairs, summary, report }
    }
}
