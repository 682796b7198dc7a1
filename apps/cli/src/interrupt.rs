//! Ctrl-C, where a command stops at a place from which it can go on.

use std::fmt;

use anyhow::Context;
use dragoman_training::control::Control;

/// The code with which a process ends that Ctrl-C stopped, as shells have it.
pub(crate) const EXIT_CODE: u8 = 130;

/// A command that was stopped by Ctrl-C, and has said what it left.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Listens for Ctrl-C, which asks `control` to stop.
pub(crate) fn listen(control: &Control) -> anyhow::Result<()> {
    let control = control.clone();
    ctrlc::set_handler(move || control.stop()).context("listening for Ctrl-C")
}
