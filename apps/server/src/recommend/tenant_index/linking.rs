//! Joins the model to the items of a tenant, and again when either changes.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use dragoman_core::recommend::Recommend;

use super::TenantIndex;
use crate::{
    error::ServiceError,
    recommend::{
        features,
        link::{self, Link},
        model::LoadedRecommender,
    },
};

/// How long to gather new items before the model learns of them.
const GATHER: Duration = Duration::from_millis(200);

/// How long a list that must be the model's waits for it, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

impl TenantIndex {
    /// The model, joined to the items here; one that is not up to date is renewed meanwhile.
    pub(crate) fn link(
        self: &Arc<Self>,
        loaded: Option<Arc<LoadedRecommender>>,
    ) -> Option<Arc<Link>> {
        let loaded = loaded?;
        let (at, link) = {
            let linked = self.linked.read().unwrap_or_else(PoisonError::into_inner);
            (linked.at, linked.link.clone())
        };
        let is_current = at == Some((loaded.generation, self.items().changes()));
        if !is_current && !self.is_linking.swap(true, Ordering::AcqRel) {
            let index = Arc::clone(self);
            let renew = move || {
                std::thread::sleep(GATHER);
                index.is_linking.store(false, Ordering::Release);
                index.relink(&loaded);
            };
            if std::thread::Builder::new().name("link".into()).spawn(renew).is_err() {
                self.is_linking.store(false, Ordering::Release);
            }
        }
        link
    }

    /// The model, joined to the items here as soon as it is: the first items came a moment ago. None where it knows
    /// other items. Blocks.
    pub(crate) fn awaited_link(
        self: &Arc<Self>,
        loaded: Option<Arc<LoadedRecommender>>,
    ) -> Result<Option<Arc<Link>>, ServiceError> {
        let Some(loaded) = loaded else { return Ok(None) };
        let (asked, changes) = (Instant::now(), self.items().changes());
        loop {
            if let Some(link) = self.link(Some(Arc::clone(&loaded))) {
                return Ok(Some(link));
            }
            let linked = self.linked.read().unwrap_or_else(PoisonError::into_inner);
            let is_known =
                |(generation, seen): (u64, u64)| generation >= loaded.generation && seen >= changes;
            if linked.link.is_some() || linked.at.is_some_and(is_known) {
                return Ok(linked.link.clone());
            }
            drop(linked);
            if asked.elapsed() > PATIENCE {
                return Err(ServiceError::Busy);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Joins `loaded` to the items here, after it has learned of those it does not know. Blocks.
    pub(crate) fn relink(&self, loaded: &LoadedRecommender) {
        let (changes, is_ours) = {
            let items = self.items();
            (items.changes(), link::is_of(loaded, &items))
        };
        // This may take its time: nothing is locked meanwhile.
        let model = is_ours.then(|| self.extended(loaded)).flatten();
        if !is_ours {
            tracing::debug!(tenant = self.tenant.name(), "the model knows other items");
        }
        let joined = model.map(|model| Arc::new(Link::new(model, &self.items())));
        let mut linked = self.linked.write().unwrap_or_else(PoisonError::into_inner);
        linked.at = Some((loaded.generation, changes));
        if joined.is_some() || !is_ours {
            linked.link = joined;
        }
    }

    /// The model with the items that it was not trained on, known by their content.
    fn extended(&self, loaded: &LoadedRecommender) -> Option<Arc<dyn Recommend>> {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the model cannot learn of new items");
        };
        let unknown = self.unknown_items(loaded).inspect_err(|error| failed(error)).ok()?;
        if unknown.is_empty() {
            return Some(Arc::clone(&loaded.model));
        }
        loaded.model.extend(&unknown).inspect_err(|error| failed(error)).ok()
    }

    /// Items here that the model was not trained on.
    fn unknown_items(
        &self,
        loaded: &LoadedRecommender,
    ) -> dragoman_store::Result<Vec<dragoman_core::recommend::Item>> {
        let known: HashSet<&str> = loaded.model.items().iter().map(String::as_str).collect();
        let unknown: Vec<Arc<str>> = {
            let items = self.items();
            let entries = items.entries().iter();
            let unknown = entries.filter(|entry| entry.is_shown && !known.contains(&*entry.id));
            unknown.map(|entry| Arc::clone(&entry.id)).collect()
        };
        let mut items = Vec::new();
        for id in unknown {
            items.extend(self.tenant.item(&id)?.as_ref().map(features::item));
        }
        Ok(items)
    }
}
