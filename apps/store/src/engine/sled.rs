//! sled: a log, the file `db`, and snapshot files that say where in it the rows are.
//!
//! sled makes the snapshots again from the log. It trusts both more than a disk deserves: a snapshot
//! that was cut short makes it refuse the store though the log has every row, and some damage to the
//! log makes it panic.
//!
//! It inserts row by row, so a large import fills blocks instead ([`blocks`]), in a tree beside that of the rows.

mod blocks;
mod layers;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use fs_err as fs;

use self::{blocks::Blocks, layers::Layers};
use super::{CACHE_BYTES, Change, Engine, Row, Rows, quietly};
use crate::{Error, Result};

/// Bytes of one segment of sled's log.
const SEGMENT: u64 = 512 << 10;

/// The tree that sled makes for itself.
const UNNAMED: &[u8] = b"__sled__default";

/// What the names of trees begin with that hold blocks of another.
const BLOCKS: &str = "\0blocks:";

/// Names of trees whose blocks are complete.
const LOADED: &str = "\0loaded";

/// A folder of sled.
#[derive(Debug)]
pub(super) struct Sled {
    db: sled::Db,
    /// The log, for what sled's own flush leaves out.
    log: fs::File,
    trees: RwLock<HashMap<String, Layers>>,
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
        let this = Self { db, log, trees: RwLock::default() };
        this.drop_unfinished()?;
        Ok(this)
    }

    /// Removes blocks whose load was interrupted.
    fn drop_unfinished(&self) -> Result<()> {
        let named = |name: &sled::IVec| name.strip_prefix(BLOCKS.as_bytes()).map(<[u8]>::to_vec);
        for name in self.db.tree_names().iter().filter_map(named) {
            if !self.db.open_tree(LOADED)?.contains_key(&name)? {
                self.db.drop_tree([BLOCKS.as_bytes(), &name].concat())?;
            }
        }
        Ok(())
    }

    fn tree(&self, name: &str) -> Result<Layers> {
        let known = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let tree = Layers { rows: self.db.open_tree(name)?, blocks: self.blocks(name)? };
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        Ok(trees.entry(name.into()).or_insert(tree).clone())
    }

    /// The blocks of a tree, if there are some and they are complete.
    fn blocks(&self, name: &str) -> Result<Option<Blocks>> {
        let tree = format!("{BLOCKS}{name}");
        let is_there = self.db.tree_names().iter().any(|name| **name == *tree.as_bytes());
        match is_there && self.db.open_tree(LOADED)?.contains_key(name)? {
            true => Ok(Some(Blocks::new(self.db.open_tree(tree)?))),
            false => Ok(None),
        }
    }

    /// Lets go of a tree whose layers are others now.
    fn forget(&self, name: &str) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Removes all rows of `name`; where that is interrupted, some of them are left.
    fn clear(&self, name: &str) -> Result<()> {
        let tree = self.tree(name)?;
        tree.rows.clear()?;
        if tree.blocks.is_some() {
            self.db.open_tree(LOADED)?.remove(name)?;
            self.db.drop_tree(format!("{BLOCKS}{name}"))?;
            self.forget(name);
        }
        Ok(())
    }
}

impl Engine for Sled {
    fn trees(&self) -> Result<Vec<String>> {
        let is_ours = |name: &sled::IVec| **name != *UNNAMED && name.first() != Some(&0);
        let names = self.db.tree_names().into_iter().filter(is_ours);
        Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
    }

    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tree(tree)?.get(key)
    }

    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        self.tree(tree)?.range(from, to)
    }

    fn apply(&self, tree: &str, change: &Change) -> Result<()> {
        match change {
            Change::Clear => self.clear(tree),
            Change::Rows(rows) => self.tree(tree)?.apply(rows),
        }
    }

    /// Fills blocks, which count from the moment on at which their tree is named among those that are complete.
    fn load(&self, tree: &str, rows: &mut dyn Iterator<Item = Result<Row>>) -> Result<()> {
        let layers = self.tree(tree)?;
        if layers.blocks.is_some() || !layers.rows.is_empty() {
            return Err(Error::Engine(format!("`{tree}` has rows already")));
        }
        let name = format!("{BLOCKS}{tree}");
        let filled = self.db.open_tree(&name).map_err(Error::from).and_then(|blocks| {
            Blocks::new(blocks).fill(rows)?;
            self.flush()
        });
        if let Err(error) = filled {
            let _ = self.db.drop_tree(&name); // else the next opening does
            return Err(error);
        }
        self.db.open_tree(LOADED)?.insert(tree, &[])?;
        self.flush()?;
        self.forget(tree);
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

    #[test]
    fn blocks_count_once_they_are_complete_and_go_with_their_tree() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let row = |i: u8| (vec![i], vec![i; 3]);
        let engine = Sled::open(dir.path())?;
        engine.load("t", &mut (0..200).map(|i| Ok(row(i))))?;
        let again = engine.load("t", &mut std::iter::empty()).expect_err("it is full");
        assert!(again.to_string().contains("rows already"), "{again}");
        // What an interrupted load leaves, and one of rows that cannot be read.
        Blocks::new(engine.db.open_tree(format!("{BLOCKS}u"))?)
            .fill(&mut [Ok(row(1))].into_iter())?;
        let mut broken = [Ok(row(1)), Err(Error::corrupt("broken"))].into_iter();
        engine.load("v", &mut broken).expect_err("a row is broken");
        engine.flush()?;
        drop(engine);
        let engine = EngineKind::Sled.open_within(dir.path(), std::time::Duration::from_secs(5))?;
        let all = |tree: &str| engine.range(tree, Vec::new(), None)?.collect::<Result<Vec<_>>>();
        assert_eq!(all("t")?, (0..200).map(row).collect::<Vec<_>>());
        assert!(all("u")?.is_empty() && all("v")?.is_empty());
        let mut trees = engine.trees()?;
        trees.sort_unstable();
        assert_eq!(trees, ["t", "u", "v"]);
        engine.apply("t", &Change::Clear)?;
        assert!(all("t")?.is_empty());
        engine.apply("t", &Change::Rows(vec![(vec![1], Some(vec![]))]))?;
        engine.flush()?;
        assert_eq!(all("t")?, [(vec![1], vec![])]);
        Ok(())
    }
}
