//! The translation memory as translations use it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dragoman_core::translate::{Hypothesis, Translation, TranslationJob};
use dragoman_store::{MemoryMatch, MemoryOf, Store};
use serde_json::Value;

use crate::{
    error::ServiceError,
    input::{Fields, percent},
};

/// Matches that a reply shows for a text at most.
const MAX_SHOWN: usize = 5;

/// The least alike that a reply shows, in percent.
const MIN_SHOWN: u8 = 50;

/// What a request wants of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryRequest {
    /// Whose memory it is.
    pub(crate) owner: String,
    /// How much a remembered text must be like a text to take its place, in percent.
    pub(crate) threshold: u8,
    /// Whether the reply shows what is alike.
    pub(crate) shows: bool,
}

/// The memory of one request.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    store: Store,
    wish: MemoryRequest,
    /// Whether the store could not be read.
    is_away: Arc<AtomicBool>,
}

impl MemoryRequest {
    /// What a request gets that says nothing about it: what is exactly the same.
    pub(crate) fn exact(owner: &str) -> Self {
        Self { owner: owner.to_owned(), threshold: 100, shows: false }
    }

    /// What the fields of a request of `owner` say: by default what is exactly the same. `memory` says
    /// how much alike is enough, in percent, and then the reply shows what is alike; `false` forbids it.
    pub(crate) fn read(fields: &Fields, owner: &str) -> Result<Option<Self>, ServiceError> {
        match fields.raw("memory") {
            Some(Value::Bool(false)) => return Ok(None),
            Some(Value::String(word)) if word == "false" => return Ok(None),
            _ => {}
        }
        let exact = Self::exact(owner);
        Ok(Some(match percent(fields, "memory")? {
            None => exact,
            Some(threshold) => Self { threshold, shows: true, ..exact },
        }))
    }
}

impl Memory {
    pub(crate) fn new(store: Store, wish: MemoryRequest) -> Self {
        Self { store, wish, is_away: Arc::default() }
    }

    /// What `ask` finds, or nothing while the store cannot be read: a text is then translated as if
    /// nothing were remembered, rather than not at all. A request waits for the store once.
    fn ask<T: Default>(
        &self,
        ask: impl FnOnce(&Store) -> Result<T, dragoman_store::Error>,
    ) -> Result<T, ServiceError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Ok(T::default());
        }
        match ask(&self.store) {
            Err(error @ dragoman_store::Error::Engine(_)) => {
                tracing::warn!(%error, "translating without the memory");
                self.is_away.store(true, Ordering::Relaxed);
                Ok(T::default())
            }
            found => Ok(found?),
        }
    }

    fn of<'a>(&'a self, source: &'a str, target: &'a str) -> MemoryOf<'a> {
        MemoryOf { owner: &self.wish.owner, source, target }
    }

    /// The remembered translation of `text`, if one is alike enough. Blocks.
    pub(crate) fn recall(
        &self,
        text: &str,
        source: &str,
        target: &str,
    ) -> Result<Option<String>, ServiceError> {
        let of = self.of(source, target);
        if let Some(exact) = self.ask(|store| store.recall_exact(of, text))? {
            return Ok(Some(exact));
        }
        if self.wish.threshold >= 100 {
            return Ok(None);
        }
        let best = self.ask(|store| store.recall(of, text, self.wish.threshold, 1))?;
        Ok(best.into_iter().next().map(|best| best.target))
    }

    /// What is remembered for exactly this text. Blocks.
    pub(crate) fn recall_exact(
        &self,
        text: &str,
        source: &str,
        target: &str,
    ) -> Result<Option<String>, ServiceError> {
        self.ask(|store| store.recall_exact(self.of(source, target), text))
    }

    /// What is remembered for each of `jobs`, as the answer of a model. Blocks.
    pub(crate) fn answers(
        &self,
        jobs: &[TranslationJob],
    ) -> Result<Vec<Option<Arc<Translation>>>, ServiceError> {
        let answer = |job: &TranslationJob| {
            if !job.wanted.terms.is_empty() {
                return Ok(None);
            }
            let text = self.recall(&job.text, &job.source, &job.target)?;
            let hypothesis = |text| vec![Hypothesis::new(text, 0.0)];
            let translation =
                |text| Arc::new(Translation { hypotheses: hypothesis(text), legs: Vec::new() });
            Ok(text.map(translation))
        };
        jobs.iter().map(answer).collect()
    }

    /// What is like `text`, best first, if the request wants to see it. Blocks.
    pub(crate) fn shown(
        &self,
        text: &str,
        source: &str,
        target: &str,
    ) -> Result<Vec<MemoryMatch>, ServiceError> {
        if !self.wish.shows {
            return Ok(Vec::new());
        }
        let threshold = self.wish.threshold.min(MIN_SHOWN);
        self.ask(|store| store.recall(self.of(source, target), text, threshold, MAX_SHOWN))
    }
}
