//! Shows how a run gets on: a bar on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Positions of the bar; progress is a share, as budgets of minutes know no number of steps.
const TICKS: u64 = 10_000;

/// Least time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The bar, or the lines, of one run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    last_line: Option<Instant>,
    started: Instant,
    at_start: Option<f64>,
    /// What was shown last: losses and speeds are smoothed, as single steps say little.
    shown: Option<Glance>,
}

/// What there is to show after a step.
#[derive(Debug, Clone, Copy)]
pub struct Glance {
    /// Steps made, resumed ones included.
    pub step: u64,
    /// Share of the budget that is used up, between 0 and 1; none if the run has no end.
    pub progress: Option<f64>,
    /// Mean loss per token of the step.
    pub loss: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// Target tokens a second in the step.
    pub tokens_per_second: f64,
}

impl Progress {
    /// Starts to show progress; `quiet` shows nothing.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(TICKS), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg}");
            bar.with_style(style.expect("the template is valid"))
        });
        Self { bar, quiet, last_line: None, started: Instant::now(), at_start: None, shown: None }
    }

    /// Shows the state after a step.
    pub fn step(&mut self, glance: &Glance) {
        let first = *self.at_start.get_or_insert(glance.progress.unwrap_or(0.0));
        let left = glance.progress.and_then(|now| time_left(self.started.elapsed(), first, now));
        let glance = &smooth(self.shown, glance);
        self.shown = Some(*glance);
        let line = line(glance, left);
        match &self.bar {
            Some(bar) => {
                bar.set_position((glance.progress.unwrap_or(0.0) * TICKS as f64) as u64);
                bar.set_message(line);
            }
            None if self.quiet => {}
            None => {
                if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    self.last_line = Some(Instant::now());
                    eprintln!("{line}");
                }
            }
        }
    }

    /// Says something that stays on the screen.
    pub fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{message}")),
            None if self.quiet => {}
            None => eprintln!("{message}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A moving average over some twenty steps of what jumps from step to step.
fn smooth(shown: Option<Glance>, new: &Glance) -> Glance {
    let Some(old) = shown.filter(|old| old.loss.is_finite()) else { return *new };
    let mix = |old: f64, new: f64| 0.95 * old + 0.05 * new;
    Glance {
        loss: mix(old.loss, new.loss),
        tokens_per_second: mix(old.tokens_per_second, new.tokens_per_second),
        ..*new
    }
}

/// Time that remains if the pace since the start is kept.
fn time_left(elapsed: Duration, first: f64, now: f64) -> Option<Duration> {
    let done = now - first;
    (done > 0.0).then(|| elapsed.mul_f64(((1.0 - now) / done).clamp(0.0, 1e6)))
}

fn line(glance: &Glance, left: Option<Duration>) -> String {
    let Glance { step, loss, learning_rate, tokens_per_second, .. } = glance;
    let left = left.map(|left| format!(" · {} left", clock(left))).unwrap_or_default();
    format!(
        "step {step} · loss {loss:.3} · rate {learning_rate:.2e} · {tokens_per_second:.0} tokens/s{left}"
    )
}

/// `1:02:03`, or `2:03` below an hour.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace_of_this_session() {
        // Resumed at a half; a quarter took a minute, so the last quarter takes another.
        let left = time_left(Duration::from_secs(60), 0.5, 0.75);
        assert_eq!(left, Some(Duration::from_secs(60)));
        assert_eq!(time_left(Duration::from_secs(60), 0.5, 0.5), None);
    }

    #[test]
    fn a_line_says_what_matters() {
        let glance = Glance {
            step: 12,
            progress: Some(0.5),
            loss: 3.25,
            learning_rate: 1e-3,
            tokens_per_second: 2700.4,
        };
        assert_eq!(
            line(&glance, Some(Duration::from_secs(3723))),
            "step 12 · loss 3.250 · rate 1.00e-3 · 2700 tokens/s · 1:02:03 left"
        );
    }
}
