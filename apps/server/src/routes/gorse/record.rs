//! Bodies read as Go reads them: names in any case, unknown fields ignored, null for nothing.

use std::fmt;

use dragoman_store::{Feedback, Item, ItemPatch, Timestamp, User, UserPatch};
use serde::{
    Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::reply::Refused;
use crate::recommend::check_labels;

/// A JSON object whose fields are found in any case.
pub(super) struct Record(Map<String, Value>);

impl Record {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refused> {
        Self::of(value(body)?)
    }

    /// The rows of a list of at most `limit`, each read by `read` before the next is parsed.
    pub(super) fn parse_rows<T>(
        body: &[u8],
        limit: usize,
        read: impl Fn(Self) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let body = unmarked(body);
        let mut rows = Rows { limit, read, refused: None };
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let parsed = deserializer.deserialize_any(&mut rows);
        let parsed = parsed.and_then(|rows| deserializer.end().map(|()| rows));
        match (parsed, rows.refused) {
            (Ok(rows), _) => Ok(rows),
            (Err(_), Some(refused)) => Err(refused),
            (Err(error), None) if error.is_data() => {
                Err(Refused::invalid("the body must be a list of JSON objects"))
            }
            (Err(error), None) => Err(Refused::invalid(format!("invalid JSON: {error}"))),
        }
    }

    fn of(value: Value) -> Result<Self, Refused> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self(Map::new())),
            _ => Err(Refused::invalid("the body must hold JSON objects")),
        }
    }

    pub(super) fn user(mut self) -> Result<User, Refused> {
        Ok(User {
            user_id: self.text("UserId")?.unwrap_or_default(),
            labels: self.labels()?.unwrap_or_default(),
            comment: self.text("Comment")?.unwrap_or_default(),
        })
    }

    pub(super) fn item(mut self) -> Result<Item, Refused> {
        Ok(Item {
            item_id: self.text("ItemId")?.unwrap_or_default(),
            is_hidden: self.truth("IsHidden")?.unwrap_or_default(),
            categories: self.texts("Categories")?.unwrap_or_default(),
            timestamp: self.time("Timestamp", Timestamp::parse)?.unwrap_or_default(),
            labels: self.labels()?.unwrap_or_default(),
            comment: self.text("Comment")?.unwrap_or_default(),
        })
    }

    pub(super) fn feedback(mut self) -> Result<Feedback, Refused> {
        Ok(Feedback {
            feedback_type: self.text("FeedbackType")?.unwrap_or_default(),
            user_id: self.text("UserId")?.unwrap_or_default(),
            item_id: self.text("ItemId")?.unwrap_or_default(),
            value: self.number("Value")?.unwrap_or_default(),
            timestamp: self.time("Timestamp", Timestamp::parse)?.unwrap_or_default(),
            updated: Timestamp::ZERO,
            labels: self.labels()?.unwrap_or_default(),
            comment: self.text("Comment")?.unwrap_or_default(),
        })
    }

    pub(super) fn user_patch(mut self) -> Result<UserPatch, Refused> {
        Ok(UserPatch { labels: self.labels()?, comment: self.text("Comment")? })
    }

    pub(super) fn item_patch(mut self) -> Result<ItemPatch, Refused> {
        Ok(ItemPatch {
            is_hidden: self.truth("IsHidden")?,
            categories: self.texts("Categories")?,
            timestamp: self.time("Timestamp", Timestamp::parse_rfc3339)?,
            labels: self.labels()?,
            comment: self.text("Comment")?,
        })
    }

    /// The last field of that name in any case; null counts as none.
    fn take(&mut self, name: &str) -> Option<Value> {
        let known = self.0.keys().rev().find(|known| known.eq_ignore_ascii_case(name)).cloned()?;
        self.0.remove(&known).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refused> {
        self.take(name)
            .map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(wrong(name, "a string", &other)),
            })
            .transpose()
    }

    fn truth(&mut self, name: &str) -> Result<Option<bool>, Refused> {
        let value = self.take(name);
        let read =
            |value: Value| value.as_bool().ok_or_else(|| wrong(name, "true or false", &value));
        value.map(read).transpose()
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>, Refused> {
        let value = self.take(name);
        let read = |value: Value| {
            let number = value.as_f64().filter(|number| number.is_finite());
            number.ok_or_else(|| wrong(name, "a number", &value))
        };
        value.map(read).transpose()
    }

    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Refused> {
        let value = self.take(name);
        let read = |value: Value| {
            let text = |one: &Value| one.as_str().map(str::to_owned);
            let list = value.as_array().and_then(|list| list.iter().map(text).collect());
            list.ok_or_else(|| wrong(name, "a list of strings", &value))
        };
        value.map(read).transpose()
    }

    /// A time as text that `parse` reads, or as a number: of seconds, or of a smaller unit where it has more
    /// digits. Gorse takes text alone.
    fn time(
        &mut self,
        name: &str,
        parse: fn(&str) -> Result<Timestamp, dragoman_store::BadTime>,
    ) -> Result<Option<Timestamp>, Refused> {
        let refuse = |error: String| Refused::invalid(format!("`{name}`: {error}"));
        let read = |value: Value| match value {
            Value::String(text) => parse(&text).map_err(|error| refuse(error.to_string())),
            Value::Number(_) => {
                serde_json::from_value(value).map_err(|error| refuse(error.to_string()))
            }
            other => Err(wrong(name, "a time, as a string or as a number", &other)),
        };
        self.take(name).map(read).transpose()
    }

    fn labels(&mut self) -> Result<Option<Value>, Refused> {
        let labels = self.take("Labels");
        labels.iter().try_for_each(check_labels).map_err(Refused::invalid)?;
        Ok(labels)
    }
}

/// Reads a list row by row.
struct Rows<F> {
    limit: usize,
    read: F,
    /// Why a row cannot be read.
    refused: Option<Refused>,
}

impl<'de, T, F: Fn(Record) -> Result<T, Refused>> Visitor<'de> for &mut Rows<F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of JSON objects")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Vec<T>, A::Error> {
        let mut rows = Vec::new();
        while let Some(value) = values.next_element::<Value>()? {
            let row = match rows.len() < self.limit {
                true => Record::of(value).and_then(&self.read),
                false => Err(Refused::invalid(format!(
                    "the list has more than {} rows; send less at a time, or take `/api/bulk`",
                    self.limit
                ))),
            };
            match row {
                Ok(row) => rows.push(row),
                Err(refused) => {
                    self.refused = Some(refused);
                    return Err(de::Error::custom("a row cannot be read"));
                }
            }
        }
        Ok(rows)
    }
}

fn value(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(unmarked(body))
        .map_err(|error| Refused::invalid(format!("invalid JSON: {error}")))
}

/// A body without the byte order mark that some clients send.
fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn wrong(name: &str, wanted: &str, found: &Value) -> Refused {
    let kind = match found {
        Value::Null => "null",
        Value::Bool(_) => "a truth",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Refused::invalid(format!("`{name}` must be {wanted}, not {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_any_case() -> Result<(), Refused> {
        let body = br#"{"itemid":"a","ISHIDDEN":true,"categories":["x"],"Timestamp":"2022-02-24",
            "labels":{"n":1.50},"Subscribe":["?"],"Comment":null}"#;
        let item = Record::parse(body)?.item()?;
        assert_eq!((item.item_id.as_str(), item.is_hidden), ("a", true));
        assert_eq!(item.timestamp.to_string(), "2022-02-24T00:00:00Z");
        let patch = Record::parse(br#"{"comment":"x","Labels":null}"#)?.item_patch()?;
        assert_eq!(patch, ItemPatch { comment: Some("x".into()), ..ItemPatch::default() });
        Ok(())
    }

    #[test]
    fn times_are_text_or_numbers() -> Result<(), Refused> {
        for (time, expected) in [
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("1700000000.5", "2023-11-14T22:13:20.5Z"),
            ("1700000000123", "2023-11-14T22:13:20.123Z"),
            ("20240301", "2024-03-01T00:00:00Z"),
            ("2014", "1970-01-01T00:33:34Z"),
            ("-5", "1969-12-31T23:59:55Z"),
            (r#""2014""#, "2014-01-01T00:00:00Z"),
            (r#""1700000000""#, "2023-11-14T22:13:20Z"),
            (r#""""#, "0001-01-01T00:00:00Z"),
            ("null", "0001-01-01T00:00:00Z"),
        ] {
            let body = format!("{{\"ItemId\":\"a\",\"timestamp\":{time}}}");
            let read = || Record::parse(body.as_bytes());
            assert_eq!(read()?.item()?.timestamp.to_string(), expected, "{time}");
            assert_eq!(read()?.feedback()?.timestamp.to_string(), expected, "{time}");
        }
        let patch = Record::parse(br#"{"Timestamp":1700000000}"#)?.item_patch()?;
        assert_eq!(patch.timestamp, Some(Timestamp::from_seconds(1_700_000_000)));
        Ok(())
    }

    #[test]
    fn a_list_has_a_limit_and_ends_at_the_first_bad_row() -> Result<(), Refused> {
        let parse = |body: &str, limit| Record::parse_rows(body.as_bytes(), limit, Record::user);
        assert_eq!(parse(r#"[{"UserId":"a"},{"UserId":"b"}]"#, 2)?.len(), 2);
        assert!(parse("null", 2)?.is_empty() && parse("[]", 0)?.is_empty());
        for (body, named) in [
            (r#"[{},{},{}]"#, "more than 2 rows"),
            (r#"[{"UserId":1},{"#, "`UserId` must be a string"),
            (r#"[{"UserId":"a"},{"#, "invalid JSON"),
            ("[{}] x", "invalid JSON"),
            ("{}", "must be a list"),
            ("7", "must be a list"),
            ("[7]", "JSON objects"),
        ] {
            let error = parse(body, 2).expect_err(body).to_string();
            assert!(error.contains(named), "{body}: {error}");
        }
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, named) in [
            (r#"{"UserId":3}"#, "`UserId` must be a string"),
            (r#"{"Value":"many"}"#, "`Value` must be a number"),
            (r#"{"Value":NaN}"#, "invalid JSON"),
            (r#"{"Value":1e999}"#, "invalid JSON"),
            (r#"{"Timestamp":"soon"}"#, "`soon` is no time"),
            (r#"{"Labels":[true]}"#, "unsupported labels"),
            ("[1]", "JSON objects"),
            ("{", "invalid JSON"),
        ] {
            let read = Record::parse(body.as_bytes()).and_then(Record::feedback);
            let error = read.expect_err(body).to_string();
            assert!(error.contains(named), "{error}");
        }
        for (time, named) in [
            ("20241301", "`Timestamp`: `20241301` is no time"),
            ("12345678901234567890", "`Timestamp`"),
            ("true", "`Timestamp` must be a time"),
            ("[1700000000]", "`Timestamp` must be a time"),
        ] {
            let read = Record::parse(format!("{{\"Timestamp\":{time}}}").as_bytes());
            let error = read.and_then(Record::item).expect_err(time).to_string();
            assert!(error.contains(named), "{error}");
        }
        let patch = Record::parse(br#"{"Timestamp":"2022-02-24"}"#).and_then(Record::item_patch);
        assert!(patch.is_err(), "a patch takes RFC 3339 alone");
    }
}
