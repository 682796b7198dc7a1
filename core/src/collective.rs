//! How the processes that train one model together communicate.
//!
//! A *rank* is one of the processes, by its number. A backend is a file here that implements
//! [`Collective`]:
//!
//! | backend | ranks are |
//! |---|---|
//! | [`Local`] | this process alone |
//! | [`threads()`] | threads of one process: for tests, without MPI |
//! | `Mpi`, with the feature `mpi` | processes started by `mpirun` |
//!
//! NCCL would be one more, whose all-to-all is a group of a `send` and a `recv` for each pair of ranks; what else
//! training on several GPUs lacks is in `docs/scaling.md`. All else uses [`Ranks`], which sends numbers, and measures what it sends.
//!
//! Whatever the backend, sums are taken in one order, [`TreeSum`], so they have the same bits.

mod local;
mod threads;
mod tree;
mod ranks;
mod owners;
#[cfg(feature = "mpi")]
mod mpi;

use std::fmt;

pub use local::Local;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use owners::ExpertOwners;
pub use ranks::{Failure, Purpose, Ranks, Traffic};
pub use threads::{Threads, threads};
pub use tree::TreeSum;

use crate::Result;

/// A backend: what a process can ask of all ranks at once.
///
/// Every rank calls the same methods in the same order; each call ends when the data of all others
/// is there.
pub trait Collective: fmt::Debug + Send + Sync {
    /// Number of this process, below [`Collective::size`].
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// Sends `parts[r]` to each rank `r`, and returns what each rank sent here. Lengths may differ.
    ///
    /// # Errors
    /// Fails when a rank is gone.
    fn all_to_all(&self, parts: &[&[u8]]) -> Result<Vec<Vec<u8>>>;

    /// Sends `part` to all ranks, and returns what each sent.
    ///
    /// # Errors
    /// Fails when a rank is gone.
    fn all_gather(&self, part: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.all_to_all(&vec![part; self.size()])
    }

    /// Returns on every rank what `root` gives; what others give is ignored.
    ///
    /// # Errors
    /// Fails when a rank is gone.
    fn broadcast(&self, root: usize, data: &[u8]) -> Result<Vec<u8>> {
        let part: &[u8] = if self.rank() == root { data } else { &[] };
        Ok(self.all_gather(part)?.swap_remove(root))
    }

    /// Waits for all ranks, which may take long, without keeping a core busy.
    ///
    /// # Errors
    /// Fails when a rank is gone.
    fn wait_for_all(&self) -> Result<()> {
        self.all_gather(&[]).map(drop)
    }

    /// Ends all ranks at once, where they are processes, after this one failed.
    fn abort(&self) {}
}
