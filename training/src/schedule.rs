//! The learning rate at every step of a run.
//!
//! A rate is the peak rate times a factor between 0 and 1. The factor rises linearly over `warmup`
//! steps and then follows the schedule's curve; where both apply, the smaller one counts. Curves
//! that end with the run are functions of its *progress*, the share of the budget (steps or
//! minutes) that is used up.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate rises and falls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The peak rate for ever, after the warm-up.
    Constant {
        /// Steps of linear rise.
        warmup: u64,
    },
    /// `√(warmup / step)` after the warm-up (Vaswani et al. 2017, eq. 3): needs no end, so a run
    /// can always go on.
    InverseSquareRoot {
        /// Steps of linear rise.
        warmup: u64,
    },
    /// `floor + (1 − floor) · (1 + cos π·progress) / 2` (Loshchilov and Hutter 2017).
    Cosine {
        /// Steps of linear rise.
        warmup: u64,
        /// What is left of the peak rate at the end of the budget.
        #[serde(default)]
        floor: f64,
    },
    /// The peak rate until `hold` of the budget is used, then a straight line to zero at its end.
    ///
    /// With `hold = 0` it is the plain linear decay, with 0.8 the trapezoid ("warm-up, stable,
    /// decay", Hu et al. 2024).
    Linear {
        /// Steps of linear rise.
        warmup: u64,
        /// Share of the budget after which the rate falls.
        #[serde(default)]
        hold: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::InverseSquareRoot { warmup: 1000 }
    }
}

impl Schedule {
    /// Factor of the peak rate for `step` (the first is 1), at a `progress` between 0 and 1.
    pub fn factor(self, step: u64, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        let decay = match self {
            Self::Constant { .. } => 1.0,
            Self::InverseSquareRoot { warmup } => {
                (warmup.max(1) as f64 / step.max(1) as f64).sqrt()
            }
            Self::Cosine { floor, .. } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress).cos())
            }
            Self::Linear { hold, .. } => (1.0 - progress) / (1.0 - hold).max(f64::EPSILON),
        };
        self.rise(step).min(decay).min(1.0)
    }

    /// Whether the curve ends with the budget, so that a run without one makes no sense.
    pub fn needs_budget(self) -> bool {
        matches!(self, Self::Cosine { .. } | Self::Linear { .. })
    }

    /// Says what is wrong with the settings, if anything.
    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Self::Cosine { floor, .. } if !(0.0..=1.0).contains(&floor) => {
                Err(format!("`schedule.floor` is {floor}; it must be between 0 and 1"))
            }
            Self::Linear { hold, .. } if !(0.0..1.0).contains(&hold) => {
                Err(format!("`schedule.hold` is {hold}; it must be at least 0 and less than 1"))
            }
            _ => Ok(()),
        }
    }

    fn rise(self, step: u64) -> f64 {
        let (Self::Constant { warmup }
        | Self::InverseSquareRoot { warmup }
        | Self::Cosine { warmup, .. }
        | Self::Linear { warmup, .. }) = self;
        if warmup == 0 { 1.0 } else { step as f64 / warmup as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn every_schedule_rises_linearly_over_the_warm_up() {
        for schedule in [
            Schedule::Constant { warmup: 10 },
            Schedule::InverseSquareRoot { warmup: 10 },
            Schedule::Cosine { warmup: 10, floor: 0.0 },
            Schedule::Linear { warmup: 10, hold: 0.0 },
        ] {
            assert!(close(schedule.factor(1, 0.0), 0.1), "{schedule:?}");
            assert!(close(schedule.factor(5, 0.0), 0.5), "{schedule:?}");
            assert!(close(schedule.factor(10, 0.0), 1.0), "{schedule:?}");
        }
    }

    #[test]
    fn the_inverse_square_root_halves_at_four_times_the_warm_up() {
        let schedule = Schedule::InverseSquareRoot { warmup: 100 };
        assert!(close(schedule.factor(400, 0.9), 0.5));
        assert!(close(schedule.factor(10_000, 0.1), 0.1));
    }

    #[test]
    fn the_cosine_ends_at_its_floor() {
        let schedule = Schedule::Cosine { warmup: 1, floor: 0.1 };
        assert!(close(schedule.factor(50, 0.0), 1.0));
        assert!(close(schedule.factor(50, 0.5), 0.55));
        assert!(close(schedule.factor(50, 1.0), 0.1));
    }

    #[test]
    fn the_line_holds_and_then_falls_to_zero() {
        let schedule = Schedule::Linear { warmup: 1, hold: 0.5 };
        assert!(close(schedule.factor(50, 0.25), 1.0));
        assert!(close(schedule.factor(50, 0.5), 1.0));
        assert!(close(schedule.factor(50, 0.75), 0.5));
        assert!(close(schedule.factor(50, 1.0), 0.0));
        assert!(close(schedule.factor(50, 1.5), 0.0), "past the end of the budget");
    }

    #[test]
    fn contradictions_are_named() {
        let error = Schedule::Linear { warmup: 0, hold: 1.0 }.check().expect_err("hold is 1");
        assert!(error.contains("schedule.hold"), "{error}");
    }
}
