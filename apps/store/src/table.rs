//! A sorted map of bytes to bytes, as glossaries and the translation memory use it.

use crate::{
    Result, Store,
    engine::{Changes, Rows, Tree},
};

/// A row to write, or to remove where there is no value.
pub(crate) type Written = (Vec<u8>, Option<Vec<u8>>);

/// One tree of the store.
#[derive(Debug, Clone)]
pub(crate) struct Table(Tree);

impl Table {
    /// The tree called `name`.
    pub(crate) fn open(store: &Store, name: &str) -> Self {
        Self(store.inner.database.tree(name))
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }

    /// The values of `keys`, in their order.
    pub(crate) fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        self.0.get_many(keys)
    }

    /// Lets `work` read and change this tree while nobody else changes it.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.alone(work)
    }

    /// Lets `work` read everything as of one moment, where the store is shared.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.database().snapshot(work)
    }

    /// Where the log of this tree's changes ends.
    pub(crate) fn position(&self) -> Result<i64> {
        self.0.position()
    }

    /// What other processes changed behind a position of the log.
    pub(crate) fn changes(&self, after: i64) -> Result<Changes> {
        self.0.changes(after)
    }

    /// The rows whose keys begin with `prefix`, which ends in a zero byte, in their order.
    pub(crate) fn prefixed(&self, prefix: &[u8]) -> Rows {
        let mut end = prefix.to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        self.0.range(prefix.to_vec(), end)
    }

    /// All rows.
    pub(crate) fn all(&self) -> Rows {
        self.0.iter()
    }

    /// Writes rows, and removes those without a value, uncommitted: all of them or none.
    pub(crate) fn apply(&self, rows: Vec<Written>) -> Result<()> {
        self.0.apply(rows)
    }
}
