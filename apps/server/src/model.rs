//! The model that is served, which may change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use dragoman_core::translate::Translate;

/// A model and how many were there before it.
pub struct Loaded {
    /// The model.
    pub model: Arc<dyn Translate>,
    /// Counts the swaps: translations of one generation are never mixed with another's.
    pub generation: u64,
}

/// A handle to the current model; clones share it.
#[derive(Clone)]
pub struct ModelHandle {
    current: Arc<RwLock<Arc<Loaded>>>,
    /// Why a newer model is not the current one.
    refused: Arc<RwLock<Option<String>>>,
}

impl ModelHandle {
    /// A handle to `model`, generation 0.
    pub fn new(model: Arc<dyn Translate>) -> Self {
        let loaded = Arc::new(Loaded { model, generation: 0 });
        Self { current: Arc::new(RwLock::new(loaded)), refused: Arc::default() }
    }

    /// The current model. A request keeps the one it started with.
    pub fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves `model` from the next request on, and returns its generation.
    pub fn swap(&self, model: Arc<dyn Translate>) -> u64 {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.generation + 1;
        *current = Arc::new(Loaded { model, generation });
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = None;
        generation
    }

    /// Notes why a newer model cannot be served: the current one goes on, and `/health` says so.
    pub fn refuse(&self, reason: impl Into<String>) {
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = Some(reason.into());
    }

    /// Why a newer model is not the current one, if there is one.
    pub fn refused(&self) -> Option<String> {
        self.refused.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Arc<dyn Translate>> for ModelHandle {
    fn from(model: Arc<dyn Translate>) -> Self {
        Self::new(model)
    }
}

impl std::fmt::Debug for ModelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let generation = self.current().generation;
        f.debug_struct("ModelHandle").field("generation", &generation).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("generation", &self.generation).finish_non_exhaustive()
    }
}
