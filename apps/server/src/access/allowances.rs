//! How many requests each caller may send in some time: the generic cell rate algorithm (GCRA).
//!
//! A request is a debt of time, a minute divided by the requests a minute, and may be made as long as no more than
//! the minute is owed. One moment is all that is stored of a caller: when the debt is paid. Debts of several
//! servers add up, so that what was let through beyond the limit, because servers hear of each other a moment
//! later, is paid off before the caller is let in again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    time::Duration,
};

use ahash::AHashMap;
use dragoman_store::{LimitKind, LimitTotal};

use super::counted::{Counted, Untold, Wake, now};

/// After so many checks, callers who owe nothing are forgotten.
const CHECKS_BETWEEN_CLEANINGS: usize = 4096;

/// Callers remembered at most; beyond that the half that owes the least is forgotten.
const MAX_CALLERS: usize = 1 << 18;

/// The debts of all callers.
pub(super) struct Allowances {
    name: &'static str,
    /// Microseconds.
    period: i64,
    callers: Mutex<Callers>,
    wake: Wake,
}

#[derive(Default)]
struct Callers {
    debts: AHashMap<String, Debt>,
    /// Those who have something untold.
    changed: Vec<String>,
    checks: usize,
}

/// What a caller owes; all in microseconds.
#[derive(Debug, Clone, Copy)]
struct Debt {
    /// When it is paid.
    until: i64,
    /// The part that other servers have not been told of.
    untold: i64,
    /// When that part began.
    since: i64,
}

impl Allowances {
    /// Counts requests in `period`, under a name that no other table has.
    pub(super) fn new(name: &'static str, period: Duration) -> Self {
        let period = i64::try_from(period.as_micros()).unwrap_or(i64::MAX);
        Self { name, period, callers: Mutex::default(), wake: Wake::default() }
    }

    /// Counts `cost` requests by `caller`, unless they are more than `limit` allows.
    pub(super) fn check(&self, caller: &str, limit: u32, cost: usize) -> bool {
        self.check_at(caller, limit, cost, now())
    }

    pub(super) fn check_at(&self, caller: &str, limit: u32, cost: usize, now: i64) -> bool {
        let limit = i64::from(limit);
        let interval = self.period.checked_div(limit).unwrap_or(0).max(1);
        let cost = i64::try_from(cost.max(1)).unwrap_or(i64::MAX);
        if cost > limit {
            return false;
        }
        let mut callers = self.lock();
        callers.clean(now);
        let added = cost * interval;
        let known = callers.debts.get(caller).copied();
        let mut debt = known.unwrap_or(Debt { until: now, untold: 0, since: now });
        debt.until = debt.until.max(now).saturating_add(added);
        if debt.until - now > limit * interval {
            return false;
        }
        if self.wake.is_shared() {
            if debt.untold == 0 {
                debt.since = now;
                callers.changed.push(caller.to_owned());
            }
            debt.untold += added;
        }
        callers.debts.insert(caller.to_owned(), debt);
        drop(callers);
        self.wake.wake();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    /// Forgets those who owe nothing, now and then.
    fn clean(&mut self, now: i64) {
        self.checks += 1;
        let is_full = self.debts.len() >= MAX_CALLERS;
        if !is_full && !self.checks.is_multiple_of(CHECKS_BETWEEN_CLEANINGS) {
            return;
        }
        self.debts.retain(|_, debt| debt.until > now || debt.untold > 0);
        // Not only as many as must go, or the next ones would have it done again.
        if is_full && self.debts.len() > MAX_CALLERS / 2 {
            let mut moments: Vec<i64> = self.debts.values().map(|debt| debt.until).collect();
            let middle = moments.len() / 2;
            let (_, &mut middle, _) = moments.select_nth_unstable(middle);
            self.debts.retain(|_, debt| debt.until > middle);
        }
    }
}

impl Counted for Allowances {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> LimitKind {
        LimitKind::Debt
    }

    fn share(&self, wake: SyncSender<()>) {
        self.wake.set(wake);
    }

    fn take(&self, now: i64) -> Vec<Untold> {
        let mut callers = self.lock();
        let changed = std::mem::take(&mut callers.changed);
        let untold = changed.into_iter().filter_map(|caller| {
            let debt = callers.debts.get_mut(&caller)?;
            let amount = std::mem::take(&mut debt.untold);
            (amount > 0).then_some(Untold { caller, amount, span: now - debt.since })
        });
        untold.collect()
    }

    fn learn(&self, told: &[(Untold, LimitTotal)], now: i64) {
        let mut callers = self.lock();
        for (Untold { caller, .. }, total) in told {
            // More than two periods can hardly be owed: the clock of the store was set back.
            let owed = total.remaining.min(self.period.saturating_mul(2));
            match callers.debts.get_mut(caller) {
                // What this server counted alone holds as well, should the store have lost its rows.
                Some(debt) => {
                    let all = now.saturating_add(owed).saturating_add(debt.untold);
                    debt.until = debt.until.max(all);
                }
                None if owed > 0 => {
                    let debt = Debt { until: now.saturating_add(owed), untold: 0, since: now };
                    callers.debts.insert(caller.clone(), debt);
                }
                None => {}
            }
        }
    }

    /// What was paid meanwhile is no longer told: servers that counted alone for an hour do not add up that hour.
    fn restore(&self, untold: &[Untold], now: i64) {
        let callers = &mut *self.lock();
        for Untold { caller, amount, .. } in untold {
            let Some(debt) = callers.debts.get_mut(caller) else { continue };
            let was_told = debt.untold == 0;
            debt.untold = (debt.untold + amount).min((debt.until - now).max(0));
            debt.since = now;
            if was_told && debt.untold > 0 {
                callers.changed.push(caller.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::{
        Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
        state::keyed::HashMapStateStore,
    };
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_is_bounded_and_those_who_owe_most_stay() {
        let allowances = Allowances::new("minute", Duration::from_secs(60));
        for i in 0..MAX_CALLERS + 10 {
            assert!(allowances.check_at(&i.to_string(), 2, 1, i as i64));
        }
        let last = (MAX_CALLERS - 1).to_string();
        assert!(allowances.lock().debts.len() <= MAX_CALLERS);
        assert!(!allowances.check_at(&last, 2, 2, MAX_CALLERS as i64), "it owes for one already");
    }

    #[test]
    fn callers_who_owe_nothing_are_forgotten() {
        let allowances = Allowances::new("minute", Duration::from_secs(60));
        for i in 0..CHECKS_BETWEEN_CLEANINGS - 1 {
            assert!(allowances.check_at(&i.to_string(), 1, 1, 0));
        }
        assert!(allowances.check_at("last", 1, 1, 60_000_001));
        assert_eq!(allowances.lock().debts.len(), 1);
    }

    proptest! {
        #[test]
        fn one_server_decides_as_governor_does(
            limit in prop::sample::select(vec![1u32, 2, 3, 5, 8, 60, 1000]),
            requests in prop::collection::vec((0u32..3, 1u32..4, 0u64..20_000_000), 1..100),
        ) {
            let clock = FakeRelativeClock::default();
            let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(
                Quota::per_minute(NonZeroU32::new(limit).expect("no limit is 0")),
                HashMapStateStore::<String>::default(),
                clock.clone(),
            );
            let allowances = Allowances::new("minute", Duration::from_secs(60));
            let mut now = 0;
            for (caller, cost, pause) in requests {
                clock.advance(Duration::from_micros(pause));
                now += pause as i64;
                let caller = caller.to_string();
                let cost = NonZeroU32::new(cost).expect("no cost is 0");
                let expected = matches!(limiter.check_key_n(&caller, cost), Ok(Ok(())));
                let ours = allowances.check_at(&caller, limit, cost.get() as usize, now);
                prop_assert_eq!(ours, expected);
            }
        }
    }
}
