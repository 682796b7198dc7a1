//! Changes that are applied together, and can be read before they are.

use std::{cell::RefCell, collections::BTreeMap};

use ahash::{AHashMap, AHashSet, RandomState};
use indexmap::IndexMap;

use super::{
    Event, Feedback,
    codec::{BY_ITEM, BY_TIME, HISTORY, ITEM, Key, USER, event_key, feedback_key, plain},
};
use crate::{Result, engine::Tree};

/// Rows from which on a batch reads ahead, in the order of the keys.
const READ_AHEAD_FROM: usize = 100;

/// Rows to write and to remove.
pub(super) struct Draft<'a> {
    tree: &'a Tree,
    /// In the order in which they were drafted: most come in the order of users, and sorting is quick then.
    rows: IndexMap<Vec<u8>, Option<Vec<u8>>, RandomState>,
    /// Rows of the tree that were read ahead.
    read: AHashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys that the tree was found to have: a batch names the same users and items many times.
    found: RefCell<AHashSet<Vec<u8>>>,
}

/// A key, and its value unless it is to be removed.
type Written = (Vec<u8>, Option<Vec<u8>>);

impl<'a> Draft<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let (rows, read, found) = Default::default();
        Self { tree, rows, read, found }
    }

    /// Reads the rows that decide what becomes of `rows`, where that is cheaper than one by one: where each
    /// would be asked of another process, or where they are many.
    pub(super) fn read_ahead<'r>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'r Feedback>,
    ) -> Result<()> {
        let is_shared = self.tree.database().is_shared();
        if rows.len() < READ_AHEAD_FROM && !is_shared {
            return Ok(());
        }
        // The event is needed where the row is there; where reading is cheap, it is read when that is known.
        let keys = keys_of(rows, is_shared);
        let values = self.tree.get_ascending(&keys)?;
        self.read.extend(keys.into_iter().zip(values));
        Ok(())
    }

    /// The value of `key` as it will be.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.rows.get(key).or_else(|| self.read.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.tree.get(key),
        }
    }

    /// Whether `key` will be there.
    pub(super) fn contains(&self, key: &[u8]) -> Result<bool> {
        match self.rows.get(key).or_else(|| self.read.get(key)) {
            Some(value) => Ok(value.is_some()),
            None if self.found.borrow().contains(key) => Ok(true),
            None => {
                let is_there = self.tree.contains(key)?;
                if is_there {
                    self.found.borrow_mut().insert(key.to_vec());
                }
                Ok(is_there)
            }
        }
    }

    /// Whether `key` is changed by this draft.
    pub(super) fn changes(&self, key: &[u8]) -> bool {
        self.rows.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.rows.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.rows.insert(key, None);
    }

    /// Removes an event from all orders, and the feedback row that it is part of.
    pub(super) fn forget(&mut self, event: &Event) {
        let Event { user_id, item_id, feedback_type, .. } = event;
        self.remove(feedback_key(feedback_type, user_id, item_id));
        self.remove_event(event);
    }

    /// Removes an event from all orders.
    pub(super) fn remove_event(&mut self, event: &Event) {
        event_keys(event).into_iter().for_each(|key| self.remove(key));
    }

    /// Puts an event into all orders.
    pub(super) fn insert_event(&mut self, event: &Event) {
        for key in event_keys(event) {
            self.insert(key, event.value.to_be_bytes().to_vec());
        }
    }

    /// Writes all as one, and leaves the draft empty.
    pub(super) fn apply(&mut self) -> Result<()> {
        self.read.clear();
        self.found.get_mut().clear(); // what is removed now is not there any more
        let rows: Vec<Written> = in_order(self.rows.drain(..)).collect();
        self.tree.apply(rows) // neighbours are written one after another
    }
}

/// `rows` in the order of their keys. Rows of one kind are often in order already, and rows of several kinds
/// never are, so each kind is sorted by itself.
fn in_order<T>(rows: impl Iterator<Item = (Vec<u8>, T)>) -> impl Iterator<Item = (Vec<u8>, T)> {
    let mut kinds: BTreeMap<u8, Vec<(Vec<u8>, T)>> = BTreeMap::new();
    for row in rows {
        kinds.entry(row.0.first().copied().unwrap_or_default()).or_default().push(row);
    }
    kinds.into_values().flat_map(|mut rows| {
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    })
}

/// The keys of the rows that decide what becomes of `rows`, in their order.
pub(super) fn keys_of<'r>(
    rows: impl ExactSizeIterator<Item = &'r Feedback>,
    with_events: bool,
) -> Vec<Vec<u8>> {
    let (mut users, mut items) = (AHashSet::new(), AHashSet::new());
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let (user, item, kind) = (&row.user_id, &row.item_id, &row.feedback_type);
        users.insert(user);
        items.insert(item);
        keys.push(feedback_key(kind, user, item));
        if with_events {
            keys.push(Key::new(HISTORY).id(user).time(row.timestamp).id(item).id(kind).build());
        }
    }
    keys.extend(users.into_iter().map(|user| plain(USER, user)));
    keys.extend(items.into_iter().map(|item| plain(ITEM, item)));
    in_order(keys.into_iter().map(|key| (key, ()))).map(|(key, ())| key).collect()
}

/// Where an event stands: by user, by item, by time.
fn event_keys(event: &Event) -> [Vec<u8>; 3] {
    let Event { user_id, item_id, feedback_type, time, .. } = event;
    [
        event_key(event),
        Key::new(BY_ITEM).id(item_id).time(*time).id(user_id).id(feedback_type).build(),
        Key::new(BY_TIME).time(*time).id(user_id).id(item_id).id(feedback_type).build(),
    ]
}
