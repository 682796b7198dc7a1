//! The learning rate at every step of a run.
//!
//! A rate is the peak rate times a factor between 0 and 1. The factor rises linearly over the
//! warm-up (so many steps, or below 1 a share of the budget) and then follows the schedule's curve; where both apply, the smaller one counts. Curves
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
        /// Steps of linear rise; below 1 a share of the budget.
        warmup: f64,
    },
    /// `√(warmup / step)` after the warm-up (Vaswani et al. 2017, eq. 3): needs no end, so a run
    /// can always go on.
    InverseSquareRoot {
        /// Steps of linear rise; below 1 a share of the budget.
        warmup: f64,
    },
    /// `floor + (1 − floor) · (1 + cos π·progress) / 2` (Loshchilov and Hutter 2017).
    Cosine {
        /// Steps of linear rise; below 1 a share of the budget.
        warmup: f64,
        /// What is left of the peak rate at the end of the budget.
        #[serde(default)]
        floor: f64,
    },
    /// The peak rate until `hold` of the budget is used, then a straight line to zero at its end.
    ///
    /// With `hold = 0` it is the plain linear decay, with 0.8 the trapezoid ("warm-up, stable,
    /// decay", Hu et al. 2024).
    Linear {
        /// Steps of linear rise; below 1 a share of the budget.
        warmup: f64,
        /// Share of the budget after which the rate falls.
        #[serde(default)]
        hold: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::InverseSquareRoot { warmup: 1000.0 }
    }
}

impl Schedule {
    /// Factor of the peak rate for `step` (the first is 1), at a `progress` between 0 and 1.
    pub fn factor(self, step: u64, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        let decay = match self {
            Self::Constant { .. } => 1.0,
            Self::InverseSquareRoot { warmup } if is_share(warmup) => {
                (warmup / progress.max(warmup)).sqrt()
            }
            Self::InverseSquareRoot { warmup } => (warmup.max(1.0) / step.max(1) as f64).sqrt(),
            Self::Cosine { floor, .. } => {
                floor + (1.0 - floor) * 0.5 * (1.0 + (PI * progress).cos())
            }
            Self::Linear { hold, .. } => (1.0 - progress) / (1.0 - hold).max(f64::EPSILON),
        };
        self.rise(step, progress).min(decay).min(1.0)
    }

    /// Whether the curve depends on the budget, so that a run without one makes no sense.
    pub fn needs_budget(self) -> bool {
        matches!(self, Self::Cosine { .. } | Self::Linear { .. }) || is_share(self.warmup())
    }

    fn warmup(self) -> f64 {
        let (Self::Constant { warmup }
        | Self::InverseSquareRoot { warmup }
        | Self::Cosine { warmup, .. }
        | Self::Linear { warmup, .. }) = self;
        warmup
    }

    /// Says what is wrong with the settings, if anything.
    pub(crate) fn check(self) -> Result<(), String> {
        let warmup = self.warmup();
        if !(warmup >= 0.0 && warmup.is_finite()) || (warmup > 1.0 && warmup.fract() > 0.0) {
            return Err(format!(
                "`schedule.warmup` is {warmup}; it must be a number of steps, or a share of the \
                 budget below 1"
            ));
        }
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

    fn rise(self, step: u64, progress: f64) -> f64 {
        match self.warmup() {
            0.0 => 1.0,
            share if is_share(share) => progress / share,
            steps => step as f64 / steps,
        }
    }
}

/// Whether a warm-up is a share of the budget.
fn is_share(warmup: f64) -> bool {
    warmup > 0.0 && warmup < 1.0
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
            Schedule::Constant { warmup: 10.0 },
            Schedule::InverseSquareRoot { warmup: 10.0 },
            Schedule::Cosine { warmup: 10.0, floor: 0.0 },
            Schedule::Linear { warmup: 10.0, hold: 0.0 },
        ] {
            assert!(close(schedule.factor(1, 0.0), 0.1), "{schedule:?}");
            assert!(close(schedule.factor(5, 0.0), 0.5), "{schedule:?}");
            assert!(close(schedule.factor(10, 0.0), 1.0), "{schedule:?}");
        }
    }

    #[test]
    fn the_inverse_square_root_halves_at_four_times_the_warm_up() {
        let schedule = Schedule::InverseSquareRoot { warmup: 100.0 };
        assert!(close(schedule.factor(400, 0.9), 0.5));
        assert!(close(schedule.factor(10_000, 0.1), 0.1));
    }

    #[test]
    fn the_cosine_ends_at_its_floor() {
        let schedule = Schedule::Cosine { warmup: 1.0, floor: 0.1 };
        assert!(close(schedule.factor(50, 0.0), 1.0));
        assert!(close(schedule.factor(50, 0.5), 0.55));
        assert!(close(schedule.factor(50, 1.0), 0.1));
    }

    #[test]
    fn the_line_holds_and_then_falls_to_zero() {
        let schedule = Schedule::Linear { warmup: 1.0, hold: 0.5 };
        assert!(close(schedule.factor(50, 0.25), 1.0));
        assert!(close(schedule.factor(50, 0.5), 1.0));
        assert!(close(schedule.factor(50, 0.75), 0.5));
        assert!(close(schedule.factor(50, 1.0), 0.0));
        assert!(close(schedule.factor(50, 1.5), 0.0), "past the end of the budget");
    }

    #[test]
    fn a_warm_up_may_be_a_share_of_the_budget() {
        let schedule = Schedule::Linear { warmup: 0.1, hold: 0.5 };
        assert!(close(schedule.factor(1, 0.05), 0.5), "however few steps a busy machine makes");
        assert!(close(schedule.factor(9000, 0.05), 0.5));
        assert!(close(schedule.factor(9000, 0.3), 1.0));
        let schedule = Schedule::InverseSquareRoot { warmup: 0.1 };
        assert!(close(schedule.factor(7, 0.1), 1.0) && close(schedule.factor(7, 0.4), 0.5));
        assert!(schedule.needs_budget());
        let error = Schedule::Constant { warmup: 1.5 }.check().expect_err("neither of both");
        assert!(error.contains("schedule.warmup"), "{error}");
    }

    #[test]
    fn contradictions_are_named() {
        let error = Schedule::Linear { warmup: 0.0, hold: 1.0 }.check().expect_err("hold is 1");
        assert!(error.contains("schedule.hold"), "{error}");
    }
}
