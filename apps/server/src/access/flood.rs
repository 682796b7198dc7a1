//! Bans addresses that go on after being told to slow down.

use std::{sync::Arc, time::Duration};

use dragoman_store::LimitKind;

use super::{counted::Counted, counts::Counts};

/// How long a violation is remembered after the last one.
const MEMORY: Duration = Duration::from_secs(3600);

/// Counts answers of 429 by address.
pub(super) struct Flood {
    threshold: Option<u32>,
    violations: Arc<Counts>,
}

impl Flood {
    /// Bans at `threshold` violations; `None` never bans.
    pub(super) fn new(threshold: Option<u32>) -> Self {
        let violations = Arc::new(Counts::new("flood", LimitKind::SinceLast, MEMORY));
        Self { threshold, violations }
    }

    /// Whether `address` violated limits too often.
    pub(super) fn is_banned(&self, address: &str) -> bool {
        self.threshold.is_some_and(|threshold| self.violations.has_reached(address, threshold))
    }

    /// Notes a violation by `address`.
    pub(super) fn note(&self, address: &str) {
        if self.threshold.is_some() {
            self.violations.add(address);
        }
    }

    /// What servers can count together.
    pub(super) fn table(&self) -> Arc<dyn Counted> {
        Arc::<Counts>::clone(&self.violations)
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
}
