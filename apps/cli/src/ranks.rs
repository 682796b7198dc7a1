//! The ranks that train together: the processes that `mpirun` started, or this one alone.

use std::fmt;

use dragoman_core::collective::Ranks;
use dragoman_training::Error;

/// By which launchers of MPI tell a process how many there are.
const SIZES: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];

/// Processes that a launcher started together with this one, itself included.
fn launched() -> usize {
    let size = |name: &&str| std::env::var(name).ok()?.parse().ok();
    SIZES.iter().find_map(size).unwrap_or(1)
}

/// Joins the other processes, if there are any.
///
/// # Errors
/// Fails when there are others, and this binary was built without MPI.
pub(crate) fn join() -> anyhow::Result<Ranks> {
    match launched() {
        0 | 1 => Ok(Ranks::default()),
        size => join_others(size),
    }
}

/// Refuses to do what many processes cannot do together.
pub(crate) fn refuse_others(command: &str) -> anyhow::Result<()> {
    match launched() {
        0 | 1 => Ok(()),
        size => anyhow::bail!(
            "`{command}` runs in one process, and {size} were started: start it without `mpirun`"
        ),
    }
}

#[cfg(feature = "mpi")]
fn join_others(_size: usize) -> anyhow::Result<Ranks> {
    use dragoman_core::collective::Mpi;

    let ranks = Ranks::new(Mpi::join()?);
    // The others would wait for a rank that panics for ever.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        hook(info);
        Mpi::abort_job();
    }));
    Ok(ranks)
}

#[cfg(not(feature = "mpi"))]
fn join_others(size: usize) -> anyhow::Result<Ranks> {
    anyhow::bail!(
        "{size} processes were started together, but this binary trains in one: build it with \
         `--features mpi` (docs/scaling.md), or start it without `mpirun`"
    )
}

/// The error of a command after it was printed, by this rank or by the first of all.
#[derive(Debug)]
pub(crate) struct Printed;

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was printed")
    }
}

impl std::error::Error for Printed {}

/// Ends the command on all ranks after `error`; alone, just returns it.
///
/// An error of this rank ends the others, which would wait for it. One that all ranks have is printed once, by the
/// first.
pub(crate) fn fail(ranks: &Ranks, error: anyhow::Error) -> anyhow::Error {
    if ranks.is_alone() || error.is::<crate::interrupt::Interrupted>() {
        return error;
    }
    let is_own = matches!(error.downcast_ref(), Some(Error::Rank { .. }));
    if is_own || ranks.is_first() {
        eprintln!("error: {error:#}");
    }
    if is_own {
        ranks.abort();
    } else if let Err(gone) = ranks.wait_for_all() {
        // `mpirun` ends all ranks when one ends with a failure, so the first has to be heard before.
        return gone.into();
    }
    Printed.into()
}
