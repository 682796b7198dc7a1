//! The page of a run: key figures, plots, expert load, scores, cost, settings.

mod loads;
mod scores;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    compute::Cost,
    format::{date, duration, escape, short},
    log::{RunLog, Start, Step, Table},
    plot::{Line, plot, smooth},
};

/// Colours, type and layout, for light and dark.
pub(super) const STYLE: &str = include_str!("style.css");

/// Renders the whole page.
pub(super) fn render(log: &RunLog) -> String {
    let start = log.start().cloned().unwrap_or_default();
    let cost = Cost::of(log);
    let title = match start.run.as_str() {
        "" => "Training run".to_owned(),
        run => escape(run),
    };
    let body = [
        header(&title, &start, log),
        tiles(log, &cost),
        log.tables.iter().map(table).collect(),
        section("Training", &training_plots(log), "plots"),
        section("Development scores", &dev_plots(log), "plots"),
        log.best_dev().map(scores::table).unwrap_or_default(),
        section("Expert load", &loads::maps(log), "plots"),
        cost_table(log, &start, &cost),
        settings(&start),
    ];
    document(&title, &body.concat())
}

/// A self-contained page around `body`; `title` is escaped already.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Dragoman</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn header(title: &str, start: &Start, log: &RunLog) -> String {
    let begun = log.sessions.first().map_or(0, |(start, _)| start.unix_time);
    let state = match &log.finish {
        Some(finish) => format!("ended: {}", escape(&finish.reason)),
        None => "running, or killed".to_owned(),
    };
    let sessions = match log.sessions.len() {
        0 | 1 => String::new(),
        sessions => format!(" · {sessions} sessions"),
    };
    let skipped = match log.skipped_lines {
        0 => String::new(),
        lines => format!(" · {lines} lines of the log could not be read"),
    };
    let (begun, device) = (date(begun), escape(&start.machine.device));
    format!(
        "<h1>{title}</h1>\n\
         <p class=\"muted\">begun {begun} · {device} · {state}{sessions}{skipped}</p>\n"
    )
}

fn tiles(log: &RunLog, cost: &Cost) -> String {
    let last = log.steps.last().copied().unwrap_or_default();
    let mut tiles = Vec::new();
    if let Some((dev, score)) = log.best_dev().and_then(|dev| Some((dev, dev.chosen_score()?))) {
        tiles.push((format!("best mean {}", escape(&dev.chosen_by)), format!("{score:.2}")));
    }
    tiles.push(("steps".into(), last.step.to_string()));
    tiles.push(("target tokens".into(), short(last.target_tokens as f64)));
    tiles.push(("training time".into(), duration(cost.seconds)));
    tiles.push(("target tokens/s".into(), short(mean_speed(&last))));
    tiles.push(("energy, estimated".into(), energy(cost.kilowatt_hours)));
    let tile = |(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    format!("<dl class=\"tiles\">{}</dl>\n", tiles.into_iter().map(tile).collect::<String>())
}

/// Energy in a unit that needs few digits.
fn energy(kilowatt_hours: f64) -> String {
    match kilowatt_hours {
        hours if hours < 1.0 => format!("{} Wh", short(1e3 * hours)),
        hours => format!("{} kWh", short(hours)),
    }
}

/// Target tokens a second over the whole run, evaluations included; NaN before the first step.
fn mean_speed(last: &Step) -> f64 {
    last.target_tokens as f64 / last.elapsed_seconds
}

fn section(title: &str, content: &str, class: &str) -> String {
    match content.is_empty() {
        true => String::new(),
        false => format!("<h2>{title}</h2>\n<div class=\"{class}\">\n{content}</div>\n"),
    }
}

fn table(table: &Table) -> String {
    let cells = |tag: &str, cells: &[String]| -> String {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
    };
    let rows = table.rows.iter().map(|row| format!("<tr>{}</tr>", cells("td", row)));
    let content = format!(
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>\n",
        cells("th", &table.columns),
        rows.collect::<String>()
    );
    section(&escape(&table.title), &content, "card")
}

fn training_plots(log: &RunLog) -> String {
    let series = |value: fn(&Step) -> f64| -> Vec<_> {
        log.steps.iter().map(|step| (step.step as f64, value(step))).collect()
    };
    // What a run does not have, such as a balance loss, stays at zero and is not shown.
    let some = |value: fn(&Step) -> f64| {
        let points = series(value);
        if points.iter().all(|&(_, y)| y == 0.0) { Vec::new() } else { points }
    };
    let draw = |title, unit, lines: &[Line]| plot(title, "step", unit, lines);
    let one = |title, unit, points: Vec<_>| draw(title, unit, &[Line::new(title, points)]);
    let loss = series(|step| step.loss);
    let raw = Line { is_faint: true, ..Line::new("loss", loss.clone()) };
    [
        draw("Loss", "per target token", &[raw, Line::new("smoothed", smooth(&loss))]),
        one(
            "Negative log-likelihood",
            "nats per target token, smoothed",
            smooth(&some(|step| step.nll)),
        ),
        one("Learning rate", "", some(|step| step.learning_rate)),
        one("Speed", "target tokens per second", some(|step| step.tokens_per_second)),
        one(
            "Balance loss",
            "sum over the layers, each 1 where experts share evenly",
            some(|step| step.balance),
        ),
        one("Router z-loss", "", some(|step| step.z_loss)),
        one("Gradient norm", "before clipping, smoothed", smooth(&some(|step| step.gradient_norm))),
    ]
    .concat()
}

fn dev_plots(log: &RunLog) -> String {
    let names: BTreeSet<&str> = log
        .devs
        .iter()
        .flat_map(|dev| dev.rows.iter().flat_map(|row| row.scores.keys().map(String::as_str)))
        .collect();
    // The score by which checkpoints are chosen comes first.
    let chosen = log.devs.last().map_or("", |dev| dev.chosen_by.as_str());
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|&name| name != chosen);
    names.into_iter().map(|name| plot(name, "step", "", &dev_lines(log, name))).collect()
}

/// The score called `name`, one line for each row, in the order of the rows.
fn dev_lines(log: &RunLog, name: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for dev in &log.devs {
        for row in &dev.rows {
            let Some(&score) = row.scores.get(name) else { continue };
            let point = (dev.step as f64, score);
            match lines.iter_mut().find(|line| line.name == row.label) {
                Some(line) => line.points.push(point),
                None => lines.push(Line::new(&row.label, vec![point])),
            }
        }
    }
    lines
}

fn cost_table(log: &RunLog, start: &Start, cost: &Cost) -> String {
    let last = log.steps.last().copied().unwrap_or_default();
    let (model, machine) = (start.model, &start.machine);
    let watts: Vec<String> =
        log.sessions.iter().map(|(start, _)| format!("{:.0} W", start.machine.watts)).collect();
    let mut watts_once = watts.clone();
    watts_once.dedup();
    let rows = [
        ("parameters", short(model.parameters as f64)),
        ("active per source token", short(model.active_encoder_parameters as f64)),
        ("active per target token", short(model.active_decoder_parameters as f64)),
        ("source tokens", short(last.source_tokens as f64)),
        ("target tokens", short(last.target_tokens as f64)),
        (
            "operations, estimated",
            format!(
                "{}FLOP (6 for each active parameter and token; attention between tokens left out)",
                unit(cost.flops)
            ),
        ),
        ("operations per second", format!("{}FLOP/s", unit(cost.flops / cost.seconds))),
        (
            "training time",
            format!("{} ({} h)", duration(cost.seconds), short(cost.seconds / 3600.0)),
        ),
        (
            "machine",
            format!("{} × {}, {} CPU cores", machine.devices.max(1), machine.device, machine.cores),
        ),
        (
            "energy, estimated",
            format!(
                "{}, assuming {} at work (not measured)",
                energy(cost.kilowatt_hours),
                watts_once.join(", then ")
            ),
        ),
    ];
    section(
        "Compute and energy",
        &pairs(rows.map(|(name, value)| (name.to_owned(), value))),
        "card",
    )
}

/// A number and its prefix, with a space where there is none, to set before a unit.
fn unit(value: f64) -> String {
    let text = short(value);
    if text.contains(' ') { text } else { text + " " }
}

fn settings(start: &Start) -> String {
    let mut flat = Vec::new();
    flatten("", &start.config, &mut flat);
    match flat.is_empty() {
        true => String::new(),
        false => section("Settings", &pairs(flat), "card"),
    }
}

/// Lists the values of nested objects under their paths, such as `run.schedule.kind`.
fn flatten(path: &str, value: &Value, flat: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, flat);
            }
        }
        Value::Null => {}
        Value::String(text) => flat.push((path.into(), text.clone())),
        other => flat.push((path.into(), other.to_string())),
    }
}

fn pairs(rows: impl IntoIterator<Item = (String, String)>) -> String {
    let row = |(name, value): (String, String)| {
        format!("<tr><td>{}</td><td>{}</td></tr>", escape(&name), escape(&value))
    };
    let rows: String = rows.into_iter().map(row).collect();
    format!("<table class=\"pairs\"><tbody>{rows}</tbody></table>\n")
}
