//! The order in which lines are read: column by column.

use std::collections::HashMap;

use super::lines::{GAP, Inner, Line};

/// Rows that two columns have beside each other at least.
const MIN_ROWS: usize = 4;

/// Letters that a line of a column has at least on average; shorter ones are cells of a table.
const MIN_LETTERS: usize = 18;

/// Places at which a column may begin that are looked at, those with the most lines first.
const MAX_BEGINS: usize = 200;

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
    let mut lines = lines;
    for _ in 0..MAX_DEPTH {
        let Some(at) = narrow_gutter(&lines) else { break };
        lines = lines.into_iter().flat_map(|line| parted(line, at)).collect();
    }
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

/// Where the right one of two columns begins that stand so close that their lines were taken for one.
///
/// Of the wide gaps of justified lines few are at the same place, and most lines go across that.
fn narrow_gutter(lines: &[Line]) -> Option<f32> {
    let mut begins: HashMap<i32, usize> = HashMap::new();
    for gap in lines.iter().flat_map(|line| &line.gaps) {
        *begins.entry(gap.end.floor() as i32).or_default() += 1;
    }
    let mut begins: Vec<(usize, i32)> = begins.into_iter().map(|(x, count)| (count, x)).collect();
    begins.retain(|(count, _)| *count >= MIN_ROWS);
    begins.sort_unstable_by(|a, b| b.cmp(a));
    let is_gutter = |at: f32, count: usize| {
        let parted: Vec<(Line, Line)> =
            lines.iter().filter_map(|line| Some(line.split(gap_at(line, at)?))).collect();
        let across = lines.iter().filter(|line| line.x < at && line.end >= at).count();
        let letters = |of: fn(&(Line, Line)) -> &Line| {
            parted.iter().map(|pair| of(pair).text.chars().count()).sum::<usize>()
        };
        let least = MIN_LETTERS * parted.len();
        let is_text = letters(|pair| &pair.0) >= least && letters(|pair| &pair.1) >= least;
        // Behind most gaps the line begins at the very place, but for indents.
        across <= 2 * parted.len() && parted.len() <= 2 * count && is_text
    };
    let found = begins.into_iter().take(MAX_BEGINS);
    found
        .map(|(count, begin)| (begin as f32, count))
        .find(|(at, count)| is_gutter(*at, *count))
        .map(|(at, _)| at)
}

/// The gap of a line within which a column that begins at `at` would begin.
fn gap_at(line: &Line, at: f32) -> Option<Inner> {
    line.gaps.iter().copied().find(|gap| gap.begin < at && gap.end >= at)
}

fn parted(line: Line, at: f32) -> Vec<Line> {
    match gap_at(&line, at) {
        Some(gap) => {
            let (left, right) = line.split(gap);
            vec![left, right]
        }
        None => vec![line],
    }
}

/// Where the right one of two columns begins, if there are two. Their lines need not stand on the same height.
fn gutter(lines: &[Line]) -> Option<f32> {
    let mut begins: HashMap<i32, usize> = HashMap::new();
    for line in lines {
        *begins.entry(line.x.floor() as i32).or_default() += 1;
    }
    let mut begins: Vec<(usize, i32)> = begins.into_iter().map(|(x, count)| (count, x)).collect();
    begins.sort_unstable_by(|a, b| b.cmp(a));
    let mut best: Option<(usize, f32)> = None;
    for (_, begin) in begins.into_iter().take(MAX_BEGINS) {
        let at = begin as f32;
        let rows = rows_beside(lines, at);
        if rows.is_some_and(|rows| best.is_none_or(|(most, _)| rows > most)) {
            best = rows.map(|rows| (rows, at));
        }
    }
    best.map(|(_, at)| at)
}

/// Lines that end before `at` and have one beside them that begins there or later, if these are columns.
fn rows_beside(lines: &[Line], at: f32) -> Option<usize> {
    let left: Vec<&Line> = lines.iter().filter(|line| line.end < at).collect();
    let right: Vec<&Line> = lines.iter().filter(|line| line.x >= at).collect();
    let is_text = |side: &[&Line]| {
        let letters: usize = side.iter().map(|line| line.text.chars().count()).sum();
        side.len() >= MIN_ROWS && letters >= MIN_LETTERS * side.len()
    };
    if !is_text(&left) || !is_text(&right) {
        return None;
    }
    let mut heights: Vec<f32> = right.iter().map(|line| line.y).collect();
    heights.sort_unstable_by(f32::total_cmp);
    let has_one_beside = |line: &&&Line| {
        let first = heights.partition_point(|y| *y < line.y - line.size);
        heights.get(first).is_some_and(|y| *y <= line.y + line.size)
    };
    let rows = left.iter().filter(has_one_beside).count();
    let across = lines.len() - left.len() - right.len();
    (rows >= MIN_ROWS && across <= 2 * rows).then_some(rows)
}

/// Lines one above the other: across both columns, or in either.
enum Band {
    Across(Vec<Line>),
    Columns(Vec<Line>, Vec<Line>),
}

fn bands(lines: Vec<Line>, gutter: f32) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for line in lines {
        let is_across = line.x < gutter && line.end >= gutter;
        match (is_across, bands.last_mut()) {
            (true, Some(Band::Across(own))) => own.push(line),
            (true, _) => bands.push(Band::Across(vec![line])),
            (false, Some(Band::Columns(left, right))) => {
                if line.end < gutter {
                    left.push(line);
                } else {
                    right.push(line);
                }
            }
            (false, _) => {
                let mut sides = (Vec::new(), Vec::new());
                if line.end < gutter {
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
                let is_cell = line.x - row.end >= GAP * row.size;
                row.text.push(if is_cell { '\t' } else { ' ' });
                row.text.push_str(&line.text);
                row.end = line.end;
            }
            None => rows.push(line),
        }
    }
    rows
}
