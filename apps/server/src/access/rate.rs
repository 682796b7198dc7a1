//! Limits of requests per time, by address or by key.

use std::{sync::Arc, time::Duration};

use super::{allowances::Allowances, counted::Counted};
use crate::{config::LimitsConfig, error::ServiceError};

const MINUTE: Duration = Duration::from_secs(60);

/// All limits of a server.
pub(super) struct Rates {
    by_address: Vec<Window>,
    suggestions: Option<Window>,
    by_key: Arc<Allowances>,
}

/// A number of requests in some time, for each caller.
struct Window {
    limit: u32,
    unit: &'static str,
    allowances: Arc<Allowances>,
}

impl Rates {
    pub(super) fn new(config: &LimitsConfig) -> Self {
        let windows = [
            (config.req_limit, "minute", MINUTE),
            (config.hourly_req_limit, "hour", 60 * MINUTE),
            (config.daily_req_limit, "day", 24 * 60 * MINUTE),
        ];
        let by_address = windows.into_iter().filter_map(|(limit, unit, period)| {
            Some(Window { limit: limit?, unit, allowances: Allowances::new(unit, period).into() })
        });
        let suggestions = config.suggest_limit.map(|limit| Window {
            limit,
            unit: "minute",
            allowances: Allowances::new("suggestion", MINUTE).into(),
        });
        let by_key = Arc::new(Allowances::new("key", MINUTE));
        Self { by_address: by_address.collect(), suggestions, by_key }
    }

    /// Counts `cost` requests by `address`.
    pub(super) fn check_address(&self, address: &str, cost: usize) -> Result<(), ServiceError> {
        self.by_address.iter().try_for_each(|window| window.check(address, cost))
    }

    /// Counts a suggestion by `address`.
    pub(super) fn check_suggestion(&self, address: &str) -> Result<(), ServiceError> {
        self.suggestions.as_ref().map_or(Ok(()), |window| window.check(address, 1))
    }

    /// Counts `cost` requests by `key`, which may send `limit` a minute.
    pub(super) fn check_key(
        &self,
        key: &str,
        limit: Option<u32>,
        cost: usize,
    ) -> Result<(), ServiceError> {
        match limit {
            Some(limit) if !self.by_key.check(key, limit, cost) => Err(slow_down(limit, "minute")),
            _ => Ok(()),
        }
    }

    /// What servers can count together.
    pub(super) fn tables(&self) -> Vec<Arc<dyn Counted>> {
        let windows = self.by_address.iter().chain(&self.suggestions);
        let allowances = windows.map(|window| &window.allowances).chain([&self.by_key]);
        allowances.map(|allowances| Arc::<Allowances>::clone(allowances) as _).collect()
    }
}

impl Window {
    fn check(&self, caller: &str, cost: usize) -> Result<(), ServiceError> {
        match self.allowances.check(caller, self.limit, cost) {
            true => Ok(()),
            false => Err(slow_down(self.limit, self.unit)),
        }
    }
}

fn slow_down(limit: u32, unit: &str) -> ServiceError {
    ServiceError::Slowdown(format!("{limit} per 1 {unit}"))
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
