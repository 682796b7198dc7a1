//! How many characters each key translated.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{Result, Store};

/// The tree of the counts.
const TREE: &str = "usage";

/// Characters that are counted in memory before they are written: every translation would wait for
/// the disk otherwise.
const STEP: u64 = 20_000;

/// What was counted and is not written yet, by owner.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<HashMap<String, u64>>);

impl Store {
    /// Counts `characters` more for `owner`. A crash may lose the last 20,000. Blocks.
    pub fn add_usage(&self, owner: &str, characters: u64) -> Result<()> {
        let mut counted = self.inner.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counted.entry(owner.to_owned()).or_default();
        *count = count.saturating_add(characters);
        if *count < STEP {
            return Ok(());
        }
        let tree = self.inner.database.tree(TREE);
        tree.alone(|| {
            let sum = self.written_usage(owner)?.saturating_add(*count);
            tree.insert(owner, sum.to_be_bytes())
        })?;
        *count = 0;
        drop(counted);
        self.inner.committer.commit()
    }

    /// The characters that were counted for `owner`.
    pub fn usage(&self, owner: &str) -> Result<u64> {
        let counted = self.inner.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counted.get(owner).copied().unwrap_or(0);
        Ok(self.written_usage(owner)?.saturating_add(count))
    }

    fn written_usage(&self, owner: &str) -> Result<u64> {
        let written = self.inner.database.tree(TREE).get(owner)?;
        Ok(written.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_owner_uses_adds_up() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        for (owner, characters) in [("", 30_000), ("key", 5), ("", 20_004)] {
            store.add_usage(owner, characters)?;
        }
        assert_eq!([store.usage("")?, store.usage("key")?, store.usage("other")?], [50_004, 5, 0]);
        drop(store);
        let store = Store::open(dir.path())?;
        assert_eq!(store.usage("")?, 50_004);
        Ok(())
    }
}
