//! Counts wrong keys, so that nobody can try many.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::ServiceError;

/// The time in which wrong keys are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Clients remembered at most.
const MAX_CLIENTS: usize = 10_000;

/// Wrong keys by client, within the last minute.
pub(super) struct Guesses {
    limit: Option<u32>,
    wrong: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Guesses {
    /// Lets a client guess `limit` times a minute; `None` does not count.
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, wrong: Mutex::default() }
    }

    /// Refuses a client that guessed too often.
    pub(super) fn check(&self, client: &str) -> Result<(), ServiceError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong.get(client) {
            Some((count, since)) if *count >= limit && since.elapsed() < WINDOW => {
                Err(ServiceError::Slowdown(format!("{limit} wrong keys per 1 minute")))
            }
            _ => Ok(()),
        }
    }

    /// Notes a wrong key.
    pub(super) fn note(&self, client: &str) {
        if self.limit.is_none() {
            return;
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MAX_CLIENTS {
            wrong.retain(|_, (_, since)| since.elapsed() < WINDOW);
        }
        if wrong.len() >= MAX_CLIENTS {
            wrong.clear(); // guesses from everywhere: better forget than grow
        }
        let (count, since) = wrong.entry(client.to_owned()).or_insert((0, Instant::now()));
        if since.elapsed() >= WINDOW {
            (*count, *since) = (0, Instant::now());
        }
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_err_a_few_times() {
        let guesses = Guesses::new(Some(2));
        for _ in 0..2 {
            assert_eq!(guesses.check("a"), Ok(()));
            guesses.note("a");
        }
        let refused = guesses.check("a").expect_err("two were allowed").to_string();
        assert!(refused.contains("2 wrong keys per 1 minute"), "{refused}");
        assert_eq!(guesses.check("b"), Ok(()));
        let uncounted = Guesses::new(None);
        uncounted.note("a");
        assert_eq!(uncounted.check("a"), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let guesses = Guesses::new(Some(1));
        (0..3 * MAX_CLIENTS).for_each(|i| guesses.note(&i.to_string()));
        assert!(guesses.wrong.lock().is_ok_and(|wrong| wrong.len() <= MAX_CLIENTS));
    }
}
