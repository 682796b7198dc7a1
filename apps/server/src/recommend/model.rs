//! The model that recommends, which may change while the server runs.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use dragoman_core::recommend::Recommend;

use super::tasks::{Task, Tasks};

/// A model and how many were there before it.
pub struct LoadedRecommender {
    /// The model.
    pub model: Arc<dyn Recommend>,
    /// Counts the swaps.
    pub generation: u64,
    /// The same model with other catalogues, by the names of the tenants that have them.
    pub catalogues: HashMap<String, Arc<dyn Recommend>>,
}

/// A handle to the current model, or to none; clones share it.
#[derive(Clone, Default)]
pub struct RecommenderHandle {
    current: Arc<RwLock<Option<Arc<LoadedRecommender>>>>,
    tasks: Arc<Tasks>,
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

    /// The current model as the tenant `name` has it: with the catalogue of that name if there is
    /// one, else the first.
    pub fn current_of(&self, name: &str) -> Option<Arc<LoadedRecommender>> {
        let loaded = self.current()?;
        let Some(model) = loaded.catalogues.get(name) else { return Some(loaded) };
        let (model, generation) = (Arc::clone(model), loaded.generation);
        Some(Arc::new(LoadedRecommender { model, generation, catalogues: HashMap::new() }))
    }

    /// Recommends by `model` from the next request on, and returns its generation.
    pub fn swap(&self, model: Arc<dyn Recommend>) -> u64 {
        self.swap_all(model, HashMap::new())
    }

    /// Notes that the task `name`, such as a training, begins; `/api/dashboard/tasks` shows it.
    pub fn start_task(&self, name: &str) {
        self.tasks.start(name);
    }

    /// Notes that the running task `name` made so many steps of so many; 0 where their number is not known.
    pub fn advance_task(&self, name: &str, steps: (u64, u64)) {
        self.tasks.advance(name, steps);
    }

    /// Notes how the running task `name` ended.
    pub fn finish_task(&self, name: &str, result: Result<(), String>) {
        self.tasks.finish(name, result);
    }

    /// The tasks that run, and the last ones that ended.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.tasks.list()
    }

    /// The same of a model with several catalogues.
    pub fn swap_all(
        &self,
        model: Arc<dyn Recommend>,
        catalogues: HashMap<String, Arc<dyn Recommend>>,
    ) -> u64 {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let generation = current.as_ref().map_or(0, |loaded| loaded.generation + 1);
        *current = Some(Arc::new(LoadedRecommender { model, generation, catalogues }));
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
        let catalogues: Vec<&String> = self.catalogues.keys().collect();
        debug.field("generation", &self.generation).field("catalogues", &catalogues);
        debug.finish_non_exhaustive()
    }
}
