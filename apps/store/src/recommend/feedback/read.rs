//! Reads feedback rows: one, those of a user, of an item, or all.

use std::collections::HashSet;

use super::{
    super::{
        Event, Feedback, FeedbackKey, Tenant,
        codec::{FEEDBACK, Key, Parts, feedback_key},
    },
    encode::{decode, key_of, value_in},
};
use crate::Result;

impl Tenant {
    /// The row of `kind`, `user` and `item`.
    pub fn feedback(&self, kind: &str, user: &str, item: &str) -> Result<Option<Feedback>> {
        let key = feedback_key(kind, user, item);
        let row = self.tree.get(&key)?;
        row.map(|value| decode(key_of(&key)?, &value)).transpose()
    }

    /// The values of the rows `keys`, in their order, read at once.
    pub fn values(&self, keys: &[FeedbackKey]) -> Result<Vec<Option<f64>>> {
        let key = |key: &FeedbackKey| feedback_key(&key.feedback_type, &key.user_id, &key.item_id);
        let keys: Vec<Vec<u8>> = keys.iter().map(key).collect();
        let values = self.tree.get_many(&keys)?.into_iter();
        Ok(values.map(|value| value.as_deref().map(value_in)).collect())
    }

    /// All rows in the order of kind, user and item, from `start` on.
    pub fn all_feedback(
        &self,
        start: Option<&FeedbackKey>,
    ) -> impl Iterator<Item = Result<Feedback>> + use<> {
        let start = match start {
            Some(key) => feedback_key(&key.feedback_type, &key.user_id, &key.item_id),
            None => vec![FEEDBACK],
        };
        self.feedback_between(start, vec![FEEDBACK + 1])
    }

    /// How many rows there are.
    pub fn count_feedback(&self) -> Result<usize> {
        let mut rows = self.tree.range(vec![FEEDBACK], vec![FEEDBACK + 1]);
        rows.try_fold(0, |count, row| row.map(|_| count + 1))
    }

    /// The rows of `user`, of all kinds or of one.
    pub fn feedback_of_user(&self, user: &str, kind: Option<&str>) -> Result<Vec<Feedback>> {
        let mut rows = Vec::new();
        for kind in kind.map_or_else(|| self.feedback_types(), |kind| Ok(vec![kind.into()]))? {
            let prefix = || Key::new(FEEDBACK).id(&kind).id(user);
            for row in self.feedback_between(prefix().build(), prefix().end()) {
                rows.push(row?);
            }
        }
        Ok(rows)
    }

    /// The rows of `item`, of all kinds or of one.
    pub fn feedback_of_item(&self, item: &str, kind: Option<&str>) -> Result<Vec<Feedback>> {
        let mut keys = HashSet::new();
        for event in self.events_of_item(item) {
            let event = event?;
            if kind.is_none_or(|kind| kind == event.feedback_type) {
                keys.insert((event.feedback_type, event.user_id));
            }
        }
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        let rows = keys.iter().map(|(kind, user)| self.feedback(kind, user, item));
        rows.filter_map(Result::transpose).collect()
    }

    /// The rows of `user` and `item`, of all kinds.
    pub fn feedback_of_pair(&self, user: &str, item: &str) -> Result<Vec<Feedback>> {
        let kinds = self.feedback_types()?;
        let rows = kinds.iter().map(|kind| self.feedback(kind, user, item));
        rows.filter_map(Result::transpose).collect()
    }

    /// The kinds of feedback that there are, found by leaping from one to the next.
    pub fn feedback_types(&self) -> Result<Vec<String>> {
        let mut kinds = Vec::new();
        let mut start = vec![FEEDBACK];
        while let Some(row) = self.tree.range(start, vec![FEEDBACK + 1]).next() {
            let kind = Parts::of(&row?.0).id()?;
            start = Key::new(FEEDBACK).id(&kind).end();
            kinds.push(kind);
        }
        Ok(kinds)
    }

    /// The events that one feedback row sums up, newest first.
    pub fn events_of(&self, user: &str, item: &str, kind: &str) -> Result<Vec<Event>> {
        let is_same = |event: &Event| event.item_id == item && event.feedback_type == kind;
        let events = self.history(user);
        events.filter(|event| event.as_ref().map_or(true, is_same)).collect()
    }

    pub(in crate::recommend) fn feedback_between(
        &self,
        start: Vec<u8>,
        end: Vec<u8>,
    ) -> impl Iterator<Item = Result<Feedback>> + use<> {
        self.tree.range(start, end).map(|row| {
            let (key, value) = row?;
            decode(key_of(&key)?, &value)
        })
    }
}
