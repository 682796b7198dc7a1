//! Properties of Java: `key = value`, with escapes and lines that go on.

use std::ops::Range;

use crate::{Result, Settings, block::Builder, part::Part};

/// The values of a file.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    let escape = if source.is_ascii() { escape_ascii } else { escape_text };
    let mut blocks = Vec::new();
    let mut lines = lines(source).into_iter().peekable();
    while let Some(line) = lines.next() {
        let text = &source[line.clone()];
        let body = text.trim_start();
        if body.is_empty() || body.starts_with(['#', '!']) {
            continue;
        }
        let mut end = line.end;
        while goes_on(&source[line.start..end]) {
            let Some(next) = lines.next() else { break };
            end = next.end;
        }
        let start = line.start + (text.len() - body.len());
        let value = value(source, start..end);
        let mut builder = Builder::new(source, escape, false);
        builder.escaped(value, unescape);
        blocks.extend(builder.finish());
    }
    Ok(Part::new(source, blocks))
}

/// The lines of a file without their ends.
fn lines(source: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let line = |line: &str| {
        let range = start..start + line.trim_end_matches(['\n', '\r']).len();
        start += line.len();
        range
    };
    source.split_inclusive('\n').map(line).collect()
}

/// Whether an odd number of backslashes ends the line.
fn goes_on(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

/// Where the value of the pair in `range` is.
fn value(source: &str, range: Range<usize>) -> Range<usize> {
    let text = &source[range.clone()];
    let mut is_escaped = false;
    let key = text.find(|c: char| {
        let ends = !is_escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    let rest = key.map_or("", |key| &text[key..]);
    let rest = rest.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches([' ', '\t']);
    range.end - rest.len()..range.end
}

/// What an escape at the beginning of `text` stands for, and its bytes.
fn unescape(text: &str) -> Option<(String, usize)> {
    let rest = text.strip_prefix('\\')?;
    match rest.chars().next()? {
        '\n' | '\r' => {
            let rest = rest.trim_start_matches(['\n', '\r', ' ', '\t']);
            Some((String::new(), text.len() - rest.len()))
        }
        'u' => super::json::unescape(text),
        'n' => Some(("\n".into(), 2)),
        't' => Some(("\t".into(), 2)),
        'r' => Some(("\r".into(), 2)),
        c => Some((c.into(), 1 + c.len_utf8())),
    }
}

fn escape_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")
}

fn escape_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape_text(text).chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}
