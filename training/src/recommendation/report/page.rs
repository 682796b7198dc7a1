//! The page of an evaluation.

use super::{Evaluation, text::Table};
use crate::report::{Line, document, escape, plot};

/// Renders the whole page.
pub(super) fn render(evaluation: &Evaluation) -> String {
    let title = "Recommendations, evaluated";
    let summary: String =
        evaluation.summary().iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
    let tables: String = evaluation.tables().iter().map(table).collect();
    let curves: Vec<Line> = evaluation
        .systems
        .iter()
        .map(|system| {
            let points = system.curve.iter().map(|&(k, ndcg)| (k as f64, ndcg)).collect();
            Line::new(&system.name, points)
        })
        .collect();
    let name = format!("NDCG@10, {} users", evaluation.curve_users);
    let plot = plot("New users", "events revealed", &name, &curves);
    let plot = match plot.is_empty() {
        true => plot,
        false => format!("<h2>Cold start</h2>\n<div class=\"plots\">{plot}</div>\n"),
    };
    let settings = match &evaluation.settings {
        Some(settings) => {
            let json = serde_json::to_string_pretty(settings).unwrap_or_default();
            let json = escape(&json);
            format!(
                "<h2>Settings, chosen on validation</h2>\n<div class=\"card\"><pre>{json}</pre></div>\n"
            )
        }
        None => String::new(),
    };
    let body =
        format!("<h1>{title}</h1>\n<div class=\"muted\">{summary}</div>\n{tables}{plot}{settings}");
    document(title, &body)
}

fn table(table: &Table) -> String {
    let cells = |row: &[String], tag: &str| -> String {
        row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect()
    };
    let [head, rows @ ..] = table.rows.as_slice() else { return String::new() };
    let rows: String = rows.iter().map(|row| format!("<tr>{}</tr>", cells(row, "td"))).collect();
    format!(
        "<h2>{}</h2>\n<div class=\"card\"><table><thead><tr>{}</tr></thead><tbody>{rows}</tbody>\
         </table></div>\n",
        escape(&table.title),
        cells(head, "th")
    )
}
