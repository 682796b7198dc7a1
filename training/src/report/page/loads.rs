//! The load of the experts.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{
    heatmap::{Row, heatmap},
    log::{Load, RunLog},
    plot::{Line, plot},
};

/// Draws where the tokens went: by layer, by route, and how unevenly over time.
pub(super) fn maps(log: &RunLog) -> String {
    let step = log.loads.last().map_or(0, |load| load.step);
    let note = format!("share of visits in %, step {step}");
    let (latest, routes) =
        (latest_loads(&log.loads), names(&log.loads, |load| load.route.as_deref()));

    let all_tokens = latest.iter().filter(|load| load.route.is_none());
    let by_layer: Vec<Row> = all_tokens.map(|load| row(&load.layer, &[load])).collect();
    let by_route = routes.iter().map(|&route| {
        let of_route = latest.iter().filter(|load| load.route.as_deref() == Some(route));
        row(route, &of_route.copied().collect::<Vec<_>>())
    });
    let by_route: Vec<Row> = by_route.collect();
    let unevenness = unevenness(log);
    heatmap("Layers and experts", &note, &by_layer)
        + &heatmap("Routes and experts", &format!("{note}, mean over the layers"), &by_route)
        + &plot("Unevenness", "step", "largest share of a layer, by the even share", &unevenness)
}

/// The newest load of every route and layer, in the order in which they first appeared.
fn latest_loads(loads: &[Load]) -> Vec<&Load> {
    let mut latest: Vec<&Load> = Vec::new();
    for load in loads {
        let is_same =
            |other: &&mut &Load| (&other.route, &other.layer) == (&load.route, &load.layer);
        match latest.iter_mut().find(is_same) {
            Some(slot) => *slot = load,
            None => latest.push(load),
        }
    }
    latest
}

/// Every name once, in order of appearance.
fn names<'a>(loads: &'a [Load], name: impl Fn(&'a Load) -> Option<&'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    loads.iter().filter_map(name).filter(|&name| seen.insert(name)).collect()
}

/// The mean share of every expert over `loads`.
fn row(name: &str, loads: &[&Load]) -> Row {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (expert, share) in loads.iter().flat_map(|load| &load.shares) {
        *sums.entry(expert).or_default() += share / loads.len() as f64;
    }
    (name.to_owned(), sums.into_iter().map(|(name, share)| (name.to_owned(), share)).collect())
}

/// For every layer how much more the busiest expert does than its even share.
fn unevenness(log: &RunLog) -> Vec<Line> {
    let layers = names(&log.loads, |load| load.route.is_none().then_some(load.layer.as_str()));
    let line = |layer: &str| {
        let of_layer = log.loads.iter().filter(|load| load.route.is_none() && load.layer == layer);
        let points = of_layer.map(|load| {
            let largest = load.shares.values().copied().fold(0.0, f64::max);
            (load.step as f64, largest * load.shares.len() as f64)
        });
        Line::new(layer, points.collect())
    };
    layers.into_iter().map(line).collect()
}
