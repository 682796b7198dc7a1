//! Feedback rows: what users did with items, summed up by kind.

mod read;

use serde_json::Value;

use super::{
    Event, Feedback, FeedbackKey, Item, MAX_BYTES, Tenant, User, check_id,
    codec::{FEEDBACK, HISTORY, ITEM, Key, Parts, USER, plain},
    draft::Draft,
    events::number,
    put_item, put_user,
};
use crate::{Error, Result, Timestamp};

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
        rows.iter().try_for_each(check)?;
        let mut written = Written::default();
        for chunk in rows.chunks(self.batch_rows) {
            let keys = || keys_of_all(chunk);
            self.change_with(keys, |draft| {
                draft.read_ahead(keys)?;
                for row in chunk {
                    if let Some(()) = admit(draft, row, insert, &mut written)? {
                        self.put_row(draft, row, mode, &mut written)?;
                    }
                }
                Ok(())
            })?;
        }
        self.settle()?;
        Ok(written)
    }

    /// Drafts one row.
    pub(super) fn put_row(
        &self,
        draft: &mut Draft<'_>,
        row: &Feedback,
        mode: Mode,
        written: &mut Written,
    ) -> Result<()> {
        let key = feedback_key(&row.feedback_type, &row.user_id, &row.item_id);
        if mode == Mode::Replace && draft.changes(&key) {
            draft.apply()?; // the same row twice: the events to replace are read from the tree
        }
        let old = draft.get(&key)?.map(|value| decode(row.key(), &value)).transpose()?;
        let undated = row.timestamp.is_zero() && mode != Mode::Merge;
        let mut event = Event {
            user_id: row.user_id.clone(),
            item_id: row.item_id.clone(),
            feedback_type: row.feedback_type.clone(),
            value: row.value,
            time: if undated { Timestamp::now() } else { row.timestamp },
        };
        let mut new = Feedback { updated: row.timestamp, ..row.clone() };
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
        draft.insert(key, encode(&new)?);
        draft.insert_event(&event);
        written.changes.push(Change { event, is_new, removed, before, after: new.value });
        Ok(())
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

/// The rows that decide what becomes of `rows`.
pub(super) fn keys_of_all(rows: &[Feedback]) -> Vec<Vec<u8>> {
    rows.iter().flat_map(keys_of).collect()
}

/// The rows that decide what becomes of `row`.
pub(super) fn keys_of(row: &Feedback) -> [Vec<u8>; 4] {
    let (user, item, kind) = (&row.user_id, &row.item_id, &row.feedback_type);
    [
        plain(USER, user),
        plain(ITEM, item),
        feedback_key(kind, user, item),
        Key::new(HISTORY).id(user).time(row.timestamp).id(item).id(kind).build(),
    ]
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
    encode(row).map(drop)
}

/// The value of the event of the same user, time, item and kind, if it is there.
fn value_of(draft: &Draft<'_>, event: &Event) -> Result<Option<f64>> {
    let Event { user_id, item_id, feedback_type, time, .. } = event;
    let key = Key::new(HISTORY).id(user_id).time(*time).id(item_id).id(feedback_type).build();
    Ok(draft.get(&key)?.map(|value| number(&value)))
}

/// The sum of two values; the greatest number where it would be infinite, which JSON cannot write.
fn sum(a: f64, b: f64) -> f64 {
    finite(a + b)
}

/// `value`, or the nearest number that JSON can write.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) }
}

/// The earlier of two times, where the zero time is none.
fn earliest(a: Timestamp, b: Timestamp) -> Timestamp {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ => a.min(b),
    }
}

pub(super) fn feedback_key(kind: &str, user: &str, item: &str) -> Vec<u8> {
    Key::new(FEEDBACK).id(kind).id(user).id(item).build()
}

fn key_of(key: &[u8]) -> Result<FeedbackKey> {
    let mut parts = Parts::of(key);
    Ok(FeedbackKey { feedback_type: parts.id()?, user_id: parts.id()?, item_id: parts.id()? })
}

/// The value and the two times, then labels and comment as JSON where there are some.
pub(super) fn encode(row: &Feedback) -> Result<Vec<u8>> {
    let mut value = row.value.to_be_bytes().to_vec();
    value.extend(row.timestamp.to_bytes());
    value.extend(row.updated.to_bytes());
    if !row.labels.is_null() || !row.comment.is_empty() {
        serde_json::to_writer(&mut value, &(&row.labels, &row.comment))
            .expect("text and JSON are JSON");
    }
    match value.len() {
        0..=MAX_BYTES => Ok(value),
        size => Err(Error::TooLarge { size, limit: MAX_BYTES }),
    }
}

/// The value that a row, or its beginning, holds.
pub(super) fn value_in(row: &[u8]) -> f64 {
    row.get(..8).map_or(0.0, |bytes| finite(number(bytes)))
}

fn decode(key: FeedbackKey, value: &[u8]) -> Result<Feedback> {
    let broken = || Error::corrupt("a feedback row is too short");
    let (number, rest) = value.split_at_checked(8).ok_or_else(broken)?;
    let (timestamp, rest) = rest.split_at_checked(Timestamp::BYTES).ok_or_else(broken)?;
    let (updated, rest) = rest.split_at_checked(Timestamp::BYTES).ok_or_else(broken)?;
    let (labels, comment): (Value, String) = match rest {
        [] => Default::default(),
        rest => serde_json::from_slice(rest)
            .map_err(|error| Error::corrupt(format!("a feedback row: {error}")))?,
    };
    let FeedbackKey { feedback_type, user_id, item_id } = key;
    Ok(Feedback {
        feedback_type,
        user_id,
        item_id,
        value: finite(f64::from_be_bytes(number.try_into().map_err(|_| broken())?)),
        timestamp: Timestamp::from_bytes(timestamp).ok_or_else(broken)?,
        updated: Timestamp::from_bytes(updated).ok_or_else(broken)?,
        labels,
        comment,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_TENANT, Store};

    const BOTH: Insert = Insert::BOTH;

    fn tenant(dir: &tempfile::TempDir) -> Result<Tenant> {
        Store::open(dir.path())?.tenant(DEFAULT_TENANT)
    }

    fn row(kind: &str, user: &str, item: &str, value: f64, seconds: i64) -> Feedback {
        Feedback {
            feedback_type: kind.into(),
            user_id: user.into(),
            item_id: item.into(),
            value,
            timestamp: Timestamp::from_seconds(seconds),
            ..Feedback::default()
        }
    }

    fn history(tenant: &Tenant, user: &str) -> Result<Vec<(String, f64, i64)>> {
        let short = |event: Event| (event.item_id, event.value, event.time.seconds);
        tenant.history(user).map(|event| event.map(short)).collect()
    }

    #[test]
    fn adding_sums_up_and_keeps_the_sequence() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        tenant.put_feedback(&[row("read", "u", "a", 1.0, 20)], Mode::Add, BOTH)?;
        tenant.put_feedback(&[row("read", "u", "a", 2.0, 10)], Mode::Add, BOTH)?;
        tenant.put_feedback(&[row("read", "u", "b", 1.0, 15)], Mode::Add, BOTH)?;

        let found = tenant.feedback("read", "u", "a")?.expect("it was written");
        assert_eq!((found.value, found.timestamp.seconds, found.updated.seconds), (3.0, 10, 20));
        let sequence = [("a".into(), 1.0, 20), ("b".into(), 1.0, 15), ("a".into(), 2.0, 10)];
        assert_eq!(history(&tenant, "u")?, sequence);
        assert_eq!(tenant.events().count(), 3);
        assert!(tenant.user("u")?.is_some() && tenant.item("b")?.is_some(), "both were made");
        Ok(())
    }

    #[test]
    fn replacing_leaves_one_event() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        for seconds in [1, 2, 3] {
            tenant.put_feedback(&[row("read", "u", "a", 1.0, seconds)], Mode::Add, BOTH)?;
        }
        let written = tenant.put_feedback(&[row("read", "u", "a", 7.0, 9)], Mode::Replace, BOTH)?;
        assert_eq!(written.changes.len(), 1);
        let Change { before, after, removed, is_new, .. } = &written.changes[0];
        assert_eq!((*before, *after, removed.len(), *is_new), (Some(3.0), 7.0, 3, true));
        assert_eq!(history(&tenant, "u")?, [("a".into(), 7.0, 9)]);
        assert_eq!(tenant.events_of_item("a").count(), 1);
        let twice = [row("read", "u", "a", 1.0, 10), row("read", "u", "a", 2.0, 11)];
        tenant.put_feedback(&twice, Mode::Replace, BOTH)?;
        assert_eq!(history(&tenant, "u")?, [("a".into(), 2.0, 11)]);
        Ok(())
    }

    #[test]
    fn merging_twice_is_merging_once() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        let rows = [row("read", "u", "a", 1.0, 1), row("read", "u", "a", 2.0, 2)];
        for _ in 0..3 {
            tenant.put_feedback(&rows, Mode::Merge, BOTH)?;
            let found = tenant.feedback("read", "u", "a")?.expect("it was written");
            assert_eq!((found.value, history(&tenant, "u")?.len()), (3.0, 2));
        }
        Ok(())
    }

    #[test]
    fn lists_and_deletions_know_kind_user_and_item() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        let rows = [
            row("like", "u", "a", 1.0, 1),
            row("read", "u", "a", 1.0, 2),
            row("read", "u", "b", 1.0, 3),
            row("read", "v", "a", 1.0, 4),
        ];
        tenant.put_feedback(&rows, Mode::Add, BOTH)?;
        assert_eq!(tenant.feedback_types()?, ["like", "read"]);
        assert_eq!(tenant.feedback_of_user("u", None)?.len(), 3);
        assert_eq!(tenant.feedback_of_user("u", Some("read"))?.len(), 2);
        assert_eq!(tenant.feedback_of_item("a", None)?.len(), 3);
        assert_eq!(tenant.feedback_of_item("a", Some("read"))?.len(), 2);
        assert_eq!(tenant.feedback_of_pair("u", "a")?.len(), 2);
        assert_eq!(tenant.all_feedback(Some(&rows[2].key())).count(), 2);

        assert_eq!(tenant.delete_feedback(Some("like"), "u", "a")?.0, 1);
        assert_eq!(tenant.delete_feedback(Some("like"), "u", "a")?.0, 0);
        assert_eq!(tenant.delete_feedback(None, "u", "a")?.0, 1);
        assert_eq!(history(&tenant, "u")?, [("b".into(), 1.0, 3)]);
        tenant.delete_item("a")?;
        assert_eq!((tenant.item("a")?, tenant.history("v").count()), (None, 0));
        tenant.delete_user("u")?;
        assert_eq!((tenant.all_feedback(None).count(), tenant.events().count()), (0, 0));
        Ok(())
    }

    #[test]
    fn rows_of_unknown_users_are_dropped_when_none_are_made() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        tenant.put_items(&[Item { item_id: "a".into(), ..Item::default() }])?;
        let rows = [row("read", "u", "a", 1.0, 1), row("read", "u", "b", 1.0, 1)];
        let written =
            tenant.put_feedback(&rows, Mode::Add, Insert { users: true, items: false })?;
        assert_eq!((written.changes.len(), tenant.all_feedback(None).count()), (1, 1));
        let nan = [row("read", "u", "a", f64::NAN, 1)];
        assert!(tenant.put_feedback(&nan, Mode::Add, BOTH).is_err());
        Ok(())
    }

    #[test]
    fn sums_stay_finite() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        for seconds in [1, 1, 2] {
            tenant.put_feedback(&[row("read", "u", "a", 1e308, seconds)], Mode::Add, BOTH)?;
        }
        let found = tenant.feedback("read", "u", "a")?.expect("it was written");
        assert_eq!(found.value, f64::MAX);
        assert_eq!(history(&tenant, "u")?, [("a".into(), 1e308, 2), ("a".into(), f64::MAX, 1)]);
        tenant.put_feedback(&[row("read", "u", "a", f64::MIN, 3)], Mode::Merge, BOTH)?;
        assert_eq!(tenant.feedback("read", "u", "a")?.expect("it is there").value, 0.0);
        Ok(())
    }

    #[test]
    fn a_change_says_what_it_did_to_the_row() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?.deferred();
        let change = |mode, value, seconds| {
            let rows = [row("read", "u", "a", value, seconds)];
            let written = tenant.put_feedback(&rows, mode, BOTH)?;
            let Change { is_new, before, after, .. } = written.changes[0];
            anyhow::Ok((is_new, before, after))
        };
        assert_eq!(change(Mode::Add, 1.0, 1)?, (true, None, 1.0));
        assert_eq!(change(Mode::Add, 1.0, 1)?, (false, Some(1.0), 2.0));
        assert_eq!(change(Mode::Merge, 5.0, 1)?, (false, Some(2.0), 5.0));
        assert_eq!(change(Mode::Add, -3.0, 2)?, (true, Some(5.0), 2.0));
        assert_eq!(change(Mode::Replace, 4.0, 2)?, (true, Some(2.0), 4.0));
        tenant.commit()?;
        Ok(())
    }

    #[test]
    fn history_can_end_at_a_moment() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = tenant(&dir)?;
        let rows: Vec<Feedback> =
            (1..=5).map(|i| row("read", "u", &i.to_string(), 1.0, i)).collect();
        tenant.put_feedback(&rows, Mode::Add, BOTH)?;
        let until = Timestamp::from_seconds(3);
        let found: Vec<Event> = tenant.history_before("u", Some(until)).collect::<Result<_>>()?;
        assert_eq!(found.iter().map(|event| event.time.seconds).collect::<Vec<_>>(), [3, 2, 1]);
        Ok(())
    }
}
