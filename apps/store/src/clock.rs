//! Keys in the order of time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Keys from here on leave no room for later ones.
const LAST: u64 = u64::MAX - (1 << 48);

/// Microseconds that the clock of another machine may be ahead.
const AHEAD: u64 = 24 * 3600 * 1_000_000;

/// Hands out microseconds since 1970, each later than the one before.
///
/// A clock that is set back does not set back the keys: they go on from the last.
#[derive(Debug)]
pub(crate) struct Clock {
    last: AtomicU64,
}

impl Clock {
    /// A clock that goes on after `key`.
    pub(crate) fn after(key: Option<Vec<u8>>) -> Self {
        let last = key.and_then(|key| time_of(&key)).filter(|last| *last < LAST).unwrap_or(0);
        Self { last: AtomicU64::new(last) }
    }

    /// The time now, in microseconds; no other call gets the same.
    pub(crate) fn tick(&self) -> u64 {
        let now = now();
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        now.max(last.unwrap_or_default().saturating_add(1))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Whether a row could have come at `at`; the far future is a mistake of whoever wrote the row.
pub(crate) fn is_plausible(at: u64) -> bool {
    at != 0 && at <= now().saturating_add(AHEAD)
}

/// The time that a row's key stands for.
pub(crate) fn time_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_later_and_later_even_after_a_key_of_the_future() {
        let future = u64::MAX / 2;
        let clock = Clock::after(Some(future.to_be_bytes().to_vec()));
        let ticks: Vec<u64> = (0..3).map(|_| clock.tick()).collect();
        assert_eq!(ticks, [future + 1, future + 2, future + 3]);
        let clock = Clock::after(Some(u64::MAX.to_be_bytes().to_vec()));
        assert!(clock.tick() < clock.tick(), "the last key of all leaves room for others");
    }
}
