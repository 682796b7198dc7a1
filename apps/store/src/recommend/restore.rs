//! Feedback with its events, as a snapshot moves it from store to store.

use serde::{Deserialize, Serialize};

use super::{
    Feedback, Item, Tenant, User,
    codec::{HISTORY, Key, feedback_key},
    draft::Draft,
    feedback::{Insert, Mode, Written, admit, encode},
    put_item, put_user,
};
use crate::{Event, Result, Timestamp};

/// A feedback row and the events that it sums up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FullFeedback {
    /// The row.
    #[serde(flatten)]
    pub(crate) row: Feedback,
    /// Time and value of each event, oldest first.
    pub(crate) events: Vec<(Timestamp, f64)>,
}

/// A row on its way into a tenant.
#[derive(Debug)]
pub(crate) enum Incoming {
    User(User),
    Item(Item),
    /// Takes the place of the row and its events.
    Full(FullFeedback),
    /// An event of a log that knows no more than its time.
    Event(Feedback),
}

impl Incoming {
    /// The feedback row that it changes.
    fn feedback(&self) -> Option<&Feedback> {
        match self {
            Self::User(_) | Self::Item(_) => None,
            Self::Full(FullFeedback { row, .. }) | Self::Event(row) => Some(row),
        }
    }

    /// Says what is wrong with the row.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::User(user) => user.check(),
            Self::Item(item) => item.check(),
            Self::Full(FullFeedback { row, .. }) | Self::Event(row) => row.check(),
        }
    }
}

impl Tenant {
    /// Every feedback row with its events.
    ///
    /// A row of one event is common, and known by its event standing where the row says; for the
    /// others the user's history is read.
    pub(crate) fn full_feedback(&self) -> impl Iterator<Item = Result<FullFeedback>> + use<> {
        let tenant = self.clone();
        self.all_feedback(None).map(move |row| {
            let row = row?;
            if tenant.is_single(&row)? {
                let events = vec![(row.timestamp, row.value)];
                return Ok(FullFeedback { row, events });
            }
            let (user, item, kind) = (&row.user_id, &row.item_id, &row.feedback_type);
            let mut events: Vec<_> = tenant
                .events_of(user, item, kind)?
                .into_iter()
                .map(|event| (event.time, event.value))
                .collect();
            events.reverse();
            Ok(FullFeedback { row, events })
        })
    }

    /// Whether the only event of `row` has its time and its value.
    fn is_single(&self, row: &Feedback) -> Result<bool> {
        if row.timestamp != row.updated {
            return Ok(false);
        }
        let key = Key::new(HISTORY).id(&row.user_id).time(row.timestamp);
        let value = self.tree.get(key.id(&row.item_id).id(&row.feedback_type).build())?;
        Ok(value.is_some_and(|value| value == row.value.to_be_bytes()))
    }

    /// Writes `rows`, uncommitted; a row that is there already stays once.
    pub(crate) fn restore(&self, rows: &[Incoming]) -> Result<()> {
        for chunk in rows.chunks(self.batch_rows) {
            self.change(|draft| {
                let rows: Vec<&Feedback> = chunk.iter().filter_map(Incoming::feedback).collect();
                draft.read_ahead(rows.into_iter())?;
                chunk.iter().try_for_each(|row| self.restore_row(draft, row))
            })?;
        }
        Ok(())
    }

    fn restore_row(&self, draft: &mut Draft<'_>, row: &Incoming) -> Result<()> {
        let mut written = Written::default();
        match row {
            Incoming::User(user) => put_user(draft, user),
            Incoming::Item(item) => put_item(draft, item),
            Incoming::Event(row) => {
                admit(draft, row, Insert::BOTH, &mut written)?;
                self.put_row(draft, row, Mode::Merge).map(drop)
            }
            Incoming::Full(FullFeedback { row, events }) => {
                let key = feedback_key(&row.feedback_type, &row.user_id, &row.item_id);
                if draft.changes(&key) {
                    draft.apply()?; // the same row twice: the old events are read from the tree
                }
                if draft.contains(&key)? {
                    let old = self.events_of(&row.user_id, &row.item_id, &row.feedback_type)?;
                    old.iter().for_each(|event| draft.remove_event(event));
                }
                draft.insert(key, encode(row)?);
                for &(time, value) in events {
                    draft.insert_event(&Event {
                        user_id: row.user_id.clone(),
                        item_id: row.item_id.clone(),
                        feedback_type: row.feedback_type.clone(),
                        value,
                        time,
                    });
                }
                Ok(())
            }
        }
    }
}
