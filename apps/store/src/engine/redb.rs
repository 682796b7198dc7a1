//! redb: copy-on-write B-trees in one file, a table for each tree.
//!
//! A change is committed without waiting for the disk, and an empty commit that does wait flushes all
//! of those before it: that is how one flush serves many writers.

use std::path::Path;

use redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, StorageError,
    TableDefinition, TableError, TableHandle,
};

use super::{CACHE_BYTES, Change, Engine, Row, Rows, quietly};
use crate::{Error, Result};

/// The file of a store.
pub(super) const FILE: &str = "store.redb";

type Definition<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// A file of redb.
pub(super) struct Redb {
    db: Database,
}

impl Redb {
    /// Opens the store in `dir`, or makes it.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, false)
    }

    fn open_with(dir: &Path, is_verified: bool) -> Result<Self> {
        let path = dir.join(FILE);
        let mut builder = Builder::new();
        builder.set_cache_size(usize::try_from(CACHE_BYTES).unwrap_or(usize::MAX));
        builder.set_check_integrity_on_open(is_verified);
        let damaged = |reason: String| Error::Damaged { path: dir.into(), reason };
        let opened = quietly(|| builder.create(&path)).map_err(damaged)?;
        let db = opened.map_err(|error| match &error {
            DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: dir.into() },
            DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::RepairAborted => {
                damaged(error.to_string())
            }
            DatabaseError::Storage(StorageError::Io(io))
                if io.kind() == std::io::ErrorKind::InvalidData =>
            {
                damaged(error.to_string())
            }
            _ => Error::Open { path, reason: error.to_string() },
        })?;
        Ok(Self { db })
    }

    /// The table of `tree`, as it is now; none if nothing was ever written to it.
    fn table(&self, tree: &str) -> Result<Option<ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        let read = self.db.begin_read().map_err(failed)?;
        match read.open_table(Definition::new(tree)) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Engine for Redb {
    fn trees(&self) -> Result<Vec<String>> {
        let read = self.db.begin_read().map_err(failed)?;
        let tables = read.list_tables().map_err(failed)?;
        Ok(tables.map(|table| table.name().to_owned()).collect())
    }

    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(table) = self.table(tree)? else { return Ok(None) };
        let value = table.get(key).map_err(failed)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        let Some(table) = self.table(tree)? else { return Ok(Box::new(std::iter::empty())) };
        let rows = match &to {
            Some(to) if *to <= from => return Ok(Box::new(std::iter::empty())),
            Some(to) => table.range_owned(from.as_slice()..to.as_slice()),
            None => table.range_owned(from.as_slice()..),
        };
        let row = |row: std::result::Result<
            (redb::OwnedAccessGuard<_>, redb::OwnedAccessGuard<_>),
            _,
        >| {
            let (key, value) = row.map_err(failed::<StorageError>)?;
            Ok::<Row, Error>((owned(&key), owned(&value)))
        };
        Ok(Box::new(rows.map_err(failed)?.map(row)))
    }

    fn apply(&self, tree: &str, change: &Change) -> Result<()> {
        let mut write = self.db.begin_write().map_err(failed)?;
        write.set_durability(Durability::None).map_err(failed)?;
        match change {
            Change::Clear => drop(write.delete_table(Definition::new(tree)).map_err(failed)?),
            Change::Rows(rows) => {
                let mut table = write.open_table(Definition::new(tree)).map_err(failed)?;
                for (key, value) in rows {
                    match value {
                        Some(value) => {
                            drop(table.insert(key.as_slice(), value.as_slice()).map_err(failed)?);
                        }
                        None => drop(table.remove(key.as_slice()).map_err(failed)?),
                    }
                }
            }
        }
        write.commit().map_err(failed)
    }

    fn flush(&self) -> Result<()> {
        let mut write = self.db.begin_write().map_err(failed)?;
        write.set_durability(Durability::Immediate).map_err(failed)?;
        write.commit().map_err(failed)
    }
}

/// Compares every page of the store in `dir` with its checksum.
pub(super) fn verify(dir: &Path) -> Result<()> {
    Redb::open_with(dir, true).map(drop)
}

impl std::fmt::Debug for Redb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redb")
    }
}

fn owned(bytes: &redb::OwnedAccessGuard<&'static [u8]>) -> Vec<u8> {
    bytes.value().to_vec()
}

fn failed<E: Into<redb::Error>>(error: E) -> Error {
    Error::Engine(error.into().to_string())
}
