//! An engine that is opened anew when it fails.
//!
//! Once a write fails, as on a full disk, sled and redb write nothing more until they are opened
//! again. Changes that no flush has put on disk yet are kept here, and are made again by the engine
//! that takes the failed one's place: what a caller was told is stored stays stored, and what is in
//! memory of a tenant stays true.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use fs_err as fs;

use super::{Change, Engine, EngineKind, Row, Rows};
use crate::{Error, Result};

/// Bytes that wait for a flush; a writer of more flushes itself.
const MAX_UNFLUSHED: usize = 8 << 20;

/// Bytes that a disk must take before the engine is opened anew.
const PROBE: usize = 1 << 20;

/// How long another process, or this one, may take to close the store.
const OPENING: Duration = Duration::from_millis(500);

/// How long the failed engine may take to close: somebody may be reading from it.
const CLOSING: Duration = Duration::from_secs(5);

/// The folder, open; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Database(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    kind: EngineKind,
    /// None while it could not be opened anew.
    engine: RwLock<Option<Arc<dyn Engine>>>,
    /// Held while rows are written, so that this is their order.
    unflushed: Mutex<Unflushed>,
    /// Held while the engine flushes, or is opened anew.
    flushing: Mutex<()>,
    /// Why the last write failed; none if it did not.
    failure: Mutex<Option<String>>,
}

/// Changes that the engine has taken and not yet flushed.
#[derive(Debug, Default)]
struct Unflushed {
    changes: Vec<(Arc<str>, Change)>,
    bytes: usize,
}

/// One tree of the folder; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    database: Database,
    name: Arc<str>,
}

impl Database {
    /// Opens the store in `dir`, or makes one of `kind`.
    pub(crate) fn open(dir: &Path, asked: Option<EngineKind>) -> Result<Self> {
        let found = EngineKind::of(dir)?;
        let kind = match (found, asked) {
            (Some(found), Some(asked)) if found != asked => {
                return Err(Error::OtherEngine { path: dir.into(), found, asked });
            }
            (found, asked) => found.or(asked).unwrap_or(EngineKind::DEFAULT),
        };
        let engine = kind.open_within(dir, OPENING)?;
        if found.is_none() {
            kind.mark(dir)?;
        }
        let (unflushed, flushing, failure) = Default::default();
        let engine = RwLock::new(Some(engine));
        Ok(Self(Arc::new(Shared { dir: dir.into(), kind, engine, unflushed, flushing, failure })))
    }

    /// Which engine keeps it.
    pub(crate) fn kind(&self) -> EngineKind {
        self.0.kind
    }

    /// The tree `name`.
    pub(crate) fn tree(&self, name: &str) -> Tree {
        Tree { database: self.clone(), name: name.into() }
    }

    /// Why nothing can be written, if that is so.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.0.failure).clone()
    }

    /// Blocks until everything written before this call is on disk.
    pub(crate) fn flush(&self) -> Result<()> {
        let _alone = lock(&self.0.flushing);
        self.check()?;
        let taken = std::mem::take(&mut *lock(&self.0.unflushed));
        let flushed = self.engine()?.flush();
        if flushed.is_err() {
            let mut unflushed = lock(&self.0.unflushed);
            let later = std::mem::replace(&mut *unflushed, taken);
            unflushed.bytes += later.bytes;
            unflushed.changes.extend(later.changes);
        }
        self.note(flushed)
    }

    /// Opens a failed engine anew, if the disk takes writes again.
    pub(crate) fn recover(&self) -> Result<()> {
        let Shared { dir, kind, .. } = &*self.0;
        probe(dir)?;
        let _alone = lock(&self.0.flushing);
        let mut unflushed = lock(&self.0.unflushed);
        let mut place = self.0.engine.write().unwrap_or_else(PoisonError::into_inner);
        *place = None; // closes the failed engine, once nobody reads from it
        let engine = kind.open_within(dir, CLOSING)?;
        unflushed.changes.iter().try_for_each(|(tree, change)| engine.apply(tree, change))?;
        engine.flush()?;
        *unflushed = Unflushed::default();
        *place = Some(engine);
        *lock(&self.0.failure) = None;
        Ok(())
    }

    fn write(&self, tree: &Arc<str>, change: Change) -> Result<()> {
        let bytes = change.bytes();
        let waiting = {
            let mut unflushed = lock(&self.0.unflushed);
            self.check()?;
            self.note(self.engine()?.apply(tree, &change))?;
            unflushed.changes.push((Arc::clone(tree), change));
            unflushed.bytes += bytes;
            unflushed.bytes
        };
        if waiting > MAX_UNFLUSHED { self.flush() } else { Ok(()) }
    }

    /// Refuses what could not be written.
    fn check(&self) -> Result<()> {
        self.failure().map_or(Ok(()), |reason| Err(Error::Engine(reason)))
    }

    /// Remembers that a write failed.
    fn note(&self, result: Result<()>) -> Result<()> {
        if let Err(error) = &result {
            tracing::error!(%error, "the store cannot write");
            lock(&self.0.failure).get_or_insert_with(|| match error {
                Error::Engine(reason) => reason.clone(),
                error => error.to_string(),
            });
        }
        result
    }

    fn engine(&self) -> Result<Arc<dyn Engine>> {
        let engine = self.0.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.clone().ok_or_else(|| Error::Engine("it is being opened anew".into()))
    }
}

impl Tree {
    /// The value of `key`.
    pub(crate) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
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
        let rows = self.database.engine().and_then(|engine| engine.range(&self.name, from, to));
        rows.unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
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

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Clear => 0,
            Self::Rows(rows) => rows
                .iter()
                .map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len) + 64)
                .sum(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails where the disk takes no file of a size that an engine may need.
fn probe(dir: &Path) -> Result<()> {
    let path = dir.join("probe");
    let written = fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE])?;
        file.sync_all()
    });
    fs::remove_file(&path)?;
    Ok(written?)
}
