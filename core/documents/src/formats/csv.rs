//! Tables in text: CSV and TSV, all columns or those that are chosen.

use std::ops::Range;

use crate::{
    Error, Result, Settings,
    block::{Block, Builder, Finish},
    part::Part,
};

/// Marks that may stand between cells.
const DELIMITERS: &[u8] = b",;\t|";

/// The cells of a table; `delimiter` is guessed from the first row without one.
pub(crate) fn read(source: &str, settings: &Settings, delimiter: Option<u8>) -> Result<Part> {
    let delimiter = delimiter.unwrap_or_else(|| guess(source));
    let mut blocks = Vec::new();
    let mut chosen: Option<Vec<bool>> = None;
    let mut at = 0;
    let mut row = 0;
    while at < source.len() {
        let (cells, end) = cells(source, at, delimiter);
        if row == 0 && !settings.columns.is_empty() {
            chosen = Some(choose(source, &cells, &settings.columns)?);
        } else {
            for (column, cell) in cells.into_iter().enumerate() {
                let is_chosen = |chosen: &Vec<bool>| chosen.get(column) == Some(&true);
                if chosen.as_ref().is_none_or(is_chosen) {
                    blocks.extend(block(source, cell));
                }
            }
        }
        at = end;
        row += 1;
    }
    Ok(Part::new(source, blocks))
}

/// The mark that is most often in the first row, outside of quotation marks.
fn guess(source: &str) -> u8 {
    let row = source.lines().next().unwrap_or_default();
    let mut is_quoted = false;
    let mut counts = [0usize; 4];
    for byte in row.bytes() {
        is_quoted ^= byte == b'"';
        if let Some(place) = DELIMITERS.iter().position(|mark| *mark == byte && !is_quoted) {
            counts[place] += 1;
        }
    }
    let best = (0..4).rev().max_by_key(|&place| counts[place]).unwrap_or(0);
    DELIMITERS[best]
}

/// The cells of the row that begins at `start`, and where the next row begins.
fn cells(source: &str, start: usize, delimiter: u8) -> (Vec<Range<usize>>, usize) {
    let bytes = source.as_bytes();
    let (mut cells, mut begin, mut at) = (Vec::new(), start, start);
    let mut is_quoted = false;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if is_quoted || at == begin => is_quoted = !is_quoted,
            b'"' if bytes[at - 1] == b'"' => is_quoted = !is_quoted, // a doubled one
            b'\n' if !is_quoted => {
                let end = if at > begin && bytes[at - 1] == b'\r' { at - 1 } else { at };
                cells.push(begin..end);
                return (cells, at + 1);
            }
            byte if byte == delimiter && !is_quoted => {
                cells.push(begin..at);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    cells.push(begin..at);
    (cells, at)
}

/// For each column whether it is among `columns`, which are names or numbers.
fn choose(source: &str, heads: &[Range<usize>], columns: &[String]) -> Result<Vec<bool>> {
    let names: Vec<String> =
        heads.iter().map(|at| source[at.clone()].trim_matches('"').replace("\"\"", "\"")).collect();
    let mut chosen = vec![false; names.len()];
    for column in columns {
        let number = column.parse().ok().and_then(|number: usize| number.checked_sub(1));
        let place = names.iter().position(|name| name.trim() == column.trim());
        match place.or(number).and_then(|place| chosen.get_mut(place)) {
            Some(is_chosen) => *is_chosen = true,
            None => {
                let reason = format!("no column `{column}`; the table has {}", names.join(", "));
                return Err(Error::Settings(reason));
            }
        }
    }
    Ok(chosen)
}

fn block(source: &str, cell: Range<usize>) -> Option<Block> {
    let text = &source[cell.clone()];
    if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') {
        let mut builder = Builder::new(source, |text| text.replace('"', "\"\""), false);
        builder.escaped(cell.start + 1..cell.end - 1, |text| {
            text.starts_with("\"\"").then(|| ("\"".into(), 2))
        });
        return builder.finish();
    }
    let mut builder = Builder::new(source, str::to_owned, false);
    builder.plain(cell, 0);
    let mut block = builder.finish()?;
    block.finish = Finish::Call(quoted_if_needed);
    Some(block)
}

fn quoted_if_needed(text: String) -> String {
    match text.contains([',', ';', '\t', '|', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}
