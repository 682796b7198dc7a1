//! Ranks that are processes started by `mpirun`.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use ::mpi::{
    Count, Threading,
    datatype::{Partition, PartitionMut},
    environment::Universe,
    topology::SimpleCommunicator,
    traits::*,
};

use super::Collective;
use crate::{Error, Result};

/// Bytes of one call over all ranks at most: MPI counts them in 31 bits.
const CALL: usize = 1 << 30;

/// Time between two looks at whether all ranks are there.
const NAP: Duration = Duration::from_millis(2);

/// All processes of the job. MPI ends when it is dropped.
pub struct Mpi {
    rank: usize,
    size: usize,
    /// Held while MPI is called: threads may call it, one at a time.
    universe: Mutex<Universe>,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {} of MPI", self.rank, self.size)
    }
}

impl Mpi {
    /// Joins the other processes of the job; only once in a process.
    ///
    /// # Errors
    /// Fails when MPI was started before, or allows no calls from several threads.
    pub fn join() -> Result<Self> {
        let Some((universe, provided)) = ::mpi::initialize_with_threading(Threading::Serialized)
        else {
            return Err(Error::Invalid("MPI was started before in this process".into()));
        };
        if provided < Threading::Serialized {
            let reason = format!("this MPI library allows calls of threads as {provided:?} only");
            return Err(Error::Invalid(reason));
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        Ok(Self { rank, size, universe: Mutex::new(universe) })
    }

    /// Ends all processes of the job at once.
    pub fn abort_job() {
        SimpleCommunicator::world().abort(1);
    }

    fn lock(&self) -> (MutexGuard<'_, Universe>, SimpleCommunicator) {
        let universe = self.universe.lock().unwrap_or_else(PoisonError::into_inner);
        let world = universe.world();
        (universe, world)
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_to_all(&self, parts: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        let (_universe, world) = self.lock();
        // Every rank says how much it sends, and what the largest part is that it sends to anyone.
        let largest = parts.iter().map(|part| part.len()).max().unwrap_or(0) as u64;
        let lengths: Vec<u64> =
            parts.iter().flat_map(|part| [part.len() as u64, largest]).collect();
        let mut announced = vec![0u64; 2 * self.size];
        world.all_to_all_into(&lengths[..], &mut announced[..]);
        let lengths: Vec<usize> = announced.chunks(2).map(|pair| pair[0] as usize).collect();
        let largest = announced.chunks(2).map(|pair| pair[1] as usize).max().unwrap_or(0);

        let limit = CALL / self.size;
        let mut received: Vec<Vec<u8>> = lengths.iter().map(|&n| Vec::with_capacity(n)).collect();
        for first in (0..largest).step_by(limit) {
            let within = |length: usize| length.saturating_sub(first).min(limit);
            let sent: Vec<usize> = parts.iter().map(|part| within(part.len())).collect();
            let coming: Vec<usize> = lengths.iter().map(|&length| within(length)).collect();
            let mut buffer = somewhere(sent.iter().sum());
            for (part, &count) in parts.iter().zip(&sent) {
                buffer.extend_from_slice(&part[part.len().min(first)..][..count]);
            }
            let mut arrived = somewhere(coming.iter().sum());
            arrived.resize(coming.iter().sum(), 0u8);
            let (counts, starts) = layout(&sent);
            let partition = Partition::new(&buffer[..], counts, starts);
            let (counts, starts) = layout(&coming);
            let mut target = PartitionMut::new(&mut arrived[..], counts, starts);
            world.all_to_all_varcount_into(&partition, &mut target);
            let mut rest = &arrived[..];
            for (part, &count) in received.iter_mut().zip(&coming) {
                part.extend_from_slice(&rest[..count]);
                rest = &rest[count..];
            }
        }
        Ok(received)
    }

    fn all_gather(&self, part: &[u8]) -> Result<Vec<Vec<u8>>> {
        let (_universe, world) = self.lock();
        let mut lengths = vec![0u64; self.size];
        world.all_gather_into(&[part.len() as u64][..], &mut lengths[..]);
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let largest = lengths.iter().copied().max().unwrap_or(0);

        let limit = CALL / self.size;
        let mut received: Vec<Vec<u8>> = lengths.iter().map(|&n| Vec::with_capacity(n)).collect();
        for first in (0..largest).step_by(limit) {
            let within = |length: usize| length.saturating_sub(first).min(limit);
            let coming: Vec<usize> = lengths.iter().map(|&length| within(length)).collect();
            let mut own = somewhere(within(part.len()));
            own.extend_from_slice(&part[part.len().min(first)..][..within(part.len())]);
            let mut arrived = somewhere(coming.iter().sum());
            arrived.resize(coming.iter().sum(), 0u8);
            let (counts, starts) = layout(&coming);
            let mut target = PartitionMut::new(&mut arrived[..], counts, starts);
            world.all_gather_varcount_into(&own[..], &mut target);
            let mut rest = &arrived[..];
            for (part, &count) in received.iter_mut().zip(&coming) {
                part.extend_from_slice(&rest[..count]);
                rest = &rest[count..];
            }
        }
        Ok(received)
    }

    fn broadcast(&self, root: usize, data: &[u8]) -> Result<Vec<u8>> {
        let (_universe, world) = self.lock();
        let root_process = world.process_at_rank(root as Count);
        let mut length = [data.len() as u64];
        root_process.broadcast_into(&mut length[..]);
        let mut received = match self.rank == root {
            true => data.to_vec(),
            false => vec![0; length[0] as usize],
        };
        received.chunks_mut(CALL).for_each(|chunk| root_process.broadcast_into(chunk));
        Ok(received)
    }

    fn wait_for_all(&self) -> Result<()> {
        let (_universe, world) = self.lock();
        let mut request = world.immediate_barrier();
        loop {
            match request.test() {
                Ok(_) => return Ok(()),
                Err(pending) => request = pending,
            }
            thread::sleep(NAP);
        }
    }

    fn abort(&self) {
        // Without a lock: another thread may be waiting in MPI for the rank that failed.
        Self::abort_job();
    }
}

/// An empty buffer for `count` bytes that lies in memory even if that is none: the address 1, where Rust
/// says that an empty vector lies, means `MPI_IN_PLACE` to Open MPI.
fn somewhere(count: usize) -> Vec<u8> {
    Vec::with_capacity(count.max(1))
}

/// Counts, and where each part begins in the buffer of all.
fn layout(lengths: &[usize]) -> (Vec<Count>, Vec<Count>) {
    let mut next = 0;
    let starts = lengths.iter().map(|&length| {
        let start = next as Count;
        next += length;
        start
    });
    let starts = starts.collect();
    (lengths.iter().map(|&length| length as Count).collect(), starts)
}
