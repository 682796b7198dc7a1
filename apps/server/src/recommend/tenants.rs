//! The tenants that are open, and what recommendation shares among them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use dragoman_store::{DEFAULT_TENANT, Store};

use super::{
    RecommenderHandle, Settings, TenantIndex,
    queue::RankQueue,
    upstream::{Externals, Reranker},
};
use crate::{
    Error, Result, config::RecommendationConfig, metrics::recommend::RecommendMetrics,
    queue::pool::Pool,
};

/// Threads for calls that block on the store or wait for the model.
const THREADS: usize = 32;

/// Threads that parse lists.
const PARSERS: usize = 2;

/// A tenant's place, empty until the tenant is read.
type Slot = Arc<Mutex<Option<Arc<TenantIndex>>>>;

/// Recommendation in one server: its tenants, its model, its settings.
pub(crate) struct Recommendations {
    pub(crate) settings: Settings,
    pub(crate) model: RecommenderHandle,
    pub(crate) metrics: RecommendMetrics,
    pub(super) queue: RankQueue,
    pub(super) externals: Externals,
    pub(super) reranker: Option<Reranker>,
    /// Where calls may block.
    pub(crate) pool: Pool,
    /// Where lists are parsed: few at a time, because a list in memory is larger than its text.
    pub(crate) parsers: Pool,
    store: Store,
    indexes: Mutex<HashMap<String, Slot>>,
}

impl Recommendations {
    /// Opens the default tenant of `store`; the others are opened when they are asked for.
    pub(crate) fn new(
        config: &RecommendationConfig,
        store: Store,
        model: RecommenderHandle,
        metrics: RecommendMetrics,
    ) -> Result<Self> {
        let refuse = |reason| Error::Config { name: "settings".into(), reason };
        let settings = Settings::new(config).map_err(refuse)?;
        let queue = RankQueue::start(metrics.queued.clone())?;
        let pool = Pool::start("recommend", THREADS, config.recommend_queue_size)?;
        let parsers = Pool::start("parse", PARSERS, config.recommend_queue_size)?;
        let indexes = Mutex::default();
        let counts = &metrics.upstream;
        let externals = Externals::new(&settings.externals, settings.external_timeout, counts);
        let reranker = settings.reranker.as_ref().map(|settings| Reranker::new(settings, counts));
        let this = Self {
            settings,
            model,
            metrics,
            queue,
            externals,
            reranker,
            pool,
            parsers,
            store,
            indexes,
        };
        let index = this.index(DEFAULT_TENANT)?;
        if let Some(loaded) = this.model.current_of(DEFAULT_TENANT) {
            index.relink(&loaded);
        }
        Ok(this)
    }

    /// What everything is kept in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The tenant `name`. The first call reads its items, while those for other tenants go on. Blocks.
    pub(crate) fn index(&self, name: &str) -> Result<Arc<TenantIndex>, dragoman_store::Error> {
        let known = self.indexes.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let slot = match known {
            Some(slot) => slot,
            None => {
                self.store.tenant(name)?; // only one that exists takes a slot
                let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(indexes.entry(name.into()).or_default())
            }
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*slot {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(TenantIndex::open(self.store.tenant(name)?, &self.settings)?);
        *slot = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Keeps what is in memory up to date with what other servers write to the same store.
    pub(crate) fn follow(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        self.store.follow(move |tenant| {
            if let Some(this) = this.upgrade() {
                this.take_in(tenant);
            }
        });
    }

    /// Takes in what other servers wrote to `tenant`, or to any. Blocks.
    fn take_in(&self, tenant: Option<&str>) {
        let open: Vec<(String, Slot)> = {
            let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            if tenant.is_none() {
                indexes.retain(|name, _| self.store.tenant(name).is_ok());
            }
            let all = indexes.iter().map(|(name, slot)| (name.clone(), Arc::clone(slot)));
            all.filter(|(name, _)| tenant.is_none_or(|tenant| tenant == name)).collect()
        };
        for (name, slot) in open {
            let index = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(Err(error)) = index.map(|index| index.catch_up()) {
                tracing::warn!(%error, tenant = name, "what other servers wrote is not in memory yet");
            }
        }
    }

    /// Reads all open tenants anew, after the store was changed past them. Blocks.
    pub(crate) fn reload(&self) -> Result<(), dragoman_store::Error> {
        let open: Vec<(String, Slot)> = {
            let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            indexes.retain(|name, _| self.store.tenant(name).is_ok());
            indexes.iter().map(|(name, slot)| (name.clone(), Arc::clone(slot))).collect()
        };
        for (name, slot) in open {
            let index = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(index) = index else { continue };
            index.reload()?;
            if let Some(loaded) = self.model.current_of(&name) {
                index.relink(&loaded);
            }
        }
        Ok(())
    }
}
