//! The page of an inspection: where the tokens of each test set went.

use super::{
    format::escape,
    heatmap::{Row, heatmap},
    page::STYLE,
};
use crate::inspect::{Inspection, LayerUse};

/// Renders the whole page, with `title` above it.
pub fn inspection_page(title: &str, inspection: &Inspection) -> String {
    let sets = sets(inspection);
    let mut maps = heatmap(
        "Test sets and experts",
        "share of visits in %, mean over the layers",
        &sets.iter().map(|set| mean_row(inspection, set)).collect::<Vec<_>>(),
    );
    for set in &sets {
        let of_set = inspection.layers.iter().filter(|layer| layer.set == *set);
        let rows: Vec<Row> = of_set.map(|layer| (layer.layer.clone(), layer.shares())).collect();
        maps += &heatmap(set, "share of visits in %, by layer", &rows);
    }
    let rows: String = inspection.layers.iter().map(table_row).collect();
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Dragoman</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<div class=\"plots\">\n{maps}</div>\n\
         <h2>Layers</h2>\n<div class=\"card scroll\"><table><thead><tr><th>set</th><th>layer</th>\
         <th>tokens</th><th>entropy</th><th>overflow</th></tr></thead><tbody>{rows}</tbody></table>\
         </div>\n</main>\n</body>\n</html>\n"
    )
}

fn sets(inspection: &Inspection) -> Vec<String> {
    let mut sets: Vec<String> = Vec::new();
    for layer in &inspection.layers {
        if !sets.contains(&layer.set) {
            sets.push(layer.set.clone());
        }
    }
    sets
}

fn mean_row(inspection: &Inspection, set: &str) -> Row {
    let served = inspection.served();
    let share = |(name, sets): (String, Vec<(String, f64)>)| {
        sets.into_iter().find(|(other, _)| other == set).map(|(_, share)| (name, share))
    };
    (set.to_owned(), served.into_iter().filter_map(share).collect())
}

fn table_row(layer: &LayerUse) -> String {
    let (set, name) = (escape(&layer.set), escape(&layer.layer));
    let (tokens, entropy, overflow) = (layer.tokens, layer.entropy(), 100.0 * layer.overflow);
    format!(
        "<tr><td>{set}</td><td>{name}</td><td>{tokens}</td><td>{entropy:.3}</td>\
         <td>{overflow:.1} %</td></tr>"
    )
}
