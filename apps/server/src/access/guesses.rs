//! Counts wrong keys, so that nobody can try many.

use std::{sync::Arc, time::Duration};

use dragoman_store::LimitKind;

use super::{counted::Counted, counts::Counts};
use crate::error::ServiceError;

/// The time in which wrong keys are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Wrong keys by client, within the last minute.
pub(super) struct Guesses {
    limit: Option<u32>,
    wrong: Arc<Counts>,
}

impl Guesses {
    /// Lets a client guess `limit` times a minute; `None` does not count.
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, wrong: Arc::new(Counts::new("wrong", LimitKind::SinceFirst, WINDOW)) }
    }

    /// Refuses a client that guessed too often.
    pub(super) fn check(&self, client: &str) -> Result<(), ServiceError> {
        match self.limit {
            Some(limit) if self.wrong.has_reached(client, limit) => {
                Err(ServiceError::Slowdown(format!("{limit} wrong keys per 1 minute")))
            }
            _ => Ok(()),
        }
    }

    /// Notes a wrong key.
    pub(super) fn note(&self, client: &str) {
        if self.limit.is_some() {
            self.wrong.add(client);
        }
    }

    /// What servers can count together.
    pub(super) fn table(&self) -> Arc<dyn Counted> {
        Arc::<Counts>::clone(&self.wrong)
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
}
