//! The dialogue of Advanced SubStation Alpha.

use std::ops::Range;

use dragoman_text::Role;

use super::{
    cues::{Cue, add_groups},
    seconds,
};
use crate::{
    Error, Result, Settings,
    block::{Block, Builder, Finish},
    part::Part,
};

/// The names of columns where a file does not name them.
const COLUMNS: &str = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text";

/// The dialogue of a file.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    if !source.contains("[Events]") {
        return Err(Error::broken("ASS", "it has no `[Events]`"));
    }
    let mut cues = Vec::new();
    let mut columns: Vec<&str> = COLUMNS.split(',').map(str::trim).collect();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        let (start, end) = (at, at + text.len());
        at += line.len();
        if let Some(format) = text.strip_prefix("Format:") {
            columns = format.split(',').map(str::trim).collect();
        } else if let Some(event) = text.strip_prefix("Dialogue:") {
            let comma = event.match_indices(',').nth(columns.len().saturating_sub(2));
            let Some((comma, _)) = comma else { continue };
            let text = start + "Dialogue:".len() + comma + 1..end;
            if !source[text.clone()].contains("\\p1") {
                cues.push(cue(&event[..comma], &columns, text));
            }
        }
    }
    let mut blocks = Vec::new();
    let add = |cue: &Cue, blocks: &mut Vec<Block>| {
        blocks.extend(cue.lines.iter().filter_map(|line| event_block(source, line.clone())));
    };
    add_groups(source, cues, &mut blocks, add, "\\N");
    Ok(Part::new(source, blocks))
}

/// The cue of an event with these fields before its text.
fn cue(fields: &str, columns: &[&str], text: Range<usize>) -> Cue {
    let named = |name: &str| columns.iter().position(|column| *column == name);
    let (start, end) = (named("Start"), named("End"));
    let fields: Vec<&str> = fields.split(',').collect();
    let time = |place: Option<usize>| seconds(fields.get(place?)?);
    let times = time(start).zip(time(end));
    let is_style = |place: &usize| Some(*place) != start && Some(*place) != end;
    let style = (0..fields.len()).filter(is_style).map(|place| fields[place].trim());
    Cue { times, style: style.collect::<Vec<_>>().join(","), lines: vec![text] }
}

/// The text of an event: style overrides are points, and `\N` a space where lines are cut anew.
fn event_block(source: &str, range: Range<usize>) -> Option<Block> {
    let mut builder = Builder::new(source, str::to_owned, false);
    let lines = 1 + source[range.clone()].matches("\\N").count();
    let read = |text: &str| {
        if text.starts_with('{') {
            return text.find('}').map(|end| (String::new(), end + 1));
        }
        let stands_for = match text.get(..2)? {
            "\\N" | "\\n" => " ",
            "\\h" => "\u{a0}",
            _ => return None,
        };
        Some((stands_for.to_owned(), 2))
    };
    builder.escaped(range, read);
    let mut block = builder.finish()?;
    debug_assert!(block.marks.iter().all(|mark| mark.role == Role::Point));
    block.finish = Finish::Lines(lines, "\\N");
    Some(block)
}
