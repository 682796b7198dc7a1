//! Glossaries as translations use them: read from the store and kept while they do not change.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use dragoman_store::{Store, StoredGlossary};
use dragoman_text::Glossary;
use lru::LruCache;

use crate::error::ServiceError;

/// Glossaries that are kept ready at most.
const KEPT: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");

/// Glossaries that a request names at most.
const MAX_NAMED: usize = 5;

/// Which terms, as of when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// Identifiers, and when each changed.
    chosen: Vec<(String, u64)>,
    source: String,
    target: String,
    strict: bool,
}

/// The glossaries of a store, ready to use.
pub(crate) struct Glossaries {
    store: Store,
    ready: Mutex<LruCache<Key, Arc<Glossary>>>,
}

/// The glossaries that a request names.
#[derive(Clone)]
pub(crate) struct Chosen {
    glossaries: Arc<Glossaries>,
    chosen: Vec<StoredGlossary>,
    strict: bool,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chosen").field("chosen", &self.chosen).finish_non_exhaustive()
    }
}

impl Glossaries {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, ready: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The glossaries of `owner` that `names` name, by their identifiers or their names.
    pub(crate) fn choose(
        self: &Arc<Self>,
        owner: &str,
        names: &[String],
        strict: bool,
    ) -> Result<Option<Chosen>, ServiceError> {
        if names.is_empty() {
            return Ok(None);
        }
        if names.len() > MAX_NAMED {
            return Err(ServiceError::invalid(format_args!(
                "a request names {MAX_NAMED} glossaries at most"
            )));
        }
        let mut by_name: Option<Vec<StoredGlossary>> = None;
        let mut chosen = Vec::with_capacity(names.len());
        for name in names {
            let mut found = self.store.glossary(owner, name)?;
            if found.is_none() {
                if by_name.is_none() {
                    by_name = Some(self.store.glossaries(owner)?);
                }
                let named = by_name.iter().flatten().find(|glossary| glossary.name == *name);
                found = named.cloned();
            }
            let unknown = || ServiceError::invalid(format_args!("there is no glossary `{name}`"));
            chosen.push(found.ok_or_else(unknown)?);
        }
        Ok(Some(Chosen { glossaries: Arc::clone(self), chosen, strict }))
    }

    fn ready(&self, key: &Key) -> Option<Arc<Glossary>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

impl Chosen {
    /// Whether any of them has terms of this direction.
    pub(crate) fn covers(&self, source: &str, target: &str) -> bool {
        self.chosen.iter().any(|glossary| glossary.dictionary(source, target).is_some())
    }

    /// The terms from `source` into `target`; of two that differ the one of the glossary that is named
    /// first counts. Blocks.
    pub(crate) fn terms(
        &self,
        source: &str,
        target: &str,
    ) -> Result<Option<Arc<Glossary>>, ServiceError> {
        if !self.covers(source, target) {
            return Ok(None);
        }
        let chosen = self.chosen.iter().map(|one| (one.id.clone(), one.changed)).collect();
        let (source, target, strict) = (source.to_owned(), target.to_owned(), self.strict);
        let key = Key { chosen, source, target, strict };
        if let Some(ready) = self.glossaries.ready(&key) {
            return Ok(Some(ready));
        }
        let mut entries = Vec::new();
        for glossary in self.chosen.iter().rev() {
            let store = &self.glossaries.store;
            entries.extend(store.glossary_entries(&glossary.id, &key.source, &key.target)?);
        }
        let glossary = Arc::new(Glossary::new(entries, &key.source, &key.target, strict));
        let mut ready = self.glossaries.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.put(key, Arc::clone(&glossary));
        Ok(Some(glossary))
    }
}
