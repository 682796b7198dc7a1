//! Teaches one route of a model to a dense student.
//!
//! The student starts from the teacher: what is not an expert is copied, and where the teacher has
//! experts, the student's one network is put together of the units of the shared expert and of those
//! that the route visits most, each with its mean weight. Then it learns what the teacher says
//! (sequence-level distillation, Kim and Rush 2016).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use candle::{DType, Device, Tensor};
use dragoman_core::{
    config::TranslationConfig,
    directory::{Files, Loaded, TranslationParts, WeightFormat, save_translation},
    models::translation::TranslationModel,
    params::{Init, ParamStore},
    register::{Register, Route},
    translate::{Translate, TranslationJob},
    translator::{Translator, TranslatorOptions},
};
use dragoman_data::{
    corpus::Corpus,
    pack::{PackConfig, pack},
};
use serde_json::json;

use super::{measure::Measure, prune::usage, quantise::too_bad, scores};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    config::{Budget, CheckpointConfig, Every, RunConfig},
    control::{Control, Ended},
    distilled::{DistilledCorpus, Keep},
    evaluate::TestSet,
    schedule::Schedule,
    translation::{DevConfig, DevSet, RunPaths, TrainConfig, load_test_sets, train},
};

/// Sentences that the teacher translates together.
const TOGETHER: usize = 64;
/// Sentences of each set that weigh experts and judge the student.
const SENTENCES: usize = 200;

/// A student to make.
#[derive(Debug, Clone, PartialEq)]
pub struct DistilRequest {
    /// The route to teach, with its domains: `en-de`, or `en-de+it`.
    pub route: String,
    /// Corpora whose source sentences the teacher translates; their targets are not looked at.
    pub data: Vec<String>,
    /// Sets to measure on.
    pub dev: Vec<String>,
    /// When training is over, at the latest.
    pub budget: Budget,
    /// The folder of the student's model, which does not exist yet.
    pub out: PathBuf,
    /// The folder of the run.
    pub work: PathBuf,
    /// By how much mean chrF++ on the sets may be below the teacher's.
    pub max_drop: f64,
    /// Shows nothing while training.
    pub quiet: bool,
}

/// How the making of a student ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Distilled {
    /// Mean chrF++ on the sets, the teacher's and the student's; the model is written.
    Made([f64; 2]),
    /// It was stopped; the same request goes on.
    Stopped,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

/// Makes a dense student of one route of the model that `files` hold.
pub fn distil(files: &Files, request: &DistilRequest, control: &Control) -> Result<Distilled> {
    if request.out.join("experts.json").exists() {
        let out = request.out.display();
        return Err(refuse(format!("there is a model in `{out}` already; name another folder")));
    }
    fs_err::create_dir_all(&request.work)?;
    let teacher = Translator::open(files, TranslatorOptions::default())?;
    let (route, domains) = route_of(&request.route, teacher.register())?;
    let config = student_config(files)?;
    let sets = dev_sets(request, &route)?;

    if !distilled_corpus(request, &teacher, &route, &domains, control)? {
        return Ok(Distilled::Stopped);
    }
    let start = request.work.join("start");
    if !start.join("experts.json").exists() {
        write_start(files, request, &config, &route, &start)?;
    }
    let train_config = train_config(request, &config, &route, &start);
    let quiet = request.quiet;
    let (corpus, out) = (request.work.clone(), request.work.join("run"));
    let paths = RunPaths { corpus, dev: PathBuf::new(), out, quiet };
    let summary = train(&train_config, &paths, control)?;
    let (Ended::Finished, Some(model)) = (summary.ended, &summary.model) else {
        return Ok(Distilled::Stopped);
    };
    let student = Translator::open(&Files::Folder(model.clone()), TranslatorOptions::default())?;
    let mut means = [0.0; 2];
    for set in &sets {
        let of_teacher = scores::score(&teacher, set, &domains, control)?;
        let learned = scores::score(&student, set, &[], control)?;
        let (Some(of_teacher), Some(learned)) = (of_teacher, learned) else {
            return Ok(Distilled::Stopped);
        };
        means[0] += of_teacher / sets.len() as f64;
        means[1] += learned / sets.len() as f64;
    }
    if means[1] < means[0] - request.max_drop {
        return Err(too_bad(means[0], means[1]));
    }
    let made = Files::Folder(model.clone());
    made.copy_to(&request.out, &made.register()?)?;
    Ok(Distilled::Made(means))
}

/// The route and the domains that `text` names.
fn route_of(text: &str, register: &Register) -> Result<(Route, Vec<String>)> {
    let mut parts = text.split('+');
    let name = parts.next().unwrap_or_default();
    let Some(index) = register.routes.iter().position(|route| route.name == name) else {
        let known: Vec<&str> = register.routes.iter().map(|route| route.name.as_str()).collect();
        return Err(refuse(format!("no route `{name}`; this model has {}", known.join(", "))));
    };
    let domains: Vec<String> = parts.map(String::from).collect();
    for domain in &domains {
        if !register.domains_of(index).any(|expert| expert.short_name() == domain) {
            return Err(refuse(format!("no domain `{domain}` for {name}")));
        }
    }
    Ok((register.routes[index].clone(), domains))
}

fn student_config(files: &Files) -> Result<TranslationConfig> {
    let config = files.translation_config()?;
    match config.moe {
        Some(_) => Ok(TranslationConfig { moe: None, ..config }),
        None => Err(refuse("this model is dense already")),
    }
}

fn dev_config(request: &DistilRequest, sentences: usize) -> DevConfig {
    let set = |path: &String| DevSet { sentences, ..scores::general_set(path) };
    DevConfig { sets: request.dev.iter().map(set).collect() }
}

fn dev_sets(request: &DistilRequest, route: &Route) -> Result<Vec<TestSet>> {
    if request.dev.is_empty() {
        return Err(refuse("name sets to measure on with `--dev FILE`"));
    }
    let directions = [(route.source.clone(), route.target.clone())];
    load_test_sets(&dev_config(request, SENTENCES), "".as_ref(), &directions)
}

/// Lets the teacher translate all sources, and packs them; false when `control` says stop.
fn distilled_corpus(
    request: &DistilRequest,
    teacher: &Translator,
    route: &Route,
    domains: &[String],
    control: &Control,
) -> Result<bool> {
    let work = &request.work;
    if work.join("corpus.json").exists() {
        return Ok(true);
    }
    let mut sources = Vec::new();
    for path in &request.data {
        let path =
            PathBuf::from(path.replace("{pair}", &format!("{}-{}", route.source, route.target)));
        let corpus = Corpus::from_name(&path)
            .unwrap_or_else(|_| Corpus::new(&path, &route.source, &route.target));
        let turned = corpus.source == route.target;
        for line in corpus.lines()? {
            if let Ok(pair) = line?.pair {
                sources.push(if turned { pair.target } else { pair.source });
            }
        }
    }
    sources.sort_by_key(String::len); // sentences of like length translate fast together
    sources.dedup();
    if sources.is_empty() {
        return Err(refuse("nothing to learn from: name a corpus with `--data FILE`"));
    }
    let path = work.join(format!("{}-{}.distilled.tsv", route.source, route.target));
    let corpus = DistilledCorpus {
        pairs: &sources.into_iter().map(|source| (source, String::new())).collect::<Vec<_>>(),
        keep: Keep::Best,
        out: path.clone(),
        settings: json!({ "route": request.route, "model": teacher.register() }),
    };
    let job = |text: &&str| TranslationJob {
        source: route.source.clone(),
        target: route.target.clone(),
        domains: domains.to_vec(),
        text: (*text).to_owned(),
        num_hypotheses: 1,
        trace: false,
        wanted: Default::default(),
    };
    let distilled = corpus.write(|texts| {
        let mut found = Vec::new();
        for texts in texts.chunks(TOGETHER) {
            if control.is_stopped() {
                return Ok(None);
            }
            let jobs: Vec<TranslationJob> = texts.iter().map(job).collect();
            let answers = teacher.translate(&jobs)?.into_iter();
            found.extend(answers.map(|answer| vec![answer.hypotheses[0].text.clone()]));
        }
        Ok(Some(found))
    })?;
    if distilled.is_none() {
        return Ok(false);
    }
    let Some(tokenizer) = teacher.vocabulary().tokenizer() else {
        let reason = "only a model with a tokenizer of this suite can teach another";
        return Err(Error::Expert(reason.into()));
    };
    tokenizer.save(work.join("tokenizer.json")).map_err(dragoman_core::Error::from)?;
    let corpus = Corpus::new(&path, &route.source, &route.target).labelled("distilled").one_way();
    let config = PackConfig { corpora: vec![corpus], ..PackConfig::default() };
    pack(&config, tokenizer, work.join("corpus.bin"))?;
    Ok(true)
}

/// Writes the student before its first step.
fn write_start(
    files: &Files,
    request: &DistilRequest,
    config: &TranslationConfig,
    route: &Route,
    folder: &Path,
) -> Result<()> {
    let loaded = files.load_translation(&Device::Cpu)?;
    let visits = usage(&Measure::new(&request.dev, &loaded, SENTENCES)?, &loaded)?;
    let visits = visits.get(&route.name).cloned().unwrap_or_default();
    let teacher = files.translation_config()?;
    let top_k = teacher.moe.as_ref().map_or(0, |moe| moe.top_k);
    let mut group = route.group.clone();
    let used = |name: &String| visits.get(name).copied().unwrap_or_default();
    group.sort_by(|a, b| used(b).total_cmp(&used(a)));
    group.truncate(top_k);

    let Loaded { params, vocabulary, .. } = loaded;
    let mut tensors = params.tensors()?;
    for layer in teacher.moe_layers() {
        let network = dense(&layer, &tensors, &group, config)?;
        tensors.retain(|name, _| !name.starts_with(&format!("{layer}.shared.")));
        tensors.extend(network);
    }
    tensors.retain(|name, _| !name.starts_with("experts."));
    let register = Register {
        routes: vec![Route { group: Vec::new(), ..route.clone() }],
        ..Register::default()
    };
    let params = ParamStore::from_tensors(&Device::Cpu, tensors);
    TranslationModel::new(config, &register, &params)?;
    let parts = TranslationParts { config, register: &register, vocabulary: &*vocabulary };
    save_translation(folder, parts, &params, WeightFormat::F32)?;
    Ok(())
}

/// One network of `d_ff` units out of the shared expert and those of `group` in a layer.
fn dense(
    layer: &str,
    tensors: &Tensors,
    group: &[String],
    config: &TranslationConfig,
) -> Result<BTreeMap<String, Tensor>> {
    let share = 1.0 / group.len().max(1) as f64;
    let experts = group.iter().map(|name| (format!("experts.{name}.{layer}"), share));
    let parts: Vec<(String, f64)> =
        [(format!("{layer}.shared"), 1.0)].into_iter().chain(experts).collect();
    let of = |name: &str| -> Vec<(&Tensor, f64)> {
        let find = |(prefix, share): &(String, f64)| {
            Some((tensors.get(&format!("{prefix}.{name}"))?, *share))
        };
        parts.iter().filter_map(find).collect()
    };
    let (d_ff, d_model) = (config.d_ff, config.d_model);
    let store = ParamStore::new(&Device::Cpu, 1);
    let fresh = |name: &str, rows: usize| -> Result<Tensor> {
        let init = Init::xavier(d_model, d_ff);
        Ok(store.root().pp(layer).get((rows, d_model), name, init)?.tensor()?.detach())
    };
    let units: usize = of("up.weight").iter().map(|(up, _)| up.dim(0).unwrap_or_default()).sum();
    let rows = |name: &str| -> Result<Vec<Tensor>> {
        let mut rows: Vec<Tensor> = of(name).into_iter().map(|(rows, _)| rows.clone()).collect();
        if units < d_ff {
            rows.push(fresh(name, d_ff - units)?);
        }
        Ok(rows)
    };
    let mut biases: Vec<Tensor> = of("up.bias").into_iter().map(|(bias, _)| bias.clone()).collect();
    let mut downs = Vec::new();
    for (down, share) in of("down.weight") {
        downs.push((down * share)?);
    }
    if units < d_ff {
        biases.push(Tensor::zeros(d_ff - units, DType::F32, &Device::Cpu)?);
        downs.push(Tensor::zeros((d_model, d_ff - units), DType::F32, &Device::Cpu)?);
    }
    let mut down_bias = Tensor::zeros(d_model, DType::F32, &Device::Cpu)?;
    for (bias, share) in of("down.bias") {
        down_bias = (down_bias + (bias * share)?)?;
    }
    let path = |name: &str| format!("{layer}.feed_forward.{name}");
    let cut =
        |parts: &[Tensor], dim: usize| Tensor::cat(parts, dim)?.narrow(dim, 0, d_ff)?.contiguous();
    let mut network = BTreeMap::from([
        (path("up.weight"), cut(&rows("up.weight")?, 0)?),
        (path("up.bias"), cut(&biases, 0)?),
        (path("down.weight"), cut(&downs, 1)?),
        (path("down.bias"), down_bias),
    ]);
    if config.architecture.gated {
        network.insert(path("up_gate.weight"), cut(&rows("up_gate.weight")?, 0)?);
    }
    Ok(network)
}

fn train_config(
    request: &DistilRequest,
    config: &TranslationConfig,
    route: &Route,
    start: &Path,
) -> TrainConfig {
    let Budget { steps, minutes, .. } = request.budget;
    let evaluate = match steps {
        0 => Every { steps: 0, minutes: minutes / 6.0 },
        _ => Every { steps: steps.div_ceil(6), minutes: 0.0 },
    };
    let mut run = RunConfig {
        budget: request.budget,
        dropout: 0.0,
        schedule: Schedule::Linear { warmup: (steps / 20).clamp(10, 100) as f64, hold: 0.3 },
        average_decay: 0.99,
        evaluate,
        checkpoints: CheckpointConfig {
            every: Every { steps: 0, minutes: 1.0 },
            keep: 1,
            average: 0,
        },
        ..RunConfig::default()
    };
    run.optimizer.learning_rate = 1e-3;
    let mut train = TrainConfig {
        name: format!("student of {}", request.route),
        model: config.clone(),
        start_from: Some(start.into()),
        directions: vec![route.name.clone()],
        dev: dev_config(request, SENTENCES / 2),
        run,
        ..TrainConfig::default()
    };
    train.batches.max_tokens = 2048;
    train.batches.max_length = train.batches.max_length.min(config.max_positions - 2);
    train.batches.window = 1 << 13;
    train
}
