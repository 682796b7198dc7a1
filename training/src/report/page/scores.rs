//! The scores of the best checkpoint: by direction, with the spread, and by language.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    evaluate::LanguagePair,
    report::{format::escape, log::Dev},
};

/// The scores of one evaluation: by direction, with the spread, and by language.
pub(super) fn table(dev: &Dev) -> String {
    let names: BTreeSet<&str> =
        dev.rows.iter().flat_map(|row| row.scores.keys().map(String::as_str)).collect();
    let heads: String = names.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let cell = |score: Option<f64>| match score {
        Some(score) => format!("<td>{score:.2}</td>"),
        None => "<td>–</td>".to_owned(),
    };
    let rows: String = dev
        .rows
        .iter()
        .map(|row| {
            let cells: String =
                names.iter().map(|&name| cell(row.scores.get(name).copied())).collect();
            format!("<tr><td>{}</td>{cells}</tr>", escape(&row.label))
        })
        .collect();
    let foot = |title: &str, value: &dyn Fn(&str) -> Option<f64>| {
        let cells: String = names.iter().map(|&name| cell(value(name))).collect();
        format!("<tr><td>{title}</td>{cells}</tr>")
    };
    let mean = foot("mean", &|name| dev.mean(name));
    let spread = foot("spread, highest to lowest", &|name| spread(dev, name));
    format!(
        "<h2>Scores by direction and language <small>best checkpoint, step {}</small></h2>\n\
         <div class=\"stack\"><div class=\"card\"><table><thead><tr><th></th>{heads}</tr></thead>\
         <tbody>{rows}</tbody><tfoot>{mean}{spread}</tfoot></table></div>\n{}</div>\n",
        dev.step,
        by_language(dev)
    )
}

fn spread(dev: &Dev, name: &str) -> Option<f64> {
    let scores = || dev.rows.iter().filter_map(|row| row.scores.get(name).copied());
    Some(scores().reduce(f64::max)? - scores().reduce(f64::min)?)
}

/// The chosen score by language: the mean over the directions out of it, into it, and both.
fn by_language(dev: &Dev) -> String {
    let mut languages: BTreeMap<String, [Vec<f64>; 2]> = BTreeMap::new();
    for row in &dev.rows {
        // A label may go on with the name of a test set.
        let pair = row.label.split(' ').next().unwrap_or_default().parse::<LanguagePair>();
        let (Ok(pair), Some(&score)) = (pair, row.scores.get(&dev.chosen_by)) else { continue };
        languages.entry(pair.source).or_default()[0].push(score);
        languages.entry(pair.target).or_default()[1].push(score);
    }
    if languages.is_empty() {
        return String::new();
    }
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let text = |mean: f64| if mean.is_finite() { format!("{mean:.2}") } else { "–".into() };
    let mut means = Vec::new();
    let rows: String = languages
        .iter()
        .map(|(language, [from, into])| {
            let both = mean(&[from.as_slice(), into].concat());
            means.push((both, language));
            let cells =
                [mean(from), mean(into), both].map(|mean| format!("<td>{}</td>", text(mean)));
            format!("<tr><td>{}</td>{}</tr>", escape(language), cells.concat())
        })
        .collect();
    means.sort_by(|a, b| a.0.total_cmp(&b.0));
    let spread = match (means.first(), means.last()) {
        (Some((low, worst)), Some((high, best))) => format!(
            "best {} ({high:.2}), worst {} ({low:.2}), spread {:.2}",
            escape(best),
            escape(worst),
            high - low
        ),
        _ => String::new(),
    };
    let name = escape(&dev.chosen_by);
    format!(
        "<div class=\"card\"><table><thead><tr><th>{name}</th><th>out of</th><th>into</th>\
         <th>both</th></tr></thead><tbody>{rows}</tbody>\
         <tfoot><tr><td colspan=\"4\">{spread}</td></tr></tfoot></table></div>"
    )
}
