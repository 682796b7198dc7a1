//! The registers of new models.

use super::{ALL_USERS, ExpertEntry, ExpertKind, Register, Route};

impl Register {
    /// The register of a new translation model: for each pair one pair expert and all
    /// `num_free` free experts, each covering all `layers`.
    pub fn for_pairs(
        pairs: &[(String, String)],
        num_free: usize,
        d_ff: usize,
        layers: &[String],
    ) -> Self {
        let expert = |name, kind| ExpertEntry::new(name, kind, layers, d_ff);
        let mut register = Self::default();
        let free: Vec<String> = match layers.is_empty() {
            true => Vec::new(),
            false => (0..num_free).map(|i| format!("free.{i}")).collect(),
        };
        let entries = free.iter().map(|name| expert(name.clone(), ExpertKind::Free));
        register.experts.extend(entries);
        for (source, target) in pairs {
            let mut group = Vec::new();
            if !layers.is_empty() {
                let name = format!("pair.{source}-{target}");
                group.push(name.clone());
                register.experts.push(expert(name, ExpertKind::Pair));
            }
            group.extend(free.iter().cloned());
            let name = format!("{source}-{target}");
            let (source, target) = (source.clone(), target.clone());
            register.routes.push(Route { name, source, target, group, ..Route::default() });
        }
        register
    }

    /// The register of a new recommendation model: one group of segment experts, called `names`,
    /// each covering all `layers`, on one route that all users take.
    pub fn for_segments(names: &[&str], d_ff: usize, layers: &[String]) -> Self {
        let entry =
            |name: &&str| ExpertEntry::new((*name).into(), ExpertKind::Segment, layers, d_ff);
        let group = names.iter().map(|name| (*name).into()).collect();
        let route = Route { name: ALL_USERS.into(), group, ..Route::default() };
        let experts = names.iter().map(entry).collect();
        Self { experts, routes: vec![route], ..Self::default() }
    }

    /// The register of a new translation model whose tokens choose among `count` experts by a
    /// published rule, whatever their pair.
    pub fn for_all(
        pairs: &[(String, String)],
        count: usize,
        d_ff: usize,
        layers: &[String],
    ) -> Self {
        let names: Vec<String> = (0..count).map(|i| format!("free.{i}")).collect();
        let entry = |name: &String| ExpertEntry::new(name.clone(), ExpertKind::Free, layers, d_ff);
        let experts =
            if layers.is_empty() { Vec::new() } else { names.iter().map(entry).collect() };
        let group: Vec<String> =
            experts.iter().map(|expert: &ExpertEntry| expert.name.clone()).collect();
        let route = |(source, target): &(String, String)| Route {
            name: format!("{source}-{target}"),
            source: source.clone(),
            target: target.clone(),
            group: group.clone(),
            ..Route::default()
        };
        let routes = pairs.iter().map(route).collect();
        Self { experts, routes, ..Self::default() }
    }
}
