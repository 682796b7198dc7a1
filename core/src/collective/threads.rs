//! Ranks that are threads of one process, joined by channels: the logic of many ranks without MPI.

use std::sync::{
    Mutex, PoisonError,
    mpsc::{Receiver, Sender, channel},
};

use super::Collective;
use crate::{Error, Result};

/// One of the ranks that [`threads`] makes.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    /// To each rank.
    senders: Vec<Sender<Vec<u8>>>,
    /// From each rank.
    receivers: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// Makes `size` ranks, one for each thread. A rank that is dropped is gone, and calls of the others
/// fail.
pub fn threads(size: usize) -> Vec<Threads> {
    let mut ranks: Vec<Threads> = (0..size)
        .map(|rank| Threads { rank, senders: Vec::new(), receivers: Vec::new() })
        .collect();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            ranks[from].senders.push(sender); // in the order of `to`
            ranks[to].receivers.push(Mutex::new(receiver)); // in the order of `from`
        }
    }
    ranks
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.senders.len()
    }

    fn all_to_all(&self, parts: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        let gone =
            |rank: usize| Error::Rank { rank: self.rank, reason: format!("rank {rank} is gone") };
        for (to, (sender, part)) in self.senders.iter().zip(parts).enumerate() {
            sender.send(part.to_vec()).map_err(|_| gone(to))?;
        }
        let receive = |(from, receiver): (usize, &Mutex<Receiver<Vec<u8>>>)| {
            let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            receiver.recv().map_err(|_| gone(from))
        };
        self.receivers.iter().enumerate().map(receive).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` on every rank, and returns the results by rank.
    fn on_ranks<R: Send>(size: usize, f: impl Fn(Threads) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let handles: Vec<_> =
                threads(size).into_iter().map(|rank| scope.spawn(|| f(rank))).collect();
            handles.into_iter().map(|handle| handle.join().expect("no rank panics")).collect()
        })
    }

    #[test]
    fn every_rank_gets_its_parts_by_sender() -> Result<()> {
        let received = on_ranks(3, |rank| {
            let parts: Vec<Vec<u8>> = (0..3).map(|to| vec![rank.rank() as u8; to]).collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            rank.all_to_all(&parts)
        });
        for (to, received) in received.into_iter().enumerate() {
            assert_eq!(received?, [vec![0; to], vec![1; to], vec![2; to]]);
        }
        Ok(())
    }

    #[test]
    fn all_hear_the_root() -> Result<()> {
        for heard in on_ranks(4, |rank| rank.broadcast(2, &[rank.rank() as u8])) {
            assert_eq!(heard?, [2]);
        }
        Ok(())
    }

    #[test]
    fn a_rank_that_is_gone_is_named() {
        let errors = on_ranks(2, |rank| match rank.rank() {
            0 => rank.wait_for_all().expect_err("rank 1 left").to_string(),
            _ => String::new(),
        });
        assert!(errors[0].contains("rank 1 is gone"), "{errors:?}");
    }
}
