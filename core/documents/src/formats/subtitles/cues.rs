//! Cues that a sentence runs across.

use std::ops::Range;

use super::{line, starts_anew};
use crate::block::{Block, Builder, Edit, EditText, When};

/// Seconds between two cues of one sentence at most.
const MAX_PAUSE: f64 = 3.0;

/// Cues that are taken together at most, and their bytes.
const MAX_CUES: usize = 6;
const MAX_BYTES: usize = 500;

/// The share of cues that end a sentence from which on a file is known to have marks at the ends of all.
const PUNCTUATED: f64 = 0.3;

/// A subtitle.
#[derive(Debug, Default)]
pub(super) struct Cue {
    /// When it begins and ends, in seconds.
    pub(super) times: Option<(f64, f64)>,
    /// What has to be the same of two cues of one sentence, such as the speaker.
    pub(super) style: String,
    /// The lines of its text.
    pub(super) lines: Vec<Range<usize>>,
}

/// What a cue says, if it can be a part of a longer sentence.
struct Speech<'a> {
    /// The tags around it.
    tags: (&'a str, &'a str),
    lines: Vec<Range<usize>>,
    /// Without the tags around it.
    text: &'a str,
}

/// Adds blocks for `cues`: one for those that belong together, and the others by `add`.
pub(super) fn add_groups(
    source: &str,
    cues: Vec<Cue>,
    blocks: &mut Vec<Block>,
    add: impl Fn(&Cue, &mut Vec<Block>),
    end: &'static str,
) {
    let speeches: Vec<Option<Speech<'_>>> = cues.iter().map(|cue| speech(source, cue)).collect();
    let spoken = speeches.iter().flatten().count().max(1);
    let ended = speeches.iter().flatten().filter(|speech| ends(speech.text)).count();
    let is_punctuated = ended as f64 >= PUNCTUATED * spoken as f64;
    let goes_on = |at: usize| {
        let (Some(this), Some(next)) = (&speeches[at], speeches.get(at + 1)?.as_ref()) else {
            return None;
        };
        let is_near = is_near(&cues[at], &cues[at + 1]) && this.tags == next.tags;
        (is_near && continues(this.text, next.text, is_punctuated)).then_some(())
    };
    let mut at = 0;
    while at < cues.len() {
        let mut last = at;
        let mut bytes = speeches[at].as_ref().map_or(0, |speech| speech.text.len());
        while last + 1 - at < MAX_CUES && goes_on(last).is_some() {
            bytes += speeches[last + 1].as_ref().map_or(0, |speech| speech.text.len());
            if bytes > MAX_BYTES {
                break;
            }
            last += 1;
        }
        let members: Vec<&Speech<'_>> = speeches[at..=last].iter().flatten().collect();
        match last > at && members.len() == last + 1 - at {
            true => blocks.extend(group(source, &members, end)),
            false => add(&cues[at], blocks),
        }
        at = last + 1;
    }
}

/// One block of the speech of several cues.
fn group(source: &str, members: &[&Speech<'_>], end: &'static str) -> Option<Block> {
    let mut builder = Builder::new(source, str::to_owned, false);
    let mut edits = Vec::new();
    for (number, speech) in members.iter().enumerate() {
        if let Some(before) = number.checked_sub(1).and_then(|before| members[before].lines.last())
        {
            builder.joint(before.end);
        }
        for (line, range) in speech.lines.iter().enumerate() {
            if line > 0 {
                builder.text(" ", speech.lines[line - 1].end..range.start, 0);
            }
            line::add(source, range.clone(), &mut builder);
        }
        let at = speech.lines.first()?.start..speech.lines.last()?.end;
        let text = EditText::Part { number, lines: speech.lines.len(), end };
        edits.push(Edit { at, text, when: When::Always });
    }
    builder.finish_elsewhere(edits)
}

/// What a cue says, if it is one person's and has no markup but around all of it.
fn speech<'a>(source: &'a str, cue: &Cue) -> Option<Speech<'a>> {
    let mut lines = cue.lines.clone();
    let all = lines.first()?.start..lines.last()?.end;
    let begin = tags_at_start(&source[all.clone()]);
    let end = tags_at_end(&source[all.start + begin..all.end]);
    let inside = all.start + begin..all.end - end;
    lines.first_mut()?.start = inside.start;
    lines.last_mut()?.end = inside.end;
    let text = &source[inside.clone()];
    let is_plain = lines.iter().all(|line| line.start < line.end && !starts_anew(source, line));
    let is_speech = is_plain && !text.contains(['<', '{', '♪', '(', '[', '\\']);
    let tags = (&source[all.start..inside.start], &source[inside.end..all.end]);
    is_speech.then_some(Speech { tags, lines, text })
}

/// Bytes of the tags that `text` begins with.
fn tags_at_start(text: &str) -> usize {
    let mut at = 0;
    loop {
        let close = match text[at..].chars().next() {
            Some('<') => '>',
            Some('{') => '}',
            _ => return at,
        };
        let Some(end) = text[at..].find(close) else { return at };
        at += end + 1;
    }
}

/// Bytes of the tags that `text` ends with.
fn tags_at_end(text: &str) -> usize {
    let mut end = text.len();
    loop {
        let open = match text[..end].chars().next_back() {
            Some('>') => '<',
            Some('}') => '{',
            _ => return text.len() - end,
        };
        let Some(start) = text[..end].rfind(open) else { return text.len() - end };
        end = start;
    }
}

/// Whether one cue comes right after the other, of the same kind.
fn is_near(this: &Cue, next: &Cue) -> bool {
    let is_soon = match (this.times, next.times) {
        (Some((begin, end)), Some((next, _))) => next >= begin && next - end <= MAX_PAUSE,
        _ => false,
    };
    is_soon && this.style == next.style
}

/// Whether a sentence ends with `text`.
fn ends(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || "\"'”’»)]".contains(c));
    text.ends_with(['.', '!', '?', '…', ':', '-', '–', '—', '。', '！', '？', '؟', '।', '♪'])
}

/// Whether a sentence goes on from one text to the next. Where the file has marks at the ends of
/// sentences, one that has none goes on; else a small letter tells.
fn continues(text: &str, next: &str, is_punctuated: bool) -> bool {
    if ends(text) {
        return false;
    }
    let is_title = text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase);
    match next.trim_start_matches(['"', '“', '„', '«', '\'']).chars().next() {
        Some(first) if first.is_lowercase() => true,
        Some(first) if first.is_alphanumeric() => is_punctuated && !is_title,
        _ => false,
    }
}
