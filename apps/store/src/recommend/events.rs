//! What happened, read by user, by item and by time, newest first.

use super::{
    Tenant,
    codec::{BY_ITEM, BY_TIME, HISTORY, Key, Parts},
};
use crate::{Result, Timestamp};

/// One event: a user did something with an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who.
    pub user_id: String,
    /// With what.
    pub item_id: String,
    /// In which way, such as `read`.
    pub feedback_type: String,
    /// How much of it.
    pub value: f64,
    /// When.
    pub time: Timestamp,
}

impl Tenant {
    /// What `user` did, newest first.
    pub fn history(&self, user: &str) -> impl Iterator<Item = Result<Event>> + use<> {
        self.history_before(user, None)
    }

    /// What `user` did at `until` or before, newest first; all of it without a limit.
    pub fn history_before(
        &self,
        user: &str,
        until: Option<Timestamp>,
    ) -> impl Iterator<Item = Result<Event>> + use<> {
        let prefix = || Key::new(HISTORY).id(user);
        let end = until.map_or_else(|| prefix().end(), |until| prefix().time(until).end());
        let user = user.to_owned();
        self.tree.range(prefix().build(), end).rev().map(move |row| {
            let (key, value) = row?;
            let mut parts = Parts::of(&key);
            parts.id()?;
            let (time, item_id, feedback_type) = (parts.time()?, parts.id()?, parts.id()?);
            let value = number(&value);
            Ok(Event { user_id: user.clone(), item_id, feedback_type, value, time })
        })
    }

    /// What was done with `item`, newest first.
    pub fn events_of_item(&self, item: &str) -> impl Iterator<Item = Result<Event>> + use<> {
        self.events_of_item_before(item, None)
    }

    /// What was done with `item` at `until` or before, newest first; all of it without a limit.
    pub fn events_of_item_before(
        &self,
        item: &str,
        until: Option<Timestamp>,
    ) -> impl Iterator<Item = Result<Event>> + use<> {
        let prefix = || Key::new(BY_ITEM).id(item);
        let end = until.map_or_else(|| prefix().end(), |until| prefix().time(until).end());
        let item = item.to_owned();
        self.tree.range(prefix().build(), end).rev().map(move |row| {
            let (key, value) = row?;
            let mut parts = Parts::of(&key);
            parts.id()?;
            let (time, user_id, feedback_type) = (parts.time()?, parts.id()?, parts.id()?);
            let value = number(&value);
            Ok(Event { user_id, item_id: item.clone(), feedback_type, value, time })
        })
    }

    /// What was done at all, newest first.
    pub fn events(&self) -> impl Iterator<Item = Result<Event>> + use<> {
        self.tree.range(vec![BY_TIME], vec![BY_TIME + 1]).rev().map(|row| {
            let (key, value) = row?;
            let mut parts = Parts::of(&key);
            let (time, user_id) = (parts.time()?, parts.id()?);
            let (item_id, feedback_type) = (parts.id()?, parts.id()?);
            let value = number(&value);
            Ok(Event { user_id, item_id, feedback_type, value, time })
        })
    }
}

/// The number that a value holds.
pub(super) fn number(value: &[u8]) -> f64 {
    value.try_into().map(f64::from_be_bytes).unwrap_or_default()
}
