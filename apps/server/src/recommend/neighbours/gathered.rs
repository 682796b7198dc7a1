//! What is gathered for neighbours from all events while a tenant is read: else the first lists after a
//! start would read the history of every item and every user that they look at.

use std::sync::Arc;

use ahash::AHashMap;
use dragoman_store::Event;

use super::{FOLLOWED, ITEMS, LOOKED_AT, TASTES, USERS};

/// The latest items that users liked, and the latest users who liked items.
#[derive(Default)]
pub(crate) struct Gathered {
    users: AHashMap<Arc<str>, Taste>,
    items: AHashMap<String, Followers>,
}

/// What is known of a user so far.
#[derive(Default)]
struct Taste {
    /// Events looked at.
    events: usize,
    /// Numbers of the liked ones, without repeats.
    items: Vec<u32>,
}

/// What is known of an item so far.
#[derive(Default)]
struct Followers {
    /// Events looked at.
    events: usize,
    /// Users who like it, without repeats.
    users: Vec<Arc<str>>,
    /// Whether one of them was not remembered.
    is_partial: bool,
}

impl Gathered {
    /// Takes an event; they must come newest first. `liked` is the number of the item, if the user likes it.
    pub(crate) fn add(&mut self, event: &Event, liked: Option<u32>) {
        let user = self.add_to_user(event, liked);
        let is_full = self.items.len() >= FOLLOWED.get();
        let item = match self.items.get_mut(&event.item_id) {
            Some(item) => item,
            None if is_full => return,
            None => self.items.entry(event.item_id.clone()).or_default(),
        };
        let is_counted = item.events < LOOKED_AT * USERS && item.users.len() < USERS;
        item.events += 1;
        if liked.is_some() && is_counted {
            match user {
                Some(user) if item.users.iter().any(|known| Arc::ptr_eq(known, &user)) => {}
                Some(user) => item.users.push(user),
                None => item.is_partial = true,
            }
        }
    }

    /// The user of `event`, if it is remembered.
    fn add_to_user(&mut self, event: &Event, liked: Option<u32>) -> Option<Arc<str>> {
        if !self.users.contains_key(event.user_id.as_str()) {
            if self.users.len() >= TASTES.get() {
                return None;
            }
            self.users.insert(event.user_id.as_str().into(), Taste::default());
        }
        let (name, _) = self.users.get_key_value(event.user_id.as_str())?;
        let name = Arc::clone(name);
        let known = self.users.get_mut(&name)?;
        let is_counted = known.events < LOOKED_AT * ITEMS && known.items.len() < ITEMS;
        known.events += 1;
        if let Some(number) = liked
            && is_counted
            && !known.items.contains(&number)
        {
            known.items.push(number);
        }
        Some(name)
    }

    /// For each user the numbers of the latest liked items, and for each item the latest users who like it.
    #[expect(clippy::type_complexity, reason = "two iterators of pairs")]
    pub(super) fn into_parts(
        self,
    ) -> (impl Iterator<Item = (Arc<str>, Vec<u32>)>, impl Iterator<Item = (String, Vec<Arc<str>>)>)
    {
        let users = self.users.into_iter().map(|(user, taste)| (user, taste.items));
        let whole = self.items.into_iter().filter(|(_, item)| !item.is_partial);
        (users, whole.map(|(id, item)| (id, item.users)))
    }
}
