//! Bans addresses that go on after being told to slow down.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a violation is remembered after the last one.
const MEMORY: Duration = Duration::from_secs(3600);

/// Addresses remembered at most before those forgiven are removed.
const MAX_ADDRESSES: usize = 10_000;

/// Counts answers of 429 by address.
pub(super) struct Flood {
    threshold: Option<u32>,
    violations: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Flood {
    /// Bans at `threshold` violations; `None` never bans.
    pub(super) fn new(threshold: Option<u32>) -> Self {
        Self { threshold, violations: Mutex::default() }
    }

    /// Whether `address` violated limits too often.
    pub(super) fn is_banned(&self, address: &str) -> bool {
        let Some(threshold) = self.threshold else { return false };
        let violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        violations
            .get(address)
            .is_some_and(|(count, last)| *count >= threshold && last.elapsed() < MEMORY)
    }

    /// Notes a violation by `address`.
    pub(super) fn note(&self, address: &str) {
        if self.threshold.is_none() {
            return;
        }
        let mut violations = self.violations.lock().unwrap_or_else(PoisonError::into_inner);
        if violations.len() >= MAX_ADDRESSES {
            violations.retain(|_, (_, last)| last.elapsed() < MEMORY);
        }
        if violations.len() >= MAX_ADDRESSES {
            violations.clear(); // a flood from everywhere: better forget than grow
        }
        let (count, last) = violations.entry(address.to_owned()).or_insert((0, Instant::now()));
        *count = if last.elapsed() < MEMORY { count.saturating_add(1) } else { 1 };
        *last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_bans_one_address() {
        let flood = Flood::new(Some(2));
        flood.note("a");
        assert!(!flood.is_banned("a"));
        flood.note("a");
        assert!(flood.is_banned("a") && !flood.is_banned("b"));
        let never = Flood::new(None);
        never.note("a");
        assert!(!never.is_banned("a"));
    }

    #[test]
    fn memory_is_bounded() {
        let flood = Flood::new(Some(1));
        for i in 0..3 * MAX_ADDRESSES {
            flood.note(&i.to_string());
        }
        let violations = flood.violations.lock().expect("no thread panicked");
        assert!(violations.len() <= MAX_ADDRESSES);
    }
}
