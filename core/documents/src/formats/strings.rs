//! Strings of Apple: `"key" = "value";`.

use crate::{Error, Result, Settings, block::Builder, part::Part};

/// The values of a file.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    let broken = |reason: &str| Error::broken("strings", reason);
    let mut blocks = Vec::new();
    let mut at = 0;
    let mut is_value = false;
    while at < source.len() {
        let rest = &source[at..];
        if rest.starts_with("/*") {
            at += rest.find("*/").ok_or_else(|| broken("a comment has no end"))? + 2;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with('"') {
            let end = end_of_string(rest).ok_or_else(|| broken("a string has no end"))?;
            if is_value {
                let mut builder = Builder::new(source, super::json::escape, false);
                builder.escaped(at + 1..at + end, unescape);
                blocks.extend(builder.finish());
            }
            at += end + 1;
        } else {
            let c = rest.chars().next().unwrap_or(' ');
            match c {
                '=' => is_value = true,
                ';' => is_value = false,
                _ => {}
            }
            at += c.len_utf8();
        }
    }
    Ok(Part::new(source, blocks))
}

/// Where the string that begins `text` has its closing quotation mark.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

fn unescape(text: &str) -> Option<(String, usize)> {
    match text.strip_prefix("\\U") {
        Some(rest) => {
            let code = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
            Some((char::from_u32(code)?.into(), 6))
        }
        None if text.starts_with("\\'") => Some(("'".into(), 2)),
        None => super::json::unescape(text),
    }
}
