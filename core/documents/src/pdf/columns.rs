//! The order in which lines are read: column by column.

use super::lines::Line;

/// Rows that two columns have beside each other at least.
const MIN_ROWS: usize = 4;

/// Letters that a line of a column has at least on average; shorter ones are cells of a table.
const MIN_LETTERS: usize = 18;

/// Columns within columns at most.
const MAX_DEPTH: usize = 3;

/// A line, and the column that it stands in.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) line: Line,
    /// Where the column begins and ends.
    pub(super) column: (f32, f32),
}

/// The `lines` of a page in the order in which they are read.
pub(super) fn in_order(lines: Vec<Line>) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(lines.len());
    order(lines, MAX_DEPTH, &mut placed);
    placed
}

fn order(lines: Vec<Line>, depth: usize, placed: &mut Vec<Placed>) {
    match (depth > 0).then(|| gutter(&lines)).flatten() {
        Some(gutter) => {
            for band in bands(lines, gutter) {
                match band {
                    Band::Across(lines) => order(lines, depth - 1, placed),
                    Band::Columns(left, right) => {
                        order(left, depth - 1, placed);
                        order(right, depth - 1, placed);
                    }
                }
            }
        }
        None => {
            let begin = lines.iter().map(|line| line.x).fold(f32::MAX, f32::min);
            let end = lines.iter().map(|line| line.end).fold(f32::MIN, f32::max);
            let column = (begin, end);
            placed.extend(rows(lines).into_iter().map(|line| Placed { line, column }));
        }
    }
}

/// Where the gap between two columns is, if there are two.
fn gutter(lines: &[Line]) -> Option<f32> {
    let mut best: Option<(usize, f32)> = None;
    let gaps = lines.windows(2).filter(|pair| is_same_row(&pair[0], &pair[1]));
    for pair in gaps.take(200) {
        let at = (pair[0].end + pair[1].x) / 2.0;
        let sides = |is_left: bool| {
            lines.iter().filter(move |line| if is_left { line.end < at } else { line.x > at })
        };
        let rows = lines
            .windows(2)
            .filter(|pair| is_same_row(&pair[0], &pair[1]) && pair[0].end < at && pair[1].x > at)
            .count();
        let is_text = |is_left: bool| {
            let (count, letters) = sides(is_left)
                .fold((0, 0), |(count, sum), line| (count + 1, sum + line.text.chars().count()));
            count >= MIN_ROWS && letters >= MIN_LETTERS * count
        };
        let across = lines.iter().filter(|line| line.x < at && line.end > at).count();
        let is_gutter = rows >= MIN_ROWS && across <= 2 * rows && is_text(true) && is_text(false);
        if is_gutter && best.is_none_or(|(most, _)| rows > most) {
            best = Some((rows, at));
        }
    }
    best.map(|(_, at)| at)
}

/// Lines one above the other: across both columns, or in either.
enum Band {
    Across(Vec<Line>),
    Columns(Vec<Line>, Vec<Line>),
}

fn bands(lines: Vec<Line>, gutter: f32) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for line in lines {
        let is_across = line.x < gutter && line.end > gutter;
        match (is_across, bands.last_mut()) {
            (true, Some(Band::Across(own))) => own.push(line),
            (true, _) => bands.push(Band::Across(vec![line])),
            (false, Some(Band::Columns(left, right))) => {
                if line.end <= gutter {
                    left.push(line);
                } else {
                    right.push(line);
                }
            }
            (false, _) => {
                let mut sides = (Vec::new(), Vec::new());
                if line.end <= gutter {
                    sides.0.push(line);
                } else {
                    sides.1.push(line);
                }
                bands.push(Band::Columns(sides.0, sides.1));
            }
        }
    }
    bands
}

fn is_same_row(a: &Line, b: &Line) -> bool {
    (a.y - b.y).abs() < 0.3 * a.size.max(b.size) && a.x < b.x
}

/// Lines with those beside each other joined, as cells of a table are.
fn rows(lines: Vec<Line>) -> Vec<Line> {
    let mut rows: Vec<Line> = Vec::new();
    for line in lines {
        match rows.last_mut().filter(|row| is_same_row(row, &line)) {
            Some(row) => {
                row.text.push('\t');
                row.text.push_str(&line.text);
                row.end = line.end;
            }
            None => rows.push(line),
        }
    }
    rows
}
