//! Changes that are applied together, and can be read before they are.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use super::{
    Event,
    codec::{BY_ITEM, BY_TIME, FEEDBACK, HISTORY, Key},
};
use crate::{Result, engine::Tree};

/// Rows to write and to remove.
pub(super) struct Draft<'a> {
    tree: &'a Tree,
    rows: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Rows of the tree that were read ahead.
    read: HashMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys that the tree was found to have: a batch names the same users and items many times.
    found: RefCell<HashSet<Vec<u8>>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, rows: HashMap::new(), read: HashMap::new(), found: RefCell::default() }
    }

    /// Reads the rows of `keys` at once, where each would be asked of another process.
    pub(super) fn read_ahead(&mut self, keys: impl FnOnce() -> Vec<Vec<u8>>) -> Result<()> {
        if self.tree.database().is_shared() {
            let keys = keys();
            let values = self.tree.get_many(&keys)?;
            self.read.extend(keys.into_iter().zip(values));
        }
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
        self.remove(Key::new(FEEDBACK).id(feedback_type).id(user_id).id(item_id).build());
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
        let mut rows: Vec<_> = self.rows.drain().collect();
        rows.sort_unstable(); // neighbours are written one after another
        self.tree.apply(rows)
    }
}

/// Where an event stands: by user, by item, by time.
fn event_keys(event: &Event) -> [Vec<u8>; 3] {
    let Event { user_id, item_id, feedback_type, time, .. } = event;
    [
        Key::new(HISTORY).id(user_id).time(*time).id(item_id).id(feedback_type).build(),
        Key::new(BY_ITEM).id(item_id).time(*time).id(user_id).id(feedback_type).build(),
        Key::new(BY_TIME).time(*time).id(user_id).id(item_id).id(feedback_type).build(),
    ]
}
