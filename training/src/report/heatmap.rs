//! Heat maps as inline SVG: shares by row and column.

use std::{collections::BTreeSet, fmt::Write};

use super::format::{escape, natural_order};

/// Size of a cell, and room for the labels.
const CELL_WIDTH: f64 = 46.0;
const CELL_HEIGHT: f64 = 26.0;
const TOP: f64 = 96.0;
const LETTER: f64 = 6.6;
/// Columns up to which a cell has room for its number.
const MAX_NUMBERED: usize = 20;
/// Strength of the largest share; text stays readable on it in light and dark.
const MAX_OPACITY: f64 = 0.75;

/// Shares by column name of one row; columns that are missing were not in reach.
pub(super) type Row = (String, Vec<(String, f64)>);

/// Draws `rows` under `title`; nothing at all if there are none.
pub(super) fn heatmap(title: &str, note: &str, rows: &[Row]) -> String {
    let columns: BTreeSet<&str> =
        rows.iter().flat_map(|(_, cells)| cells.iter().map(|(name, _)| name.as_str())).collect();
    let mut columns: Vec<&str> = columns.into_iter().collect();
    columns.sort_by_key(|name| natural_order(name));
    if columns.is_empty() {
        return String::new();
    }
    let largest = rows.iter().flat_map(|(_, cells)| cells).map(|(_, share)| *share);
    let largest = largest.fold(f64::MIN_POSITIVE, f64::max);
    let left = label_width(rows);
    let width = left + CELL_WIDTH * columns.len() as f64 + TOP * 0.6;
    let height = TOP + CELL_HEIGHT * rows.len() as f64;

    let mut svg = String::new();
    for (column, name) in columns.iter().enumerate() {
        let (x, y) = (left + CELL_WIDTH * (column as f64 + 0.5), TOP - 6.0);
        let name = escape(name);
        let turn = format!("rotate(-45 {x:.0} {y:.0})");
        push(
            &mut svg,
            format_args!(
                "<text class=\"column\" x=\"{x:.0}\" y=\"{y:.0}\" transform=\"{turn}\">{name}</text>"
            ),
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + CELL_HEIGHT * index as f64;
        draw_row(&mut svg, row, &columns, (left, y, largest));
    }
    let (title, note) = (escape(title), escape(note));
    format!(
        "<figure class=\"wide\"><figcaption>{title} <small>{note}</small></figcaption>\
         <div class=\"scroll\"><svg viewBox=\"0 0 {width:.0} {height:.0}\" \
         style=\"width:{width:.0}px\" role=\"img\" aria-label=\"{title}\">{svg}</svg></div>\
         </figure>\n"
    )
}

fn draw_row(svg: &mut String, row: &Row, columns: &[&str], place: (f64, f64, f64)) {
    let ((name, cells), (left, y, largest)) = (row, place);
    let (name, end, middle) = (escape(name), left - 8.0, y + CELL_HEIGHT / 2.0 + 4.0);
    push(svg, format_args!("<text class=\"y\" x=\"{end:.0}\" y=\"{middle:.0}\">{name}</text>"));
    for (column_name, share) in cells {
        let Some(column) = columns.iter().position(|name| name == column_name) else { continue };
        let x = left + CELL_WIDTH * column as f64;
        let (opacity, percent) = (MAX_OPACITY * share / largest, 100.0 * share);
        let (cell_width, cell_height) = (CELL_WIDTH - 2.0, CELL_HEIGHT - 2.0);
        let column_name = escape(column_name);
        push(
            svg,
            format_args!(
                "<rect class=\"cell\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{cell_width}\" \
             height=\"{cell_height}\" rx=\"3\"/>\
             <rect class=\"heat\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{cell_width}\" \
             height=\"{cell_height}\" rx=\"3\" fill-opacity=\"{opacity:.3}\">\
             <title>{name}, {column_name}: {percent:.1} %</title></rect>"
            ),
        );
        if columns.len() <= MAX_NUMBERED {
            let center = x + cell_width / 2.0;
            push(
                svg,
                format_args!(
                    "<text class=\"number\" x=\"{center:.0}\" y=\"{middle:.0}\">{percent:.0}</text>"
                ),
            );
        }
    }
}

fn label_width(rows: &[Row]) -> f64 {
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    16.0 + LETTER * longest as f64
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_title_and_the_largest_the_strongest_colour() {
        let row = |name: &str, cells: &[(&str, f64)]| {
            let cells = cells.iter().map(|&(name, share)| (name.to_owned(), share)).collect();
            (name.to_owned(), cells)
        };
        let rows = [row("encoder.1", &[("a", 0.25), ("b", 0.75)]), row("encoder.3", &[("b", 1.0)])];
        let svg = heatmap("load", "", &rows);
        assert_eq!(svg.matches("<title>").count(), 3);
        assert!(svg.contains("fill-opacity=\"0.750\"><title>encoder.3, b: 100.0 %</title>"));
        assert_eq!(heatmap("load", "", &[]), "");
    }
}
