//! A tree of sorted rows in an engine that may be opened anew.

use std::sync::Arc;

use super::{
    super::{
        Change, Changes, Row, Rows, ascending::find_all, mirror::Mirror, shared::Ending, spans,
    },
    Database, lock,
};
use crate::Result;

/// One tree of the folder; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(super) database: Database,
    pub(super) name: Arc<str>,
}

impl Tree {
    /// Lets `work` read and change this tree while nobody else changes it; what it changed is on disk
    /// after it, or undone if it fails. Only a shared engine has somebody else: others undo nothing.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.alone_with(Vec::new, work)
    }

    /// As [`alone`](Self::alone), for `work` that reads the values of `keys`: a shared engine fetches them
    /// at once.
    pub(crate) fn alone_with<T>(
        &self,
        keys: impl FnOnce() -> Vec<Vec<u8>>,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let engine = self.database.engine()?;
        let Some(shared) = engine.shared() else { return work() };
        shared.begin(&self.name, keys())?;
        let ending = Ending::of(shared);
        let done = work()?;
        ending.end(true)?;
        self.database.refresh_after(&self.name)?;
        Ok(done)
    }

    /// Where the log of this tree's changes ends.
    pub(crate) fn position(&self) -> Result<i64> {
        self.database.engine()?.shared().map_or(Ok(0), |shared| shared.position(&self.name))
    }

    /// What other processes changed in this tree behind a position of the log.
    pub(crate) fn changes(&self, after: i64) -> Result<Changes> {
        let engine = self.database.engine()?;
        engine.shared().map_or(Ok(Changes::default()), |shared| shared.changes(&self.name, after))
    }

    /// The database it is part of.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// What it has in memory, unless this thread has begun a transaction, which sees what is stored.
    fn mirror(&self) -> Option<&Mirror> {
        let mirror = self.database.0.mirrors.get(&*self.name)?;
        let engine = self.database.engine().ok()?;
        (!engine.shared()?.is_within()).then_some(mirror)
    }

    /// The values of `keys`, in their order.
    pub(crate) fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        spans::read(self.database.kind())
            .in_scope(|| self.database.engine()?.get_many(&self.name, keys))
    }

    /// The values of `keys`, in their order; many keys are found soonest where they ascend.
    pub(crate) fn get_ascending(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let engine = self.database.engine()?;
        let _span = spans::read(self.database.kind()).entered();
        match engine.shared() {
            Some(_) => engine.get_many(&self.name, keys),
            None => find_all(keys, |key| engine.range(&self.name, key.to_vec(), None)),
        }
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        if let Some(mirror) = self.mirror() {
            return Ok(mirror.get(key.as_ref()));
        }
        self.database.engine()?.get(&self.name, key.as_ref())
    }

    /// Rows of feedback that an import changes as one.
    pub(crate) fn import_rows(&self) -> usize {
        self.database.kind().import_rows()
    }

    /// Whether there is a row of `key`.
    pub(crate) fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The rows from `from` on, up to and without `to`.
    pub(crate) fn range(&self, from: Vec<u8>, to: Vec<u8>) -> Rows {
        self.rows(from, Some(to))
    }

    /// All rows.
    pub(crate) fn iter(&self) -> Rows {
        self.rows(Vec::new(), None)
    }

    /// The last row.
    pub(crate) fn last(&self) -> Result<Option<Row>> {
        self.iter().next_back().transpose()
    }

    fn rows(&self, from: Vec<u8>, to: Option<Vec<u8>>) -> Rows {
        if let Some(mirror) = self.mirror() {
            return mirror.range(from, to);
        }
        let rows = self.database.engine().and_then(|engine| engine.range(&self.name, from, to));
        let rows = rows.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))));
        spans::over(spans::read(self.database.kind()), rows)
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.iter().next().transpose()?.is_none())
    }

    /// Fills this tree, which must be empty, with `rows`, whose keys ascend. All are there and on disk when this
    /// returns; after a crash before, none is.
    pub(crate) fn load(&self, rows: &mut dyn Iterator<Item = Result<Row>>) -> Result<()> {
        let _alone = lock(&self.database.0.unflushed);
        self.database.check()?;
        self.database.engine()?.load(&self.name, rows)
    }

    /// Writes a row, uncommitted.
    pub(crate) fn insert(&self, key: impl AsRef<[u8]>, value: impl Into<Vec<u8>>) -> Result<()> {
        self.apply(vec![(key.as_ref().to_vec(), Some(value.into()))])
    }

    /// Removes a row, uncommitted.
    pub(crate) fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.apply(vec![(key.as_ref().to_vec(), None)])
    }

    /// Writes and removes rows as one, uncommitted.
    pub(crate) fn apply(&self, rows: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<()> {
        match rows.is_empty() {
            true => Ok(()),
            false => self.database.write(&self.name, Change::Rows(rows)),
        }
    }

    /// Removes all rows, uncommitted.
    pub(crate) fn clear(&self) -> Result<()> {
        self.database.write(&self.name, Change::Clear)
    }
}
