//! Ctrl-C, where a command stops at a place from which it can go on.

use std::fmt;

use anyhow::Context;
use dragoman_core::collective::Ranks;
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

/// Listens for Ctrl-C and for a request to end, which ask `control` to stop, on a rank among others.
/// MPI asks all to end when one was killed.
pub(crate) fn listen_on(ranks: &Ranks, control: &Control) -> anyhow::Result<()> {
    let (control, rank, size) = (control.clone(), ranks.rank(), ranks.size());
    ctrlc::set_handler(move || {
        control.stop();
        // Two of them say so, as one may be the rank that was killed.
        if size > 1 && rank < 2 {
            eprintln!(
                "rank {rank} of {size} was asked to stop, or another rank is gone: start the same \
                 command again, on any number of ranks, to go on from the newest checkpoint"
            );
        }
    })
    .context("listening for Ctrl-C")
}

/// Listens for Ctrl-C, which asks `control` to stop.
pub(crate) fn listen(control: &Control) -> anyhow::Result<()> {
    listen_on(&Ranks::default(), control)
}
