//! A store moved from one engine to another.
//!
//! The new engine's files are written in a folder beside the old ones, closed, opened again and
//! compared row by row. Only then are they moved to their places, and the marker that names the
//! engine is replaced, which is the moment from which the new engine keeps the store. Whatever
//! interrupts this before leaves the old store as it is, and after that the new one.

use std::{path::Path, time::Duration};

use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result, Store,
    damage::{kind_of, only_a_folder},
    engine::{Change, Engine, EngineKind, sync},
};

/// Where the new files are until they are complete.
const BESIDE: &str = "migrating";

/// Rows written together.
const CHUNK: usize = 1000;

/// How long a store may take to close.
const CLOSING: Duration = Duration::from_secs(1);

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The engine that kept the store before.
    pub from: EngineKind,
    /// Trees with rows in them.
    pub trees: usize,
    /// Rows of all trees.
    pub rows: usize,
}

/// How many rows a tree has, and their fingerprint.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    name: String,
    rows: usize,
    sha256: Vec<u8>,
}

impl Store {
    /// Moves the store in `dir` to the engine `to`, and removes the old engine's files. Blocks.
    ///
    /// Nobody may have the store open. A store that `to` keeps already stays as it is, without what
    /// an interrupted move left behind.
    pub fn migrate(dir: &Path, to: EngineKind) -> Result<Migrated> {
        let from = kind_of(dir)?;
        [from, to].into_iter().try_for_each(|kind| {
            only_a_folder(kind, "`store export` and `store import` move rows to it and from it")
        })?;
        let old = from.open_within(dir, CLOSING)?;
        let beside = dir.join(BESIDE);
        remove(&beside)?;
        let before = contents(old.as_ref())?;
        if from != to {
            from.mark(dir)?; // from here on files of the other engine cannot be mistaken for the store
            remove_files(to, dir)?;
            fs::create_dir(&beside)?;
            copy(old.as_ref(), &before, to, &beside)?;
            if contents(to.open_within(&beside, CLOSING)?.as_ref())? != before {
                let reason = "the rows read back from the new engine are not those of the old one; \
                              the store is as it was";
                return Err(Error::Corrupt(reason.into()));
            }
            for file in to.files(&beside).into_iter().filter(|file| file.exists()) {
                let name = file.file_name().unwrap_or_default();
                fs::rename(&file, dir.join(name))?;
            }
            sync(dir)?;
            to.mark(dir)?;
        }
        drop(old);
        EngineKind::ALL
            .into_iter()
            .filter(|kind| *kind != to)
            .try_for_each(|kind| remove_files(kind, dir))?;
        remove(&beside)?;
        let rows = before.iter().map(|tree| tree.rows).sum();
        Ok(Migrated { from, trees: before.len(), rows })
    }
}

/// Trees that hold rows, in the order of their names.
fn contents(engine: &dyn Engine) -> Result<Vec<Content>> {
    let mut names = engine.trees()?;
    names.sort_unstable();
    let trees = names.into_iter().map(|name| {
        let (mut rows, mut hash) = (0, Sha256::new());
        for row in engine.range(&name, Vec::new(), None)? {
            let (key, value) = row?;
            for part in [key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            rows += 1;
        }
        Ok(Content { name, rows, sha256: hash.finalize().to_vec() })
    });
    trees.filter(|tree| !matches!(tree, Ok(Content { rows: 0, .. }))).collect()
}

/// Writes `trees` of `old` to a new store in `dir`.
fn copy(old: &dyn Engine, trees: &[Content], to: EngineKind, dir: &Path) -> Result<()> {
    let new = to.open(dir)?;
    for Content { name, .. } in trees {
        let mut rows = old.range(name, Vec::new(), None)?;
        loop {
            let chunk =
                rows.by_ref().take(CHUNK).map(|row| row.map(|(key, value)| (key, Some(value))));
            let chunk: Vec<_> = chunk.collect::<Result<_>>()?;
            if chunk.is_empty() {
                break;
            }
            new.apply(name, &Change::Rows(chunk))?;
        }
        new.flush()?;
    }
    Ok(())
}

fn remove_files(kind: EngineKind, dir: &Path) -> Result<()> {
    kind.files(dir).iter().try_for_each(|file| remove(file))
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_TENANT, KeyLimits, Suggestion, damage::tests::filled};

    fn exported(dir: &Path) -> anyhow::Result<String> {
        let mut text = Vec::new();
        Store::open(dir)?.export(&mut text)?;
        Ok(String::from_utf8(text)?)
    }

    #[test]
    fn a_store_is_moved_there_and_back_and_stays_the_same() -> anyhow::Result<()> {
        let dir = filled(EngineKind::Sled, 1500)?;
        let store = Store::open(dir.path())?;
        store.create_tenant("shop")?;
        store.suggest(&Suggestion::new("hello", "hallo", "en", "de"))?;
        let key = store.create_key(Some(DEFAULT_TENANT), KeyLimits::default())?;
        let open = Store::migrate(dir.path(), EngineKind::Redb).expect_err("it is open");
        assert!(matches!(open, Error::InUse { .. }), "{open}");
        drop(store);
        let before = exported(dir.path())?;
        for (from, to) in [
            (EngineKind::Sled, EngineKind::Redb),
            (EngineKind::Redb, EngineKind::Redb),
            (EngineKind::Redb, EngineKind::Sled),
        ] {
            let moved = Store::migrate(dir.path(), to)?;
            assert_eq!((moved.from, moved.trees), (from, 5), "{moved:?}");
            assert!(to == from || from.files(dir.path()).iter().all(|file| !file.exists()));
            assert_eq!(exported(dir.path())?, before, "{from} to {to}");
            let store = Store::open(dir.path())?;
            assert!(store.engine() == to && store.api_key(&key)?.is_some());
            let error = Store::open_with(
                dir.path(),
                Some(if to == EngineKind::Sled { EngineKind::Redb } else { EngineKind::Sled }),
            );
            let text = error.expect_err("the other keeps it").to_string();
            assert!(text.contains("migrate --to"), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_move_that_was_interrupted_leaves_the_old_store_and_can_be_made_again() -> anyhow::Result<()>
    {
        for (from, to) in
            [(EngineKind::Sled, EngineKind::Redb), (EngineKind::Redb, EngineKind::Sled)]
        {
            let dir = filled(from, 300)?;
            if from == EngineKind::Sled {
                fs::remove_file(dir.path().join("engine"))?; // as the first versions left it
            }
            let before = exported(dir.path())?;
            // Cut off while the new files are moved to their places: those of an empty store, in part.
            from.mark(dir.path())?;
            fs::create_dir(dir.path().join(BESIDE))?;
            drop(to.open(&dir.path().join(BESIDE))?);
            let first = to.files(&dir.path().join(BESIDE)).swap_remove(0);
            fs::rename(&first, dir.path().join(first.file_name().expect("it has one")))?;
            assert_eq!(exported(dir.path())?, before, "{from} still keeps it");
            Store::migrate(dir.path(), to)?;
            assert_eq!(exported(dir.path())?, before, "{to} keeps it now");
            assert!(!dir.path().join(BESIDE).exists());
        }
        Ok(())
    }
}
