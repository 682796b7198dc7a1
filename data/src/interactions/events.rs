//! Tables and JSON Lines of events.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    build::{Builder, Row},
    table::{Separator, column, plain_name},
    time,
};
use crate::Result;

const USER: [&str; 4] = ["user", "userid", "uid", "username"];
const ITEM: [&str; 7] = ["item", "itemid", "iid", "movieid", "productid", "gameid", "bookid"];
const KIND: [&str; 5] = ["kind", "feedbacktype", "eventtype", "event", "type"];
const VALUE: [&str; 5] = ["value", "rating", "weight", "hours", "score"];
const TIME: [&str; 4] = ["time", "timestamp", "date", "datetime"];

/// Which column is what.
struct Columns {
    user: usize,
    item: usize,
    kind: Option<usize>,
    value: Option<usize>,
    time: Option<usize>,
}

/// Reads a table: with a header that names its columns, or `user item [kind] [value] [time]`, where
/// a third column that is no number is the kind, and a lone number from 10⁸ on is the time.
pub(super) fn read_table(path: &Path, extension: &str, builder: &mut Builder) -> Result<()> {
    let mut layout: Option<(Separator, Option<Columns>)> = None;
    builder.each_line(path, |builder, _, line| {
        let is_first = layout.is_none();
        let (separator, columns) = layout.get_or_insert_with(|| {
            let separator = Separator::of(extension, line);
            (separator, Columns::of(&separator.split(line)))
        });
        let fields = separator.split(line);
        match columns {
            Some(_) if is_first => Ok(()),
            Some(columns) => builder.event(columns.row(&fields)?),
            None => builder.event(by_place(&fields)?),
        }
    })
}

impl Columns {
    /// The columns of a header, if the line is one: it names a user and an item.
    fn of(titles: &[String]) -> Option<Self> {
        Some(Self {
            user: column(titles, &USER)?,
            item: column(titles, &ITEM)?,
            kind: column(titles, &KIND),
            value: column(titles, &VALUE),
            time: column(titles, &TIME),
        })
    }

    fn row(&self, fields: &[String]) -> Result<Row, String> {
        let needed = |place: usize| {
            fields
                .get(place)
                .cloned()
                .ok_or_else(|| format!("it has {} columns, too few", fields.len()))
        };
        let field = |place: Option<usize>| place.map(needed).transpose();
        Ok(Row {
            user: needed(self.user)?,
            item: needed(self.item)?,
            kind: field(self.kind)?.unwrap_or_default(),
            value: field(self.value)?.map_or(Ok(1.0), |text| value(&text))?,
            time: field(self.time)?.map_or(Ok(0), |text| time::parse(&text))?,
        })
    }
}

fn by_place(fields: &[String]) -> Result<Row, String> {
    let [user, item, rest @ ..] = fields else {
        return Err("a user and an item are wanted at least".into());
    };
    let is_number = |text: &String| text.parse::<f64>().is_ok();
    let (kind, rest) = match rest {
        [kind, rest @ ..] if !is_number(kind) && time::parse(kind).is_err() => (kind.clone(), rest),
        _ => (String::new(), rest),
    };
    let (value, time) = match rest {
        [] => (1.0, 0),
        [one] if one.parse::<f64>().is_ok_and(|number| number.abs() < 1e8) => (value(one)?, 0),
        [one] => (1.0, time::parse(one)?),
        [one, two] => (value(one)?, time::parse(two)?),
        _ => return Err(format!("it has {} columns, too many", fields.len())),
    };
    Ok(Row { user: user.clone(), item: item.clone(), kind, value, time })
}

fn value(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("the value `{text}` is no number")),
    }
}

/// Reads one JSON object a line, under the names of the columns above in any case; those of Gorse
/// (`FeedbackType`, `UserId`, `ItemId`, `Value`, `Timestamp`) are among them.
pub(super) fn read_jsonl(path: &Path, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, _, line| {
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        builder.event(row(&object)?)
    })
}

fn row(object: &Map<String, Value>) -> Result<Row, String> {
    let field = |names: &[&str]| {
        let found = object.iter().find(|(name, _)| names.contains(&plain_name(name).as_str()));
        found.map(|(_, value)| value).filter(|value| !value.is_null()).map(text)
    };
    let needed = |names: &[&str], what| field(names).ok_or_else(|| format!("it has no {what}"));
    Ok(Row {
        user: needed(&USER, "user")?,
        item: needed(&ITEM, "item")?,
        kind: field(&KIND).unwrap_or_default(),
        value: field(&VALUE).map_or(Ok(1.0), |text| value(&text))?,
        time: field(&TIME).map_or(Ok(0), |text| time::parse(&text))?,
    })
}

/// A string without its quotes, and anything else as JSON writes it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
