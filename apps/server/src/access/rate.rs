//! Limits of requests per time, by address or by key.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::{config::LimitsConfig, error::ServiceError};

/// After so many checks, callers who have not come for long are forgotten.
const CHECKS_BETWEEN_CLEANINGS: usize = 4096;

/// All limits of a server.
pub(super) struct Rates {
    by_address: Vec<Window>,
    /// By requests a minute: keys of the same limit share a table.
    by_key: Mutex<HashMap<u32, Arc<Window>>>,
}

/// A number of requests in some time, for each caller.
struct Window {
    limit: u32,
    unit: &'static str,
    /// `None` when the limit is 0.
    limiter: Option<DefaultKeyedRateLimiter<String>>,
    checks: AtomicUsize,
}

impl Rates {
    pub(super) fn new(config: &LimitsConfig) -> Self {
        let windows = [
            (config.req_limit, "minute", 60),
            (config.hourly_req_limit, "hour", 3600),
            (config.daily_req_limit, "day", 86_400),
        ];
        let window = |(limit, unit, seconds)| Some(Window::new(limit?, unit, seconds));
        Self {
            by_address: windows.into_iter().filter_map(window).collect(),
            by_key: Mutex::default(),
        }
    }

    /// `limit` requests a minute from one address.
    pub(super) fn of_minute(limit: Option<u32>) -> Self {
        let limited = LimitsConfig { req_limit: limit, ..LimitsConfig::default() };
        Self::new(&limited)
    }

    /// Counts `cost` requests by `address`.
    pub(super) fn check_address(&self, address: &str, cost: usize) -> Result<(), ServiceError> {
        self.by_address.iter().try_for_each(|window| window.check(address, cost))
    }

    /// Counts `cost` requests by `key`, which may send `limit` a minute.
    pub(super) fn check_key(
        &self,
        key: &str,
        limit: Option<u32>,
        cost: usize,
    ) -> Result<(), ServiceError> {
        let Some(limit) = limit else { return Ok(()) };
        let window = {
            let mut windows = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Window::new(limit, "minute", 60));
            Arc::clone(windows.entry(limit).or_insert_with(new))
        };
        window.check(key, cost)
    }
}

impl Window {
    fn new(limit: u32, unit: &'static str, seconds: u64) -> Self {
        let quota = NonZeroU32::new(limit).and_then(|burst| {
            Some(Quota::with_period(Duration::from_secs(seconds) / limit)?.allow_burst(burst))
        });
        Self { limit, unit, limiter: quota.map(RateLimiter::keyed), checks: AtomicUsize::new(0) }
    }

    fn check(&self, caller: &str, cost: usize) -> Result<(), ServiceError> {
        let slow_down = || ServiceError::Slowdown(format!("{} per 1 {}", self.limit, self.unit));
        let limiter = self.limiter.as_ref().ok_or_else(slow_down)?;
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        if checks.is_multiple_of(CHECKS_BETWEEN_CLEANINGS) {
            limiter.retain_recent();
        }
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        match limiter.check_key_n(&caller.to_owned(), cost) {
            Ok(Ok(())) => Ok(()),
            _ => Err(slow_down()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_has_an_allowance_and_an_array_takes_more_of_it() {
        let config = LimitsConfig { req_limit: Some(5), ..LimitsConfig::default() };
        let rates = Rates::new(&config);
        assert_eq!(rates.check_address("a", 4), Ok(()));
        let refused = rates.check_address("a", 3).expect_err("7 are more than 5");
        assert_eq!(refused.to_string(), "too many requests: 5 per 1 minute");
        assert_eq!(rates.check_address("a", 1), Ok(()));
        assert!(rates.check_address("a", 1).is_err());
        assert_eq!(rates.check_address("b", 5), Ok(()));
        assert!(rates.check_address("c", 6).is_err(), "6 can never be within 5");
    }

    #[test]
    fn a_key_has_the_limit_of_its_own() {
        let rates = Rates::new(&LimitsConfig::default());
        for _ in 0..2 {
            assert_eq!(rates.check_key("k", Some(2), 1), Ok(()));
        }
        assert!(rates.check_key("k", Some(2), 1).is_err());
        assert_eq!(rates.check_key("other", Some(2), 1), Ok(()));
        assert_eq!(rates.check_key("k", None, 1000), Ok(()));
        assert!(rates.check_key("k", Some(0), 1).is_err());
    }
}
