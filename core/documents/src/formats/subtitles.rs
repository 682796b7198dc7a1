//! Subtitles: SubRip, WebVTT and Advanced SubStation Alpha. Times and styles stay, and a cue keeps its
//! number of lines.

use std::ops::Range;

use dragoman_text::Role;

use crate::{
    Error, Result, Settings,
    block::{Block, Builder, Finish},
    part::Part,
};

/// The cues of SubRip and WebVTT.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    if !source.contains("-->") && !source.trim().is_empty() {
        return Err(Error::broken("subtitle", "it has no times (`-->`)"));
    }
    let mut blocks = Vec::new();
    let mut cue: Vec<Range<usize>> = Vec::new();
    let mut is_cue = false;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        let range = at..at + text.len();
        at += line.len();
        if text.trim().is_empty() {
            add_cue(source, &mut cue, &mut blocks);
            is_cue = false;
        } else if text.contains("-->") {
            add_cue(source, &mut cue, &mut blocks);
            is_cue = true;
        } else if is_cue {
            cue.push(range);
        }
    }
    add_cue(source, &mut cue, &mut blocks);
    Ok(Part::new(source, blocks))
}

/// Adds the lines of a cue; lines that begin with a dash are of different people.
fn add_cue(source: &str, lines: &mut Vec<Range<usize>>, blocks: &mut Vec<Block>) {
    let starts_anew = |line: &Range<usize>| {
        let text = source[line.clone()].trim_start();
        text.starts_with(['-', '–', '—', '♪', '['])
    };
    let lines = std::mem::take(lines);
    let mut first = 0;
    while first < lines.len() {
        let next = (first + 1..lines.len()).find(|&line| starts_anew(&lines[line]));
        let last = next.unwrap_or(lines.len());
        let mut builder = Builder::new(source, str::to_owned, false);
        for (number, line) in lines[first..last].iter().enumerate() {
            if number > 0 {
                builder.text(" ", lines[first + number - 1].end..line.start, 0);
            }
            builder.plain(line.clone(), 0);
        }
        if let Some(mut block) = builder.finish() {
            let end = if source.contains("\r\n") { "\r\n" } else { "\n" };
            block.finish = Finish::Lines(last - first, end);
            blocks.push(block);
        }
        first = last;
    }
}

/// The dialogue of Advanced SubStation Alpha.
pub(crate) fn read_ass(source: &str, _: &Settings) -> Result<Part> {
    if !source.contains("[Events]") {
        return Err(Error::broken("ASS", "it has no `[Events]`"));
    }
    let mut blocks = Vec::new();
    let mut columns = 10;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        let (start, end) = (at, at + text.len());
        at += line.len();
        if let Some(format) = text.strip_prefix("Format:") {
            columns = format.split(',').count();
        } else if let Some(event) = text.strip_prefix("Dialogue:") {
            let comma = event.match_indices(',').nth(columns.saturating_sub(2));
            let Some((comma, _)) = comma else { continue };
            let text = start + "Dialogue:".len() + comma + 1..end;
            if !source[text.clone()].contains("\\p1") {
                blocks.extend(event_block(source, text));
            }
        }
    }
    Ok(Part::new(source, blocks))
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
