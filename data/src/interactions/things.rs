//! Tables and JSON Lines that describe items and users.

use std::path::Path;

use dragoman_core::recommend::Item;
use serde_json::{Map, Value};

use super::{
    User,
    build::Builder,
    events::text,
    table::{Separator, column, plain_name},
    time,
};
use crate::Result;

const TITLE: [&str; 5] = ["title", "movietitle", "name", "gamename", "comment"];
const CATEGORIES: [&str; 7] =
    ["categories", "category", "genres", "genre", "class", "categorynames", "tags"];
const TIME: [&str; 2] = ["timestamp", "time"];

/// What a table without a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Things {
    Items,
    Users,
}

/// Reads a table whose first column is an identifier. A header says what the others are: a title,
/// categories, or else labels under their names. Without one an item has a title and categories, as
/// in MovieLens.
pub(super) fn read_table(path: &Path, what: Things, builder: &mut Builder) -> Result<()> {
    let extension = crate::corpus::input::extension(path).unwrap_or_default();
    let mut titles: Option<(Separator, Vec<String>)> = None;
    builder.each_line(path, |builder, _, line| {
        let is_first = titles.is_none();
        let (separator, titles) = titles.get_or_insert_with(|| {
            let separator = Separator::of(&extension, line);
            (separator, header(&separator.split(line), what))
        });
        let fields = separator.split(line);
        if is_first && *titles == fields {
            return Ok(());
        }
        read_fields(titles, &fields, what, builder)
    })
}

/// Reads the line of a table as an item or a user.
pub(super) fn read_fields(
    titles: &[String],
    fields: &[String],
    what: Things,
    builder: &mut Builder,
) -> Result<(), String> {
    match what {
        Things::Items => builder.item(item(titles, fields)?),
        Things::Users => builder.user(User {
            id: fields.first().cloned().unwrap_or_default(),
            labels: labels(titles, fields, &[0]),
        }),
    }
}

/// The titles of the columns: the first line, if it is a header, else those of MovieLens 1M.
fn header(first: &[String], what: Things) -> Vec<String> {
    let is_header = first.first().is_some_and(|title| {
        let name = plain_name(title);
        name.ends_with("id") || ["item", "user", "newid"].contains(&name.as_str())
    });
    let usual: &[&str] = match what {
        Things::Items => &["item_id", "title", "genres"],
        Things::Users => &["user_id", "gender", "age", "occupation", "zip_code"],
    };
    match is_header {
        true => first.to_vec(),
        false => usual.iter().map(|&title| title.to_owned()).collect(),
    }
}

fn item(titles: &[String], fields: &[String]) -> Result<Item, String> {
    let (title, categories) = (column(titles, &TITLE), column(titles, &CATEGORIES));
    let field = |place: Option<usize>| {
        place.and_then(|place| fields.get(place)).map(String::as_str).unwrap_or_default()
    };
    if fields.len() < titles.len().min(2) {
        return Err(format!("it has {} columns, too few", fields.len()));
    }
    let is_blank_separated = categories.is_some_and(|place| titles[place].ends_with(":token_seq"));
    let (name, year) = year(field(title));
    let places: Vec<_> = [Some(0), title, categories].into_iter().flatten().collect();
    let mut labels = labels(titles, fields, &places);
    labels.extend(year.map(|year| format!("year:{year}")));
    Ok(Item {
        id: fields[0].clone(),
        title: name.to_owned(),
        categories: self::categories(field(categories), is_blank_separated),
        labels,
        time: 0,
    })
}

/// A title and the year in parentheses behind it, as MovieLens writes them.
fn year(title: &str) -> (&str, Option<&str>) {
    let found = title.trim().strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match found {
        Some((name, year)) if year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) => {
            (name.trim(), Some(year))
        }
        _ => (title.trim(), None),
    }
}

fn categories(field: &str, is_blank_separated: bool) -> Vec<String> {
    let parts = field.split(|c| c == '|' || c == ';' || (is_blank_separated && c == ' '));
    let named = parts.map(str::trim).filter(|name| !["", "(no genres listed)"].contains(name));
    named.map(str::to_owned).collect()
}

/// `name:value` for all columns but `without`; a `release_year` is a `year`.
fn labels(titles: &[String], fields: &[String], without: &[usize]) -> Vec<String> {
    let columns = titles.iter().zip(fields).enumerate();
    columns
        .filter(|(place, (_, field))| !without.contains(place) && !field.is_empty())
        .map(|(_, (title, field))| {
            let name = title.split(':').next().unwrap_or_default();
            let name = if name == "release_year" { "year" } else { name };
            format!("{name}:{field}")
        })
        .collect()
}

/// Reads one JSON object a line: an item or a user as this project writes it, or as Gorse does.
pub(super) fn read_jsonl(path: &Path, what: Things, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, _, line| {
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        read_object(&object, what, builder)
    })
}

/// Reads an item or a user.
pub(super) fn read_object(
    object: &Map<String, Value>,
    what: Things,
    builder: &mut Builder,
) -> Result<(), String> {
    let field = |names: &[&str]| {
        let found = object.iter().find(|(name, _)| names.contains(&plain_name(name).as_str()));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    };
    let id = |names: &[&str]| field(names).map(text).unwrap_or_default();
    let mut labels = Vec::new();
    flatten("", field(&["labels"]).unwrap_or(&Value::Null), &mut labels);
    match what {
        Things::Users => builder.user(User { id: id(&["id", "userid"]), labels }),
        Things::Items => builder.item(Item {
            id: id(&["id", "itemid"]),
            title: field(&TITLE).map(text).unwrap_or_default(),
            categories: field(&CATEGORIES)
                .and_then(Value::as_array)
                .map_or_else(Vec::new, |names| names.iter().map(text).collect()),
            labels,
            time: match field(&TIME) {
                None => 0,
                // The zero time of Go, or nothing.
                Some(Value::String(time)) if time.is_empty() || time.starts_with("0001-") => 0,
                Some(time) => time::parse_json(time)?,
            },
        }),
    }
}

/// Labels of any shape as text: `{"a": {"b": ["x", 1]}}` is `a.b:x` and `a.b:1`.
fn flatten(path: &str, value: &Value, labels: &mut Vec<String>) {
    match value {
        Value::Null => {}
        // A list of numbers is a vector of another model, and no list of words.
        Value::Array(list) if list.len() > 1 && list.iter().all(Value::is_number) => {}
        Value::Array(values) => values.iter().for_each(|value| flatten(path, value, labels)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, labels);
            }
        }
        leaf if path.is_empty() => labels.push(text(leaf)),
        leaf => labels.push(format!("{path}:{}", text(leaf))),
    }
}
