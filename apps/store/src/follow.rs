//! What other processes change in a store that they share, taken into the memory of this one.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{Result, Store, engine::Heard, recommend::TREE};

/// Those who want to know of changes in tenants.
#[derive(Default)]
pub(crate) struct Followers(RwLock<Vec<Heard>>);

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followers")
    }
}

impl Store {
    /// Whether other processes may have the store open as well.
    pub fn is_shared(&self) -> bool {
        self.inner.database.is_shared()
    }

    /// Calls `heard` whenever another process wrote to a tenant, with its name; and without one whenever
    /// any of them may have been changed, made or removed. Of a store that is not shared nothing is heard.
    pub fn follow(&self, heard: impl Fn(Option<&str>) + Send + Sync + 'static) {
        let followers = &self.inner.followers.0;
        followers.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(heard));
    }

    /// Begins to listen to what others change.
    pub(crate) fn listen(&self) -> Result<()> {
        let inner = Arc::downgrade(&self.inner);
        self.inner.database.listen(Box::new(move |tree| {
            let Some(inner) = inner.upgrade() else { return };
            let store = Self { inner };
            if let Err(error) = store.take_in(tree) {
                tracing::warn!(%error, "what other servers changed is not in memory yet");
            }
            let tenant = match tree {
                None | Some("tenants") => None,
                Some(tree) => match tree.strip_prefix(TREE) {
                    Some(name) => Some(name),
                    None => return,
                },
            };
            let followers = &store.inner.followers.0;
            let followers = followers.read().unwrap_or_else(PoisonError::into_inner);
            followers.iter().for_each(|heard| heard(tenant));
        }))
    }

    /// Takes in what was changed in `tree`, or in any.
    fn take_in(&self, tree: Option<&str>) -> Result<()> {
        let is = |name: &str| tree.is_none_or(|tree| tree == name);
        if is("keys") || is("meta") || is("tenants") {
            self.inner.database.refresh()?;
            self.count_tenant_keys()?;
        }
        if is("suggestions") {
            self.take_in_suggestions()?;
        }
        if is("memory") {
            self.take_in_units()?;
        }
        Ok(())
    }
}
