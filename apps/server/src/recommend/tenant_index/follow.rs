//! Keeps the lists up to date with what other servers write to the same store.
//!
//! A server that writes first takes in what others wrote, while nobody else can write: so the lists go
//! through the same states as the store, whoever wrote. A change that fails half way leaves lists that
//! nobody can vouch for, and they are read anew.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
    time::Instant,
};

use dragoman_store::{Error, Event, Feedback, Followed, FollowedRow, Result, Tenant, Timestamp};

use super::{CHUNK, Lists, TenantIndex};
use crate::recommend::{item_index::ItemIndex, neighbours::Gathered, settings::Settings};

/// Up to where lists follow the log of a tenant's changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    at: i64,
    /// When that was read.
    since: Instant,
    /// Whether the lists may differ from what is stored.
    is_stale: bool,
}

/// Reads the lists of `tenant` into `items`, which is empty, and how much of its log is in them.
pub(super) fn read(
    tenant: &Tenant,
    settings: &Settings,
    items: ItemIndex,
) -> Result<(Lists, Gathered, Position)> {
    tenant.snapshot(|| {
        let position = Position { at: tenant.position()?, since: Instant::now(), is_stale: false };
        let (lists, gathered) = Lists::read(tenant, settings, items)?;
        Ok((lists, gathered, position))
    })
}

impl TenantIndex {
    /// Lets `work` change the store and the lists, so that both see the same order. Blocks.
    pub(super) fn write<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.write_rows(&[], work)
    }

    /// As [`write`](Self::write), for `work` that writes the feedback `rows`.
    pub(super) fn write_rows<T>(
        &self,
        rows: &[Feedback],
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if !self.tenant.is_shared() {
            let _alone = self.writing();
            return work();
        }
        // In this order: while one waits for the disk the next does its work.
        let done = self.tenant.alone_for(rows, || {
            let _alone = self.writing();
            self.take_in()?;
            work()
        });
        if let Err(Error::Engine(_)) = &done {
            self.followed().is_stale = true;
        }
        done
    }

    /// Takes in what other servers wrote. Blocks.
    pub(crate) fn catch_up(&self) -> Result<()> {
        let is_taken_in = self.tenant.snapshot(|| {
            let _alone = self.writing();
            match self.is_forgotten() {
                true => Ok(false),
                false => self.take_in_changes(),
            }
        })?;
        // With the lock of the tree: a moment of the store lacks what writers in this process have in the
        // lists and commit next.
        if is_taken_in { Ok(()) } else { self.write(|| Ok(())) }
    }

    /// Whether the lists are to be read anew, whatever was changed.
    fn is_forgotten(&self) -> bool {
        let position = *self.followed();
        position.is_stale || position.since.elapsed() > Tenant::FORGOTTEN
    }

    /// Takes in what other servers wrote, while nobody writes.
    fn take_in(&self) -> Result<()> {
        match !self.is_forgotten() && self.take_in_changes()? {
            true => Ok(()),
            false => self.reload_alone(),
        }
    }

    /// Takes in the log of what other servers wrote, as of a moment at which this thread sees the store; says no
    /// if it does not tell all.
    fn take_in_changes(&self) -> Result<bool> {
        let (position, now) = (*self.followed(), Instant::now());
        let followed = self.tenant.followed(position.at)?;
        if followed.is_cleared {
            return Ok(false);
        }
        self.follow(&followed)?;
        let mut position = self.followed(); // a commit that failed meanwhile has left its note there
        (position.at, position.since) = (followed.position, now);
        Ok(true)
    }

    fn follow(&self, followed: &Followed) -> Result<()> {
        let Followed { items: changed, rows, .. } = followed;
        if changed.is_empty() && rows.is_empty() {
            return Ok(());
        }
        let mut items = Vec::with_capacity(changed.len());
        for ids in changed.chunks(CHUNK) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let found = self.tenant.items_of(&ids)?;
            items.extend(ids.into_iter().zip(found));
        }
        let mut counts = Vec::new();
        for row in rows {
            self.counts_of(row, &mut counts)?;
        }
        self.change(|lists| {
            lists.now = lists.now.max(Timestamp::now());
            for (id, item) in &items {
                match item {
                    Some(item) => drop(lists.items.put(item)),
                    None => lists.items.remove(id),
                }
            }
            for (event, sign) in &counts {
                lists.count(&self.settings, event, *sign);
            }
        });
        let pairs = rows.iter().map(|row| (row.key.user_id.as_str(), row.key.item_id.as_str()));
        self.neighbours.forget(pairs);
        Ok(())
    }

    /// The events that a row adds to the count, and those that it takes back.
    fn counts_of(&self, row: &FollowedRow, counts: &mut Vec<(Event, f64)>) -> Result<()> {
        let FollowedRow { key, before, after, added, removed } = row;
        let is_liked = |value: &Option<f64>| {
            value.is_some_and(|value| self.settings.is_positive(&key.feedback_type, value))
        };
        let event = |time: &Timestamp| Event {
            user_id: key.user_id.clone(),
            item_id: key.item_id.clone(),
            feedback_type: key.feedback_type.clone(),
            value: 0.0,
            time: *time,
        };
        // What is stored now, and from it what was before.
        let stored = || -> Result<HashSet<Timestamp>> {
            let events = self.tenant.events_of(&key.user_id, &key.item_id, &key.feedback_type)?;
            Ok(events.into_iter().map(|event| event.time).collect())
        };
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        match (is_liked(before), is_liked(after)) {
            // All events of a row that was not there are new, and of one that is gone none is left.
            (false, true) if before.is_none() => plus = added.clone(),
            (true, false) if after.is_none() => minus = removed.clone(),
            (true, true) => (plus, minus) = (added.clone(), removed.clone()),
            (true, false) => {
                let mut all = stored()?;
                all.retain(|time| !added.contains(time));
                all.extend(removed);
                minus.extend(all);
            }
            (false, true) => plus.extend(stored()?),
            (false, false) => {}
        }
        counts.extend(plus.iter().map(|time| (event(time), 1.0)));
        counts.extend(minus.iter().map(|time| (event(time), -1.0)));
        Ok(())
    }

    pub(super) fn followed(&self) -> MutexGuard<'_, Position> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
