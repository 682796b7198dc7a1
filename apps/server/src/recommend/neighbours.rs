//! Which items the same users touched, counted from the store when it is asked for.
//!
//! Lists are remembered until something happens to the item or to one that its users touched
//! lately, so that the next answer knows of every event.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dragoman_store::{Happened, Result, Tenant, Timestamp};
use lru::LruCache;

use super::settings::Settings;

/// The latest users of an item that are asked what else they touched.
const USERS: usize = 60;

/// The latest items of each of them that count.
const ITEMS: usize = 25;

/// Neighbours kept of an item.
const KEPT: usize = 100;

/// Items whose neighbours are in memory at most.
const LISTS: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// Users whose latest items are in memory at most.
const TASTES: NonZeroUsize = NonZeroUsize::new(50_000).expect("not zero");

/// Items by number with how near they are, nearest first.
pub(crate) type Near = Arc<Vec<(u32, f32)>>;

/// Tells the number of an item.
pub(crate) type Numbers<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// Neighbours of items, live.
pub(crate) struct Neighbours {
    lists: Mutex<LruCache<String, Near>>,
    tastes: Mutex<LruCache<String, Arc<Vec<u32>>>>,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        let (lists, tastes) = (LruCache::new(LISTS), LruCache::new(TASTES));
        Self { lists: Mutex::new(lists), tastes: Mutex::new(tastes) }
    }

    /// Items that the latest users of `item` liked too, by the cosine of their users.
    pub(crate) fn of_item(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        (item, numbers): (&str, Numbers<'_>),
    ) -> Result<Near> {
        if let Some(found) = lock(&self.lists).get(item) {
            return Ok(Arc::clone(found));
        }
        let users = users_of(tenant, settings, item)?;
        let mut counts: HashMap<u32, f32> = HashMap::new();
        for user in &users {
            for &other in self.taste(tenant, settings, (user, numbers))?.iter() {
                *counts.entry(other).or_default() += 1.0;
            }
        }
        if let Some(own) = numbers(item) {
            counts.remove(&own);
        }
        // Of the others only those users are known who touched this item too: their share of the
        // users looked at, damped for pairs that met once.
        let all = users.len() as f32;
        let near = Arc::new(ranked(counts, |count| count / (all * (count + 1.0)).sqrt()));
        lock(&self.lists).put(item.into(), Arc::clone(&near));
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
        let mut counts: HashMap<String, f32> = HashMap::new();
        for item in &items {
            let users = users_of(tenant, settings, item)?;
            let share = 1.0 / (users.len() as f32).sqrt();
            users.into_iter().for_each(|other| *counts.entry(other).or_default() += share);
        }
        counts.remove(user);
        Ok(ranked(counts, |count| count / (items.len() as f32).sqrt()))
    }

    /// Forgets what events changed: the lists of their items and of their users' latest ones.
    pub(crate) fn forget(&self, tenant: &Tenant, events: &[Happened]) -> Result<()> {
        let users: HashSet<&str> = events.iter().map(|event| event.user_id.as_str()).collect();
        if users.len() > USERS {
            lock(&self.lists).clear(); // an import: cheaper than asking every user
            lock(&self.tastes).clear();
            return Ok(());
        }
        let mut gone: HashSet<String> = events.iter().map(|event| event.item_id.clone()).collect();
        for user in users {
            lock(&self.tastes).pop(user);
            for event in tenant.history(user).take(ITEMS) {
                gone.insert(event?.item_id);
            }
        }
        let mut lists = lock(&self.lists);
        gone.iter().for_each(|item| drop(lists.pop(item)));
        Ok(())
    }

    /// Numbers of the latest items that `user` liked.
    fn taste(
        &self,
        tenant: &Tenant,
        settings: &Settings,
        (user, numbers): (&str, Numbers<'_>),
    ) -> Result<Arc<Vec<u32>>> {
        if let Some(found) = lock(&self.tastes).get(user) {
            return Ok(Arc::clone(found));
        }
        let items = liked(tenant, settings, user)?;
        let taste: Arc<Vec<u32>> = Arc::new(items.iter().filter_map(|id| numbers(id)).collect());
        lock(&self.tastes).put(user.into(), Arc::clone(&taste));
        Ok(taste)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest users who liked `item`, without repeats.
fn users_of(tenant: &Tenant, settings: &Settings, item: &str) -> Result<Vec<String>> {
    let now = Timestamp::now();
    distinct(tenant.events_of_item(item), USERS, |event| {
        let counts = event.time <= now && settings.is_positive(&event.feedback_type, event.value);
        counts.then(|| event.user_id.clone())
    })
}

/// The latest items that `user` liked, without repeats.
fn liked(tenant: &Tenant, settings: &Settings, user: &str) -> Result<Vec<String>> {
    distinct(tenant.history_before(user, Some(Timestamp::now())), ITEMS, |event| {
        settings.is_positive(&event.feedback_type, event.value).then(|| event.item_id.clone())
    })
}

/// The first `n` different names that `pick` takes of the first events.
fn distinct(
    events: impl Iterator<Item = Result<Happened>>,
    n: usize,
    pick: impl Fn(&Happened) -> Option<String>,
) -> Result<Vec<String>> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for event in events.take(4 * n) {
        if let Some(name) = pick(&event?)
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

/// The nearest of `counts`, ties by name.
fn ranked<T: Ord + std::hash::Hash>(
    counts: HashMap<T, f32>,
    score: impl Fn(f32) -> f32,
) -> Vec<(T, f32)> {
    let mut near: Vec<(T, f32)> =
        counts.into_iter().map(|(name, count)| (name, score(count))).collect();
    near.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    near.truncate(KEPT);
    near
}

#[cfg(test)]
mod tests {
    use dragoman_store::{DEFAULT_TENANT, Feedback, Mode, Store};

    use super::*;
    use crate::RecommendationConfig;

    fn read(tenant: &Tenant, neighbours: &Neighbours, user: &str, item: &str) -> Result<()> {
        let row = Feedback {
            feedback_type: "read".into(),
            user_id: user.into(),
            item_id: item.into(),
            ..Feedback::default()
        };
        let written = tenant.put_feedback(&[row], Mode::Add, (true, true))?;
        neighbours.forget(tenant, &written.added)
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
        // The number of an item is its letter's.
        let numbers = |id: &str| id.bytes().next().map(u32::from);
        let of_item = |item: &str| {
            let near = live.of_item(&tenant, &settings, (item, &numbers))?;
            let letter = |&(number, _): &(u32, f32)| char::from_u32(number);
            anyhow::Ok(near.iter().filter_map(letter).collect::<String>())
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
