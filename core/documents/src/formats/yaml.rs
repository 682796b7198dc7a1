//! YAML: the values that are strings; keys, comments and layout stay.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::{
    Error, Result, Settings,
    block::{Block, Builder, Finish},
    part::Part,
};

/// Plain words that are no strings.
const RESERVED: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "~", "y", "n"];

/// The string values of a document.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    let bytes = byte_positions(source);
    let position = |index: usize| bytes.get(index).copied().unwrap_or(source.len());
    let mut blocks = Vec::new();
    // For each collection that is open: whether it is a mapping, and whether a key comes next.
    let mut open: Vec<(bool, bool)> = Vec::new();
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|error| Error::broken("YAML", error))?;
        let is_key = open.last() == Some(&(true, true));
        match event {
            Event::Scalar(value, style, _, tag) => {
                let raw = position(span.start.index())..position(span.end.index());
                if !is_key && tag.is_none() {
                    let raw = without_anchor(source, raw);
                    blocks.extend(scalar(source, raw, &value, style));
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let is_mapping = matches!(event, Event::MappingStart(..));
                open.push((is_mapping, is_mapping));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
            }
            Event::Alias(_) => {}
            _ => continue,
        }
        // A node ended: after a key comes a value, and after that a key.
        if let Some((true, key_next)) = open.last_mut() {
            *key_next = !*key_next;
        }
    }
    Ok(Part::new(source, blocks))
}

/// For each character of `source` its first byte.
fn byte_positions(source: &str) -> Vec<usize> {
    source.char_indices().map(|(at, _)| at).collect()
}

/// The bytes of a scalar without the anchor before it.
fn without_anchor(source: &str, raw: Range<usize>) -> Range<usize> {
    let text = source.get(raw.clone()).unwrap_or_default();
    let Some(anchored) = text.strip_prefix('&') else { return raw };
    let end = anchored.find(char::is_whitespace).unwrap_or(anchored.len());
    let behind = anchored[end..].trim_start();
    raw.end - behind.len()..raw.end
}

fn scalar(source: &str, raw: Range<usize>, value: &str, style: ScalarStyle) -> Option<Block> {
    let text = source.get(raw.clone())?;
    match style {
        ScalarStyle::Plain => {
            let end = raw.start + text.trim_end().len();
            if RESERVED.contains(&value.to_lowercase().as_str()) {
                return None;
            }
            let mut builder = Builder::new(source, str::to_owned, false);
            builder.escaped(raw.start..end, folded);
            if builder.text_so_far() != value {
                return None; // it is not what it looks like: it stays
            }
            let mut block = builder.finish()?;
            block.finish = Finish::Call(plain_or_quoted);
            Some(block)
        }
        ScalarStyle::SingleQuoted => {
            let inside = quoted(text, raw.start, '\'')?;
            let mut builder = Builder::new(source, |text| text.replace('\'', "''"), false);
            builder.escaped(inside, |text| match text.starts_with("''") {
                true => Some(("'".into(), 2)),
                false => folded(text),
            });
            (builder.text_so_far() == value).then(|| builder.finish())?
        }
        ScalarStyle::DoubleQuoted => {
            let inside = quoted(text, raw.start, '"')?;
            let mut builder = Builder::new(source, super::json::escape, false);
            add_double_quoted(source, inside, &mut builder);
            (builder.text_so_far() == value).then(|| builder.finish())?
        }
        ScalarStyle::Literal | ScalarStyle::Folded => lines(source, raw, value, style),
    }
}

/// The bytes within the quotation marks.
fn quoted(text: &str, start: usize, mark: char) -> Option<Range<usize>> {
    let begin = text.find(mark)? + 1;
    let end = text.rfind(mark)?;
    (begin <= end).then(|| start + begin..start + end)
}

/// A line end within a scalar, which is a space, or as many line ends as lines are empty.
fn folded(text: &str) -> Option<(String, usize)> {
    let rest = text.trim_start_matches([' ', '\t']);
    if !rest.starts_with(['\n', '\r']) {
        return None;
    }
    let length = text.len() - text.trim_start().len();
    let ends = text[..length].matches('\n').count();
    Some((if ends == 1 { " ".into() } else { "\n".repeat(ends.saturating_sub(1)) }, length))
}

/// Adds what stands in double quotation marks; a backslash at the end of a line joins it with the next.
fn add_double_quoted(source: &str, inside: Range<usize>, builder: &mut Builder<'_>) {
    let read = |text: &str| unescape(text).or_else(|| folded(text));
    let (mut start, mut at) = (inside.start, inside.start);
    while let Some(found) = source[at..inside.end].find('\\') {
        at += found;
        let rest = &source[at + 1..inside.end];
        if rest.starts_with(['\n', '\r']) {
            builder.escaped(start..at, read);
            start = inside.end - rest.trim_start().len();
            builder.hidden(at..start);
            at = start;
        } else {
            at += 1 + rest.chars().next().map_or(0, char::len_utf8);
        }
    }
    builder.escaped(start..inside.end, read);
}

fn unescape(text: &str) -> Option<(String, usize)> {
    let rest = text.strip_prefix('\\')?;
    let c = rest.chars().next()?;
    let digits = match c {
        'x' => 2,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code = u32::from_str_radix(rest.get(1..1 + digits)?, 16).ok()?;
        return Some((char::from_u32(code)?.into(), 2 + digits));
    }
    let read = match c {
        ' ' | '\t' => c,
        '_' => '\u{a0}',
        'N' => '\u{85}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'e' => '\u{1b}',
        'a' => '\u{7}',
        'v' => '\u{b}',
        '0' => '\0',
        _ => return super::json::unescape(text),
    };
    Some((read.into(), 2))
}

/// A scalar of whole lines, which an indicator such as `|` begins.
fn lines(source: &str, raw: Range<usize>, value: &str, style: ScalarStyle) -> Option<Block> {
    let text = &source[raw.clone()];
    let header = text.find('\n').filter(|_| text.starts_with(['|', '>']));
    let mut at = raw.start + header.map_or(0, |end| end + 1);
    // From the beginning of a line, so that its indentation is seen.
    at = source[..at].rfind('\n').map_or(0, |end| end + 1);
    let content = &source[at..raw.end];
    let first = content.lines().find(|line| !line.trim().is_empty())?;
    // What is indented further than the header says has blanks at its beginning.
    let own = value.lines().find(|line| !line.trim().is_empty()).map_or(0, indent);
    let indented = indent(first).checked_sub(own)?;
    let mut builder = Builder::new(source, str::to_owned, false);
    // Where the last line with words ended, whether it stands further in, and empty lines since.
    let mut before: Option<(usize, bool, usize)> = None;
    for line in content.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let skip = indented.min(indent(body));
        let start = at;
        at += line.len();
        let is_further = body[skip..].starts_with([' ', '\t']);
        if body[skip..].is_empty() {
            before = before.map(|(end, further, empty)| (end, further, empty + 1));
            if before.is_none() {
                builder.text("\n", start..at, 0);
            }
            continue;
        }
        if let Some((end, was_further, empty)) = before {
            let is_folded = style == ScalarStyle::Folded && !was_further && !is_further;
            let between = match (is_folded, empty) {
                (true, 0) => " ".to_owned(),
                (true, empty) => "\n".repeat(empty),
                (false, empty) => "\n".repeat(empty + 1),
            };
            builder.text(&between, end..start + skip, 0);
        }
        builder.plain(start + skip..start + body.len(), 0);
        before = Some((start + body.len(), is_further, 0));
    }
    let is_it = builder.text_so_far().trim_end() == value.trim_end();
    is_it.then(|| builder.finish())?
}

/// The spaces that a line begins with.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A plain scalar where YAML takes it for that text, else a quoted one.
fn plain_or_quoted(text: String) -> String {
    let is_special = |c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c);
    let is_plain = !text.is_empty()
        && text.trim() == text
        && !text.starts_with(is_special)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.contains(['\n', '\t', ',', '[', ']', '{', '}'])
        && !RESERVED.contains(&text.to_lowercase().as_str())
        && text.parse::<f64>().is_err();
    match is_plain {
        true => text,
        false => format!("\"{}\"", super::json::escape(&text)),
    }
}
