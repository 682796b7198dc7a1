//! The tenants that are open, and what recommendation shares among them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use dragoman_store::{DEFAULT_TENANT, Store};

use super::{RecommenderHandle, Settings, Shop, queue::RankQueue};
use crate::{
    Error, Result, config::RecommendationConfig, metrics::recommend::RecommendMetrics,
    queue::pool::Pool,
};

/// Threads for calls that block on the store or wait for the model.
const THREADS: usize = 32;

/// Threads that parse lists.
const PARSERS: usize = 2;

/// Recommendation in one server: its tenants, its model, its settings.
pub(crate) struct Recommendations {
    pub(crate) settings: Settings,
    pub(crate) model: RecommenderHandle,
    pub(crate) metrics: RecommendMetrics,
    pub(super) queue: RankQueue,
    /// Where calls may block.
    pub(crate) pool: Pool,
    /// Where lists are parsed: few at a time, because a list in memory is larger than its text.
    pub(crate) parsers: Pool,
    store: Store,
    shops: Mutex<HashMap<String, Arc<Shop>>>,
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
        let shops = Mutex::default();
        let this = Self { settings, model, metrics, queue, pool, parsers, store, shops };
        let shop = this.shop(DEFAULT_TENANT)?;
        if let Some(loaded) = this.model.current_of(DEFAULT_TENANT) {
            shop.relink(&loaded);
        }
        Ok(this)
    }

    /// The tenant `name`. The first call reads its items. Blocks.
    pub(crate) fn shop(&self, name: &str) -> Result<Arc<Shop>, dragoman_store::Error> {
        let mut shops = self.shops.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shop) = shops.get(name) {
            return Ok(Arc::clone(shop));
        }
        let shop = Arc::new(Shop::open(self.store.tenant(name)?, &self.settings)?);
        shops.insert(name.into(), Arc::clone(&shop));
        Ok(shop)
    }

    /// Forgets what is in memory of all tenants, after the store was changed past them.
    pub(crate) fn reload(&self) {
        self.shops.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
