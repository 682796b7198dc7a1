//! Which items the same users touched, counted from the store when it is asked for.
//!
//! Lists are remembered until something happens to the item or to one that its users touched
//! lately, so that the next answer knows of every event.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use dragoman_store::{Happened, Result, Tenant, Timestamp};
use lru::LruCache;

use super::settings::Settings;

/// The latest users of an item that are asked what else they touched.
const USERS: usize = 100;

/// The latest items of each of them that count.
const ITEMS: usize = 30;

/// Neighbours kept of an item.
const KEPT: usize = 200;

/// Lists in memory at most.
const LISTS: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// Items or users with how near they are, nearest first.
pub(crate) type Near = Arc<Vec<(String, f32)>>;

/// Neighbours of items, live.
pub(crate) struct Neighbours {
    lists: Mutex<LruCache<String, Near>>,
}

impl Neighbours {
    pub(crate) fn new() -> Self {
        Self { lists: Mutex::new(LruCache::new(LISTS)) }
    }

    /// Items that the latest users of `item` liked too, by the cosine of their users.
    pub(crate) fn of_item(&self, tenant: &Tenant, settings: &Settings, item: &str) -> Result<Near> {
        if let Some(found) = self.lock().get(item) {
            return Ok(Arc::clone(found));
        }
        let now = Timestamp::now();
        let users = distinct(tenant.events_of_item(item), USERS, |event| {
            (event.time <= now && settings.is_positive(&event.feedback_type, event.value))
                .then(|| event.user_id.clone())
        })?;
        let mut counts: HashMap<String, f32> = HashMap::new();
        for user in &users {
            for other in liked(tenant, settings, user, ITEMS)? {
                *counts.entry(other).or_default() += 1.0;
            }
        }
        counts.remove(item);
        // Of the others only those users are known who touched this item too: their share of the
        // users looked at, damped for pairs that met once.
        let all = users.len() as f32;
        let near = ranked(counts, |count| count / (all * (count + 1.0)).sqrt());
        self.lock().put(item.into(), Arc::clone(&near));
        Ok(near)
    }

    /// Users who liked the latest items of `user` too.
    pub(crate) fn of_user(&self, tenant: &Tenant, settings: &Settings, user: &str) -> Result<Near> {
        let now = Timestamp::now();
        let items = liked(tenant, settings, user, ITEMS)?;
        let mut counts: HashMap<String, f32> = HashMap::new();
        for item in &items {
            let users = distinct(tenant.events_of_item(item), USERS, |event| {
                (event.time <= now && settings.is_positive(&event.feedback_type, event.value))
                    .then(|| event.user_id.clone())
            })?;
            for other in &users {
                *counts.entry(other.clone()).or_default() += 1.0 / (users.len() as f32).sqrt();
            }
        }
        counts.remove(user);
        Ok(ranked(counts, |count| count / (items.len() as f32).sqrt()))
    }

    /// Forgets what an event changed: the lists of its item and of the user's latest ones.
    pub(crate) fn forget(&self, tenant: &Tenant, events: &[Happened]) -> Result<()> {
        let users: HashSet<&str> = events.iter().map(|event| event.user_id.as_str()).collect();
        let mut gone: HashSet<String> = events.iter().map(|event| event.item_id.clone()).collect();
        if users.len() > USERS {
            self.lock().clear(); // an import: cheaper than asking every user
            return Ok(());
        }
        for user in users {
            for event in tenant.history(user).take(ITEMS) {
                gone.insert(event?.item_id);
            }
        }
        let mut lists = self.lock();
        gone.iter().for_each(|item| drop(lists.pop(item)));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<String, Near>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest items that `user` liked, without repeats.
fn liked(tenant: &Tenant, settings: &Settings, user: &str, n: usize) -> Result<Vec<String>> {
    distinct(tenant.history_before(user, Some(Timestamp::now())), n, |event| {
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

fn ranked(counts: HashMap<String, f32>, score: impl Fn(f32) -> f32) -> Near {
    let mut near: Vec<(String, f32)> =
        counts.into_iter().map(|(name, count)| (name, score(count))).collect();
    near.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    near.truncate(KEPT);
    Arc::new(near)
}

#[cfg(test)]
mod tests {
    use dragoman_store::{DEFAULT_TENANT, Feedback, Mode, Store};

    use super::*;
    use crate::ServerConfig;

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

    fn names(near: &Near) -> Vec<&str> {
        near.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn the_next_answer_knows_of_every_event() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = Store::open(dir.path())?.tenant(DEFAULT_TENANT)?;
        let settings = Settings::new(&ServerConfig::default()).map_err(anyhow::Error::msg)?;
        let live = Neighbours::new();
        for (user, item) in [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c")] {
            read(&tenant, &live, user, item)?;
        }
        assert_eq!(names(&live.of_item(&tenant, &settings, "a")?), ["b", "c"]);
        assert_eq!(names(&live.of_item(&tenant, &settings, "c")?), ["a", "b"]);
        assert_eq!(names(&live.of_user(&tenant, &settings, "u")?), ["v"]);
        read(&tenant, &live, "u", "d")?;
        assert_eq!(names(&live.of_item(&tenant, &settings, "a")?), ["b", "c", "d"]);
        assert!(live.of_item(&tenant, &settings, "nothing")?.is_empty());
        Ok(())
    }
}
