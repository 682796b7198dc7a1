//! What the services remember, in a folder or in a database.
//!
//! [`Store::open`] opens the folder; a write returns when it is on disk, however many writers
//! share that flush. A storage engine holds the rows, sled, redb or PostgreSQL ([`EngineKind`]);
//! [`Store::migrate`] moves a store from one to the other. Layout: a tree for each kind of row, and
//! a tree `meta` with the version of the layout. Rows are JSON; [`Store::export`] and
//! [`Store::import`] move them as JSON Lines.
//!
//! - `suggestions`: better translations that users offered, keyed by the time they came;
//! - `keys`: API keys and their limits, keyed by the key's SHA-256;
//! - `memory`: texts and accepted translations, keyed by owner and pair;
//! - `glossaries` and `terms`, keyed by owner; `usage`: characters that each key translated;
//! - `tenants`, and `recommend:NAME` for each: users, items and feedback, see [`Tenant`].
//!
//! [`Store::check`] looks at every row, and [`Store::salvage`] saves what a damaged store still has.
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

mod error;
mod limits;
mod engine;
mod clock;
mod commit;
mod timestamp;
mod keys;
mod suggestions;
mod table;
mod glossaries;
mod memory;
mod usage;
mod recommend;
mod follow;
mod snapshot;
mod damage;
mod migrate;
#[cfg(test)]
#[allow(dead_code, reason = "others that include it ask for more")]
#[path = "../tests/server/mod.rs"]
mod server;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use crate::{
    clock::Clock,
    commit::Committer,
    engine::{Database, Tree},
};

pub use damage::Report;
pub use engine::EngineKind;
pub use error::{Error, Result};
pub use glossaries::{Dictionary, NewDictionary, StoredGlossary};
pub use keys::{ApiKey, KeyLimits, fingerprint};
pub use limits::{LimitChange, LimitKind, LimitTotal};
pub use memory::{MemoryMatch, MemoryOf, MemoryUnit};
pub use migrate::Migrated;
pub use recommend::{
    Bulk, Change, DEFAULT_TENANT, Event, Feedback, FeedbackKey, Followed, FollowedRow, Insert,
    Item, ItemPatch, Mode, Tenant, User, UserPatch, Written,
};
pub use snapshot::Counts;
pub use suggestions::{Status, Suggestion};
pub use timestamp::{BadTime, Timestamp};

/// Version of the layout that this code writes.
///
/// 1: suggestions and keys. 2: tenants with users, items and feedback beside them.
const SCHEMA: u32 = 2;

/// Version of the layout once a large import has filled blocks of sled, which are beneath the rows of 2.
const SCHEMA_OF_BLOCKS: u32 = 3;

/// The folder, open for this process alone, or the database; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    committer: Arc<Committer>,
    clock: Clock,
    meta: Tree,
    suggestions: Tree,
    known: suggestions::Known,
    counted: usage::Counted,
    keys: Tree,
    tenants: Tree,
    /// Tenants that were asked for, so that all who write to one share its lock.
    open: Mutex<HashMap<String, Tenant>>,
    /// Indexes of the translation memory.
    indexes: memory::Indexes,
    followers: follow::Followers,
    /// Whether an import gathers rows beside the store.
    is_gathering: Arc<AtomicBool>,
    /// Tenants that have keys.
    tenant_keys: Mutex<BTreeSet<String>>,
    /// Whether the default tenant has had keys.
    is_default_closed: AtomicBool,
}

impl Store {
    /// Opens the store in `dir`, with the engine that keeps it, or makes one of the usual engine; `dir` may
    /// be the address of a database, `postgres://USER:PASSWORD@HOST/NAME`.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, None)
    }

    /// Opens the store in `dir`, or makes it; one that another engine than `engine` keeps is refused.
    pub fn open_with(dir: &Path, engine: Option<EngineKind>) -> Result<Self> {
        engine::refuse_others(dir)?;
        if !engine::is_address(dir) {
            fs_err::create_dir_all(dir)?;
        }
        let database = Database::open(dir, engine)?;
        let meta = database.tree("meta");
        meta.alone(|| check_schema(&meta, &engine::shown(dir)))?;
        let suggestions = database.tree("suggestions");
        let keys = database.tree("keys");
        let tenants = database.tree("tenants");
        let clock = Clock::after(suggestions.last()?.map(|(key, _)| key));
        let committer = Arc::new(Committer::start(database.clone())?);
        committer.commit()?;
        let (open, tenant_keys) = Default::default();
        let is_default_closed = meta.contains(keys::CLOSED)?.into();
        let inner = Inner {
            database,
            committer,
            clock,
            meta,
            suggestions,
            known: suggestions::Known::default(),
            counted: usage::Counted::default(),
            keys,
            tenants,
            open,
            indexes: memory::Indexes::default(),
            followers: follow::Followers::default(),
            is_gathering: Arc::default(),
            tenant_keys,
            is_default_closed,
        };
        let store = Self { inner: Arc::new(inner) };
        store.count_tenant_keys()?;
        store.listen()?;
        Ok(store)
    }

    /// Which engine keeps it.
    pub fn engine(&self) -> EngineKind {
        self.inner.database.kind()
    }

    /// Whether `place` is the address of a database and no folder.
    pub fn is_address(place: &Path) -> bool {
        engine::is_address(place)
    }

    /// A place as it may be shown: of an address without the password.
    pub fn shown(place: &Path) -> std::path::PathBuf {
        engine::shown(place)
    }

    /// Why the store cannot write, such as a full disk; none while it can.
    ///
    /// It writes again by itself once the reason is gone.
    pub fn failure(&self) -> Option<String> {
        self.inner.database.failure()
    }
}

/// Notes the layout's version in a new store, brings an older one up to it, and refuses a later one.
fn check_schema(meta: &Tree, dir: &Path) -> Result<()> {
    let found = match meta.get("schema")? {
        None => 0,
        Some(found) => <[u8; 4]>::try_from(found.as_slice())
            .map(u32::from_be_bytes)
            .map_err(|_| Error::corrupt("the version of the layout is not a number"))?,
    };
    match found {
        SCHEMA | SCHEMA_OF_BLOCKS => Ok(()),
        // 2 adds trees to 1 and changes none: they are made when they are opened.
        0 | 1 => meta.insert("schema", SCHEMA.to_be_bytes()),
        found => Err(Error::Schema { path: dir.into(), found }),
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
    fn a_store_of_the_first_layout_is_brought_up_to_date() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let db = sled::open(dir.path())?;
        db.open_tree("meta")?.insert("schema", &1u32.to_be_bytes())?;
        let row = br#"{"q":"a","s":"b","source":"en","target":"de"}"#;
        db.open_tree("suggestions")?.insert(7u64.to_be_bytes(), row.as_slice())?;
        db.flush()?;
        drop(db);
        for _ in 0..2 {
            let store = Store::open(dir.path())?;
            assert_eq!(store.suggestions().count(), 1);
            assert_eq!(store.tenants()?, [DEFAULT_TENANT]);
        }
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
