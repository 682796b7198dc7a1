//! Adds a retrieval expert: one pass over a corpus, and no gradient.
//!
//! The states of the decoder over the targets of the corpus become the keys of a datastore, and a gate
//! is fitted to sentences of the corpus, most of them with their own entries left out. If the model has a
//! trained expert of the same domain, its part is in the states, as it is when the domain is asked for.

mod states;

use std::{collections::BTreeMap, path::Path, time::Instant};

use candle::{DType, Device};
use dragoman_core::{
    directory::{Edit, Loaded},
    register::{ExpertEntry, ExpertKind, RowRoute},
    retrieval::{Gate, Section},
    translator::{Translator, TranslatorOptions},
    vocabulary::Side,
};

use super::{
    corpus, detector,
    plan::{Kind, check_new},
    request::AddRequest,
    run,
    scores::{self, Row},
};
use crate::{
    Error, Result,
    checkpoint::Tensors,
    control::Control,
    metrics::{Chrf, Counts, Metric},
};

use states::{Sentence, States};

/// A retrieval expert that came to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievalAdded {
    /// What the register says about it.
    pub entry: ExpertEntry,
    /// What it holds of each route.
    pub fits: Vec<Fit>,
    /// Scores with and without it; none without development sets.
    pub rows: Vec<Row>,
    /// Seconds that reading, the pass and the gates took.
    pub seconds: f64,
}

/// What an expert holds of a route, and what it knows of sentences that it does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The route.
    pub route: String,
    /// Sentences.
    pub sentences: usize,
    /// Entries.
    pub entries: usize,
    /// Nats that the next token costs the model alone, in sentences whose entries are left out.
    pub before: f64,
    /// The same with the votes.
    pub after: f64,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

/// The sentences of one route, and where its rows go.
struct OfRoute {
    row_route: RowRoute,
    sentences: Vec<Sentence>,
}

/// Adds the retrieval expert of `request` to the model that `edit` holds; none if `control` says stop.
///
/// Whatever happens before the commit leaves the model as it was.
pub fn add_retrieval(
    edit: Edit,
    request: &AddRequest,
    control: &Control,
) -> Result<Option<RetrievalAdded>> {
    let started = Instant::now();
    let kind = Kind::of(&request.name)?;
    check_new(&request.name, &kind, edit.register())?;
    if request.lora.is_some() || request.width.is_some() || request.parent.is_some() {
        return Err(refuse("`--lora`, `--width` and `--parent` are for experts that are trained"));
    }
    let files = edit.files();
    let base = files.load_translation(&Device::Cpu)?;
    base.params.iter().for_each(|param| param.set_trainable(false));

    let mut entry = ExpertEntry::new(request.name.clone(), ExpertKind::Retrieval, &[], 0);
    let domain = format!("domain.{}", entry.short_name());
    entry.parent = base.register.expert(&domain).map(|expert| expert.name.clone());
    entry.base = Some(base.register.shared_sha256.clone());
    let read = Read::new(request, &kind, &base, entry.parent.as_slice())?;
    let mut sections: BTreeMap<u32, Section> = BTreeMap::new();
    let mut tensors = Tensors::new();
    let mut fits = Vec::new();
    for (name, OfRoute { row_route, sentences }) in &read.routes {
        let states = States { loaded: &base, route: *row_route };
        let Some((section, of_entry)) = states.section(sentences, control)? else {
            return Ok(None);
        };
        let of_entry = Some(&of_entry[..]);
        let Some(mut observations) = states.observe(&section, of_entry, sentences, control)? else {
            return Ok(None);
        };
        let others = read.others.get(name).map(Vec::as_slice).unwrap_or_default();
        let Some(of_others) = states.observe(&section, None, others, control)? else {
            return Ok(None);
        };
        observations.extend(of_others);
        let fitted = Gate::fit(&observations);
        let section = section.with_gate(fitted.gate);
        tensors.extend(section.tensors(name)?);
        let (before, after) = (fitted.before, fitted.after);
        let (route, sentences, entries) = (name.clone(), sentences.len(), section.len());
        fits.push(Fit { route, sentences, entries, before, after });
        sections.insert(row_route.route, section);
        entry.routes.push(name.clone());
    }
    entry.created = crate::tasks::date::now();
    entry.trained_on = read.trained_on;
    let seconds = started.elapsed().as_secs_f64();
    let mut note = |name: String, value: f64| entry.metrics.insert(name, value);
    note("seconds".into(), seconds.round());
    for Fit { route, entries, before, after, .. } in &fits {
        note(format!("entries {route}"), *entries as f64);
        note(format!("nats {route} before"), run::hundredth(*before));
        note(format!("nats {route}"), run::hundredth(*after));
    }
    drop(base);

    let asked = Asked { request, entry: &entry, directions: &read.directions };
    let with = Translator::open(&files, TranslatorOptions::default())?
        .with_retrieval(entry.clone(), sections)?;
    let without = Translator::open(&files, TranslatorOptions::default())?;
    let Some(rows) = asked.judge(&without, &with, control)? else { return Ok(None) };
    for row in &rows {
        let name = format!("chrF++ {} {}", row.pair, row.set);
        let before = row.before.map(|before| (format!("{name} before"), run::hundredth(before)));
        entry.metrics.extend(before);
        entry.metrics.insert(name, run::hundredth(row.after));
    }
    detector::add(request, &read.directions, &read.sources, (&mut entry, &mut tensors))?;
    edit.write_expert(&mut entry, &tensors, DType::F32)?;
    let mut register = edit.register().clone();
    register.experts.push(entry.clone());
    edit.commit(&register)?;
    Ok(Some(RetrievalAdded { entry, fits, rows, seconds }))
}

/// What the corpora hold.
struct Read {
    directions: Vec<(String, String)>,
    routes: BTreeMap<String, OfRoute>,
    /// Sentences of other texts, which a gate is to leave to the model, by route.
    others: BTreeMap<String, Vec<Sentence>>,
    /// Texts of the domain, for a detector.
    sources: Vec<String>,
    trained_on: Vec<dragoman_core::register::TrainedOn>,
}

impl Read {
    /// Reads the corpora of `request`, without what the development sets hold.
    fn new(request: &AddRequest, kind: &Kind, base: &Loaded, domains: &[String]) -> Result<Self> {
        let Loaded { register, vocabulary, model, .. } = base;
        let wanted = corpus::wanted(request, kind, register);
        let corpora = corpus::corpora(request, &wanted)?;
        let directions = corpus::directions(&corpora, &wanted);
        let held_out = held_out(request, &directions)?;
        let longest = model.config().max_positions - 2;
        let (mut routes, mut sources) = (BTreeMap::<String, OfRoute>::new(), Vec::new());
        let mut trained_on = Vec::new();
        for corpus in &corpora {
            let mut pairs = corpus::read(corpus)?;
            corpus::check_languages(corpus, &pairs)?;
            let mut seen = std::collections::HashSet::new();
            pairs.retain(|pair| {
                let both = (pair.source.trim().to_string(), pair.target.trim().to_string());
                let is_held = held_out.contains(&both.0) || held_out.contains(&both.1);
                !both.0.is_empty() && !both.1.is_empty() && !is_held && seen.insert(both)
            });
            let (name, licence) = (corpus::file_name(&corpus.path), request.licence.clone());
            let sha256 = corpus::sha256_of(&corpus.path)?;
            trained_on.push(dragoman_core::register::TrainedOn { name, sha256, licence });
            for (source, target) in &directions {
                let is_forward = (source, target) == (&corpus.source, &corpus.target);
                let is_backward = (target, source) == (&corpus.source, &corpus.target);
                let Some(index) = register.route(source, target) else { continue };
                if !is_forward && !is_backward {
                    continue;
                }
                let frame = vocabulary.frame(source, target)?;
                let row_route = register.row_route(index, domains);
                let name = register.routes[index].name.clone();
                let of_route = routes
                    .entry(name)
                    .or_insert_with(|| OfRoute { row_route, sentences: Vec::new() });
                for pair in &pairs {
                    let (from, to) = match is_forward {
                        true => (pair.source.trim(), pair.target.trim()),
                        false => (pair.target.trim(), pair.source.trim()),
                    };
                    let source = vocabulary.encode(Side::Source, from);
                    let target = vocabulary.encode(Side::Target, to);
                    if source.len() <= longest && target.len() + frame.start.len() <= longest {
                        of_route.sentences.push(Sentence { source, target, frame: frame.clone() });
                        sources.push(from.to_string());
                    }
                }
            }
        }
        routes.retain(|_, of_route| !of_route.sentences.is_empty());
        match routes.is_empty() {
            true => {
                Err(refuse("the corpora hold no pair of a direction that the model translates"))
            }
            false => {
                let others = others(request, base, &directions)?;
                Ok(Self { directions, routes, others, sources, trained_on })
            }
        }
    }
}

/// Sentences of the other texts that `request` names, by route.
fn others(
    request: &AddRequest,
    base: &Loaded,
    directions: &[(String, String)],
) -> Result<BTreeMap<String, Vec<Sentence>>> {
    let Loaded { register, vocabulary, model, .. } = base;
    let longest = model.config().max_positions - 2;
    let mut others: BTreeMap<String, Vec<Sentence>> = BTreeMap::new();
    for (_, set) in
        scores::test_sets(&Default::default(), Path::new(""), &request.general, directions)?
    {
        let Some(index) = register.route(&set.pair.source, &set.pair.target) else { continue };
        let frame = vocabulary.frame(&set.pair.source, &set.pair.target)?;
        let sentences = others.entry(register.routes[index].name.clone()).or_default();
        for (source, target) in set.sources.iter().zip(&set.references) {
            let source = vocabulary.encode(Side::Source, source);
            let target = vocabulary.encode(Side::Target, target);
            if source.len() <= longest && target.len() + frame.start.len() <= longest {
                sentences.push(Sentence { source, target, frame: frame.clone() });
            }
        }
    }
    Ok(others)
}

/// Sentences of the development sets, on either side.
fn held_out(
    request: &AddRequest,
    directions: &[(String, String)],
) -> Result<std::collections::HashSet<String>> {
    let mut held_out = std::collections::HashSet::new();
    if request.dev.is_none() {
        return Ok(held_out);
    }
    let (dev, base) = corpus::dev_sets(request, directions);
    for file in corpus::held_out_files(&dev, &base, directions) {
        for pair in corpus::read(&file)? {
            held_out.extend([pair.source, pair.target].map(|text| text.trim().to_string()));
        }
    }
    Ok(held_out)
}

/// An expert that is to be judged.
struct Asked<'a> {
    request: &'a AddRequest,
    entry: &'a ExpertEntry,
    directions: &'a [(String, String)],
}

impl Asked<'_> {
    /// Translates the development sets without and with the expert; none if `control` says stop.
    ///
    /// # Errors
    /// Refuses an expert that makes translations of its own domain worse.
    fn judge(
        &self,
        without: &Translator,
        with: &Translator,
        control: &Control,
    ) -> Result<Option<Vec<Row>>> {
        let Self { request, entry, directions } = *self;
        let dev = match request.dev {
            Some(_) => corpus::dev_sets(request, directions),
            None => Default::default(),
        };
        let domain = vec![entry.short_name().to_string()];
        let old = if entry.parent.is_some() { domain.clone() } else { Vec::new() };
        let sets = scores::test_sets(&dev.0, Path::new(&dev.1), &request.general, directions)?;
        let mut rows = Vec::new();
        for (own, set) in sets {
            let before = scores::count(without, &set, &old, control)?;
            let after = scores::count(with, &set, &domain, control)?;
            let (Some(before), Some(after), false) = (before, after, control.is_stopped()) else {
                return Ok(None);
            };
            let score = |counts: Vec<Counts>| Chrf::plus_plus().score(&counts.iter().sum());
            let (before, after) = (Some(score(before)), score(after));
            let (name, pair, sentences) = (set.name, set.pair.to_string(), set.sources.len());
            rows.push(Row { set: name, pair, own, sentences, before, after });
        }
        if let (Some(before), after) = scores::means(&rows)
            && rows.iter().any(|row| row.own)
            && after < before - request.max_drop
        {
            return Err(refuse(format!(
                "the expert does no good: mean chrF++ {before:.2} without it, {after:.2} with it; the \
                 model is as it was. Bring more pairs, or allow it with `--max-drop`"
            )));
        }
        Ok(Some(rows))
    }
}
