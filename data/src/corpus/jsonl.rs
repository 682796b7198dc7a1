//! One JSON object a line: `{"source": …, "target": …}`, or `{"en": …, "de": …}`, or the latter
//! inside `"translation"`; `"set"` is optional.

use serde_json::Value;

use super::{Line, Pair, input::Input};
use crate::Result;

pub(super) fn lines(
    input: Input,
    source: String,
    target: String,
) -> impl Iterator<Item = Result<Line>> + Send {
    input.map(move |(number, text)| {
        let pair = text?.ok_or("not UTF-8".to_owned());
        Ok(Line { number, pair: pair.and_then(|text| parse(&text, &source, &target)) })
    })
}

fn parse(text: &str, source: &str, target: &str) -> Result<Pair, String> {
    let object: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let texts = object.get("translation").unwrap_or(&object);
    let field = |role: &str, language: &str| {
        let value = texts.get(role).or_else(|| texts.get(language));
        value
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| format!("no text under `{role}` or `{language}`"))
    };
    let set = object.get("set").and_then(Value::as_str).map(str::to_owned);
    Ok(Pair { source: field("source", source)?, target: field("target", target)?, set })
}
