//! What a run cost: operations, hours, energy.

use super::log::RunLog;

/// Operations for one weight and one token: a multiplication and an addition, forward once and
/// backward twice (Kaplan et al., 2020, section 2.1).
const FLOPS_PER_WEIGHT: f64 = 6.0;

/// What a run cost so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Floating point operations; attention between tokens and embeddings are left out.
    pub(super) flops: f64,
    /// Seconds of training, void steps of resumed sessions included.
    pub(super) seconds: f64,
    /// Energy by the assumed watts, in kWh.
    pub(super) kilowatt_hours: f64,
}

impl Cost {
    /// Sums up the sessions of `log`.
    pub(super) fn of(log: &RunLog) -> Self {
        let model = log.start().map(|start| start.model).unwrap_or_default();
        let (source, target) =
            log.steps.last().map_or((0, 0), |step| (step.source_tokens, step.target_tokens));
        let visits = model.active_encoder_parameters as f64 * source as f64
            + model.active_decoder_parameters as f64 * target as f64;
        let watt_seconds: f64 =
            log.sessions.iter().map(|(start, seconds)| start.machine.watts * seconds).sum();
        Self {
            flops: FLOPS_PER_WEIGHT * visits,
            seconds: log.sessions.iter().map(|(_, seconds)| seconds).sum(),
            kilowatt_hours: watt_seconds / 3.6e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::log::{Event, Machine, ModelSize, Start, Step};

    #[test]
    fn a_cost_can_be_checked_by_hand() {
        let model = ModelSize {
            parameters: 10,
            active_encoder_parameters: 3,
            active_decoder_parameters: 2,
        };
        let machine = Machine { watts: 100.0, ..Machine::default() };
        let start = Start { model, machine, ..Start::default() };
        let (source_tokens, target_tokens, elapsed_seconds) = (1000, 2000, 7200.0);
        let step =
            Step { step: 1, elapsed_seconds, source_tokens, target_tokens, ..Step::default() };

        let mut log = RunLog::default();
        log.add(Event::Start(Box::new(start)));
        log.add(Event::Step(step));
        let cost = Cost { flops: 42_000.0, seconds: 7200.0, kilowatt_hours: 0.2 };
        assert_eq!(Cost::of(&log), cost);
    }
}
