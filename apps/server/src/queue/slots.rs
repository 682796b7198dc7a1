//! Slots of a queue: taken before anything waits, given back as soon as others need them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One slot in so many is for requests that have none yet.
const RESERVE: usize = 4;

/// Slots that a newcomer gets of the reserve at most.
const HEAD: usize = 16;

/// The slots of a queue.
#[derive(Debug)]
pub(crate) struct Slots {
    /// For whoever comes, and for those that grow.
    shared: Arc<Semaphore>,
    /// For newcomers, when the others are taken.
    reserve: Arc<Semaphore>,
    size: usize,
    /// Slots that one newcomer gets of the reserve at most.
    head: usize,
    /// Requests that hold slots.
    requests: Arc<AtomicUsize>,
}

/// A request that holds slots.
#[derive(Debug)]
pub(crate) struct Membership {
    requests: Arc<AtomicUsize>,
}

/// A slot; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// `size` slots, some of them for newcomers.
    pub(crate) fn new(size: usize) -> Self {
        let reserve = size / RESERVE;
        let head = (reserve / 2).clamp(1, HEAD);
        Self {
            head,
            shared: Arc::new(Semaphore::new(size - reserve)),
            reserve: Arc::new(Semaphore::new(reserve)),
            size: size - reserve,
            requests: Arc::default(),
        }
    }

    /// Slots for a new request of `wanted` parts, at least one; `None` when all are taken.
    pub(crate) fn enter(&self, wanted: usize) -> Option<(Membership, Vec<Slot>)> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let membership = Membership { requests: Arc::clone(&self.requests) };
        let mut slots = Vec::new();
        while slots.len() < wanted.min(self.allowance()) {
            let Some(slot) = self.another() else { break };
            slots.push(slot);
        }
        // Who found shared slots leaves the reserve to those who find none.
        let of_reserve = if slots.is_empty() { wanted.min(self.head) } else { 0 };
        while slots.len() < of_reserve {
            let Ok(slot) = Arc::clone(&self.reserve).try_acquire_owned() else { break };
            slots.push(Slot { _permit: slot });
        }
        (!slots.is_empty()).then_some((membership, slots))
    }

    /// One more slot for a request that holds some.
    pub(crate) fn another(&self) -> Option<Slot> {
        Arc::clone(&self.shared).try_acquire_owned().ok().map(|slot| Slot { _permit: slot })
    }

    /// Slots that one request may hold: half of them, and less when there are many requests.
    pub(crate) fn allowance(&self) -> usize {
        let requests = self.requests.load(Ordering::Relaxed).max(2);
        (self.size / requests).max(1)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_find_slots_when_long_requests_hold_the_others() {
        let slots = Slots::new(64);
        let (_first, mut first) = slots.enter(1000).expect("all are free");
        let (_second, second) = slots.enter(1000).expect("half are free");
        assert_eq!((first.len(), second.len()), (24, 24), "half of the shared slots each");
        let (third, of_reserve) = slots.enter(2).expect("the reserve is free");
        assert_eq!((of_reserve.len(), slots.allowance()), (2, 16));
        assert!(slots.another().is_none(), "who holds some does not get the reserve");
        first.truncate(slots.allowance());
        assert!(slots.another().is_some(), "given back part by part");
        drop((third, of_reserve));
        assert_eq!(slots.allowance(), 24);
    }

    #[test]
    fn a_queue_of_one_slot_serves_one_request() {
        let slots = Slots::new(1);
        let held = slots.enter(5);
        assert_eq!(held.as_ref().map(|(_, slots)| slots.len()), Some(1));
        assert!(slots.enter(1).is_none());
        drop(held);
        assert!(slots.enter(1).is_some());
    }
}
