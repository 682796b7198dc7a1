//! Lines of JSON whose own fields say what they are: a store's export, or Gorse's dump.

use serde_json::{Map, Value};

use super::things::Things;

/// What a line of JSON describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event, or the events of a feedback row.
    Event,
    /// Items or users.
    Thing(Things),
    /// No part of a log, such as an API key.
    Other,
}

/// What `object` describes, a line of a file that may hold events, items and users.
pub(super) fn kind(object: &Map<String, Value>) -> Kind {
    let has = |name: &str| object.keys().any(|known| known.eq_ignore_ascii_case(name));
    match (has("FeedbackType"), has("UserId"), has("ItemId")) {
        (false, true, false) => Kind::Thing(Things::Users),
        (false, false, true) => Kind::Thing(Things::Items),
        (false, false, false) => match object.get("kind").and_then(Value::as_str) {
            Some("store" | "tenant" | "key" | "suggestion") => Kind::Other,
            _ => Kind::Event,
        },
        _ => Kind::Event,
    }
}

/// Time and value of each event of a feedback row of an export; none for other lines.
pub(super) fn events(object: &Map<String, Value>) -> Option<Vec<(String, f32)>> {
    let list = object.get("Events")?.as_array()?;
    let event = |one: &Value| {
        let (time, value) = (one.get(0)?.as_str()?, one.get(1)?.as_f64()?);
        Some((time.to_owned(), value as f32))
    };
    list.iter().map(event).collect()
}
