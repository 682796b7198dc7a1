//! What the store asks of a storage engine, and which engines there are.
//!
//! An engine holds named trees, each a sorted map of bytes to bytes. A batch changes one tree as a
//! whole or not at all, and [`Engine::flush`] returns when everything written before it survives a
//! power failure. An engine is one file in this folder and one line in each `match` below.
//!
//! Most keep a store in a folder, for one process. One that several processes have open at the same time is
//! [`Shared`] as well.

mod ascending;
mod database;
mod mirror;
mod postgres;
mod quiet;
mod shared;
mod spans;
mod redb;
mod sled;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use fs_err as fs;

use crate::{Error, Result};

pub(crate) use database::{Database, Tree};
pub(crate) use postgres::{is_address, refuse_others, shown};
pub(crate) use quiet::quietly;
pub(crate) use shared::{Changed, Changes, FORGOTTEN, Heard, Shared};
pub(crate) use spans::commit as commit_span;

/// The file that names the engine of a folder; folders of the first versions have none.
const MARKER: &str = "engine";

/// Bytes of pages that an engine keeps in memory.
const CACHE_BYTES: u64 = 64 << 20;

/// A key and its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Rows of a tree in the order of their keys.
pub(crate) type Rows = Box<dyn DoubleEndedIterator<Item = Result<Row>> + Send>;

/// A storage engine with one folder open.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// Names of the trees that hold rows, or once did.
    fn trees(&self) -> Result<Vec<String>>;

    /// The value of `key` in `tree`; a tree that is not there is empty.
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The values of `keys` in `tree`, in their order.
    fn get_many(&self, tree: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().map(|key| self.get(tree, key)).collect()
    }

    /// The rows from key `from` on, up to and without `to`.
    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows>;

    /// Changes `tree`; the change can be read at once, and after a crash it is there whole or not at
    /// all.
    fn apply(&self, tree: &str, change: &Change) -> Result<()>;

    /// Fills `tree`, which must be empty, with `rows`, whose keys ascend. All are there and on disk when this
    /// returns; after a crash before, none is.
    fn load(&self, tree: &str, rows: &mut dyn Iterator<Item = Result<Row>>) -> Result<()> {
        let rows = rows.map(|row| row.map(|(key, value)| (key, Some(value))));
        self.apply(tree, &Change::Rows(rows.collect::<Result<_>>()?))?;
        self.flush()
    }

    /// Blocks until all that was applied before is on disk.
    fn flush(&self) -> Result<()>;

    /// What is asked of an engine that other processes write to as well; none where nobody else can.
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }
}

/// A change of one tree.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Rows to write, and keys to remove where there is no value.
    Rows(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// All rows go.
    Clear,
}

impl Change {
    /// Bytes that it takes in memory, about.
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

/// A storage engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// [sled](https://docs.rs/sled), a log-structured tree.
    Sled,
    /// [redb](https://docs.rs/redb), copy-on-write B-trees in one file.
    Redb,
    /// A database of [PostgreSQL](https://www.postgresql.org), whose address stands for the folder.
    Postgres,
}

impl EngineKind {
    /// Those that keep a store in a folder.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// What a new store gets unless another is asked for.
    pub const DEFAULT: Self = Self::Sled;

    /// Its name, as commands take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
            Self::Postgres => "postgres",
        }
    }

    /// Rows of feedback that an import changes as one. redb copies each page that a change touches, so
    /// few large changes are cheaper; sled changes row by row whatever the size.
    pub(crate) fn import_rows(self) -> usize {
        if self == Self::Redb { 200_000 } else { 1000 }
    }

    /// The engine whose files are in `dir`, or that has such an address; none if there is no store.
    pub fn of(dir: &Path) -> Result<Option<Self>> {
        if is_address(dir) {
            return Ok(Some(Self::Postgres));
        }
        let marker = dir.join(MARKER);
        if marker.exists() {
            let name = fs::read_to_string(&marker)?;
            let found = name.trim().parse().map_err(|reason| Error::Open {
                path: marker,
                reason: format!("{reason}; the program that wrote it may be newer"),
            })?;
            return Ok(Some(found));
        }
        Ok(Self::ALL.into_iter().find(|kind| kind.files(dir)[0].exists()))
    }

    /// Notes in `dir` that this engine keeps the store: the moment from which it does.
    pub(crate) fn mark(self, dir: &Path) -> Result<()> {
        let partial = dir.join("engine.partial");
        fs::write(&partial, format!("{self}\n"))?;
        fs::File::open(&partial)?.sync_all()?;
        fs::rename(&partial, dir.join(MARKER))?;
        sync(dir)
    }

    /// The files and folders of this engine in `dir`, the one that is always there first.
    pub(crate) fn files(self, dir: &Path) -> Vec<PathBuf> {
        match self {
            Self::Sled => sled::files(dir),
            Self::Redb => vec![dir.join(redb::FILE)],
            Self::Postgres => Vec::new(),
        }
    }

    /// Opens the store of this engine in `dir`, or makes it.
    pub(crate) fn open(self, dir: &Path) -> Result<Arc<dyn Engine>> {
        Ok(match self {
            Self::Sled => Arc::new(sled::Sled::open(dir)?),
            Self::Redb => Arc::new(redb::Redb::open(dir)?),
            Self::Postgres => Arc::new(postgres::Postgres::open(dir)?),
        })
    }

    /// Opens the store in `dir`, which may be about to be closed: sled lets go of its lock a moment
    /// after it was dropped.
    pub(crate) fn open_within(self, dir: &Path, patience: Duration) -> Result<Arc<dyn Engine>> {
        let started = Instant::now();
        loop {
            match self.open(dir) {
                Err(Error::InUse { .. }) if started.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                result => return result,
            }
        }
    }

    /// Compares the files of the store in `dir` with their checksums, where reading does not.
    pub(crate) fn verify(self, dir: &Path) -> Result<()> {
        match self {
            Self::Sled => Ok(()), // it compares whatever it reads
            Self::Redb => redb::verify(dir),
            Self::Postgres => Ok(()), // its server compares whatever it reads, if it was set up so
        }
    }

    /// How often [`copy_to_save`](Self::copy_to_save) can be tried.
    pub(crate) fn rescues(self) -> usize {
        match self {
            Self::Sled => 3,
            Self::Redb => 1,
            Self::Postgres => 0,
        }
    }

    /// Copies the files of the damaged store in `from` to `to`, each time with less that may be in
    /// the way of opening it.
    pub(crate) fn copy_to_save(self, from: &Path, to: &Path, attempt: usize) -> Result<()> {
        match self {
            Self::Sled => sled::copy_to_save(from, to, attempt),
            Self::Redb => {
                fs::create_dir_all(to)?;
                fs::copy(from.join(redb::FILE), to.join(redb::FILE))?;
                Ok(())
            }
            Self::Postgres => Ok(()),
        }
    }
}

/// Puts the names of the files in `dir` on disk.
pub(crate) fn sync(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            format!(
                "`{name}` is no storage engine of a folder; there are `sled` and `redb`, and a \
                     store in PostgreSQL is named by its address, `--store postgres://…`"
            )
        })
    }
}
