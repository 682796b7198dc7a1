//! JSON: the values that are strings; keys stay.

use serde::de::IgnoredAny;

use crate::{Error, Result, Settings, block::Builder, part::Part};

/// The string values of a document.
///
/// What stands below a key that begins with `@` or `$` is about the file, as in ARB, and stays.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    serde_json::from_str::<IgnoredAny>(source).map_err(|error| Error::broken("JSON", error))?;
    let mut blocks = Vec::new();
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    // The depth at which a value stays, and whether the next value does.
    let (mut kept_below, mut keeps_next) = (None, false);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => {
                if keeps_next && kept_below.is_none() {
                    kept_below = Some(depth);
                }
                keeps_next = false;
                depth += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                if kept_below == Some(depth) {
                    kept_below = None;
                }
                keeps_next = false;
            }
            b',' => keeps_next = false,
            b'"' => {
                let end = string_end(bytes, at + 1);
                let is_key = source[end + 1..].trim_start().starts_with(':');
                if is_key {
                    keeps_next = source[at + 1..].starts_with(['@', '$']);
                } else if kept_below.is_none() && !keeps_next {
                    let mut builder = Builder::new(source, escape, false);
                    builder.escaped(at + 1..end, unescape);
                    blocks.extend(builder.finish());
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(Part::new(source, blocks))
}

/// Where the string that begins at `at` has its closing quotation mark.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len().saturating_sub(1))
}

/// What an escape at the beginning of `text` stands for, and its bytes.
pub(crate) fn unescape(text: &str) -> Option<(String, usize)> {
    if !text.starts_with('\\') {
        return None;
    }
    let length = match text.as_bytes().get(1)? {
        b'u' if text.get(6..8) == Some("\\u") && is_high_surrogate(text.get(2..6)?) => 12,
        b'u' => 6,
        _ => 2,
    };
    let raw = text.get(..length)?;
    let read = serde_json::from_str(&format!("\"{raw}\"")).ok()?;
    Some((read, length))
}

fn is_high_surrogate(hex: &str) -> bool {
    u32::from_str_radix(hex, 16).is_ok_and(|code| (0xd800..0xdc00).contains(&code))
}

/// Writes `text` within the quotation marks of a string.
pub(crate) fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
