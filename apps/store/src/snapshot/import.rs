//! Reads a snapshot, or the rows that Gorse exports.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::{Counts, Of, Row};
use crate::{
    Bulk, DEFAULT_TENANT, Error, Feedback, Item, Result, SCHEMA, Store, User,
    clock::is_plausible,
    recommend::{FullFeedback, Incoming},
};

/// What some editors write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// An import under way.
struct Import<'a> {
    store: &'a Store,
    /// Where rows of tenants go, once there are many of them.
    bulk: Option<Bulk>,
    counts: Counts,
    tenant: String,
    /// Rows of `tenant` that wait for others, and how many are changed as one.
    rows: Vec<Incoming>,
    batch_rows: usize,
}

/// What the `kind` of a row can be.
const KINDS: [&str; 10] = [
    "store",
    "suggestion",
    "key",
    "tenant",
    "user",
    "item",
    "feedback",
    "glossary",
    "term",
    "unit",
];

impl Store {
    /// Whether `line` is a row that [`import`](Self::import) reads, or else a JSON object of another
    /// form, such as an event of a log; none if it is no object.
    pub fn is_row(line: &[u8]) -> Option<bool> {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let has = |name: &str| object.contains_key(name);
        Some(match object.get("kind").and_then(Value::as_str) {
            Some(kind) => KINDS.contains(&kind),
            None => has("FeedbackType") || has("ItemId") != has("UserId"),
        })
    }

    /// Reads rows as [`export`](Self::export) writes them, or as Gorse does: a line with a
    /// `FeedbackType` is feedback, one with an `ItemId` an item, one with a `UserId` a user.
    ///
    /// A row that is there stays once. A line that is no row is left out: the error names the
    /// first, and says what was kept. On disk when this returns. Blocks.
    pub fn import(&self, reader: impl BufRead) -> Result<Counts> {
        self.import_into(DEFAULT_TENANT, reader)
    }

    /// Reads rows into the tenant `name`, unless they name another themselves. Many rows of a tenant that was empty
    /// may be taken in as a whole at the end.
    pub fn import_into(&self, name: &str, reader: impl BufRead) -> Result<Counts> {
        self.import_by(None, name, reader)
    }

    /// As [`import_into`](Self::import_into), where nobody else writes to the store: many rows are taken in
    /// sooner, and those of a tenant that was empty all or none.
    pub fn import_alone(&self, name: &str, reader: impl BufRead) -> Result<Counts> {
        self.import_by(Some(self.bulk()?), name, reader)
    }

    fn import_by(
        &self,
        bulk: Option<Bulk>,
        name: &str,
        mut reader: impl BufRead,
    ) -> Result<Counts> {
        let mut import = Import {
            store: self,
            bulk,
            counts: Counts::default(),
            tenant: name.into(),
            rows: Vec::new(),
            batch_rows: self.engine().import_rows(),
        };
        let mut failed: Option<(usize, String)> = None;
        let (mut number, mut bad) = (0, 0);
        let mut line = Vec::new();
        while read_line(&mut reader, &mut line)? {
            number += 1;
            match import.add(name, &line) {
                Ok(()) => {}
                Err(error @ (Error::Io(_) | Error::Invalid(_) | Error::TooLarge { .. })) => {
                    bad += 1;
                    failed.get_or_insert((number, error.to_string()));
                }
                Err(Error::Schema { found, .. }) => {
                    failed = Some((number, unknown_layout(found)));
                    bad += 1;
                    break; // what its rows mean, nobody here knows
                }
                Err(error) => return Err(error),
            }
        }
        import.flush()?;
        if let Some(bulk) = import.bulk {
            bulk.finish()?;
        }
        self.inner.committer.commit()?;
        if self.is_shared() {
            self.count_tenant_keys()?;
        }
        match failed {
            None => Ok(import.counts),
            Some((line, reason)) => {
                Err(Error::Import { line, reason, bad, kept: Box::new(import.counts) })
            }
        }
    }
}

impl Import<'_> {
    /// Takes one line; `default` is the tenant of rows that name none.
    fn add(&mut self, default: &str, line: &[u8]) -> Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        match parse(line)? {
            Row::Store { schema: 1..=SCHEMA } => Ok(()),
            Row::Store { schema } => Err(Error::Schema { path: Default::default(), found: schema }),
            Row::Suggestion(mut suggestion) => {
                if !is_plausible(suggestion.at) {
                    suggestion.at = self.store.inner.clock.tick();
                }
                self.store.put_suggestion(&suggestion)?;
                self.counts.suggestions += 1;
                Ok(())
            }
            Row::Key(key) => {
                self.store.put_hashed_key(&key)?;
                self.counts.keys += 1;
                Ok(())
            }
            Row::Glossary(row) => {
                self.store.import_glossary(row)?;
                self.counts.glossaries += 1;
                Ok(())
            }
            Row::Term(row) => self.store.import_term(row),
            Row::Unit(row) => {
                self.store.import_unit(row)?;
                self.counts.units += 1;
                Ok(())
            }
            Row::Tenant { name } => self.store.create_tenant(&name).map(drop),
            Row::User(Of { tenant, row }) => {
                self.push(tenant.as_deref().unwrap_or(default), Incoming::User(row))?;
                self.counts.users += 1;
                Ok(())
            }
            Row::Item(Of { tenant, row }) => {
                self.push(tenant.as_deref().unwrap_or(default), Incoming::Item(row))?;
                self.counts.items += 1;
                Ok(())
            }
            Row::Feedback(Of { tenant, row }) => {
                let row = match row.events.is_empty() {
                    true => Incoming::Event(row.row),
                    false => Incoming::Full(row),
                };
                self.push(tenant.as_deref().unwrap_or(default), row)?;
                self.counts.feedback += 1;
                Ok(())
            }
        }
    }

    fn push(&mut self, tenant: &str, row: Incoming) -> Result<()> {
        row.check()?;
        if tenant != self.tenant {
            self.flush()?;
            self.store.tenant(tenant).map_err(|error| Error::Invalid(error.to_string()))?;
            self.tenant = tenant.into();
        }
        self.rows.push(row);
        match self.rows.len() < self.batch_rows {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        if self.bulk.is_none() && rows.len() >= self.batch_rows {
            self.bulk = Some(self.store.bulk()?);
        }
        let tenant = match &mut self.bulk {
            Some(bulk) => bulk.tenant(&self.tenant)?,
            None => self.store.tenant(&self.tenant)?.for_import(),
        };
        self.batch_rows = tenant.batch_rows();
        tenant.restore(&rows)
    }
}

/// The row of a line; what has no `kind` is one of Gorse's.
fn parse(line: &[u8]) -> Result<Row> {
    let bad = |error: serde_json::Error| Error::Invalid(error.to_string());
    let value: Value = serde_json::from_slice(line).map_err(bad)?;
    if value.get("kind").is_some() {
        return serde_json::from_value(value).map_err(bad);
    }
    let has = |name: &str| value.get(name).is_some();
    let tenant = None;
    if has("FeedbackType") {
        let row: Feedback = serde_json::from_value(value).map_err(bad)?;
        let row = FullFeedback { row, events: Vec::new() };
        Ok(Row::Feedback(Of { tenant, row }))
    } else if has("ItemId") && has("UserId") {
        Err(Error::Invalid("a row of a user with an item needs a `FeedbackType`".into()))
    } else if has("ItemId") {
        let row: Item = serde_json::from_value(value).map_err(bad)?;
        Ok(Row::Item(Of { tenant, row }))
    } else if has("UserId") {
        let row: User = serde_json::from_value(value).map_err(bad)?;
        Ok(Row::User(Of { tenant, row }))
    } else {
        let known = "`kind`, `FeedbackType`, `ItemId` or `UserId`";
        Err(Error::Invalid(format!("a row needs one of {known}")))
    }
}

fn unknown_layout(found: u32) -> String {
    format!("layout {found} is unknown; this program knows those up to {SCHEMA}")
}

/// Reads the next line into `line`, without its end; what is over the limit is cut off, and then
/// no row.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    use std::io::Read;

    line.clear();
    let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
    if line.starts_with(BYTE_ORDER_MARK) {
        line.drain(..BYTE_ORDER_MARK.len());
    }
    if read as u64 == MAX_LINE && line.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
    }
    Ok(read > 0)
}
