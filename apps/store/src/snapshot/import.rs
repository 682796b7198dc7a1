//! Reads a snapshot, or the rows that Gorse exports.

use std::io::{BufRead, Cursor, Read};

use serde_json::{Map, Value};

use super::{Counts, Of, Row, gorse};
use crate::{
    Bulk, DEFAULT_TENANT, Error, Feedback, Item, Result, SCHEMA, Store, User,
    clock::is_plausible,
    recommend::{FullFeedback, Incoming},
};

/// What some editors write at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What packed files begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

const NO_TEXT: &str = "this is neither JSON Lines nor a dump of Gorse (`/api/dump`, whose first bytes are 255), and \
                       nothing was imported; unpack it, or name a file that ends in `.gz` or `.zst` where it is packed";

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// An import under way.
pub(super) struct Import<'a> {
    store: &'a Store,
    /// Where rows of tenants go, once there are many of them.
    bulk: Option<Bulk>,
    counts: Counts,
    tenant: String,
    /// Rows of `tenant` that wait for others, and how many are changed as one.
    rows: Vec<Incoming>,
    batch_rows: usize,
}

/// The first line or row that could not be read, and why.
pub(super) struct Failed {
    place: usize,
    reason: String,
    /// How many there are.
    bad: usize,
}

impl Failed {
    /// Counts one more.
    pub(super) fn note(failed: &mut Option<Self>, place: usize, reason: String) {
        failed.get_or_insert(Self { place, reason, bad: 0 }).bad += 1;
    }
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

    /// Whether `start`, eight bytes or more, begins the stream of Gorse's `/api/dump`.
    pub fn is_dump(start: &[u8]) -> bool {
        gorse::is_dump(start)
    }

    /// Reads rows as [`export`](Self::export) writes them, or as Gorse does: a line with a
    /// `FeedbackType` is feedback, one with an `ItemId` an item, one with a `UserId` a user. The binary stream of
    /// Gorse's `/api/dump` is known by its first bytes.
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
        let mut start = Vec::new();
        reader.by_ref().take(gorse::NUMBER as u64).read_to_end(&mut start)?;
        let is_dump = gorse::is_dump(&start);
        if !is_dump && (start.contains(&0) || start.starts_with(&GZIP) || start.starts_with(&ZSTD))
        {
            return Err(Error::Invalid(NO_TEXT.into()));
        }
        let reader = Cursor::new(start).chain(reader);
        let failed = match is_dump {
            true => import.take_dump(name, reader)?,
            false => import.take_lines(name, reader)?,
        };
        import.flush()?;
        if let Some(bulk) = import.bulk {
            bulk.finish()?;
        }
        self.inner.committer.commit()?;
        if self.is_shared() {
            self.count_tenant_keys()?;
        }
        let kept = Box::new(import.counts);
        match failed {
            None => Ok(*kept),
            Some(Failed { place, reason, bad }) => Err(match is_dump {
                true => Error::Dump { row: place, reason, bad, kept },
                false => Error::Import { line: place, reason, bad, kept },
            }),
        }
    }
}

impl Import<'_> {
    /// Takes a row a line; says which lines are none.
    fn take_lines(&mut self, default: &str, mut reader: impl BufRead) -> Result<Option<Failed>> {
        let mut failed = None;
        let mut line = Vec::new();
        for number in 1.. {
            if !read_line(&mut reader, &mut line)? {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse(&line).and_then(|row| self.take(default, row)) {
                Ok(()) => {}
                Err(error @ (Error::Io(_) | Error::Invalid(_) | Error::TooLarge { .. })) => {
                    Failed::note(&mut failed, number, error.to_string());
                }
                Err(Error::Schema { found, .. }) => {
                    // What its rows mean, nobody here knows: this is why the import ends.
                    let bad = failed.map_or(0, |failed| failed.bad) + 1;
                    let reason = unknown_layout(found);
                    return Ok(Some(Failed { place: number, reason, bad }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Takes one row; `default` is the tenant of rows that name none.
    pub(super) fn take(&mut self, default: &str, row: Row) -> Result<()> {
        match row {
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
