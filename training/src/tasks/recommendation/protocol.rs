//! What a run keeps from the model, to choose settings by.

use std::iter;

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
    /// Everybody's last event for the test, and the one before to choose by, which is learned from in
    /// the end; papers differ in that.
    LeaveOneOut,
    /// The newest tenth to choose by, and nothing for a test.
    All,
}

/// What a run learns from, and what it chooses by.
pub(super) struct Stages {
    /// The validation window with what lies before it, then earlier ones, the newest first.
    pub(super) windows: Vec<Trial>,
    /// What is learned from in the end, if that is more.
    pub(super) last: Option<Interactions>,
}

impl Protocol {
    /// What is chosen by where one window is all.
    pub(super) fn newest(self, log: &Interactions, keeps_seen: bool) -> Result<Trial> {
        Ok(self.stages(log, keeps_seen, 1)?.windows.swap_remove(0))
    }

    /// Divides `log` for a run that chooses by so many windows, or by as many as the log is long
    /// enough for; without a cut in time there is but one.
    pub(super) fn stages(
        self,
        log: &Interactions,
        keeps_seen: bool,
        windows: usize,
    ) -> Result<Stages> {
        let (valid, end) = match self {
            Self::Time { quantile } => {
                let cuts = log.cuts(quantile)?;
                (cuts.valid, Some(cuts.test))
            }
            Self::All if log.has_times => (log.cuts(0.9)?.test, None),
            Self::All => {
                let trial = Trial::leave_one_out(log, 0, keeps_seen);
                return Ok(Stages { windows: vec![trial], last: Some(log.clone()) });
            }
            Self::LeaveOneOut => {
                let known = log.leave_one_out(0).train;
                let trial = Trial::leave_one_out(&known, 0, keeps_seen);
                return Ok(Stages { windows: vec![trial], last: Some(known) });
            }
        };
        let cuts = log.window_cuts(valid, end, windows);
        let ends = iter::once(end).chain(cuts.iter().copied().map(Some));
        let window = |(&cut, end)| Trial::in_time(log, cut, end, keeps_seen);
        let windows = cuts.iter().zip(ends).map(window).collect();
        Ok(Stages { windows, last: Some(end.map_or_else(|| log.clone(), |end| log.before(end))) })
    }
}
