//! A tenant that several processes write to: what the others did, for the memory of this one.

use std::collections::BTreeMap;

use super::{
    Feedback, FeedbackKey, Tenant,
    codec::{FEEDBACK, HISTORY, ITEM, Parts, plain_id},
    draft::keys_of,
    feedback::value_in,
};
use crate::{Result, Timestamp, engine::FORGOTTEN};

/// What other processes did to a tenant since a position of its log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Followed {
    /// Where the log ends.
    pub position: i64,
    /// Whether everything was removed before: then all that is stored is to be read anew.
    pub is_cleared: bool,
    /// Items that were made, changed or removed.
    pub items: Vec<String>,
    /// Feedback rows that were made, changed or removed.
    pub rows: Vec<FollowedRow>,
}

/// What became of a feedback row and of its events.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedRow {
    /// Which row.
    pub key: FeedbackKey,
    /// Its value before; none if there was no row.
    pub before: Option<f64>,
    /// Its value now; none if there is no row.
    pub after: Option<f64>,
    /// Times of events that were not there before.
    pub added: Vec<Timestamp>,
    /// Times of events that are gone.
    pub removed: Vec<Timestamp>,
}

impl Tenant {
    /// Whether other processes may write to it as well.
    pub fn is_shared(&self) -> bool {
        self.tree.database().is_shared()
    }

    /// How long a process may go without [`followed`](Self::followed): after that it reads everything anew.
    pub const FORGOTTEN: std::time::Duration = FORGOTTEN;

    /// Lets `work` read and write this tenant while no other process writes to it. What it wrote is on disk
    /// after it, or undone if it fails; where no other process can write to it nothing is undone. Blocks.
    pub fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tree.alone(work)
    }

    /// As [`alone`](Self::alone), for `work` that writes `rows`: what decides about them is read at once. Threads
    /// of one process that come at the same time share a transaction, one after another; each waits until it
    /// is on disk, so that the caller may hold no lock that another `work` needs.
    pub fn alone_for<T>(&self, rows: &[Feedback], work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tree.alone_with(|| keys_of(rows.iter(), true), work)
    }

    /// Lets `work` read everything as of one moment, where other processes write. Blocks.
    pub fn snapshot<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.tree.database().snapshot(work)
    }

    /// Where the log of changes ends; of a tenant that is not shared, nowhere.
    pub fn position(&self) -> Result<i64> {
        self.tree.position()
    }

    /// What other processes did behind the position `after`. Blocks.
    pub fn followed(&self, after: i64) -> Result<Followed> {
        let changes = self.tree.changes(after)?;
        let (position, is_cleared) = (changes.position, changes.is_cleared);
        let mut items = Vec::new();
        let mut rows: BTreeMap<FeedbackKey, FollowedRow> = BTreeMap::new();
        let mut valued = Vec::new();
        for (key, changed) in changes.rows {
            let mut parts = Parts::of(&key);
            match key.first() {
                Some(&ITEM) => items.push(plain_id(&key)?),
                Some(&FEEDBACK) => {
                    let feedback_type = parts.id()?;
                    let key =
                        FeedbackKey { feedback_type, user_id: parts.id()?, item_id: parts.id()? };
                    let row = entry(&mut rows, key);
                    row.before = changed.old.as_deref().map(value_in);
                    row.after = changed.new.as_deref().map(value_in);
                    valued.push(row.key.clone());
                }
                Some(&HISTORY) => {
                    let (user_id, time) = (parts.id()?, parts.time()?);
                    let (item_id, feedback_type) = (parts.id()?, parts.id()?);
                    let row = entry(&mut rows, FeedbackKey { feedback_type, user_id, item_id });
                    match (changed.old, changed.new) {
                        (None, Some(_)) => row.added.push(time),
                        (Some(_), None) => row.removed.push(time),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        // Events without a change of their row: it is as it was.
        let valued: std::collections::HashSet<FeedbackKey> = valued.into_iter().collect();
        for row in rows.values_mut().filter(|row| !valued.contains(&row.key)) {
            let FeedbackKey { feedback_type, user_id, item_id } = &row.key;
            let value = self.feedback(feedback_type, user_id, item_id)?.map(|row| row.value);
            (row.before, row.after) = (value, value);
        }
        Ok(Followed { position, is_cleared, items, rows: rows.into_values().collect() })
    }
}

fn entry(rows: &mut BTreeMap<FeedbackKey, FollowedRow>, key: FeedbackKey) -> &mut FollowedRow {
    let (added, removed) = Default::default();
    let new = || FollowedRow { key: key.clone(), before: None, after: None, added, removed };
    rows.entry(key.clone()).or_insert_with(new)
}
