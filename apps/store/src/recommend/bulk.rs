//! Many rows for tenants that are empty: gathered beside the store, and taken in as a whole.
//!
//! sled inserts row by row, which for a million events takes four times as long as redb. So the rows of a tenant
//! that has none go into a store of redb in a folder of their own first, where they meet each other as they would
//! in the tenant. Then the tenant is loaded with them in the order of their keys. A crash before the end leaves
//! the tenant empty, and the folder is removed when the next import begins.
//!
//! Others may write to the store meanwhile: a tenant that has rows by then takes them one by one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fs_err as fs;

use super::{Incoming, Tenant};
use crate::{EngineKind, Result, SCHEMA_OF_BLOCKS, Store};

/// The folder within that of the store.
const BESIDE: &str = "importing";

/// With fewer rows they are inserted one by one, and the layout of the store stays as it is.
const FEW: usize = if cfg!(test) { 100 } else { 100_000 };

/// An import of perhaps many rows.
#[derive(Debug)]
pub struct Bulk {
    store: Store,
    /// Takes the rows of empty tenants; none where the engine takes many rows as they come.
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    dir: PathBuf,
    store: Store,
    /// Tenants whose rows it takes.
    tenants: BTreeSet<String>,
    _place: Place,
}

/// The only import of a store that gathers rows beside it.
#[derive(Debug)]
struct Place(Arc<AtomicBool>);

impl Place {
    fn take(of: &Arc<AtomicBool>) -> Option<Self> {
        let is_taken = of.swap(true, Ordering::AcqRel);
        (!is_taken).then(|| Self(Arc::clone(of)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Store {
    /// Begins an import of perhaps many rows.
    pub fn bulk(&self) -> Result<Bulk> {
        let direct = Bulk { store: self.clone(), beside: None };
        let dir = match self.engine() {
            EngineKind::Sled => self.inner.database.dir().join(BESIDE),
            EngineKind::Redb | EngineKind::Postgres => return Ok(direct),
        };
        let Some(place) = Place::take(&self.inner.is_gathering) else { return Ok(direct) };
        remove(&dir)?;
        let store = Store::open_with(&dir, Some(EngineKind::Redb))?;
        let beside = Some(Beside { dir, store, tenants: BTreeSet::new(), _place: place });
        Ok(Bulk { store: self.clone(), beside })
    }
}

impl Bulk {
    /// Where rows of the tenant `name` go, as [`Tenant::for_import`] has it.
    pub fn tenant(&mut self, name: &str) -> Result<Tenant> {
        let tenant = self.store.tenant(name)?;
        let Some(beside) = &mut self.beside else { return Ok(tenant.for_import()) };
        if !beside.tenants.contains(name) {
            if !tenant.tree.is_empty()? {
                return Ok(tenant.for_import());
            }
            beside.store.create_tenant(name)?;
            beside.tenants.insert(name.into());
        }
        Ok(beside.store.tenant(name)?.for_import())
    }

    /// Takes in what was gathered; on disk when this returns. Blocks.
    pub fn finish(self) -> Result<()> {
        for name in self.beside.iter().flat_map(|beside| &beside.tenants) {
            self.take_in(name)?;
        }
        self.store.inner.committer.commit()
    }

    fn take_in(&self, name: &str) -> Result<()> {
        let Some(beside) = &self.beside else { return Ok(()) };
        let (gathered, tenant) = (beside.store.tenant(name)?, self.store.tenant(name)?);
        {
            let _alone = tenant.lock();
            if tenant.tree.is_empty()? {
                return self.load(&gathered, &tenant);
            }
        }
        // Others wrote to it since.
        tenant.for_import().restore_all(gathered.incoming())
    }

    /// Fills `tenant`, which is empty, while nobody else writes to it.
    fn load(&self, gathered: &Tenant, tenant: &Tenant) -> Result<()> {
        let tree = &tenant.tree;
        let mut rows = gathered.tree.iter();
        let first: Vec<_> = rows.by_ref().take(FEW).collect::<Result<_>>()?;
        if first.len() < FEW {
            return tree.apply(first.into_iter().map(|(key, value)| (key, Some(value))).collect());
        }
        // Before the blocks: programs that do not know of them must not find the tenant empty.
        self.store.inner.meta.insert("schema", SCHEMA_OF_BLOCKS.to_be_bytes())?;
        self.store.inner.committer.commit()?;
        tree.load(&mut first.into_iter().map(Ok).chain(rows))
    }
}

impl Tenant {
    /// All rows, as another tenant takes them.
    fn incoming(&self) -> impl Iterator<Item = Result<Incoming>> + use<> {
        let users = self.users("").map(|row| row.map(Incoming::User));
        let items = self.items("").map(|row| row.map(Incoming::Item));
        users.chain(items).chain(self.full_feedback().map(|row| row.map(Incoming::Full)))
    }

    /// Writes `rows`, uncommitted.
    fn restore_all(&self, mut rows: impl Iterator<Item = Result<Incoming>>) -> Result<()> {
        loop {
            let chunk: Vec<Incoming> =
                rows.by_ref().take(self.batch_rows).collect::<Result<_>>()?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.restore(&chunk)?;
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.dir) {
            tracing::warn!(%error, "the folder of an import is left");
        }
    }
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { Ok(fs::remove_dir_all(dir)?) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_TENANT, Feedback, Insert, ItemPatch, Mode, Timestamp, User};

    /// Events of two tenants in no order, some of them twice, and a user with labels.
    fn lines() -> String {
        let mut lines = "{\"kind\":\"tenant\",\"name\":\"shop\"}\n".to_owned();
        for i in 0..700 {
            let (user, item) = (i * 7 % 31, i * 11 % 50 % 43);
            lines += &match i % 5 {
                4 => format!(
                    "{{\"kind\":\"feedback\",\"tenant\":\"shop\",\"FeedbackType\":\"buy\",\"UserId\":\"u{user}\",\"ItemId\":\"i\
                     {item}\",\"Value\":1.0,\"Timestamp\":\"2020-01-01\",\"Events\":[[\"2020-01-01T00:00:00Z\",1.0]]}}\n"
                ),
                _ => format!(
                    "{{\"FeedbackType\":\"read\",\"UserId\":\"u{user}\",\"ItemId\":\"i{item}\",\"Value\":{},\"Timestamp\":\"{}\"}}\n",
                    i % 3,
                    Timestamp::from_seconds(1_600_000_000 + i * 977 % 600)
                ),
            };
        }
        lines + "{\"UserId\":\"u3\",\"Labels\":{\"a\":[\"b\"]}}\n"
    }

    fn exported(store: &Store) -> anyhow::Result<String> {
        let mut text = Vec::new();
        store.export(&mut text)?;
        Ok(String::from_utf8(text)?)
    }

    fn schema(store: &Store) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(store.inner.meta.get("schema")?)
    }

    /// What later calls change.
    fn change(store: &Store) -> anyhow::Result<()> {
        let tenant = store.tenant(DEFAULT_TENANT)?;
        tenant.delete_user("u5")?;
        tenant.delete_item("i7")?;
        tenant.delete_feedback(Some("read"), "u8", "i2")?;
        let row = |user: &str, item: &str| Feedback {
            feedback_type: "read".into(),
            user_id: user.into(),
            item_id: item.into(),
            value: 4.0,
            timestamp: Timestamp::from_seconds(1_600_000_100),
            ..Feedback::default()
        };
        let rows = [row("u5", "i1"), row("new", "i2"), row("u6", "i6")];
        tenant.put_feedback(&rows, Mode::Add, Insert::BOTH)?;
        tenant.put_feedback(&rows[2..], Mode::Replace, Insert::BOTH)?;
        tenant.change_item("i9", |item| {
            ItemPatch { is_hidden: Some(true), ..ItemPatch::default() }.apply(item);
        })?;
        tenant.put_users(&[User {
            user_id: "u1".into(),
            comment: "c".into(),
            ..User::default()
        }])?;
        Ok(())
    }

    #[test]
    fn a_store_that_was_loaded_is_the_one_that_was_inserted() -> anyhow::Result<()> {
        let (loaded, inserted) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let store = Store::open(loaded.path())?;
        let other = Store::open(inserted.path())?;
        let counts = store.import_alone(DEFAULT_TENANT, lines().as_bytes())?;
        assert_eq!(counts, other.import(lines().as_bytes())?);
        let text = exported(&store)?;
        assert_eq!(text, exported(&other)?);
        assert!(text.contains("\"shop\"") && text.lines().count() > 500, "{text}");
        assert!(!loaded.path().join(BESIDE).exists());
        assert_eq!(schema(&store)?, Some(SCHEMA_OF_BLOCKS.to_be_bytes().to_vec()));
        // The tenants are not empty any more.
        store.import_alone(DEFAULT_TENANT, lines().as_bytes())?;
        assert_eq!(exported(&store)?, text, "importing twice changes nothing");

        [&store, &other].into_iter().try_for_each(change)?;
        drop((store, other));
        let (store, other) = (Store::open(loaded.path())?, Store::open(inserted.path())?);
        let text = exported(&other)?;
        assert_eq!(exported(&store)?, text);
        let all = |store: &Store| -> anyhow::Result<_> {
            let tenant = store.tenant(DEFAULT_TENANT)?;
            let history = tenant.history("u3").collect::<Result<Vec<_>>>()?;
            let of_item = tenant.events_of_item("i6").collect::<Result<Vec<_>>>()?;
            Ok((history, of_item, tenant.events().collect::<Result<Vec<_>>>()?))
        };
        assert_eq!(all(&store)?, all(&other)?);
        drop((store, other));

        let saved = tempfile::tempdir()?;
        let report = Store::salvage(loaded.path(), saved.path())?;
        assert_eq!(report, Store::check(inserted.path())?);
        assert_eq!(exported(&Store::open(saved.path())?)?, text);
        for to in [EngineKind::Redb, EngineKind::Sled] {
            Store::migrate(loaded.path(), to)?;
            assert_eq!(exported(&Store::open(loaded.path())?)?, text, "{to}");
        }
        Ok(())
    }

    /// As many events as an import takes before it gathers them beside the store, and more.
    fn many() -> String {
        let line = |i: i64| {
            let time = Timestamp::from_seconds(1_600_000_000 + i * 977 % 60_000);
            let (user, item) = (i * 7 % 131, i * 11 % 243);
            format!(
                "{{\"FeedbackType\":\"read\",\"UserId\":\"u{user}\",\"ItemId\":\"i{item}\",\"Timestamp\":\"{time}\"}}\n"
            )
        };
        (0..2500).map(line).collect()
    }

    #[test]
    fn a_running_store_loads_a_tenant_that_is_empty() -> anyhow::Result<()> {
        let (loaded, inserted) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let store = Store::open(loaded.path())?;
        let other = Store::open_with(inserted.path(), Some(EngineKind::Redb))?;
        let tenant = store.tenant(DEFAULT_TENANT)?; // as a server holds it
        let counts = store.import(many().as_bytes())?;
        assert_eq!(counts, other.import(many().as_bytes())?);
        assert_eq!(schema(&store)?, Some(SCHEMA_OF_BLOCKS.to_be_bytes().to_vec()));
        assert_eq!(tenant.events().count(), other.tenant(DEFAULT_TENANT)?.events().count());
        let text = exported(&store)?;
        assert_eq!(text, exported(&other)?);
        store.import(many().as_bytes())?; // one by one now
        assert_eq!(exported(&store)?, text);
        Ok(())
    }

    #[test]
    fn what_others_write_during_an_import_stays() -> anyhow::Result<()> {
        let (busy, quiet) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let store = Store::open(busy.path())?;
        let mut bulk = store.bulk()?;
        let gathered = bulk.tenant(DEFAULT_TENANT)?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let row = |user: &str| Feedback {
            feedback_type: "read".into(),
            user_id: user.into(),
            item_id: "i".into(),
            timestamp: Timestamp::from_seconds(1_600_000_100),
            ..Feedback::default()
        };
        gathered.import_feedback(&[row("a"), row("b")])?;
        tenant.put_feedback(&[row("b"), row("c")], Mode::Merge, Insert::BOTH)?;
        // Another import meanwhile does without the folder.
        store.import(many().as_bytes())?;
        bulk.finish()?;
        let other = Store::open(quiet.path())?;
        other.import(many().as_bytes())?;
        let rows = [row("a"), row("b"), row("c")];
        other.tenant(DEFAULT_TENANT)?.put_feedback(&rows, Mode::Merge, Insert::BOTH)?;
        assert_eq!(exported(&store)?, exported(&other)?);
        assert!(!busy.path().join(BESIDE).exists());
        Ok(())
    }

    #[test]
    fn a_tenant_that_was_loaded_can_be_emptied_and_filled_again() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        store.import_alone(DEFAULT_TENANT, lines().as_bytes())?;
        let text = exported(&store)?;
        change(&store)?;
        for name in [DEFAULT_TENANT, "shop"] {
            store.remove_tenant(name)?;
        }
        let tenant = store.tenant(DEFAULT_TENANT)?;
        assert_eq!((tenant.users("").count(), tenant.events().count()), (0, 0));
        change(&store)?;
        assert!(tenant.item("i6")?.is_some());
        drop((tenant, store));
        let store = Store::open(dir.path())?;
        assert_eq!(store.tenant(DEFAULT_TENANT)?.history("u6").count(), 1);
        store.remove_tenant(DEFAULT_TENANT)?;
        store.import_alone(DEFAULT_TENANT, lines().as_bytes())?;
        assert_eq!(exported(&store)?, text);
        Ok(())
    }

    #[test]
    fn few_rows_leave_the_layout_as_it_was_and_what_an_import_left_behind_goes()
    -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        fs::create_dir(dir.path().join(BESIDE))?;
        fs::write(dir.path().join(BESIDE).join("store.redb"), "half of it")?;
        let few: Vec<String> = lines().lines().take(20).map(|line| format!("{line}\n")).collect();
        store.import_alone(DEFAULT_TENANT, few.concat().as_bytes())?;
        assert_eq!(schema(&store)?, Some(crate::SCHEMA.to_be_bytes().to_vec()));
        assert!(store.tenant(DEFAULT_TENANT)?.events().count() > 10);
        assert!(!dir.path().join(BESIDE).exists());

        let bad = format!("{}nonsense\n", lines());
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let error = store.import_alone(DEFAULT_TENANT, bad.as_bytes()).expect_err("a bad line");
        assert!(error.to_string().contains("line 703"), "{error}");
        assert!(store.tenant(DEFAULT_TENANT)?.events().count() > 300, "the others are kept");
        Ok(())
    }
}
