//! One tenant as the service holds it: the store, and what of it is in memory.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dragoman_core::recommend::Recommend;
use dragoman_store::{
    Feedback, Happened, Item, ItemPatch, Mode, Result, Tenant, Timestamp, Written,
};
use lru::LruCache;

use super::{
    catalogue::Catalogue,
    features,
    link::{self, Link},
    model::LoadedRecommender,
    neighbours::Neighbours,
    settings::Settings,
};

/// The newest events that popularity is made of when a server starts.
const WINDOW: usize = 250_000;

/// Half-lives after which an event counts for nothing.
const FADED: f64 = 20.0;

/// How long to gather new items before the model learns of them.
const GATHER: Duration = Duration::from_millis(200);

/// Users whose last list is remembered, to see which of it they liked.
const SERVED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// What a user was shown last, and by which group's recommender.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) group: String,
    pub(crate) items: Vec<u32>,
}

/// The model as it was last joined to the items.
#[derive(Default)]
struct Linked {
    /// The model's generation and the changes of the catalogue then.
    at: Option<(u64, u64)>,
    /// None if the model knows other items.
    link: Option<Arc<Link>>,
}

/// A tenant and what of it is in memory.
pub(crate) struct Shop {
    pub(crate) tenant: Tenant,
    pub(crate) neighbours: Neighbours,
    catalogue: RwLock<Catalogue>,
    linked: RwLock<Linked>,
    is_linking: AtomicBool,
    /// Held while items are written, so that store and catalogue see the same order.
    writing: Mutex<()>,
    served: Mutex<LruCache<String, Served>>,
}

impl Shop {
    /// Reads the items of `tenant` and its newest events.
    pub(crate) fn open(tenant: Tenant, settings: &Settings) -> Result<Self> {
        let mut catalogue = Catalogue::new(settings.half_life);
        for item in tenant.items("") {
            catalogue.put(&item?);
        }
        let now = Timestamp::now();
        let oldest = now.seconds - (settings.half_life * FADED) as i64;
        let events =
            tenant.events().filter(|event| event.as_ref().map_or(true, |event| event.time <= now));
        for event in events.take(WINDOW) {
            let event = event?;
            if event.time.seconds < oldest {
                break;
            }
            touch(&mut catalogue, settings, &event, 1.0);
        }
        Ok(Self {
            tenant,
            neighbours: Neighbours::new(),
            catalogue: RwLock::new(catalogue),
            linked: RwLock::default(),
            is_linking: AtomicBool::new(false),
            writing: Mutex::default(),
            served: Mutex::new(LruCache::new(SERVED)),
        })
    }

    /// The items in memory.
    pub(crate) fn catalogue(&self) -> RwLockReadGuard<'_, Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds items or replaces them. Blocks.
    pub(crate) fn put_items(&self, items: &[Item]) -> Result<()> {
        let _alone = self.writing();
        self.tenant.put_items(items)?;
        self.change(|catalogue| {
            for item in items {
                catalogue.put(item);
            }
        });
        Ok(())
    }

    /// Changes the item `id`, if there is one. Blocks.
    pub(crate) fn patch_item(&self, id: &str, patch: ItemPatch) -> Result<bool> {
        self.change_item(id, |item| patch.apply(item))
    }

    /// Changes the item `id` by `change`, and says whether there is one. Blocks.
    pub(crate) fn change_item(&self, id: &str, change: impl FnOnce(&mut Item)) -> Result<bool> {
        let _alone = self.writing();
        let changed = self.tenant.change_item(id, change)?;
        if let Some(item) = &changed {
            self.change(|catalogue| {
                catalogue.put(item);
            });
        }
        Ok(changed.is_some())
    }

    /// Removes the item `id` and all that was done with it. Blocks.
    pub(crate) fn delete_item(&self, id: &str) -> Result<()> {
        let _alone = self.writing();
        let gone = self.tenant.delete_item(id)?;
        self.change(|catalogue| catalogue.remove(id));
        self.neighbours.forget(&self.tenant, &gone)
    }

    /// Removes the user `id` and all it did. Blocks.
    pub(crate) fn delete_user(&self, settings: &Settings, id: &str) -> Result<()> {
        let gone = self.tenant.delete_user(id)?;
        self.forget(settings, &gone)
    }

    /// Writes feedback. Blocks.
    pub(crate) fn put_feedback(
        &self,
        settings: &Settings,
        rows: &[Feedback],
        mode: Mode,
    ) -> Result<Written> {
        let written = self.tenant.put_feedback(rows, mode, settings.insert)?;
        let now = Timestamp::now();
        self.change(|catalogue| {
            for id in &written.new_items {
                // Another request may have described it meanwhile.
                if catalogue.number(id).is_none() {
                    catalogue.put(&Item { item_id: id.clone(), ..Item::default() });
                }
            }
            for event in written.added.iter().filter(|event| event.time <= now) {
                touch(catalogue, settings, event, 1.0);
            }
            for event in written.removed.iter().filter(|event| event.time <= now) {
                touch(catalogue, settings, event, -1.0);
            }
        });
        self.neighbours.forget(&self.tenant, &written.added)?;
        Ok(written)
    }

    /// Removes feedback of a user and an item, and says how many rows. Blocks.
    pub(crate) fn delete_feedback(
        &self,
        settings: &Settings,
        kind: Option<&str>,
        (user, item): (&str, &str),
    ) -> Result<usize> {
        let (count, gone) = self.tenant.delete_feedback(kind, user, item)?;
        self.forget(settings, &gone)?;
        Ok(count)
    }

    /// What `user` did until now, newest first.
    pub(crate) fn history(&self, user: &str) -> Result<Vec<Happened>> {
        self.tenant.history_before(user, Some(Timestamp::now())).collect()
    }

    /// Numbers of the items that `events` are about.
    pub(crate) fn numbers<'a>(
        &self,
        events: impl IntoIterator<Item = &'a Happened>,
    ) -> HashSet<u32> {
        let catalogue = self.catalogue();
        events.into_iter().filter_map(|event| catalogue.number(&event.item_id)).collect()
    }

    /// Remembers what `user` was shown.
    pub(crate) fn note(&self, user: &str, served: Served) {
        let mut known = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(user.to_owned(), served);
    }

    /// The group that showed `item` to `user` in the last list.
    pub(crate) fn shown_by(&self, user: &str, item: &str) -> Option<String> {
        let number = self.catalogue().number(item)?;
        let known = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let served = known.peek(user)?;
        served.items.contains(&number).then(|| served.group.clone())
    }

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
        let is_current = at == Some((loaded.generation, self.catalogue().changes()));
        if !is_current && !self.is_linking.swap(true, Ordering::AcqRel) {
            let shop = Arc::clone(self);
            let renew = move || {
                std::thread::sleep(GATHER);
                shop.is_linking.store(false, Ordering::Release);
                shop.relink(&loaded);
            };
            if std::thread::Builder::new().name("link".into()).spawn(renew).is_err() {
                self.is_linking.store(false, Ordering::Release);
            }
        }
        link
    }

    /// Joins `loaded` to the items here, after it has learned of those it does not know. Blocks.
    pub(crate) fn relink(&self, loaded: &LoadedRecommender) {
        let (changes, is_ours) = {
            let catalogue = self.catalogue();
            (catalogue.changes(), link::is_of(loaded, &catalogue))
        };
        // This may take its time: nothing is locked meanwhile.
        let model = is_ours.then(|| self.extended(loaded)).flatten();
        if !is_ours {
            tracing::debug!(tenant = self.tenant.name(), "the model knows other items");
        }
        let joined = model.map(|model| Arc::new(Link::new(model, &self.catalogue())));
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
    ) -> Result<Vec<dragoman_core::recommend::Item>> {
        let known: HashSet<&str> = loaded.model.items().iter().map(String::as_str).collect();
        let unknown: Vec<Arc<str>> = {
            let catalogue = self.catalogue();
            let entries = catalogue.entries().iter();
            let unknown = entries.filter(|entry| entry.is_shown && !known.contains(&*entry.id));
            unknown.map(|entry| Arc::clone(&entry.id)).collect()
        };
        let mut items = Vec::new();
        for id in unknown {
            items.extend(self.tenant.item(&id)?.as_ref().map(features::item));
        }
        Ok(items)
    }

    fn forget(&self, settings: &Settings, gone: &[Happened]) -> Result<()> {
        let now = Timestamp::now();
        self.change(|catalogue| {
            for event in gone.iter().filter(|event| event.time <= now) {
                touch(catalogue, settings, event, -1.0);
            }
        });
        self.neighbours.forget(&self.tenant, gone)
    }

    fn change(&self, change: impl FnOnce(&mut Catalogue)) {
        change(&mut self.catalogue.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn touch(catalogue: &mut Catalogue, settings: &Settings, event: &Happened, sign: f64) {
    let weight = sign * settings.weight(&event.feedback_type, event.value);
    if let Some(number) = catalogue.number(&event.item_id) {
        catalogue.touch(number, weight, event.time.seconds);
    }
}
