//! Counts of what callers should not do, which are forgotten after some time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    time::Duration,
};

use ahash::{AHashMap, AHashSet};
use dragoman_store::{LimitKind, LimitTotal};

use super::counted::{Counted, Untold, Wake, now};

/// Callers remembered at most before those whose time is over are removed.
const MAX_CALLERS: usize = 10_000;

/// The counts of all callers.
pub(super) struct Counts {
    name: &'static str,
    kind: LimitKind,
    /// Microseconds after which a count is forgotten.
    memory: i64,
    callers: Mutex<Callers>,
    wake: Wake,
}

#[derive(Default)]
struct Callers {
    counts: AHashMap<String, Count>,
    /// Those of whom other servers are told, or asked, next.
    changed: AHashSet<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    number: i64,
    /// When it is forgotten, in microseconds.
    until: i64,
    /// The part that other servers have not been told of.
    untold: i64,
}

impl Counts {
    /// Remembers counts for `memory`, under a name that no other table has.
    pub(super) fn new(name: &'static str, kind: LimitKind, memory: Duration) -> Self {
        let memory = i64::try_from(memory.as_micros()).unwrap_or(i64::MAX);
        Self { name, kind, memory, callers: Mutex::default(), wake: Wake::default() }
    }

    /// Whether `caller` was counted, and so often as `limit`.
    pub(super) fn has_reached(&self, caller: &str, limit: u32) -> bool {
        self.has_reached_at(caller, limit, now())
    }

    pub(super) fn has_reached_at(&self, caller: &str, limit: u32, now: i64) -> bool {
        let mut callers = self.lock();
        let count = callers.counts.get(caller).filter(|count| count.until > now);
        if count.is_some_and(|count| count.number >= i64::from(limit)) {
            return true;
        }
        // Another server may know more: the answer holds for the caller's next request.
        self.change(&mut callers, caller);
        drop(callers);
        self.wake.wake();
        false
    }

    /// Adds one to the count of `caller`.
    pub(super) fn add(&self, caller: &str) {
        self.add_at(caller, now());
    }

    pub(super) fn add_at(&self, caller: &str, now: i64) {
        let mut callers = self.lock();
        callers.make_room(now);
        self.change(&mut callers, caller);
        let is_renewed = self.kind == LimitKind::SinceLast;
        let count = callers.counts.entry(caller.to_owned()).or_default();
        let is_new = count.until <= now;
        if is_new {
            *count = Count::default();
        }
        if is_new || is_renewed {
            count.until = now.saturating_add(self.memory);
        }
        count.number = count.number.saturating_add(1);
        if self.wake.is_shared() {
            count.untold += 1;
        }
        drop(callers);
        self.wake.wake();
    }

    fn change(&self, callers: &mut Callers, caller: &str) {
        if self.wake.is_shared() && callers.changed.len() < MAX_CALLERS {
            callers.changed.insert(caller.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    fn make_room(&mut self, now: i64) {
        if self.counts.len() >= MAX_CALLERS {
            self.counts.retain(|_, count| count.until > now);
        }
        if self.counts.len() >= MAX_CALLERS {
            self.counts.clear(); // a flood from everywhere: better forget than grow
        }
    }
}

impl Counted for Counts {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> LimitKind {
        self.kind
    }

    fn share(&self, wake: SyncSender<()>) {
        self.wake.set(wake);
    }

    fn take(&self, now: i64) -> Vec<Untold> {
        let mut callers = self.lock();
        let changed = std::mem::take(&mut callers.changed);
        let untold = changed.into_iter().map(|caller| {
            let count = callers.counts.get_mut(&caller).filter(|count| count.until > now);
            let amount = count.map_or(0, |count| std::mem::take(&mut count.untold));
            Untold { caller, amount, span: self.memory }
        });
        untold.collect()
    }

    fn learn(&self, told: &[(Untold, LimitTotal)], now: i64) {
        let mut callers = self.lock();
        for (Untold { caller, .. }, total) in told {
            let remaining = total.remaining.min(self.memory);
            if total.count <= 0 || remaining <= 0 {
                continue;
            }
            if !callers.counts.contains_key(caller) {
                callers.make_room(now);
            }
            let count = callers.counts.entry(caller.clone()).or_default();
            let number = total.count.saturating_add(count.untold);
            // What this server counted alone holds as well, should the store have lost its rows.
            if count.until <= now || number >= count.number {
                (count.number, count.until) = (number, now.saturating_add(remaining));
            }
        }
    }

    fn restore(&self, untold: &[Untold], now: i64) {
        let callers = &mut *self.lock();
        for Untold { caller, amount, .. } in untold.iter().filter(|untold| untold.amount > 0) {
            let count = callers.counts.get_mut(caller).filter(|count| count.until > now);
            let Some(count) = count else { continue };
            count.untold = count.untold.saturating_add(*amount);
            self.change(callers, caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_count_is_forgotten_after_the_first_or_after_the_last() {
        let counts = Counts::new("wrong", LimitKind::SinceFirst, MINUTE);
        assert!(!counts.has_reached_at("a", 0, 0), "nothing was counted");
        for (kind, is_remembered) in [(LimitKind::SinceFirst, false), (LimitKind::SinceLast, true)]
        {
            let counts = Counts::new("wrong", kind, MINUTE);
            counts.add_at("a", 0);
            counts.add_at("a", 59_000_000);
            assert!(counts.has_reached_at("a", 2, 59_999_999));
            assert_eq!(counts.has_reached_at("a", 2, 60_000_000), is_remembered, "{kind:?}");
            assert!(!counts.has_reached_at("a", 2, 119_000_000));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let counts = Counts::new("wrong", LimitKind::SinceFirst, MINUTE);
        (0..3 * MAX_CALLERS).for_each(|i| counts.add_at(&i.to_string(), 0));
        assert!(counts.lock().counts.len() <= MAX_CALLERS);
        assert!(counts.lock().changed.is_empty(), "nobody is to be told");
    }
}
