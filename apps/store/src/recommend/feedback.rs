//! Feedback rows: what users did with items, summed up by kind.

mod encode;
mod read;

use super::{
    Event, Feedback, Item, Tenant, User, check_id,
    codec::{ITEM, USER, event_key, feedback_key, plain},
    draft::{Draft, keys_of},
    events::number,
    put_item, put_user,
};
use crate::{Error, Result, Timestamp};

use self::encode::{Sums, earliest, sum};
pub(super) use self::encode::{encode, value_in};

/// Rows changed as one at most, where others wait to write too.
pub(super) const BATCH_ROWS: usize = 1000;

/// How new rows meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The value is added, the times are extended, and the event joins the others.
    Add,
    /// The row and its event take the place of the row and its events.
    Replace,
    /// As [`Add`](Self::Add), but an event of the same time is replaced: a second time changes nothing.
    Merge,
}

/// What became of one feedback row.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The event that was written.
    pub event: Event,
    /// Whether the event stands beside the others; false where it took the place of one of the
    /// same time.
    pub is_new: bool,
    /// Events that it replaced.
    pub removed: Vec<Event>,
    /// The value of the row before; none if there was no row.
    pub before: Option<f64>,
    /// The value of the row now.
    pub after: f64,
}

/// What a write of feedback did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// What became of each row that was not dropped, in the order of the rows.
    pub changes: Vec<Change>,
    /// Users that were made because feedback named them.
    pub new_users: usize,
    /// Items that were made because feedback named them.
    pub new_items: Vec<String>,
}

/// What is made where feedback names it and it is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Insert {
    /// Users.
    pub users: bool,
    /// Items.
    pub items: bool,
}

impl Insert {
    /// Users and items alike.
    pub const BOTH: Self = Self { users: true, items: true };
}

impl Tenant {
    /// Writes `rows`; on disk when this returns. Blocks.
    ///
    /// Users and items that are not there are made if `insert` says so; else their rows are dropped. A row without a time happened now.
    pub fn put_feedback(&self, rows: &[Feedback], mode: Mode, insert: Insert) -> Result<Written> {
        let mut changes = Vec::new();
        let written = self.put_rows(rows, mode, insert, |change| changes.push(change))?;
        Ok(Written { changes, ..written })
    }

    /// Merges `rows` of a log, and makes the users and items that they name. On disk when this returns, unless
    /// writes are deferred. Blocks.
    pub fn import_feedback(&self, rows: &[Feedback]) -> Result<()> {
        self.put_rows(rows, Mode::Merge, Insert::BOTH, drop).map(drop)
    }

    /// Writes `rows`, and tells `note` what became of each.
    fn put_rows(
        &self,
        rows: &[Feedback],
        mode: Mode,
        insert: Insert,
        mut note: impl FnMut(Change),
    ) -> Result<Written> {
        rows.iter().try_for_each(check)?;
        let mut written = Written::default();
        for chunk in rows.chunks(self.batch_rows) {
            self.change_with(
                || keys_of(chunk.iter(), true),
                |draft| {
                    draft.read_ahead(chunk.iter())?;
                    for row in chunk {
                        if let Some(()) = admit(draft, row, insert, &mut written)? {
                            note(self.put_row(draft, row, mode)?);
                        }
                    }
                    Ok(())
                },
            )?;
        }
        self.settle()?;
        Ok(written)
    }

    /// Drafts one row, and says what becomes of it.
    pub(super) fn put_row(
        &self,
        draft: &mut Draft<'_>,
        row: &Feedback,
        mode: Mode,
    ) -> Result<Change> {
        let key = feedback_key(&row.feedback_type, &row.user_id, &row.item_id);
        if mode == Mode::Replace && draft.changes(&key) {
            draft.apply()?; // the same row twice: the events to replace are read from the tree
        }
        let old = draft.get(&key)?.map(|value| Sums::decode(&value)).transpose()?;
        let undated = row.timestamp.is_zero() && mode != Mode::Merge;
        let mut event = Event {
            user_id: row.user_id.clone(),
            item_id: row.item_id.clone(),
            feedback_type: row.feedback_type.clone(),
            value: row.value,
            time: if undated { Timestamp::now() } else { row.timestamp },
        };
        let mut new = Sums { value: row.value, timestamp: row.timestamp, updated: row.timestamp };
        let before = old.as_ref().map(|old| old.value);
        let mut removed = Vec::new();
        let mut is_new = true;
        if let Some(old) = old {
            match mode {
                Mode::Replace => {
                    removed = self.events_of(&row.user_id, &row.item_id, &row.feedback_type)?;
                    removed.iter().for_each(|event| draft.remove_event(event));
                }
                Mode::Add | Mode::Merge => {
                    let same = value_of(draft, &event)?;
                    is_new = same.is_none();
                    match mode {
                        Mode::Add => event.value = sum(event.value, same.unwrap_or_default()),
                        _ => new.value = sum(new.value, -same.unwrap_or_default()),
                    }
                    new.value = sum(new.value, old.value);
                    new.timestamp = earliest(old.timestamp, row.timestamp);
                    new.updated = old.updated.max(row.timestamp);
                }
            }
        }
        draft.insert(key, new.encode(&row.labels, &row.comment)?);
        draft.insert_event(&event);
        Ok(Change { event, is_new, removed, before, after: new.value })
    }

    /// Removes the rows of `user` and `item`, of all kinds or of one, with their events; returns
    /// how many rows there were, and the events. Blocks.
    pub fn delete_feedback(
        &self,
        kind: Option<&str>,
        user: &str,
        item: &str,
    ) -> Result<(usize, Vec<Event>)> {
        let kinds = kind.map_or_else(|| self.feedback_types(), |kind| Ok(vec![kind.to_owned()]))?;
        let (mut count, mut gone) = (0, Vec::new());
        self.write(|draft| {
            for kind in kinds {
                let key = feedback_key(&kind, user, item);
                if draft.contains(&key)? {
                    count += 1;
                    draft.remove(key);
                    gone.extend(self.events_of(user, item, &kind)?);
                }
            }
            gone.iter().for_each(|event| draft.remove_event(event));
            Ok(())
        })?;
        Ok((count, gone))
    }
}

/// Makes the user and the item of `row` if they are not there; `None` if `row` is to be dropped.
pub(super) fn admit(
    draft: &mut Draft<'_>,
    row: &Feedback,
    insert: Insert,
    written: &mut Written,
) -> Result<Option<()>> {
    let has_user = draft.contains(&plain(USER, &row.user_id))?;
    let has_item = draft.contains(&plain(ITEM, &row.item_id))?;
    if (!has_user && !insert.users) || (!has_item && !insert.items) {
        return Ok(None);
    }
    if !has_user {
        put_user(draft, &User { user_id: row.user_id.clone(), ..User::default() })?;
        written.new_users += 1;
    }
    if !has_item {
        put_item(draft, &Item { item_id: row.item_id.clone(), ..Item::default() })?;
        written.new_items.push(row.item_id.clone());
    }
    Ok(Some(()))
}

/// Says what is wrong with `row`.
pub(super) fn check(row: &Feedback) -> Result<()> {
    check_id("FeedbackType", &row.feedback_type)?;
    check_id("UserId", &row.user_id)?;
    check_id("ItemId", &row.item_id)?;
    if !row.value.is_finite() {
        return Err(Error::Invalid(format!("`Value` is {}; it must be a number", row.value)));
    }
    match row.labels.is_null() && row.comment.is_empty() {
        true => Ok(()), // of one length
        false => encode(row).map(drop),
    }
}

/// The value of the event of the same user, time, item and kind, if it is there.
fn value_of(draft: &Draft<'_>, event: &Event) -> Result<Option<f64>> {
    Ok(draft.get(&event_key(event))?.map(|value| number(&value)))
}

#[cfg(test)]
mod tests;
