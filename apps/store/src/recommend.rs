//! Users, items and what users did with items, for one tenant.
//!
//! A tenant is one tree, so that a batch of rows that belong together is there after a crash as a
//! whole or not at all. The first byte of a key says what the row is, and identifiers follow so
//! that the order of bytes is the order of identifiers (see `codec`):
//!
//! | key | value |
//! |---|---|
//! | `u` user | the user as JSON |
//! | `i` item | the item as JSON |
//! | `f` kind, user, item | the feedback: value, times, labels, comment |
//! | `h` user, time, item, kind | what the user did, in the order of time: value |
//! | `e` item, time, user, kind | the same by item |
//! | `t` time, user, item, kind | the same by time |
//!
//! One feedback row sums up all events of its kind, user and item; the events stay beside it as
//! the sequence that models read.

mod codec;
mod draft;
mod events;
mod feedback;
mod restore;
mod rows;
mod shared;
mod tenants;
mod bulk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use crate::{
    Error, Result,
    commit::Committer,
    engine::{Rows, Tree},
};

pub use bulk::Bulk;
pub use events::Event;
pub use feedback::{Change, Insert, Mode, Written};
pub(crate) use restore::{FullFeedback, Incoming};
pub use rows::{Feedback, FeedbackKey, Item, ItemPatch, User, UserPatch};
pub use shared::{Followed, FollowedRow};
pub use tenants::DEFAULT_TENANT;
pub(crate) use tenants::TREE;

use codec::{ITEM, USER, plain, plain_id};
use draft::Draft;

/// The largest user, item or feedback, in bytes of JSON.
const MAX_BYTES: usize = 64 << 10;

/// The longest identifier, in bytes.
const MAX_ID: usize = 1024;

/// Users, items and feedback of one tenant; clones share them.
#[derive(Debug, Clone)]
pub struct Tenant {
    name: Arc<str>,
    tree: Tree,
    committer: Arc<Committer>,
    /// Held while rows are read, changed and written.
    writing: Arc<Mutex<()>>,
    /// Whether a write returns before it is on disk.
    is_deferred: bool,
    /// Rows of feedback that are changed as one.
    batch_rows: usize,
}

impl Tenant {
    fn new(name: &str, tree: Tree, committer: Arc<Committer>) -> Self {
        let (writing, is_deferred, batch_rows) = (Arc::default(), false, feedback::BATCH_ROWS);
        Self { name: name.into(), tree, committer, writing, is_deferred, batch_rows }
    }

    /// The same tenant with writes that return before they are on disk; [`commit`](Self::commit)
    /// waits for them. A caller that holds a lock while it writes waits after it released the lock,
    /// so that many writers share one flush.
    #[must_use]
    pub fn deferred(&self) -> Self {
        Self { is_deferred: true, ..self.clone() }
    }

    /// The same tenant for imports: deferred, and with as many rows changed as one as suit the engine.
    /// Others who write meanwhile wait for a whole batch.
    #[must_use]
    pub fn for_import(&self) -> Self {
        Self { is_deferred: true, batch_rows: self.tree.import_rows(), ..self.clone() }
    }

    /// Rows of feedback that are changed as one.
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Waits until everything written before this call is on disk. Blocks.
    pub fn commit(&self) -> Result<()> {
        self.committer.commit()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds users, or replaces those that are there; on disk when this returns. Blocks.
    pub fn put_users(&self, users: &[User]) -> Result<()> {
        self.write(|draft| users.iter().try_for_each(|user| put_user(draft, user)))
    }

    /// Adds items, or replaces those that are there; on disk when this returns. Blocks.
    pub fn put_items(&self, items: &[Item]) -> Result<()> {
        self.write(|draft| items.iter().try_for_each(|item| put_item(draft, item)))
    }

    /// The user `id`.
    pub fn user(&self, id: &str) -> Result<Option<User>> {
        self.tree.get(plain(USER, id))?.map(|value| parse(&value, "a user")).transpose()
    }

    /// The item `id`.
    pub fn item(&self, id: &str) -> Result<Option<Item>> {
        self.tree.get(plain(ITEM, id))?.map(|value| parse(&value, "an item")).transpose()
    }

    /// The items `ids`, in their order, read at once.
    pub fn items_of(&self, ids: &[&str]) -> Result<Vec<Option<Item>>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| plain(ITEM, id)).collect();
        let values = self.tree.get_many(&keys)?.into_iter();
        values.map(|value| value.map(|value| parse(&value, "an item")).transpose()).collect()
    }

    /// Changes the user `id` if there is one, and returns what it became. Blocks.
    pub fn patch_user(&self, id: &str, patch: UserPatch) -> Result<Option<User>> {
        let mut changed = None;
        self.write(|draft| {
            changed = self.user(id)?.map(|user| patch.apply(user));
            changed.iter().try_for_each(|user| put_user(draft, user))
        })?;
        Ok(changed)
    }

    /// Changes the item `id` by `change` if there is one, and returns what it became. Blocks.
    pub fn change_item(&self, id: &str, change: impl FnOnce(&mut Item)) -> Result<Option<Item>> {
        let mut changed = None;
        self.write(|draft| {
            changed = self.item(id)?;
            if let Some(item) = &mut changed {
                change(item);
                put_item(draft, item)?;
            }
            Ok(())
        })?;
        Ok(changed)
    }

    /// Removes the user `id` and all it did; returns the items that it touched. Blocks.
    pub fn delete_user(&self, id: &str) -> Result<Vec<Event>> {
        let mut gone = Vec::new();
        self.write(|draft| {
            gone = self.history(id).collect::<Result<_>>()?;
            gone.iter().for_each(|event| draft.forget(event));
            draft.remove(plain(USER, id));
            Ok(())
        })?;
        Ok(gone)
    }

    /// Removes the item `id` and all that was done with it. Blocks.
    pub fn delete_item(&self, id: &str) -> Result<Vec<Event>> {
        let mut gone = Vec::new();
        self.write(|draft| {
            gone = self.events_of_item(id).collect::<Result<_>>()?;
            gone.iter().for_each(|event| draft.forget(event));
            draft.remove(plain(ITEM, id));
            Ok(())
        })?;
        Ok(gone)
    }

    /// Users in the order of their identifiers, from `start` on.
    pub fn users(&self, start: &str) -> impl Iterator<Item = Result<User>> + use<> {
        self.rows(USER, start).map(|row| parse(&row?.1, "a user"))
    }

    /// Items in the order of their identifiers, from `start` on.
    pub fn items(&self, start: &str) -> impl Iterator<Item = Result<Item>> + use<> {
        self.rows(ITEM, start).map(|row| parse(&row?.1, "an item"))
    }

    /// Identifiers of users in their order, from `start` on.
    pub fn user_ids(&self, start: &str) -> impl Iterator<Item = Result<String>> + use<> {
        self.rows(USER, start).map(|row| plain_id(&row?.0))
    }

    fn rows(&self, kind: u8, start: &str) -> Rows {
        self.tree.range(plain(kind, start), vec![kind + 1])
    }

    /// Lets `fill` draft changes, applies them as one, and waits until they are on disk.
    fn write(&self, fill: impl FnOnce(&mut Draft<'_>) -> Result<()>) -> Result<()> {
        self.change(fill)?;
        self.settle()
    }

    /// Waits until the changes are on disk, unless the writes of this handle are deferred.
    fn settle(&self) -> Result<()> {
        if self.is_deferred { Ok(()) } else { self.committer.commit() }
    }

    /// Lets `fill` draft changes and applies them as one, uncommitted.
    fn change(&self, fill: impl FnOnce(&mut Draft<'_>) -> Result<()>) -> Result<()> {
        self.change_with(Vec::new, fill)
    }

    /// As [`change`](Self::change), for `fill` that reads the rows of `keys`.
    fn change_with(
        &self,
        keys: impl FnOnce() -> Vec<Vec<u8>>,
        fill: impl FnOnce(&mut Draft<'_>) -> Result<()>,
    ) -> Result<()> {
        // In this order: another thread that holds the tree may wait for the lock.
        self.tree.alone_with(keys, || {
            let _alone = self.lock();
            let mut draft = Draft::new(&self.tree);
            fill(&mut draft)?;
            draft.apply()
        })
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put_user(draft: &mut Draft<'_>, user: &User) -> Result<()> {
    check_id("UserId", &user.user_id)?;
    draft.insert(plain(USER, &user.user_id), json(user)?);
    Ok(())
}

fn put_item(draft: &mut Draft<'_>, item: &Item) -> Result<()> {
    check_id("ItemId", &item.item_id)?;
    draft.insert(plain(ITEM, &item.item_id), json(item)?);
    Ok(())
}

fn check_id(name: &'static str, id: &str) -> Result<()> {
    match id.len() {
        0 => Err(Error::Invalid(format!("`{name}` is empty; every row needs one"))),
        1..=MAX_ID => Ok(()),
        size => {
            Err(Error::Invalid(format!("`{name}` has {size} bytes; at most {MAX_ID} are taken")))
        }
    }
}

fn json(row: &impl serde::Serialize) -> Result<Vec<u8>> {
    let value = serde_json::to_vec(row).expect("strings, numbers and JSON are JSON");
    match value.len() {
        0..=MAX_BYTES => Ok(value),
        size => Err(Error::TooLarge { size, limit: MAX_BYTES }),
    }
}

fn parse<T: DeserializeOwned>(value: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Store;

    fn item(id: &str) -> Item {
        Item { item_id: id.into(), ..Item::default() }
    }

    #[test]
    fn rows_come_back_in_the_order_of_their_identifiers() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let ids = ["b", "a/b", "a", "ä", "a\0b", "日本", "\u{1F600}"];
        tenant.put_items(&ids.map(item))?;
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let found: Vec<String> =
            tenant.items("").map(|row| row.map(|item| item.item_id)).collect::<Result<_>>()?;
        assert_eq!(found, sorted);
        let from_b = tenant.items("b").next().transpose()?;
        assert_eq!(from_b.map(|item| item.item_id).as_deref(), Some("b"));
        Ok(())
    }

    #[test]
    fn patches_change_what_they_name() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let user = User { user_id: "u".into(), labels: json!(["x"]), comment: "c".into() };
        tenant.put_users(std::slice::from_ref(&user))?;
        let patch = UserPatch { comment: Some("d".into()), ..UserPatch::default() };
        tenant.patch_user("u", patch.clone())?;
        let expected = User { comment: "d".into(), ..user };
        assert_eq!(tenant.user("u")?, Some(expected));
        assert_eq!(tenant.patch_user("nobody", patch)?, None);
        assert_eq!(tenant.user("nobody")?, None);
        Ok(())
    }

    #[test]
    fn a_row_without_an_identifier_or_with_too_much_is_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let tenant = Store::open(dir.path())?.tenant(DEFAULT_TENANT)?;
        assert!(matches!(tenant.put_items(&[item("a"), item("")]), Err(Error::Invalid(_))));
        assert!(matches!(tenant.put_items(&[item(&"x".repeat(2000))]), Err(Error::Invalid(_))));
        let huge = Item { comment: "x".repeat(MAX_BYTES), ..item("a") };
        assert!(matches!(tenant.put_items(&[huge]), Err(Error::TooLarge { .. })));
        assert_eq!(tenant.items("").count(), 0, "a batch with a bad row writes nothing");
        Ok(())
    }
}
