//! Which users have which labels, for the popularity of items among users who share one.
//!
//! Users are kept in the order of a hash, so the first users of a label are a random sample that is the same after a
//! restart and on every server.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use ahash::AHashMap;
use dragoman_core::recommend::labels;
use dragoman_store::{Result, Tenant};

use super::rank::hash;

/// Users in memory at most. When more have labels, those with the greater hashes are left out.
const USERS: usize = 100_000;

/// Labels of a user that count, the first ones.
pub(crate) const LABELS: usize = 16;

/// What the hash of a user begins with.
const SEED: u64 = 6;

/// The labels of users in memory.
#[derive(Debug, Default)]
pub(crate) struct UserLabels(RwLock<Known>);

#[derive(Debug)]
struct Known {
    /// The labels of each user who has any.
    labels: AHashMap<Arc<str>, Box<[Arc<str>]>>,
    /// The users of each label, by hash and identifier.
    users: AHashMap<Arc<str>, BTreeSet<(u64, Arc<str>)>>,
    /// All of these users, by hash and identifier.
    all: BTreeSet<(u64, Arc<str>)>,
    /// The greatest hash of a user that is kept.
    limit: u64,
    /// Users in memory at most.
    most: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            labels: AHashMap::default(),
            users: AHashMap::default(),
            all: BTreeSet::new(),
            limit: u64::MAX,
            most: USERS,
        }
    }
}

impl UserLabels {
    /// Reads the labels of all users of `tenant`.
    pub(crate) fn read(tenant: &Tenant) -> Result<Self> {
        let mut known = Known::default();
        for user in tenant.users("") {
            let user = user?;
            known.put(&user.user_id, &labels::flatten(&user.labels));
        }
        Ok(Self(RwLock::new(known)))
    }

    /// Takes the place of what is known by what `other` knows.
    pub(crate) fn replace(&self, other: Self) {
        let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// Notes the labels that `user` has now; returns the labels whose users this changed.
    pub(crate) fn put(&self, user: &str, labels: &[String]) -> Vec<Arc<str>> {
        let is_same = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let before = known.labels.get(user).map(|labels| &**labels).unwrap_or_default();
            before.iter().map(|label| &**label).eq(counting(labels))
        };
        match is_same {
            true => Vec::new(),
            false => self.0.write().unwrap_or_else(PoisonError::into_inner).put(user, labels),
        }
    }

    /// How many labels there are.
    pub(crate) fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).users.len()
    }

    /// Some users of `label`, `n` at most, in the order of their hashes.
    pub(crate) fn sample(&self, label: &str, n: usize) -> Vec<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let users = known.users.get(label).into_iter().flatten();
        users.take(n).map(|(_, user)| Arc::clone(user)).collect()
    }

    /// Some users who have any label, `n` at most, in the same order.
    pub(crate) fn sample_all(&self, n: usize) -> Vec<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.all.iter().take(n).map(|(_, user)| Arc::clone(user)).collect()
    }
}

/// The labels that count.
fn counting(labels: &[String]) -> impl Iterator<Item = &str> {
    labels.iter().take(LABELS).map(String::as_str)
}

impl Known {
    fn put(&mut self, user: &str, labels: &[String]) -> Vec<Arc<str>> {
        let mut changed = self.forget(user);
        let at = hash(SEED, user);
        if labels.is_empty() || at > self.limit {
            return changed;
        }
        let user: Arc<str> = user.into();
        let mut own = Vec::new();
        for label in counting(labels) {
            let label = match self.users.get_key_value(label) {
                Some((known, _)) => Arc::clone(known),
                None => label.into(),
            };
            let users = self.users.entry(Arc::clone(&label)).or_default();
            users.insert((at, Arc::clone(&user)));
            own.push(label);
        }
        changed.extend(own.iter().cloned());
        self.all.insert((at, Arc::clone(&user)));
        self.labels.insert(user, own.into());
        while self.labels.len() > self.most {
            self.limit /= 2;
            let above = self.all.iter().rev().take_while(|(at, _)| *at > self.limit);
            let above: Vec<Arc<str>> = above.map(|(_, user)| Arc::clone(user)).collect();
            changed.extend(above.iter().flat_map(|user| self.forget(user)));
        }
        changed
    }

    /// Forgets `user`; returns the labels it had.
    fn forget(&mut self, user: &str) -> Vec<Arc<str>> {
        let Some((user, labels)) = self.labels.remove_entry(user) else { return Vec::new() };
        let place = (hash(SEED, &user), user);
        self.all.remove(&place);
        for label in &labels {
            if let Some(users) = self.users.get_mut(label) {
                users.remove(&place);
                if users.is_empty() {
                    self.users.remove(label);
                }
            }
        }
        labels.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn users_move_with_their_labels() {
        let known = UserLabels::default();
        assert_eq!(known.put("u", &texts(&["m", "tall"])).len(), 2);
        assert_eq!(known.put("u", &texts(&["m", "tall"])).len(), 0, "nothing changed");
        known.put("v", &texts(&["m"]));
        assert_eq!((known.sample("m", 9).len(), known.sample_all(9).len()), (2, 2));
        assert_eq!(known.sample("m", 1), known.sample_all(1), "in one order");
        let changed = known.put("u", &texts(&["f"]));
        assert_eq!(changed.iter().map(|label| &**label).collect::<Vec<_>>(), ["m", "tall", "f"]);
        assert_eq!(known.sample("m", 9), [Arc::from("v")]);
        known.put("u", &[]);
        assert!(known.sample("f", 9).is_empty() && known.sample("tall", 9).is_empty());
        assert_eq!(known.sample_all(9), [Arc::from("v")]);
    }

    #[test]
    fn the_sample_does_not_depend_on_the_order_of_users_and_has_an_end() {
        let known = |mut numbers: Vec<u32>, most: usize| {
            let mut known = Known { most, ..Known::default() };
            numbers.drain(..).for_each(|i| drop(known.put(&format!("u{i}"), &texts(&["m"]))));
            UserLabels(RwLock::new(known))
        };
        let (up, down) = (known((0..500).collect(), 100), known((0..500).rev().collect(), 100));
        let sample = up.sample("m", 30);
        assert_eq!((sample.len(), &sample), (30, &down.sample("m", 30)));
        assert_eq!(sample, known((0..500).collect(), USERS).sample("m", 30));
        assert!((30..=100).contains(&up.sample("m", 500).len()));
    }
}
