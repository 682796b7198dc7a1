//! What a run keeps from the model, to choose settings by.

use dragoman_data::interactions::Interactions;

use crate::{Result, recommendation::trial::Trial};

/// What a run keeps from the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    /// The newest events: `1 - quantile` of all for the test, a tenth of the rest to choose by.
    Time {
        /// Share of the events before the test.
        quantile: f64,
    },
    /// Everybody's last event for the test, and the one before to choose by.
    LeaveOneOut,
    /// The newest tenth to choose by, and nothing for a test.
    All,
}

impl Protocol {
    /// What is learned from while settings are chosen, with what they are chosen by, and what is
    /// learned from in the end, if that is more.
    pub(super) fn stages(
        self,
        log: &Interactions,
        keeps_seen: bool,
    ) -> Result<(Trial, Option<Interactions>)> {
        Ok(match self {
            Self::Time { quantile } => {
                let cuts = log.cuts(quantile)?;
                let trial = Trial::in_time(log, cuts.valid, Some(cuts.test), keeps_seen);
                (trial, Some(log.before(cuts.test)))
            }
            Self::All if log.has_times => {
                let cut = log.cuts(0.9)?.test;
                (Trial::in_time(log, cut, None, keeps_seen), Some(log.clone()))
            }
            Self::All => (Trial::leave_one_out(log, 0, keeps_seen), Some(log.clone())),
            // The papers never give the event to choose by back to the model.
            Self::LeaveOneOut => {
                (Trial::leave_one_out(&log.leave_one_out(0).train, 0, keeps_seen), None)
            }
        })
    }
}
