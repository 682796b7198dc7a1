//! One tenant as the service holds it: the store, and what of it is in memory.
//!
//! Whatever changes both the store and the lists does so under one lock, so lists are a function of
//! what is stored: a server that reads the store anew makes the same ones. The wait for the disk
//! comes after the lock, so that writers share a flush.

mod count;
mod follow;
mod labelled;
mod linking;

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, atomic::AtomicBool},
};

use ahash::AHashSet;
use dragoman_store::{Event, Feedback, Item, ItemPatch, Mode, Result, Tenant, Timestamp, Written};
use lru::LruCache;

use super::{
    item_index::ItemIndex, leaderboard::Leaderboards, link::Link, neighbours::Neighbours,
    settings::Settings, user_labels::UserLabels, vectors::VectorIndexes,
};

/// Users whose last list is remembered, to see which of it they liked.
const SERVED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// Items written under one hold of the lock.
const CHUNK: usize = 1000;

/// Rows of feedback that an import, or a call with many, writes under one hold of the lock at most, whatever
/// suits the engine: others wait for it.
const MAX_IMPORT_ROWS: usize = 10_000;

pub(crate) use self::follow::Position;

/// What a user was shown last, and by which group's recommender.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) group: String,
    pub(crate) items: Vec<Arc<str>>,
}

/// The model as it was last joined to the items.
#[derive(Default)]
struct Linked {
    /// The model's generation and the changes of the items then.
    at: Option<(u64, u64)>,
    /// None if the model knows other items.
    link: Option<Arc<Link>>,
}

/// Events whose time has not come, in the order of their times; each counts for nothing until then.
type Ahead = BTreeMap<(Timestamp, String, String, String), ()>;

/// What of a tenant is in memory.
struct Lists {
    items: ItemIndex,
    /// Liked events of the future: time, user, item, feedback type.
    ahead: Ahead,
    /// Events up to this moment are counted.
    now: Timestamp,
}

/// A tenant and what of it is in memory.
pub(crate) struct TenantIndex {
    pub(crate) tenant: Tenant,
    pub(crate) neighbours: Neighbours,
    pub(crate) vector_indexes: VectorIndexes,
    pub(crate) leaderboards: Leaderboards,
    /// The tenant with writes that do not wait for the disk.
    deferred: Tenant,
    /// The same with larger batches.
    importing: Tenant,
    lists: RwLock<Lists>,
    linked: RwLock<Linked>,
    is_linking: AtomicBool,
    /// Held while the store and the lists change, so that both see the same order.
    writing: Mutex<()>,
    /// Held while users change, before any other lock.
    labelling: Mutex<()>,
    user_labels: UserLabels,
    served: Mutex<LruCache<String, Served>>,
    settings: Settings,
    /// Up to where the lists follow what other servers write.
    followed: Mutex<Position>,
}

/// The items of a tenant, for reading.
pub(crate) struct Items<'a>(RwLockReadGuard<'a, Lists>);

impl std::ops::Deref for Items<'_> {
    type Target = ItemIndex;

    fn deref(&self) -> &ItemIndex {
        &self.0.items
    }
}

impl TenantIndex {
    /// Reads the items of `tenant` and its events.
    pub(crate) fn open(tenant: Tenant, settings: &Settings) -> Result<Self> {
        let empty = ItemIndex::new(settings.half_life);
        let (lists, gathered, position) = follow::read(&tenant, settings, empty)?;
        let neighbours = Neighbours::new();
        neighbours.remember(gathered);
        Ok(Self {
            user_labels: UserLabels::read(&tenant)?,
            labelling: Mutex::default(),
            deferred: tenant.deferred(),
            importing: tenant.for_import(),
            tenant,
            neighbours,
            vector_indexes: VectorIndexes::default(),
            leaderboards: Leaderboards::default(),
            lists: RwLock::new(lists),
            linked: RwLock::default(),
            is_linking: AtomicBool::new(false),
            writing: Mutex::default(),
            served: Mutex::new(LruCache::new(SERVED)),
            settings: settings.clone(),
            followed: Mutex::new(position),
        })
    }

    /// Reads everything anew, after the store was changed past the lists. Blocks.
    pub(crate) fn reload(&self) -> Result<()> {
        self.write(|| self.reload_alone())
    }

    fn reload_alone(&self) -> Result<()> {
        let empty = self.items().renewed(self.settings.half_life);
        let (lists, gathered, position) = follow::read(&self.tenant, &self.settings, empty)?;
        *self.followed() = position;
        self.user_labels.replace(UserLabels::read(&self.tenant)?);
        self.change(|old| {
            *old = lists;
            self.neighbours.clear(); // their numbers are of the old lists
            self.neighbours.remember(gathered);
            self.vector_indexes.clear();
            self.leaderboards.clear();
        });
        Ok(())
    }

    /// The items in memory, with every event counted whose time has come.
    pub(crate) fn items(&self) -> Items<'_> {
        let now = Timestamp::now();
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        if !lists.is_due(now) {
            return Items(lists);
        }
        drop(lists);
        let events = self.change(|lists| lists.count_due(&self.settings, now));
        self.neighbours.forget(events.iter().map(|(user, item)| (user.as_str(), item.as_str())));
        Items(self.lists.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds items or replaces them. Blocks.
    pub(crate) fn put_items(&self, items: &[Item]) -> Result<()> {
        items.iter().try_for_each(Item::check)?;
        for chunk in items.chunks(CHUNK) {
            self.write(|| {
                self.deferred.put_items(chunk)?;
                self.change(|lists| {
                    for item in chunk {
                        lists.items.put(item);
                    }
                });
                Ok(())
            })?;
        }
        self.tenant.commit()
    }

    /// Changes the item `id`, if there is one. Blocks.
    pub(crate) fn patch_item(&self, id: &str, patch: ItemPatch) -> Result<bool> {
        self.change_item(id, |item| patch.apply(item))
    }

    /// Changes the item `id` by `change`, and says whether there is one. Blocks.
    pub(crate) fn change_item(&self, id: &str, change: impl FnOnce(&mut Item)) -> Result<bool> {
        let changed = self.write(|| {
            let changed = self.deferred.change_item(id, change)?;
            if let Some(item) = &changed {
                self.change(|lists| lists.items.put(item));
            }
            Ok(changed)
        })?;
        self.tenant.commit()?;
        Ok(changed.is_some())
    }

    /// Removes the item `id` and all that was done with it. Blocks.
    pub(crate) fn delete_item(&self, id: &str) -> Result<()> {
        let gone = self.write(|| {
            let gone = self.deferred.delete_item(id)?;
            self.change(|lists| {
                lists.items.remove(id);
                gone.iter().for_each(|event| lists.forget_ahead(event));
            });
            self.forget_neighbours(&gone);
            Ok(gone)
        })?;
        self.forget_committed(&gone);
        self.tenant.commit()
    }

    /// Removes the user `id` and all it did. Blocks.
    pub(crate) fn delete_user(&self, id: &str) -> Result<()> {
        let alone = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.write(|| {
            let liked = self.liked_events(self.tenant.history(id))?;
            let gone = self.deferred.delete_user(id)?;
            self.uncount(&liked, &gone);
            Ok(gone)
        })?;
        self.note_labels(id, &[]);
        drop(alone);
        self.forget_committed(&gone);
        self.tenant.commit()
    }

    /// Writes feedback. Blocks.
    pub(crate) fn put_feedback(&self, rows: &[Feedback], mode: Mode) -> Result<Written> {
        let is_many = rows.len() > self.deferred.batch_rows();
        let writer = if is_many { &self.importing } else { &self.deferred };
        let written = self.put_rows(writer, rows, mode)?;
        self.tenant.commit()?;
        Ok(written)
    }

    /// Writes feedback of an import, which commits when all is written. Blocks.
    pub(crate) fn import_feedback(&self, rows: &[Feedback]) -> Result<Written> {
        self.put_rows(&self.importing, rows, Mode::Merge)
    }

    /// Rows of feedback that an import should write with one call.
    pub(crate) fn import_rows(&self) -> usize {
        self.importing.batch_rows().min(MAX_IMPORT_ROWS)
    }

    fn put_rows(&self, writer: &Tenant, rows: &[Feedback], mode: Mode) -> Result<Written> {
        rows.iter().try_for_each(Feedback::check)?;
        let mut written = Written::default();
        for chunk in self.chunks(rows, writer.batch_rows().min(MAX_IMPORT_ROWS)) {
            let part = self.write_rows(chunk, || {
                let part = writer.put_feedback(chunk, mode, self.settings.insert)?;
                self.count(&part)?;
                Ok(part)
            })?;
            if self.tenant.is_shared() {
                let events = part.changes.iter().map(|change| change.event.clone());
                self.forget_committed(&events.collect::<Vec<_>>());
            }
            written.changes.extend(part.changes);
            written.new_items.extend(part.new_items);
            written.new_users += part.new_users;
        }
        Ok(written)
    }

    /// Removes feedback of a user and an item, and says how many rows. Blocks.
    pub(crate) fn delete_feedback(
        &self,
        kind: Option<&str>,
        user: &str,
        item: &str,
    ) -> Result<usize> {
        let (count, gone) = self.write(|| {
            let is_of_item =
                |event: &Result<Event>| event.as_ref().map_or(true, |event| event.item_id == item);
            let liked = self.liked_events(self.tenant.history(user).filter(is_of_item))?;
            let (count, gone) = self.deferred.delete_feedback(kind, user, item)?;
            self.uncount(&liked, &gone);
            Ok((count, gone))
        })?;
        self.forget_committed(&gone);
        self.tenant.commit()?;
        Ok(count)
    }

    /// What `user` did until now, newest first.
    pub(crate) fn history(&self, user: &str) -> Result<Vec<Event>> {
        self.tenant.history_before(user, Some(Timestamp::now())).collect()
    }

    /// Numbers of the items that `events` are about.
    pub(crate) fn numbers<'a>(&self, events: impl IntoIterator<Item = &'a Event>) -> HashSet<u32> {
        let items = self.items();
        events.into_iter().filter_map(|event| items.number(&event.item_id)).collect()
    }

    /// Remembers what `user` was shown.
    pub(crate) fn note(&self, user: &str, served: Served) {
        let mut known = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(user.to_owned(), served);
    }

    /// The group that showed `item` to `user` in the last list.
    pub(crate) fn shown_by(&self, user: &str, item: &str) -> Option<String> {
        let known = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let served = known.peek(user)?;
        served.items.iter().any(|known| **known == *item).then(|| served.group.clone())
    }

    /// `rows` in parts that are written under one hold of the lock: a row whose value decides
    /// whether it counts is in each part once.
    fn chunks<'a>(&self, rows: &'a [Feedback], size: usize) -> Vec<&'a [Feedback]> {
        let mut chunks = Vec::new();
        let (mut start, mut seen) = (0, HashSet::new());
        for (place, row) in rows.iter().enumerate() {
            let is_again =
                self.settings.depends_on_value(&row.feedback_type) && !seen.insert(row.key());
            if is_again || place - start == size {
                chunks.push(&rows[start..place]);
                start = place;
                seen = HashSet::from([row.key()]);
            }
        }
        chunks.push(&rows[start..]);
        chunks
    }

    fn change<T>(&self, change: impl FnOnce(&mut Lists) -> T) -> T {
        change(&mut self.lists.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets neighbours again that were counted between a change and its commit, from what was stored
    /// before.
    fn forget_committed(&self, events: &[Event]) {
        if self.tenant.is_shared() {
            self.forget_neighbours(events);
        }
    }

    fn forget_neighbours<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        let pairs = events.into_iter().map(|event| (&*event.user_id, &*event.item_id));
        self.neighbours.forget(pairs.collect::<AHashSet<_>>());
    }
}
