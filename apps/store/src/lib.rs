//! What the services remember, in a folder of sled.
//!
//! [`Store::open`] opens the folder; a write returns when it is on disk, however many writers
//! share that flush. Layout: a tree a kind of row, and a tree `meta` with the
//! version of the layout. Rows are JSON; [`Store::export`] and [`Store::import`] move them as JSON
//! Lines.
//!
//! - `suggestions`: better translations that users offered, keyed by the time they came;
//! - `keys`: API keys and their limits, keyed by the key's SHA-256.
//!
//! ```
//! use dragoman_store::{Store, Suggestion};
//!
//! let dir = std::env::temp_dir().join(format!("dragoman-store-{}", std::process::id()));
//! let store = Store::open(&dir)?;
//! store.suggest(&Suggestion::new("hello", "hallo", "en", "de"))?;
//! assert_eq!(store.suggestions().count(), 1);
//! # drop(store);
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod commit;
mod error;
mod keys;
mod snapshot;
mod suggestions;

use std::{path::Path, sync::Arc};

use crate::{clock::Clock, commit::Committer};

pub use error::{Error, Result};
pub use keys::{ApiKey, KeyLimits};
pub use snapshot::Counts;
pub use suggestions::Suggestion;

/// Version of the layout that this code writes.
const SCHEMA: u32 = 1;

/// Pages that sled keeps in memory, in bytes.
const CACHE_BYTES: u64 = 32 << 20;

/// The folder, open for this process alone; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    committer: Committer,
    clock: Clock,
    suggestions: sled::Tree,
    keys: sled::Tree,
}

impl Store {
    /// Opens the store in `dir`, or makes it.
    pub fn open(dir: &Path) -> Result<Self> {
        fs_err::create_dir_all(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
        let db = config.open().map_err(|error| Error::opening(dir, error))?;
        check_schema(&db, dir)?;
        let suggestions = db.open_tree("suggestions")?;
        let keys = db.open_tree("keys")?;
        let clock = Clock::after(suggestions.last()?.map(|(key, _)| key));
        let committer = Committer::start(db, dir)?;
        committer.commit()?;
        Ok(Self { inner: Arc::new(Inner { committer, clock, suggestions, keys }) })
    }
}

/// Notes the layout's version in a new store, and refuses an old store of another version.
fn check_schema(db: &sled::Db, dir: &Path) -> Result<()> {
    let meta = db.open_tree("meta")?;
    let Some(found) = meta.get("schema")? else {
        meta.insert("schema", &SCHEMA.to_be_bytes())?;
        return Ok(());
    };
    match <[u8; 4]>::try_from(found.as_ref()).map(u32::from_be_bytes) {
        Ok(SCHEMA) => Ok(()),
        Ok(found) => Err(Error::Schema { path: dir.into(), found }),
        Err(_) => Err(Error::corrupt("the version of the layout is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_that_the_store_is_in_use() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let message = match Store::open(dir.path()) {
            Err(error @ Error::InUse { .. }) => error.to_string(),
            other => anyhow::bail!("the second opener got {other:?}"),
        };
        assert!(message.contains("another process"), "{message}");
        drop(store);
        Store::open(dir.path())?;
        Ok(())
    }

    #[test]
    fn a_store_of_a_later_version_is_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let db = sled::open(dir.path())?;
        db.open_tree("meta")?.insert("schema", &9u32.to_be_bytes())?;
        db.flush()?;
        drop(db);
        let error = Store::open(dir.path()).expect_err("version 9 does not exist yet");
        assert!(matches!(error, Error::Schema { found: 9, .. }), "{error}");
        Ok(())
    }

    #[test]
    fn a_path_that_is_a_file_is_named() -> anyhow::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        let error = Store::open(file.path()).expect_err("a file is no folder").to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
        Ok(())
    }
}
