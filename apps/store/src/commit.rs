//! Group commit: one thread flushes, and one flush serves all who wait for it.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    Error, Result,
    engine::{Database, EngineKind, commit_span},
};

/// How long after a failure the store is opened anew, the first time and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// The most of a shared store, which connects again by itself.
const RETRY_SHARED: Duration = Duration::from_secs(1);

/// How often the thread looks whether a write failed that nobody waits for.
const LOOK: Duration = Duration::from_millis(250);

type Waiter = Sender<Result<(), String>>;

/// Puts on disk what was written so far.
#[derive(Debug)]
pub(crate) struct Committer {
    waiters: Option<Sender<Waiter>>,
    thread: Option<JoinHandle<()>>,
    kind: EngineKind,
}

impl Committer {
    /// Starts the flusher of `database`.
    pub(crate) fn start(database: Database) -> Result<Self> {
        let (waiters, queue) = channel();
        let kind = database.kind();
        let thread = std::thread::Builder::new()
            .name("store-flush".into())
            .spawn(move || serve(&database, &queue))?;
        Ok(Self { waiters: Some(waiters), thread: Some(thread), kind })
    }

    /// Blocks until everything written before this call is on disk.
    pub(crate) fn commit(&self) -> Result<()> {
        let _span = commit_span(self.kind);
        let (waiter, answer) = channel();
        let waiters = self.waiters.as_ref().expect("only dropping takes the channel");
        let gone = || Error::corrupt("the thread that writes it has ended");
        waiters.send(waiter).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?.map_err(Error::Engine)
    }
}

/// Flushes for whoever waits; while one flush runs, the next group gathers. A store that failed is
/// opened anew as soon as its disk takes writes again.
fn serve(database: &Database, queue: &Receiver<Waiter>) {
    let mut retry = RETRY.0;
    let mut next = Instant::now();
    loop {
        match queue.recv_timeout(LOOK) {
            Ok(first) => {
                let group: Vec<Waiter> = std::iter::once(first).chain(queue.try_iter()).collect();
                let result = database.flush().map_err(|error| match error {
                    Error::Engine(reason) => reason,
                    error => error.to_string(),
                });
                for waiter in group {
                    let _ = waiter.send(result.clone()); // who no longer waits needs no answer
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if database.failure().is_some() && Instant::now() >= next {
            match database.recover() {
                Ok(()) => {
                    tracing::info!("the store can write again");
                    retry = RETRY.0;
                }
                Err(error) => {
                    tracing::warn!(%error, "the store still cannot write");
                    retry =
                        (retry * 2).min(if database.is_shared() { RETRY_SHARED } else { RETRY.1 });
                }
            }
            next = Instant::now() + retry;
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.waiters.take()); // ends the thread's loop
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there was already printed
        }
    }
}
