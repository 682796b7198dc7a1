//! The users of a tenant: their rows in the store, and their labels in memory.

use std::sync::PoisonError;

use dragoman_core::recommend::labels;
use dragoman_store::{Result, User, UserPatch};

use super::TenantIndex;
use crate::recommend::{
    item_index::ItemIndex,
    neighbours::{Liked, Sample},
    settings::Settings,
};

/// Users of a label whose likes count, and users with any labels whose likes these are compared with.
const OF_LABEL: usize = 100;
const OF_ALL: usize = 300;

/// What the likes of users with any labels are remembered by.
const EVERYBODY: &str = "\0";

impl TenantIndex {
    /// Adds users or replaces them. Blocks.
    pub(crate) fn put_users(&self, users: &[User]) -> Result<()> {
        {
            // Memory follows in the order of the store.
            let _one = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
            self.deferred.put_users(users)?;
            for user in users {
                self.note_labels(&user.user_id, &labels::flatten(&user.labels));
            }
        }
        self.tenant.commit()
    }

    /// Changes the user `id`, if there is one. Blocks.
    pub(crate) fn patch_user(&self, id: &str, patch: UserPatch) -> Result<Option<User>> {
        let changed = {
            let _one = self.labelling.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = self.deferred.patch_user(id, patch)?;
            if let Some(user) = &changed {
                self.note_labels(id, &labels::flatten(&user.labels));
            }
            changed
        };
        self.tenant.commit()?;
        Ok(changed)
    }

    /// Notes the labels of `user` as they are stored. Other servers of a shared store change users too, and the log
    /// that lists follow does not name them: whoever reads a user notes its labels.
    pub(crate) fn note_labels(&self, user: &str, labels: &[String]) {
        let changed = self.user_labels.put(user, labels);
        if !changed.is_empty() {
            self.neighbours.forget_labels(changed.iter().map(|label| &**label).chain([EVERYBODY]));
        }
    }

    /// How many labels users have, each counted once.
    pub(crate) fn user_labels(&self) -> usize {
        self.user_labels.count()
    }

    /// How often each item is among the latest that users with `label` liked, a sample of them.
    pub(in crate::recommend) fn liked_by_label(
        &self,
        settings: &Settings,
        label: &str,
        items: &ItemIndex,
    ) -> Result<Liked> {
        let users = |n| self.user_labels.sample(label, n);
        let sample = Sample { name: label, most: OF_LABEL, users: &users };
        self.neighbours.of_sample(&self.tenant, settings, &sample, items)
    }

    /// The same of users who have any labels.
    pub(in crate::recommend) fn liked_by_labelled(
        &self,
        settings: &Settings,
        items: &ItemIndex,
    ) -> Result<Liked> {
        let users = |n| self.user_labels.sample_all(n);
        let sample = Sample { name: EVERYBODY, most: OF_ALL, users: &users };
        self.neighbours.of_sample(&self.tenant, settings, &sample, items)
    }
}
