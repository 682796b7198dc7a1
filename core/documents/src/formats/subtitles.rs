//! Subtitles: SubRip, WebVTT and Advanced SubStation Alpha. Times and styles stay, and a cue keeps its
//! number of lines.
//!
//! A sentence that runs across cues is one, and its translation is laid out over the same cues.

mod ass;
mod cues;
mod line;

use std::ops::Range;

pub(crate) use ass::read as read_ass;

use self::cues::{Cue, add_groups};
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
    let mut cues: Vec<Cue> = Vec::new();
    let mut is_cue = false;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        let range = at..at + text.len();
        at += line.len();
        if text.trim().is_empty() {
            is_cue = false;
        } else if text.contains("-->") {
            cues.push(Cue { times: times(text), ..Cue::default() });
            is_cue = true;
        } else if let Some(cue) = cues.last_mut().filter(|_| is_cue) {
            cue.lines.push(range);
        }
    }
    let end = if source.contains("\r\n") { "\r\n" } else { "\n" };
    let mut blocks = Vec::new();
    add_groups(source, cues, &mut blocks, |cue, blocks| add_cue(source, cue, end, blocks), end);
    Ok(Part::new(source, blocks))
}

/// When a cue begins and ends, in seconds.
fn times(line: &str) -> Option<(f64, f64)> {
    let (begin, end) = line.split_once("-->")?;
    Some((seconds(begin)?, seconds(end.split_whitespace().next()?)?))
}

/// The seconds of a time such as `01:02:03,456`.
fn seconds(time: &str) -> Option<f64> {
    let mut seconds = 0.0;
    for part in time.trim().split(':') {
        seconds = 60.0 * seconds + part.replace(',', ".").parse::<f64>().ok()?;
    }
    Some(seconds)
}

/// Adds the lines of a cue; lines that begin with a dash are of different people.
fn add_cue(source: &str, cue: &Cue, end: &'static str, blocks: &mut Vec<Block>) {
    let lines = &cue.lines;
    let mut first = 0;
    while first < lines.len() {
        let next = (first + 1..lines.len())
            .find(|&line| starts_anew(source, &lines[line]) || is_sound(source, &lines[line - 1]));
        let last = next.unwrap_or(lines.len());
        let mut builder = Builder::new(source, str::to_owned, false);
        for (number, line) in lines[first..last].iter().enumerate() {
            if number > 0 {
                builder.text(" ", lines[first + number - 1].end..line.start, 0);
            }
            line::add(source, line.clone(), &mut builder);
        }
        if let Some(mut block) = builder.finish() {
            block.finish = Finish::Lines(last - first, end);
            blocks.push(block);
        }
        first = last;
    }
}

/// Whether a line is of another person, or no speech.
fn starts_anew(source: &str, line: &Range<usize>) -> bool {
    source[line.clone()].trim_start().starts_with(['-', '–', '—', '♪', '['])
}

/// Whether a line says what is heard, and nothing else.
fn is_sound(source: &str, line: &Range<usize>) -> bool {
    let line = source[line.clone()].trim();
    let is_in = |open: char, close: char| line.starts_with(open) && line.ends_with(close);
    is_in('[', ']') || is_in('(', ')')
}
