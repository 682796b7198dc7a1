//! A thread that makes exchanges while others compute.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use crate::{
    Error, Result,
    collective::{Purpose, Ranks},
};

/// Parts for all ranks, and where those that come are awaited.
type Order = (Vec<Vec<u8>>, Sender<Result<Vec<Vec<u8>>>>);

/// Makes exchanges one after another, in the order in which it is given them.
pub(super) struct Courier {
    ranks: Ranks,
    orders: Sender<Order>,
}

/// An exchange that is under way.
pub(super) struct Pending {
    ranks: Ranks,
    arrival: Receiver<Result<Vec<Vec<u8>>>>,
}

impl Courier {
    /// Starts the thread; it ends when all is delivered.
    pub(super) fn new(ranks: &Ranks) -> Self {
        let (orders, received) = channel::<Order>();
        let of_thread = ranks.clone();
        thread::spawn(move || {
            for (parts, reply) in received {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let arrived = of_thread.all_to_all_bytes(Purpose::Tokens, &parts);
                // After an error nobody waits, but the other ranks still take part in what was begun.
                drop(reply.send(arrived));
            }
        });
        Self { ranks: ranks.clone(), orders }
    }

    /// Sends `parts[r]` to each rank `r`.
    pub(super) fn send(&self, parts: Vec<Vec<u8>>) -> candle::Result<Pending> {
        let (reply, arrival) = channel();
        self.orders.send((parts, reply)).map_err(|_| panicked(&self.ranks))?;
        Ok(Pending { ranks: self.ranks.clone(), arrival })
    }
}

impl Pending {
    /// Waits for what the other ranks sent.
    pub(super) fn wait(self) -> candle::Result<Vec<Vec<u8>>> {
        let arrived = self.arrival.recv().map_err(|_| panicked(&self.ranks))?;
        arrived.map_err(candle::Error::wrap)
    }
}

fn panicked(ranks: &Ranks) -> candle::Error {
    let error: Error = ranks.error("the exchange of rows panicked".into());
    candle::Error::wrap(error)
}
