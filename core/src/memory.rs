//! Packed experts in memory, under a budget of bytes.
//!
//! A model whose weights are [`Stored`](crate::params::Stored) reads and packs a matrix of an
//! expert when a token first visits it, and keeps it here. The unit of keeping is one expert in one
//! layer; when the budget is full, the unit that was used longest ago goes. What a pass uses it
//! holds until the layer is done, so memory exceeds the budget by one layer at most. Files are
//! never mapped: a file that is overwritten is an error, not a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use crate::{
    Result,
    kernels::packed::{PackedMatrix, Packing},
};

/// A matrix that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) unit: &'a Unit,
    /// Its name, unique in the model.
    pub(crate) name: &'a str,
    pub(crate) packing: Packing,
    pub(crate) by: Use,
}

/// The packed experts of one model; clones share them.
#[derive(Debug, Clone)]
pub struct ExpertMemory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    budget: usize,
    state: Mutex<State>,
    /// Rung whenever a matrix has been loaded, or could not be.
    loaded: Condvar,
    hits: AtomicU64,
    misses: AtomicU64,
    prefetched: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the uses, to tell which was the last.
    clock: u64,
    bytes: usize,
    units: BTreeMap<Unit, Kept>,
    /// Matrices that are being read now.
    loading: BTreeSet<String>,
}

/// One expert in one layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// Name of the expert, such as `pair.en-de`.
    pub expert: String,
    /// Name of the layer, such as `encoder.1`.
    pub layer: String,
}

#[derive(Debug, Default)]
struct Kept {
    last_used: u64,
    matrices: BTreeMap<String, Arc<PackedMatrix>>,
}

/// Why a matrix is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A pass, which waits.
    Pass,
    /// The prefetcher.
    Ahead,
}

/// What happened in an [`ExpertMemory`], for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryStats {
    /// Bytes that may be kept; 0 without a limit.
    pub budget_bytes: u64,
    /// Bytes of the packed experts that are kept.
    pub resident_bytes: u64,
    /// Units that are kept.
    pub resident_units: u64,
    /// Matrices that were there when a pass asked.
    pub hits: u64,
    /// Matrices that a pass had to read.
    pub misses: u64,
    /// Matrices that were read before a pass asked.
    pub prefetched: u64,
    /// Units that had to go.
    pub evictions: u64,
}

impl std::ops::Add for MemoryStats {
    type Output = Self;

    /// What happened in two memories.
    fn add(self, other: Self) -> Self {
        Self {
            budget_bytes: self.budget_bytes + other.budget_bytes,
            resident_bytes: self.resident_bytes + other.resident_bytes,
            resident_units: self.resident_units + other.resident_units,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            prefetched: self.prefetched + other.prefetched,
            evictions: self.evictions + other.evictions,
        }
    }
}

impl ExpertMemory {
    /// An empty memory for `budget` bytes of packed experts; without one it keeps all it reads.
    pub fn new(budget: Option<usize>) -> Self {
        Self(Arc::new(Inner {
            budget: budget.unwrap_or(usize::MAX),
            state: Mutex::default(),
            loaded: Condvar::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            prefetched: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }))
    }

    /// What happened so far.
    pub fn stats(&self) -> MemoryStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let state = self.lock();
        let budget_bytes = if self.is_limited() { self.0.budget as u64 } else { 0 };
        MemoryStats {
            budget_bytes,
            resident_bytes: state.bytes as u64,
            resident_units: state.units.len() as u64,
            hits: count(&self.0.hits),
            misses: count(&self.0.misses),
            prefetched: count(&self.0.prefetched),
            evictions: count(&self.0.evictions),
        }
    }

    /// Units that are kept now.
    pub fn units(&self) -> Vec<Unit> {
        self.lock().units.keys().cloned().collect()
    }

    /// Bytes that may be kept.
    pub(crate) fn budget(&self) -> usize {
        self.0.budget
    }

    /// Whether there is a budget.
    pub fn is_limited(&self) -> bool {
        self.0.budget != usize::MAX
    }

    /// The matrix that is wanted, from here or else from `load`.
    pub(crate) fn get(
        &self,
        wanted: &Wanted<'_>,
        load: impl FnOnce() -> Result<PackedMatrix>,
    ) -> Result<Arc<PackedMatrix>> {
        let Wanted { unit, name, packing, by } = *wanted;
        let mut state = self.lock();
        loop {
            if let Some(matrix) = state.find(unit, name, packing) {
                self.count(by, true);
                return Ok(matrix);
            }
            if state.loading.insert(name.into()) {
                break;
            }
            state = self.0.loaded.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.count(by, false);
        let matrix = load().map(Arc::new);
        let mut state = self.lock();
        state.loading.remove(name);
        self.0.loaded.notify_all();
        let matrix = matrix?;
        state.keep(unit, name, &matrix);
        let evicted = state.evict(self.0.budget, unit);
        self.0.evictions.fetch_add(evicted, Ordering::Relaxed);
        Ok(matrix)
    }

    fn count(&self, by: Use, is_hit: bool) {
        let counter = match (by, is_hit) {
            (Use::Pass, true) => &self.0.hits,
            (Use::Pass, false) => &self.0.misses,
            (Use::Ahead, false) => &self.0.prefetched,
            (Use::Ahead, true) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, unit: &Unit, name: &str, packing: Packing) -> Option<Arc<PackedMatrix>> {
        let kept = self.units.get_mut(unit)?;
        let matrix = kept.matrices.get(name).filter(|matrix| matrix.packing() == packing)?;
        self.clock += 1;
        kept.last_used = self.clock;
        Some(Arc::clone(matrix))
    }

    fn keep(&mut self, unit: &Unit, name: &str, matrix: &Arc<PackedMatrix>) {
        self.clock += 1;
        let kept = self.units.entry(unit.clone()).or_default();
        kept.last_used = self.clock;
        let old = kept.matrices.insert(name.into(), Arc::clone(matrix));
        self.bytes += matrix.bytes();
        self.bytes -= old.map_or(0, |old| old.bytes());
    }

    /// Lets units go until `budget` holds, `newest` last of all; says how many went.
    fn evict(&mut self, budget: usize, newest: &Unit) -> u64 {
        let mut evicted = 0;
        while self.bytes > budget {
            let others = self.units.iter().filter(|(unit, _)| *unit != newest);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.last_used) else { break };
            let oldest = oldest.0.clone();
            let kept = self.units.remove(&oldest).expect("it was found a moment ago");
            self.bytes -= kept.matrices.values().map(|matrix| matrix.bytes()).sum::<usize>();
            evicted += 1;
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(expert: &str) -> Unit {
        Unit { expert: expert.into(), layer: "encoder.1".into() }
    }

    fn wanted<'a>(unit: &'a Unit, name: &'a str) -> Wanted<'a> {
        Wanted { unit, name, packing: Packing::F32, by: Use::Pass }
    }

    fn get(memory: &ExpertMemory, expert: &str) -> Result<Arc<PackedMatrix>> {
        let name = format!("experts.{expert}.encoder.1.up.weight");
        let load = || Ok(PackedMatrix::new(&[1.0; 64 * 64], 64, 64, Packing::F32));
        memory.get(&wanted(&unit(expert), &name), load)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() -> Result<()> {
        let one = get(&ExpertMemory::new(None), "a")?.bytes();
        let memory = ExpertMemory::new(Some(2 * one));
        for expert in ["a", "b", "a", "c"] {
            get(&memory, expert)?;
        }
        assert_eq!(memory.units(), [unit("a"), unit("c")]);
        let MemoryStats { hits, misses, evictions, resident_bytes, .. } = memory.stats();
        assert_eq!((hits, misses, evictions), (1, 3, 1));
        assert_eq!(resident_bytes, 2 * one as u64);
        Ok(())
    }

    #[test]
    fn a_unit_larger_than_the_budget_is_kept_alone() -> Result<()> {
        let memory = ExpertMemory::new(Some(1));
        get(&memory, "a")?;
        get(&memory, "b")?;
        assert_eq!(memory.units(), [unit("b")]);
        Ok(())
    }

    #[test]
    fn after_a_failed_load_others_may_try_again() -> Result<()> {
        let memory = ExpertMemory::new(None);
        let name = "experts.a.encoder.1.up.weight";
        let fail = || Err(crate::Error::Invalid("gone".into()));
        let got = memory.get(&wanted(&unit("a"), name), fail);
        assert_eq!(got.expect_err("no file").to_string(), "gone");
        get(&memory, "a")?;
        assert_eq!(memory.stats().resident_units, 1);
        Ok(())
    }

    #[test]
    fn two_that_want_the_same_read_it_once() -> Result<()> {
        let memory = ExpertMemory::new(None);
        let together: Vec<Result<Arc<PackedMatrix>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| get(&memory, "a"))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let first = together[0].as_ref().expect("it was loaded");
        assert!(together.iter().flatten().all(|matrix| Arc::ptr_eq(first, matrix)));
        assert_eq!((memory.stats().misses, memory.stats().hits), (1, 3));
        Ok(())
    }
}
