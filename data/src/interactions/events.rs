//! Tables and JSON Lines of events.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    amazon,
    build::{Builder, Row},
    columns::{ColumnNames, Role},
    properties::OfEvents,
    rows::{self, Kind},
    table::Separator,
    things, time,
};
use crate::Result;

/// Which column is what.
pub(super) struct Columns {
    user: usize,
    item: usize,
    kind: Option<usize>,
    value: Option<usize>,
    time: Option<usize>,
}

/// Reads a table: with a header that names its columns, or `user item [kind] [value] [time]`, where
/// a third column that is not a number is the kind, and a lone number from 10⁸ on, or that is a date, is
/// the time. Ratings of Amazon may begin with the item.
pub(super) fn read_table(path: &Path, extension: &str, builder: &mut Builder) -> Result<()> {
    let mut layout: Option<(Separator, Option<Columns>)> = None;
    let mut of_items: Option<OfEvents> = None;
    // The first line of a table that is read by place, until the second shows that it is no header.
    let mut above: Option<Vec<String>> = None;
    let mut is_item_first = false;
    builder.each_line(path, |builder, _, line| {
        let Some((separator, columns)) = &layout else {
            let separator = Separator::of(extension, line);
            let first = separator.split(line);
            let is_header = builder.columns.is_header(&first);
            of_items = is_header.then(|| OfEvents::find(&first)).flatten();
            let kept: Vec<usize> = of_items.iter().flat_map(OfEvents::places).collect();
            let columns = is_header.then(|| Columns::of(&first, &builder.columns, &kept));
            let columns = columns.transpose();
            if let Err(reason) = &columns {
                builder.refuse(reason); // no line after it can be understood
            }
            let (_, columns) = layout.insert((separator, columns?));
            if columns.is_some() {
                return Ok(());
            }
            is_item_first = amazon::is_item_first(path, separator);
            if is_item_first {
                let path = path.display();
                tracing::info!(
                    "the columns of `{path}` are those of Amazon: item, user, rating, time"
                );
            }
            return builder.event(by_place(above.insert(first), is_item_first)?);
        };
        let fields = separator.split(line);
        match columns {
            Some(columns) => {
                let row = columns.row(&fields)?;
                let Some(of_items) = of_items else { return builder.event(row) };
                let (item, time) = (row.item.clone(), row.time);
                builder.event(row)?;
                of_items.note(&fields, (&item, time), builder)
            }
            None => {
                let titles = above.take().filter(|first| are_titles(first, &fields));
                if let Some(titles) = titles {
                    builder.refuse(&builder.columns.missing(&titles, Role::User));
                }
                builder.event(by_place(&fields, is_item_first)?)
            }
        }
    })
}

/// Whether `first` holds words where the line below, behind its user and its item, holds a number or a time.
fn are_titles(first: &[String], below: &[String]) -> bool {
    let is_measured = |text: &String| text.parse::<f64>().is_ok() || time::parse(text).is_ok();
    !first.iter().any(is_measured) && below.iter().skip(2).take(first.len()).any(is_measured)
}

impl Columns {
    /// The columns of a header; those at `kept` say something of the items.
    pub(super) fn of(
        titles: &[String],
        names: &ColumnNames,
        kept: &[usize],
    ) -> Result<Self, String> {
        let needed = |role| names.find(titles, role)?.ok_or_else(|| names.missing(titles, role));
        let columns = Self {
            user: needed(Role::User)?,
            item: needed(Role::Item)?,
            kind: names.find(titles, Role::Kind)?,
            value: names.find(titles, Role::Value)?,
            time: names.find(titles, Role::Time)?,
        };
        let unused = names.unused(titles, kept);
        if !unused.is_empty() {
            let unused = unused.join(", ");
            tracing::warn!("columns that say nothing of an event are left out: {unused}");
        }
        Ok(columns)
    }

    /// The places of the columns, ascending.
    pub(super) fn places(&self) -> Vec<usize> {
        let optional = [self.kind, self.value, self.time].into_iter().flatten();
        let mut places: Vec<usize> = [self.user, self.item].into_iter().chain(optional).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The field of the value among those of a line, if there is such a column.
    pub(super) fn value_of<'a>(&self, fields: &'a mut [String]) -> Option<&'a mut String> {
        fields.get_mut(self.value?)
    }

    /// The event of a line.
    pub(super) fn row(&self, fields: &[String]) -> Result<Row, String> {
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

fn by_place(fields: &[String], is_item_first: bool) -> Result<Row, String> {
    let [first, second, rest @ ..] = fields else {
        return Err("a user and an item are wanted at least".into());
    };
    let (user, item) = if is_item_first { (second, first) } else { (first, second) };
    let is_number = |text: &String| text.parse::<f64>().is_ok();
    let (kind, rest) = match rest {
        [kind, rest @ ..] if !is_number(kind) && time::parse(kind).is_err() => (kind.clone(), rest),
        _ => (String::new(), rest),
    };
    let (value, time) = match rest {
        [] => (1.0, 0),
        [one] if one.parse::<f64>().is_ok_and(|number| number.abs() < 1e8) => {
            match time::is_date_of_digits(one) {
                true => (1.0, time::parse(one)?),
                false => (value(one)?, 0),
            }
        }
        [one] => (1.0, time::parse(one)?),
        [one, two] => (value(one)?, time::parse(two)?),
        _ => return Err(format!("it has {} columns, too many", fields.len())),
    };
    Ok(Row { user: user.clone(), item: item.clone(), kind, value, time })
}

fn value(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("the value `{text}` is not a number")),
    }
}

/// Reads one JSON object a line, under the names of the columns above in any case; those of Gorse
/// (`FeedbackType`, `UserId`, `ItemId`, `Value`, `Timestamp`) are among them. Lines that describe
/// items and users, as in a store's export, may stand between them.
pub(super) fn read_jsonl(path: &Path, builder: &mut Builder) -> Result<()> {
    builder.each_line(path, |builder, _, line| {
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        builder.one_tenant(object.get("tenant").and_then(Value::as_str))?;
        match rows::kind(&object) {
            Kind::Other => Ok(()),
            Kind::Thing(what) => things::read_object(&object, what, builder),
            Kind::Event => {
                let row = row(&object, &builder.columns)?;
                let Some(events) = rows::events(&object) else { return builder.event(row) };
                events.into_iter().try_for_each(|(time, value)| {
                    let value = if value == 0.0 { 1.0 } else { value };
                    builder.event(Row { value, time: time::parse(&time)?, ..row.clone() })
                })
            }
        }
    })
}

fn row(object: &Map<String, Value>, names: &ColumnNames) -> Result<Row, String> {
    let found = |role| {
        // An export says of every line what it is, in a field that is called as the kind may be.
        let mut fields = object.iter().filter(|(name, _)| names.is_named(name, role));
        let kinds = || fields.clone().find(|(name, _)| name.as_str() != "kind");
        let found = kinds().or_else(|| fields.next());
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    };
    let field = |role| found(role).map(text);
    let needed = |role: Role| field(role).ok_or_else(|| format!("it has no {}", role.name()));
    Ok(Row {
        user: needed(Role::User)?,
        item: needed(Role::Item)?,
        kind: field(Role::Kind).unwrap_or_default(),
        value: field(Role::Value).map_or(Ok(1.0), |text| value(&text))?,
        time: found(Role::Time).map_or(Ok(0), time::parse_json)?,
    })
}

/// A string without its quotes, and anything else as JSON writes it.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
