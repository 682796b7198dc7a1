//! An engine that is opened anew when it fails.
//!
//! Once a write fails, as on a full disk, sled and redb write nothing more until they are opened
//! again. Changes that no flush has put on disk yet are kept here, and are made again by the engine
//! that takes the failed one's place: what a caller was told is stored stays stored, and what is in
//! memory of a tenant stays true.
//!
//! A shared engine needs none of that: what it has taken is on disk, and it connects again by itself.

mod tree;

use std::{
    collections::HashMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use fs_err as fs;

use super::{Change, Engine, EngineKind, Heard, mirror::Mirror, shared::Ending, shown, spans};
use crate::{Error, LimitChange, LimitTotal, Result};

pub(crate) use self::tree::Tree;

/// Bytes that wait for a flush; a writer of more flushes itself.
const MAX_UNFLUSHED: usize = 8 << 20;

/// Bytes that a disk must take before the engine is opened anew.
const PROBE: usize = 1 << 20;

/// How long another process, or this one, may take to close the store.
const OPENING: Duration = Duration::from_millis(if cfg!(test) { 5000 } else { 500 });

/// Trees of a shared engine that are kept in memory.
const MIRRORED: [&str; 3] = ["meta", "keys", "tenants"];

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
    /// Small trees of a shared engine, by their names.
    mirrors: HashMap<String, Mirror>,
}

/// Changes that the engine has taken and not yet flushed.
#[derive(Debug, Default)]
struct Unflushed {
    changes: Vec<(Arc<str>, Change)>,
    bytes: usize,
}

impl Database {
    /// Opens the store in `dir`, or makes one of `kind`.
    pub(crate) fn open(dir: &Path, asked: Option<EngineKind>) -> Result<Self> {
        let found = EngineKind::of(dir)?;
        let kind = match (found, asked) {
            (Some(found), Some(asked)) if found != asked => {
                return Err(Error::OtherEngine { path: shown(dir), found, asked });
            }
            (found, asked) => found.or(asked).unwrap_or(EngineKind::DEFAULT),
        };
        let engine = kind.open_within(dir, OPENING)?;
        if found.is_none() {
            kind.mark(dir)?;
        }
        let (unflushed, flushing, failure) = Default::default();
        let mirrors = match engine.shared() {
            Some(_) => MIRRORED.map(|name| (name.to_owned(), Mirror::new(name))).into(),
            None => HashMap::new(),
        };
        let engine = RwLock::new(Some(engine));
        let dir = dir.into();
        let shared = Shared { dir, kind, engine, unflushed, flushing, failure, mirrors };
        let this = Self(Arc::new(shared));
        this.refresh()?;
        Ok(this)
    }

    /// Whether other processes may have it open as well.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.kind == EngineKind::Postgres
    }

    /// Brings the mirrors up to date, if there are any.
    pub(crate) fn refresh(&self) -> Result<()> {
        let engine = self.engine()?;
        let Some(shared) = engine.shared() else { return Ok(()) };
        self.snapshot(|| {
            self.0.mirrors.values().try_for_each(|mirror| mirror.refresh(engine.as_ref(), shared))
        })
    }

    /// Adds what this process counted to what others did, where an engine is shared.
    pub(crate) fn exchange_limits(&self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>> {
        let engine = self.engine()?;
        let alone = || Error::Engine("no other server counts in a store that is not shared".into());
        engine.shared().ok_or_else(alone)?.exchange_limits(changes)
    }

    /// Lets `work` read everything as of one moment, where an engine is shared.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let engine = self.engine()?;
        let Some(shared) = engine.shared() else { return work() };
        shared.begin_snapshot()?;
        let ending = Ending::of(shared);
        let done = work()?;
        ending.end(true)?;
        Ok(done)
    }

    /// Calls `heard` with the name of each tree that another process changed, and without one whenever any
    /// of them may have been changed; never where the engine is not shared.
    pub(crate) fn listen(&self, heard: Heard) -> Result<()> {
        if let Some(shared) = self.engine()?.shared() {
            shared.listen(heard);
        }
        Ok(())
    }

    /// The folder, or the address.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
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
        if self.is_shared() {
            let engine = self.engine().ok()?;
            return engine.shared()?.failure();
        }
        lock(&self.0.failure).clone()
    }

    /// Blocks until everything written before this call is on disk.
    pub(crate) fn flush(&self) -> Result<()> {
        if self.is_shared() {
            return Ok(()); // what was written was committed
        }
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
        if self.is_shared() {
            return self.engine()?.shared().map_or(Ok(()), |shared| shared.ping());
        }
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
        let _span = spans::write(self.0.kind);
        if self.is_shared() {
            self.engine()?.apply(tree, &change)?;
            return self.refresh_after(tree);
        }
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

    /// Brings the mirrors up to date after a change of `tree` that is complete.
    fn refresh_after(&self, tree: &str) -> Result<()> {
        let engine = self.engine()?;
        let is_within = engine.shared().is_some_and(|shared| shared.is_within());
        match self.0.mirrors.contains_key(tree) && !is_within {
            true => self.refresh(),
            false => Ok(()),
        }
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
