//! Other services that take part in lists: they may fail or take their time, and a list never waits
//! for one that is known to be down.

mod external;
mod reranker;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::IntCounterVec;

pub(crate) use external::{External, ExternalId, Externals};
pub(crate) use reranker::{DOCUMENT, FeedbackItem, QUERY, Reranker, RerankerSettings};

/// Calls to one service at the same time at most; who comes while all are taken goes on without it, so
/// that a slow service cannot hold all the threads that make lists.
const AT_ONCE: usize = 8;

/// How long a service is left alone after it failed once, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Guards the calls to one service.
#[derive(Debug)]
pub(super) struct Gate {
    name: String,
    /// Calls by service and by how they ended.
    counts: IntCounterVec,
    calls: AtomicUsize,
    rest: Mutex<Rest>,
}

/// When a service that failed is asked again.
#[derive(Debug, Default)]
struct Rest {
    until: Option<Instant>,
    /// Failures one after another.
    failures: u32,
}

/// A place among the calls of a service, until it is dropped.
struct Call<'a>(&'a AtomicUsize);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    /// A gate of the service `name`; `counts` tells how its calls end.
    fn new(name: &str, counts: IntCounterVec) -> Self {
        Self { name: name.into(), counts, calls: AtomicUsize::new(0), rest: Mutex::default() }
    }

    /// What the service answers to `call`; none where it failed, is busy, or is left alone.
    fn call<T>(&self, call: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let Some(_place) = self.enter() else {
            self.count("skipped");
            return None;
        };
        let result = call();
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(found) => {
                *rest = Rest::default();
                self.count("answered");
                Some(found)
            }
            Err(reason) => {
                let wait = REST.0 * 2u32.saturating_pow(rest.failures.min(10));
                rest.failures += 1;
                rest.until = Some(Instant::now() + wait.min(REST.1));
                self.count("failed");
                tracing::warn!(upstream = self.name, reason, "a list is made without it");
                None
            }
        }
    }

    /// A place, unless all are taken or the service is left alone.
    fn enter(&self) -> Option<Call<'_>> {
        let until = self.rest.lock().unwrap_or_else(PoisonError::into_inner).until;
        if until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let taken = self.calls.fetch_add(1, Ordering::AcqRel);
        let place = Call(&self.calls);
        (taken < AT_ONCE).then_some(place)
    }

    fn count(&self, outcome: &str) {
        self.counts.with_label_values(&[self.name.as_str(), outcome]).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    fn gate() -> anyhow::Result<Gate> {
        let counts = IntCounterVec::new(Opts::new("calls", "calls"), &["upstream", "outcome"])?;
        Ok(Gate::new("other", counts))
    }

    fn count(gate: &Gate, outcome: &str) -> u64 {
        gate.counts.with_label_values(&["other", outcome]).get()
    }

    #[test]
    fn a_service_that_failed_is_left_alone_for_a_while() -> anyhow::Result<()> {
        let gate = gate()?;
        assert_eq!(gate.call(|| Ok(1)), Some(1));
        assert_eq!(gate.call(|| Err::<i32, _>("down".into())), None);
        assert_eq!(gate.call(|| -> Result<i32, String> { panic!("it is at rest") }), None);
        assert_eq!(
            [count(&gate, "answered"), count(&gate, "failed"), count(&gate, "skipped")],
            [1; 3]
        );
        gate.rest.lock().expect("nobody panicked").until = Some(Instant::now());
        assert_eq!(gate.call(|| Ok(2)), Some(2));
        Ok(())
    }

    #[test]
    fn who_comes_while_all_places_are_taken_goes_on_without_it() -> anyhow::Result<()> {
        let gate = gate()?;
        let places: Vec<Option<Call<'_>>> = (0..AT_ONCE).map(|_| gate.enter()).collect();
        assert!(places.iter().all(Option::is_some) && gate.enter().is_none());
        drop(places);
        assert!(gate.enter().is_some());
        Ok(())
    }
}
