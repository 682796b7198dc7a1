//! Remembers translations of sentences, up to a number of bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragoman_core::translate::{Translation, TranslationJob};
use lru::LruCache;

/// What an entry takes besides its texts, in bytes: about what the maps and the counters need.
const OVERHEAD: usize = 256;

/// A job as one generation of the model sees it.
type Key = (u64, TranslationJob);

/// The translations used last.
pub(super) struct Cache {
    capacity: usize,
    entries: Mutex<Entries>,
}

struct Entries {
    by_key: LruCache<Key, Arc<Translation>>,
    bytes: usize,
}

impl Cache {
    /// A cache of `capacity` bytes; 0 remembers nothing.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = Entries { by_key: LruCache::unbounded(), bytes: 0 };
        Self { capacity, entries: Mutex::new(entries) }
    }

    /// The translation of `job`, if it is remembered.
    pub(super) fn get(&self, generation: u64, job: &TranslationJob) -> Option<Arc<Translation>> {
        if self.capacity == 0 || job.trace {
            return None;
        }
        self.lock().by_key.get(&(generation, job.clone())).cloned()
    }

    /// Remembers `translation`. A trace is large and rarely asked for twice: it is not kept.
    pub(super) fn put(
        &self,
        generation: u64,
        job: &TranslationJob,
        translation: &Arc<Translation>,
    ) {
        let size = size(job, translation);
        if job.trace || size > self.capacity / 8 {
            return;
        }
        let mut entries = self.lock();
        let new = Arc::clone(translation);
        if let Some((key, old)) = entries.by_key.push((generation, job.clone()), new) {
            entries.bytes -= self::size(&key.1, &old);
        }
        entries.bytes += size;
        while entries.bytes > self.capacity {
            let Some(((_, job), old)) = entries.by_key.pop_lru() else { break };
            entries.bytes -= self::size(&job, &old);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(job: &TranslationJob, translation: &Translation) -> usize {
    let texts: usize = translation.hypotheses.iter().map(|hypothesis| hypothesis.text.len()).sum();
    let domains: usize = job.domains.iter().map(String::len).sum();
    let terms: usize = job.wanted.terms.iter().flatten().map(String::len).sum();
    OVERHEAD + job.text.len() + domains + terms + texts
}

#[cfg(test)]
mod tests {
    use dragoman_core::translate::Hypothesis;

    use super::*;

    fn job(text: &str) -> TranslationJob {
        TranslationJob {
            source: "en".into(),
            target: "de".into(),
            domains: Vec::new(),
            text: text.into(),
            num_hypotheses: 1,
            trace: false,
            wanted: Default::default(),
        }
    }

    fn translation(text: &str) -> Arc<Translation> {
        let hypothesis = Hypothesis::new(text.into(), 0.0);
        Arc::new(Translation { hypotheses: vec![hypothesis], legs: Vec::new() })
    }

    #[test]
    fn what_was_used_last_stays() {
        let cache = Cache::new(10 * (OVERHEAD + 20));
        for i in 0..100 {
            cache.put(0, &job(&format!("text {i}")), &translation("x"));
            assert!(cache.get(0, &job("text 0")).is_some(), "used all the time, gone at {i}");
        }
        assert!(cache.get(0, &job("text 99")).is_some());
        assert!(cache.get(0, &job("text 50")).is_none());
        let entries = cache.lock();
        assert!(entries.bytes <= cache.capacity && entries.by_key.len() >= 9);
    }

    #[test]
    fn another_generation_or_job_is_another_entry() {
        let cache = Cache::new(1 << 20);
        cache.put(0, &job("a"), &translation("x"));
        cache.put(0, &job("a"), &translation("y"));
        assert_eq!(cache.get(0, &job("a")), Some(translation("y")));
        assert_eq!(cache.get(1, &job("a")), None);
        assert_eq!(cache.get(0, &TranslationJob { num_hypotheses: 2, ..job("a") }), None);
        assert_eq!(cache.lock().bytes, size(&job("a"), &translation("y")));
    }
}
