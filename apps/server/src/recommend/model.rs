//! The model that recommends, which may change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use dragoman_core::recommend::Recommend;

/// A model and how many were there before it.
pub struct LoadedRecommender {
    /// The model.
    pub model: Arc<dyn Recommend>,
    /// Counts the swaps.
    pub generation: u64,
}

/// A handle to the current model, or to none; clones share it.
#[derive(Clone, Default)]
pub struct RecommenderHandle {
    current: Arc<RwLock<Option<Arc<LoadedRecommender>>>>,
}

impl RecommenderHandle {
    /// A handle to `model`, generation 0.
    pub fn new(model: Arc<dyn Recommend>) -> Self {
        let handle = Self::default();
        handle.swap(model);
        handle
    }

    /// The current model; without one, lists are made of what is popular, new and alike.
    pub fn current(&self) -> Option<Arc<LoadedRecommender>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Recommends by `model` from the next request on, and returns its generation.
    pub fn swap(&self, model: Arc<dyn Recommend>) -> u64 {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.as_ref().map_or(0, |loaded| loaded.generation + 1);
        *current = Some(Arc::new(LoadedRecommender { model, generation }));
        generation
    }
}

impl std::fmt::Debug for RecommenderHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let generation = self.current().map(|loaded| loaded.generation);
        f.debug_struct("RecommenderHandle").field("generation", &generation).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LoadedRecommender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LoadedRecommender");
        debug.field("generation", &self.generation).finish_non_exhaustive()
    }
}
