//! sled: a log, the file `db`, and snapshot files that say where in it the rows are.
//!
//! sled makes the snapshots again from the log. It trusts both more than a disk deserves: a snapshot
//! that was cut short makes it refuse the store though the log has every row, and some damage to the
//! log makes it panic.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use fs_err as fs;

use super::{CACHE_BYTES, Change, Engine, Rows, quietly};
use crate::{Error, Result};

/// Bytes of one segment of sled's log.
const SEGMENT: u64 = 512 << 10;

/// The tree that sled makes for itself.
const UNNAMED: &[u8] = b"__sled__default";

/// A folder of sled.
#[derive(Debug)]
pub(super) struct Sled {
    db: sled::Db,
    /// The log, for what sled's own flush leaves out.
    log: fs::File,
    trees: RwLock<HashMap<String, sled::Tree>>,
}

impl Sled {
    /// Opens the store in `dir`, or makes it; what sled panics about is an error.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        set_aside_damaged_snapshots(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
        let damaged = |reason: String| Error::Damaged { path: dir.into(), reason };
        let db = quietly(|| config.open()).map_err(damaged)?.map_err(|error| match &error {
            sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => {
                damaged(error.to_string())
            }
            // sled tells a lock from other I/O errors by its text alone.
            sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
                Error::InUse { path: dir.into() }
            }
            _ => Error::Open { path: dir.into(), reason: error.to_string() },
        })?;
        db.flush()?; // makes the file
        let log = fs::File::open(dir.join("db"))?;
        Ok(Self { db, log, trees: RwLock::default() })
    }

    fn tree(&self, name: &str) -> Result<sled::Tree> {
        let known = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let tree = self.db.open_tree(name)?;
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(trees.entry(name.into()).or_insert(tree).clone())
    }
}

impl Engine for Sled {
    fn trees(&self) -> Result<Vec<String>> {
        let names = self.db.tree_names().into_iter().filter(|name| **name != *UNNAMED);
        Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
    }

    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.tree(tree)?.get(key)?.map(|value| value.to_vec()))
    }

    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        let tree = self.tree(tree)?;
        let rows = match to {
            Some(to) if to <= from => return Ok(Box::new(std::iter::empty())),
            Some(to) => tree.range(from..to),
            None => tree.range(from..),
        };
        Ok(Box::new(rows.map(|row| {
            let (key, value) = row?;
            Ok((key.to_vec(), value.to_vec()))
        })))
    }

    fn apply(&self, tree: &str, change: &Change) -> Result<()> {
        let tree = self.tree(tree)?;
        match change {
            Change::Clear => tree.clear()?,
            Change::Rows(rows) => match rows.as_slice() {
                [(key, Some(value))] => drop(tree.insert(key, value.as_slice())?),
                [(key, None)] => drop(tree.remove(key)?),
                rows => {
                    let mut batch = sled::Batch::default();
                    for (key, value) in rows {
                        match value {
                            Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                            None => batch.remove(key.as_slice()),
                        }
                    }
                    tree.apply_batch(batch)?;
                }
            },
        }
        Ok(())
    }

    /// sled's own flush asks Linux for `sync_file_range`, which reaches neither the file's metadata
    /// nor the cache of the disk; fsync does.
    fn flush(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.log.sync_all()?)
    }
}

impl From<sled::Error> for Error {
    fn from(error: sled::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

/// The log, then all else that sled writes.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let fixed = ["db", "conf", "blobs"].map(|name| dir.join(name));
    fixed.into_iter().chain(snapshots(dir).unwrap_or_default()).collect()
}

/// Renames snapshot files whose checksum is wrong: without them sled reads its log.
fn set_aside_damaged_snapshots(dir: &Path) -> Result<()> {
    for path in snapshots(dir)? {
        if is_whole_snapshot(&fs::read(&path)?) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tracing::warn!(file = %path.display(), "a damaged snapshot is left out, and made anew");
        fs::rename(&path, path.with_file_name(format!("damaged.{name}")))?;
    }
    Ok(())
}

fn snapshots(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Whether a snapshot ends in its length and its checksum, as sled writes it.
fn is_whole_snapshot(bytes: &[u8]) -> bool {
    let Some((content, end)) = bytes.split_last_chunk::<12>() else { return false };
    !content.is_empty() && crc32fast::hash(content).to_le_bytes() == end[8..]
}

/// Copies the files of a damaged store: with its snapshots, without them, and at last without what
/// lies behind the last whole segment of the log.
pub(super) fn copy_to_save(from: &Path, to: &Path, attempt: usize) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_snapshot = name.to_string_lossy().starts_with("snap.");
        let path = to.join(&name);
        if entry.file_type()?.is_dir() {
            if name == "blobs" {
                copy_to_save(&entry.path(), &path, 0)?;
            }
        } else if !is_snapshot || attempt == 0 {
            fs::copy(entry.path(), path)?;
        }
    }
    if attempt == 2 {
        let log = fs::OpenOptions::new().write(true).open(to.join("db"))?;
        let length = log.metadata()?.len();
        log.set_len(length / SEGMENT * SEGMENT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineKind, Store, damage::tests::filled};

    #[test]
    fn a_damaged_snapshot_is_made_anew() -> anyhow::Result<()> {
        for damage in ["cut", "flipped", "empty", "unfinished"] {
            let dir = filled(EngineKind::Sled, 600)?;
            let snapshot = snapshots(dir.path())?.pop();
            let snapshot = snapshot.unwrap_or_else(|| dir.path().join("snap.0000000000000001"));
            let mut bytes = fs::read(&snapshot).unwrap_or_default();
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "flipped" => bytes.iter_mut().take(3).for_each(|byte| *byte ^= 0x55),
                _ => bytes.clear(),
            }
            let path = match damage {
                "unfinished" => dir.path().join("snap.FFFFFFFFFFFFFFFF.generating"),
                _ => snapshot,
            };
            fs::write(path, bytes)?;
            let report = Store::check(dir.path())?;
            assert_eq!((report.counts.feedback, report.bad), (600, 0), "{damage}");
        }
        Ok(())
    }
}
