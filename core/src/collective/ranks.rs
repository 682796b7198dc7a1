//! What the engine and the trainer ask of all ranks, with a record of what it costs.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Collective, Local, TreeSum};
use crate::{Error, Result};

/// A rank among the others; clones share one backend and one record.
#[derive(Clone)]
pub struct Ranks {
    backend: Arc<dyn Collective>,
    traffic: Arc<Mutex<[Traffic; Purpose::ALL.len()]>>,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Small things: sizes, losses, loads, decisions.
    Statistics,
    /// Gradients, to the rank that updates their weights.
    Gradients,
    /// New weights, to all ranks.
    Weights,
    /// Rows on their way to experts and back.
    Tokens,
}

/// What was sent for one purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traffic {
    /// Calls.
    pub calls: u64,
    /// Bytes that left for other ranks.
    pub bytes: u64,
    /// Time in the calls, waiting for other ranks included.
    pub time: Duration,
}

/// What failed on some of the ranks, as all of them know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rank {rank} of {size} failed: {reason}")]
pub struct Failure {
    /// The first rank on which something failed.
    pub rank: usize,
    /// How many ranks there are.
    pub size: usize,
    /// What failed there.
    pub reason: String,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Statistics, Self::Gradients, Self::Weights, Self::Tokens];
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Statistics => "statistics",
            Self::Gradients => "gradients",
            Self::Weights => "weights",
            Self::Tokens => "tokens",
        })
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

impl Default for Ranks {
    fn default() -> Self {
        Self::new(Local)
    }
}

impl Ranks {
    /// A rank of `backend`.
    pub fn new(backend: impl Collective + 'static) -> Self {
        Self { backend: Arc::new(backend), traffic: Arc::default() }
    }

    /// Number of this process.
    pub fn rank(&self) -> usize {
        self.backend.rank()
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.backend.size()
    }

    /// Whether this process speaks for all: it writes files and shows progress.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there is no other rank.
    pub fn is_alone(&self) -> bool {
        self.size() == 1
    }

    /// What was sent so far, by purpose.
    pub fn traffic(&self) -> Vec<(Purpose, Traffic)> {
        let traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        Purpose::ALL.into_iter().zip(*traffic).collect()
    }

    /// Sends `parts[r]` to each rank `r`, and returns what each rank sent here.
    ///
    /// # Errors
    /// Fails when a rank is gone, as do all methods below.
    pub fn all_to_all(&self, purpose: Purpose, parts: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| bytemuck::cast_slice(part)).collect();
        let received = self.all_to_all_bytes(purpose, &parts)?;
        Ok(received.iter().map(|part| floats(part)).collect())
    }

    /// The same of bytes.
    pub fn all_to_all_bytes(&self, purpose: Purpose, parts: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        let others = parts.iter().enumerate().filter(|(to, _)| *to != self.rank());
        let bytes = others.map(|(_, part)| part.len()).sum();
        self.measured(purpose, bytes, || self.backend.all_to_all(parts))
    }

    /// Sends `part` to all ranks, and returns what each sent.
    pub fn all_gather(&self, purpose: Purpose, part: &[f32]) -> Result<Vec<Vec<f32>>> {
        let received = self.all_gather_bytes(purpose, bytemuck::cast_slice(part))?;
        Ok(received.iter().map(|part| floats(part)).collect())
    }

    /// The same of bytes.
    pub fn all_gather_bytes(&self, purpose: Purpose, part: &[u8]) -> Result<Vec<Vec<u8>>> {
        let bytes = part.len() * (self.size() - 1);
        self.measured(purpose, bytes, || self.backend.all_gather(part))
    }

    /// Sends `part` to the first rank, which gets those of all ranks; the others get nothing.
    pub fn gather_bytes(&self, purpose: Purpose, part: &[u8]) -> Result<Option<Vec<Vec<u8>>>> {
        let mut parts: Vec<&[u8]> = vec![&[]; self.size()];
        parts[0] = part;
        let received = self.all_to_all_bytes(purpose, &parts)?;
        Ok(self.is_first().then_some(received))
    }

    /// Returns on every rank what the first one gives; what others give is ignored.
    pub fn broadcast(&self, data: &[u8]) -> Result<Vec<u8>> {
        let bytes = if self.is_first() { data.len() * (self.size() - 1) } else { 0 };
        self.measured(Purpose::Statistics, bytes, || self.backend.broadcast(0, data))
    }

    /// Replaces `values` by their sum over the ranks, in the order of [`TreeSum`]. Each rank sums a
    /// part, and sends the sum to all: a rank sends and receives about twice the bytes of `values`,
    /// however many ranks there are.
    pub fn all_reduce(&self, purpose: Purpose, values: &mut [f32]) -> Result<()> {
        if self.is_alone() || values.is_empty() {
            return Ok(());
        }
        let share = values.len().div_ceil(self.size());
        let bounds =
            |rank: usize| (rank * share).min(values.len())..((rank + 1) * share).min(values.len());
        let parts: Vec<&[f32]> = (0..self.size()).map(|rank| &values[bounds(rank)]).collect();
        let sum = TreeSum::of(self.all_to_all(purpose, &parts)?).unwrap_or_default();
        let sums = self.all_gather(purpose, &sum)?.concat();
        if sums.len() != values.len() {
            return Err(self.error(format!(
                "{} sums came for {} values",
                sums.len(),
                values.len()
            )));
        }
        values.copy_from_slice(&sums);
        Ok(())
    }

    /// `result` where all ranks succeeded. Otherwise all of them fail: each with its own error if those say the
    /// same, or else with the [`Failure`] of the first rank that failed.
    pub fn on_all<T, E>(&self, result: Result<T, E>) -> Result<T, E>
    where
        E: fmt::Display + From<Failure> + From<Error>,
    {
        if self.is_alone() {
            return result;
        }
        // A mark before the reason, because one may be empty. With `#`, anyhow says the whole chain.
        let own = result.as_ref().err().map(|error| format!("!{error:#}")).unwrap_or_default();
        let all = self.all_gather_bytes(Purpose::Statistics, own.as_bytes())?;
        match all.iter().position(|said| !said.is_empty()) {
            Some(rank) if all.iter().any(|said| *said != all[rank]) => {
                let reason = String::from_utf8_lossy(&all[rank][1..]).into_owned();
                Err(Failure { rank, size: self.size(), reason }.into())
            }
            _ => result,
        }
    }

    /// Waits for all ranks, without keeping a core busy.
    pub fn wait_for_all(&self) -> Result<()> {
        self.backend.wait_for_all()
    }

    /// Ends all ranks at once, where they are processes, after this one failed.
    pub fn abort(&self) {
        self.backend.abort();
    }

    /// An error that names this rank.
    pub fn error(&self, reason: String) -> Error {
        Error::Rank { rank: self.rank(), reason }
    }

    fn measured<R>(
        &self,
        purpose: Purpose,
        bytes: usize,
        call: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let started = Instant::now();
        let result = call();
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let record = &mut traffic[purpose as usize];
        record.calls += 1;
        record.bytes += bytes as u64;
        record.time += started.elapsed();
        result
    }
}

/// The numbers that were sent as `bytes`, which need not be aligned.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::threads, *};

    #[derive(Debug, PartialEq, thiserror::Error)]
    enum Trouble {
        #[error("{0}")]
        Own(&'static str),
        #[error(transparent)]
        Elsewhere(#[from] Failure),
        #[error("{0}")]
        Ranks(String),
    }

    impl From<Error> for Trouble {
        fn from(error: Error) -> Self {
            Self::Ranks(error.to_string())
        }
    }

    #[test]
    fn all_ranks_fail_if_one_does() {
        let results = |own: fn(usize) -> Result<usize, Trouble>| -> Vec<_> {
            std::thread::scope(|scope| {
                let result = |backend| {
                    let ranks = Ranks::new(backend);
                    ranks.on_all(own(ranks.rank()))
                };
                let handles: Vec<_> =
                    threads(3).into_iter().map(|rank| scope.spawn(move || result(rank))).collect();
                handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
            })
        };
        assert_eq!(results(Ok), [Ok(0), Ok(1), Ok(2)]);
        let alike = results(|_| Err(Trouble::Own("no such file")));
        assert!(alike.iter().all(|result| *result == Err(Trouble::Own("no such file"))));
        for failed in results(|rank| if rank == 1 { Err(Trouble::Own("")) } else { Ok(rank) }) {
            let error = failed.expect_err("rank 1 failed");
            assert_eq!(error.to_string(), "rank 1 of 3 failed: ");
        }
    }

    #[test]
    fn a_sum_over_ranks_is_the_same_on_all_of_them() {
        let values = |rank: usize| (0..7).map(|i| (i * 10 + rank) as f32).collect::<Vec<_>>();
        let sums: Vec<_> = std::thread::scope(|scope| {
            let sum = |backend| {
                let ranks = Ranks::new(backend);
                let mut values = values(ranks.rank());
                ranks.all_reduce(Purpose::Gradients, &mut values)?;
                let (_, traffic) = ranks.traffic()[Purpose::Gradients as usize];
                Ok::<_, Error>((values, traffic.bytes))
            };
            let handles: Vec<_> =
                threads(4).into_iter().map(|rank| scope.spawn(move || sum(rank))).collect();
            handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
        });
        for (rank, sum) in sums.into_iter().enumerate() {
            let (sum, bytes) = sum.expect("all ranks are there");
            assert_eq!(sum, (0..7).map(|i| (i * 40 + 6) as f32).collect::<Vec<_>>());
            // Parts of 2, 2, 2 and 1 values: what is not its own, and its own to three others.
            let own = if rank == 3 { 1 } else { 2 };
            assert_eq!(bytes, 4 * (7 - own + 3 * own));
        }
    }
}
