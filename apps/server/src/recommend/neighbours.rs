//! Which items the same users touched, counted from the store when it is asked for.
//!
//! Lists are remembered until something happens to the item or to one of the users it was counted
//! from, so that the next answer knows of every event.

mod gathered;
mod near;

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use ahash::AHashMap;
use dragoman_store::{Event, Result, Tenant, Timestamp};
use lru::LruCache;

use super::{item_index::ItemIndex, rank::hash, settings::Settings};

pub(crate) use self::{gathered::Gathered, near::Near};

/// The latest users of an item that are asked what else they touched.
const USERS: usize = 60;

/// The latest items of each of them that count.
const ITEMS: usize = 50;

/// Events looked at for each user or item that is wanted.
const LOOKED_AT: usize = 4;

/// Neighbours kept of an item.
const KEPT: usize = 100;

/// Items whose neighbours are in memory at most.
const LISTS: NonZeroUsize = NonZeroUsize::new(40_000).expect("not zero");

/// Users whose latest items are in memory at most.
const TASTES: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Items whose latest users are in memory at most, until their neighbours are counted.
const FOLLOWED: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Labels whose users' likes are in memory at most.
const LABELS: NonZeroUsize = NonZeroUsize::new(2_000).expect("not zero");

/// Counters of changes; users and items that share one are forgotten together.
const COUNTERS: usize = 1 << 16;

/// How many of some users like each item that any of them likes.
pub(super) type Liked = Arc<Vec<(u32, u16)>>;

/// Neighbours of items, live.
pub(crate) struct Neighbours {
    lists: Mutex<LruCache<String, Remembered<Arc<Near>>>>,
    tastes: Mutex<LruCache<String, Remembered<Arc<Vec<u32>>>>>,
    /// The latest users of items, as they were gathered.
    followers: Mutex<LruCache<String, Remembered<Vec<Arc<str>>>>>,
    /// What the users of labels like, by item.
    labels: Mutex<LruCache<String, Remembered<Liked>>>,
    /// How often a user, an item or the users of a label changed, by hash.
    changes: Box<[AtomicU32]>,
}

/// Some users whose likes are counted.
pub(super) struct Sample<'a> {
    /// What is remembered of them is called so, and forgotten under this name.
    pub(super) name: &'a str,
    /// How many of them count, of those who like anything.
    pub(super) most: usize,
    /// Gives so many of them, always the same first.
    pub(super) users: &'a dyn Fn(usize) -> Vec<Arc<str>>,
}

/// Something that was computed, and the counters that it depends on as they were before.
///
/// Counters are read before the store is, and raised after it was written: what was computed while
/// the store changed is never taken for current.
#[derive(Clone)]
struct Remembered<T> {
    value: T,
    counters: Vec<(u32, u32)>,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self {
            lists: Mutex::new(LruCache::new(LISTS)),
            tastes: Mutex::new(LruCache::new(TASTES)),
            followers: Mutex::new(LruCache::new(FOLLOWED)),
            labels: Mutex::new(LruCache::new(LABELS)),
            changes: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Remembers what was gathered; nothing may have been written since.
    pub(crate) fn remember(&self, gathered: Gathered) {
        let (users, items) = gathered.into_parts();
        let mut known = lock(&self.tastes);
        for (user, items) in users {
            let counters = vec![self.counter(USER_SEED, &user)];
            known.put(user.as_ref().into(), Remembered { value: Arc::new(items), counters });
        }
        let mut known = lock(&self.followers);
        for (item, users) in items {
            let counters = vec![self.counter(ITEM_SEED, &item)];
            known.put(item, Remembered { value: users, counters });
        }
    }

    /// Items that the latest users of `item` liked too.
    pub(crate) fn of_item(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        item: &str,
        items: &ItemIndex,
    ) -> Result<Arc<Near>> {
        if let Some(found) = self.current(&self.lists, item) {
            return Ok(found);
        }
        let mut counters = vec![self.counter(ITEM_SEED, item)];
        let users: Vec<Arc<str>> = match self.gathered_users(item) {
            Some(users) => users,
            None => users_of(tenant, settings, item)?.into_iter().map(Into::into).collect(),
        };
        counters.extend(users.iter().map(|user| self.counter(USER_SEED, user)));
        let tastes: Vec<Arc<Vec<u32>>> = users
            .iter()
            .map(|user| self.taste(tenant, settings, user, items))
            .collect::<Result<_>>()?;
        let near = Arc::new(Near::new(&tastes, items.number(item), items));
        lock(&self.lists).put(item.into(), Remembered { value: Arc::clone(&near), counters });
        Ok(near)
    }

    /// Users who liked the latest items of `user` too, nearest first.
    pub(crate) fn of_user(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        user: &str,
    ) -> Result<Vec<(String, f32)>> {
        let items = liked(tenant, settings, user)?;
        let mut counts: AHashMap<String, f32> = AHashMap::new();
        for item in &items {
            let users = users_of(tenant, settings, item)?;
            let share = 1.0 / (users.len() as f32).sqrt();
            users.into_iter().for_each(|other| *counts.entry(other).or_default() += share);
        }
        counts.remove(user);
        Ok(ranked(counts, |count| count / (items.len() as f32).sqrt(), String::cmp))
    }

    /// How often each item is among the latest that the users of `sample` liked.
    pub(super) fn of_sample(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        sample: &Sample<'_>,
        items: &ItemIndex,
    ) -> Result<Liked> {
        if let Some(found) = self.current(&self.labels, sample.name) {
            return Ok(found);
        }
        let mut counters = vec![self.counter(LABEL_SEED, sample.name)];
        let mut tastes: Vec<Arc<Vec<u32>>> = Vec::new();
        for user in (sample.users)(LOOKED_AT * sample.most) {
            counters.push(self.counter(USER_SEED, &user));
            let taste = self.taste(tenant, settings, &user, items)?;
            if !taste.is_empty() {
                tastes.push(taste);
            }
            if tastes.len() == sample.most {
                break;
            }
        }
        let liked = Arc::new(near::counted(tastes.iter().flat_map(|taste| taste.iter().copied())));
        let remembered = Remembered { value: Arc::clone(&liked), counters };
        lock(&self.labels).put(sample.name.into(), remembered);
        Ok(liked)
    }

    /// What the users `near` somebody like, each counted by how near they are.
    pub(crate) fn liked_by(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        near: &[(String, f32)],
        items: &ItemIndex,
    ) -> Result<Vec<(u32, f32)>> {
        let mut sums: AHashMap<u32, f32> = AHashMap::new();
        for (user, score) in near.iter().take(USERS) {
            for &number in &*self.taste(tenant, settings, user, items)? {
                *sums.entry(number).or_default() += score;
            }
        }
        Ok(sums.into_iter().collect())
    }

    /// Forgets what depends on the users of `labels`, which are others now.
    pub(crate) fn forget_labels<'a>(&self, labels: impl IntoIterator<Item = &'a str>) {
        for label in labels {
            let (counter, _) = self.counter(LABEL_SEED, label);
            self.changes[counter as usize].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets what depends on these users and items, of which something was written.
    pub(crate) fn forget<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (user, item) in pairs {
            for counter in [self.counter(USER_SEED, user), self.counter(ITEM_SEED, item)] {
                self.changes[counter.0 as usize].fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.changes.iter().for_each(|change| {
            change.fetch_add(1, Ordering::AcqRel);
        });
        lock(&self.lists).clear();
        lock(&self.tastes).clear();
        lock(&self.followers).clear();
        lock(&self.labels).clear();
    }

    /// The latest users of an item as they were gathered, unless something happened to it since. They are
    /// asked for once: its neighbours are remembered from then on.
    fn gathered_users(&self, item: &str) -> Option<Vec<Arc<str>>> {
        let gathered = lock(&self.followers).pop(item)?;
        self.is_current(&gathered.counters).then_some(gathered.value)
    }

    /// Numbers of the latest items that `user` liked.
    fn taste(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        user: &str,
        items: &ItemIndex,
    ) -> Result<Arc<Vec<u32>>> {
        if let Some(found) = self.current(&self.tastes, user) {
            return Ok(found);
        }
        let counters = vec![self.counter(USER_SEED, user)];
        let liked = liked(tenant, settings, user)?;
        let taste: Vec<u32> = liked.iter().filter_map(|id| items.number(id)).collect();
        let taste = Arc::new(taste);
        lock(&self.tastes).put(user.into(), Remembered { value: Arc::clone(&taste), counters });
        Ok(taste)
    }

    /// What is remembered of `name`, if nothing changed since.
    fn current<T: Clone>(
        &self,
        cache: &Mutex<LruCache<String, Remembered<T>>>,
        name: &str,
    ) -> Option<T> {
        let mut cache = lock(cache);
        let Remembered { value, counters } = cache.get(name)?;
        self.is_current(counters).then(|| value.clone())
    }

    fn is_current(&self, counters: &[(u32, u32)]) -> bool {
        let is_current = |&(counter, count): &(u32, u32)| {
            self.changes[counter as usize].load(Ordering::Acquire) == count
        };
        counters.iter().all(is_current)
    }

    /// The counter of a name, and what it shows.
    fn counter(&self, seed: u64, name: &str) -> (u32, u32) {
        let counter = (hash(seed, name) >> 32) as u32 % COUNTERS as u32;
        (counter, self.changes[counter as usize].load(Ordering::Acquire))
    }
}

const USER_SEED: u64 = 2;
const ITEM_SEED: u64 = 3;
const LABEL_SEED: u64 = 7;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest users who liked `item`, without repeats.
fn users_of(tenant: &Tenant, settings: &Settings, item: &str) -> Result<Vec<String>> {
    let events = tenant.events_of_item_before(item, Some(Timestamp::now()));
    distinct(events, USERS, |event| {
        Ok(settings.likes(tenant, event)?.then(|| event.user_id.clone()))
    })
}

/// The latest items that `user` liked, without repeats.
fn liked(tenant: &Tenant, settings: &Settings, user: &str) -> Result<Vec<String>> {
    distinct(tenant.history_before(user, Some(Timestamp::now())), ITEMS, |event| {
        Ok(settings.likes(tenant, event)?.then(|| event.item_id.clone()))
    })
}

/// The first `n` different names that `pick` takes of the first events.
fn distinct(
    events: impl Iterator<Item = Result<Event>>,
    n: usize,
    pick: impl Fn(&Event) -> Result<Option<String>>,
) -> Result<Vec<String>> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for event in events.take(LOOKED_AT * n) {
        if let Some(name) = pick(&event?)?
            && seen.insert(name.clone())
        {
            names.push(name);
            if names.len() == n {
                break;
            }
        }
    }
    Ok(names)
}

/// The nearest of `counts`, ties in the order of `by_name`.
fn ranked<T>(
    counts: AHashMap<T, f32>,
    score: impl Fn(f32) -> f32,
    by_name: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<(T, f32)> {
    let mut near: Vec<(T, f32)> =
        counts.into_iter().map(|(name, count)| (name, score(count))).collect();
    let by_rank =
        |a: &(T, f32), b: &(T, f32)| b.1.total_cmp(&a.1).then_with(|| by_name(&a.0, &b.0));
    if near.len() > KEPT {
        near.select_nth_unstable_by(KEPT - 1, by_rank);
        near.truncate(KEPT);
    }
    near.sort_unstable_by(by_rank);
    near
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use dragoman_store::{DEFAULT_TENANT, Feedback, Insert, Item, Mode, Store};

    use super::*;
    use crate::RecommendationConfig;

    fn read(tenant: &Tenant, neighbours: &Neighbours, user: &str, item: &str) -> Result<()> {
        let row = Feedback {
            feedback_type: "read".into(),
            user_id: user.into(),
            item_id: item.into(),
            ..Feedback::default()
        };
        tenant.put_feedback(&[row], Mode::Add, Insert::BOTH)?;
        neighbours.forget([(user, item)]);
        Ok(())
    }

    #[test]
    fn the_next_answer_knows_of_every_event() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = Store::open(dir.path())?.tenant(DEFAULT_TENANT)?;
        let settings =
            Settings::new(&RecommendationConfig::default()).map_err(anyhow::Error::msg)?;
        let live = Neighbours::new();
        for (user, item) in [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c")] {
            read(&tenant, &live, user, item)?;
        }
        let mut items = ItemIndex::new(1.0);
        for id in ["d", "c", "b", "a"] {
            items.put(&Item { item_id: id.into(), ..Item::default() });
        }
        let of_item = |item: &str| {
            let near = live.of_item(&tenant, &settings, item, &items)?;
            let mut counts = near.counts.clone();
            counts.sort_by_key(|&(number, count)| (Reverse(count), items.entry(number).id.clone()));
            let letter = |&(number, _): &(u32, u16)| items.entry(number).id.to_string();
            anyhow::Ok(counts.iter().map(letter).collect::<String>())
        };
        assert_eq!((of_item("a")?.as_str(), of_item("c")?.as_str()), ("bc", "ab"));
        let of_user = |user: &str| {
            let near = live.of_user(&tenant, &settings, user)?;
            anyhow::Ok(near.into_iter().map(|(name, _)| name).collect::<String>())
        };
        assert_eq!(of_user("u")?, "v");
        read(&tenant, &live, "u", "d")?;
        assert_eq!(of_item("a")?, "bcd");
        assert_eq!(of_item("nothing")?, "");
        Ok(())
    }
}
