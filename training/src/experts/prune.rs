//! Leaves out of each route's group what its tokens hardly ever choose.

use std::collections::BTreeMap;

use candle::Device;
use dragoman_core::{
    directory::{Edit, Loaded},
    register::{ExpertEntry, Register},
};

use super::{
    measure::{Measure, SENTENCES},
    quantise::too_bad,
    request::Judgement,
};
use crate::{Error, Result};

/// What is counted together when experts are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each route by itself: an expert may stay in one group and leave another (NLLB, 2022).
    Route,
    /// All routes together: an expert stays in all groups, or goes.
    Model,
}

/// What became of the groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruned {
    /// The group of each route that is left, most visited first.
    pub groups: Vec<(String, Vec<String>)>,
    /// Experts that no route uses any more.
    pub removed: Vec<String>,
    /// Mean chrF++ on the sets, before and after.
    pub chrf: [f64; 2],
}

/// Share of visits of each expert, by route.
type Use = BTreeMap<String, BTreeMap<String, f64>>;

/// Keeps the share `keep` of each group, but one more than a token visits at the least, unless
/// `judgement` is against it.
pub fn prune(edit: Edit, keep: f64, by: By, judgement: &Judgement) -> Result<Pruned> {
    if !(0.0..=1.0).contains(&keep) {
        return Err(Error::Expert(format!("`--keep {keep}` is no share between 0 and 1")));
    }
    let files = edit.files();
    let config = files.translation_config()?;
    let Some(moe) = config.moe else {
        return Err(Error::Expert("a dense model has no groups to prune".into()));
    };
    let loaded = files.load_translation(&Device::Cpu)?;
    let measure = Measure::new(&judgement.dev, &loaded, SENTENCES)?
        .with_domains(&judgement.domains, &loaded.register)?;
    let visits = usage(&measure, &loaded)?;
    let before = measure.chrf(loaded)?;
    let mut register = edit.register().clone();
    let total = total(&visits);
    for route in &mut register.routes {
        let own = match by {
            By::Route => visits.get(&route.name).unwrap_or(&total),
            By::Model => &total,
        };
        let wanted = (keep * route.group.len() as f64).ceil() as usize;
        let most = route.group.len();
        let mut ranked = route.group.clone();
        ranked.sort_by(|a, b| use_of(own, b).total_cmp(&use_of(own, a)));
        ranked.truncate(wanted.clamp((moe.top_k + 1).min(most), most));
        // In the order of their slots, which decides ties.
        route.group.retain(|name| ranked.contains(name));
    }
    let is_used = |register: &Register, name: &str| {
        register.routes.iter().any(|route| route.group.iter().any(|member| member == name))
    };
    let unused =
        |expert: &&ExpertEntry| !expert.kind.is_of_domain() && !is_used(&register, &expert.name);
    let removed: Vec<String> =
        register.experts.iter().filter(unused).map(|expert| expert.name.clone()).collect();
    register.experts.retain(|expert| !removed.contains(&expert.name));
    let after = measure.chrf(files.load_as(register.clone(), &Device::Cpu)?)?;
    if after < before - judgement.max_drop {
        return Err(too_bad(before, after));
    }
    let groups = register.routes.iter().map(|r| (r.name.clone(), r.group.clone())).collect();
    edit.commit(&register)?;
    Ok(Pruned { groups, removed, chrf: [before, after] })
}

/// How often each route's tokens visit each expert, in all layers.
pub(super) fn usage(measure: &Measure, loaded: &Loaded) -> Result<Use> {
    let mut visits: Use = BTreeMap::new();
    measure.each_batch(loaded, |batch, context| {
        let route = batch.routes.first().copied().unwrap_or_default().route as usize;
        let own = visits.entry(loaded.register.routes[route].name.clone()).or_default();
        for layer in loaded.model.forward(batch, context)?.routing {
            for (name, load) in layer.experts.iter().zip(&layer.load) {
                *own.entry(name.clone()).or_default() += *load as f64;
            }
        }
        Ok(())
    })?;
    Ok(visits)
}

/// The visits of all routes together.
pub(super) fn total(visits: &Use) -> BTreeMap<String, f64> {
    let mut total = BTreeMap::new();
    for (name, count) in visits.values().flatten() {
        *total.entry(name.clone()).or_default() += count;
    }
    total
}

fn use_of(visits: &BTreeMap<String, f64>, name: &str) -> f64 {
    visits.get(name).copied().unwrap_or_default()
}
