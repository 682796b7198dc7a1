//! How a run is stopped early: by a signal, or because its time is up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The outside world's hold on a run. Clones share one flag.
///
/// A stopped run finishes its step, saves a checkpoint and says how to go on.
#[derive(Debug, Clone, Default)]
pub struct Control {
    stop: Arc<AtomicBool>,
    deadline: Option<Instant>,
    steps: Option<u64>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The budget of the configuration is used up.
    Finished,
    /// By request, such as Ctrl-C.
    Interrupted,
    /// The time or the steps granted to this session are over.
    OutOfTime,
}

impl Control {
    /// Lets the run go on for `limit` from now at most, checkpoint included as far as can be estimated.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.deadline = Instant::now().checked_add(limit);
        self
    }

    /// Lets the run make at most `steps` steps now.
    pub fn with_step_limit(mut self, steps: u64) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Asks the run to stop after its step; safe to call in a signal handler's thread.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether [`Control::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Why to stop after `steps_made` steps of this session, or none to go on.
    pub(crate) fn verdict(&self, steps_made: u64) -> Option<Ended> {
        if self.is_stopped() {
            return Some(Ended::Interrupted);
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let enough = self.steps.is_some_and(|steps| steps_made >= steps);
        (late || enough).then_some(Ended::OutOfTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_stops_the_run() {
        let control = Control::default();
        assert_eq!(control.verdict(1_000_000), None);
        control.clone().stop();
        assert_eq!(control.verdict(0), Some(Ended::Interrupted));
    }

    #[test]
    fn limits_end_the_session() {
        let control = Control::default().with_time_limit(Duration::ZERO);
        assert_eq!(control.verdict(0), Some(Ended::OutOfTime));
        let control = Control::default().with_step_limit(3);
        assert_eq!(control.verdict(2), None);
        assert_eq!(control.verdict(3), Some(Ended::OutOfTime));
    }
}
