//! Group commit: one thread flushes, and one flush serves all who wait for it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

use fs_err::File;

use crate::{Error, Result};

type Waiter = Sender<Result<(), sled::Error>>;

/// Puts on disk what was written so far.
#[derive(Debug)]
pub(crate) struct Committer {
    waiters: Option<Sender<Waiter>>,
    /// Why the last flush failed; none if it did not.
    failure: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the flusher of `db` in `dir`; it owns `db` and closes it.
    pub(crate) fn start(db: sled::Db, dir: &Path) -> Result<Self> {
        db.flush()?; // makes the file
        let log = File::open(dir.join("db"))?;
        let (waiters, queue) = channel();
        let failure = Arc::<Mutex<Option<String>>>::default();
        let failed = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("store-flush".into())
            .spawn(move || serve(&db, &log, &queue, &failed))?;
        Ok(Self { waiters: Some(waiters), failure, thread: Some(thread) })
    }

    /// Why the last flush failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Blocks until everything written before this call is on disk.
    pub(crate) fn commit(&self) -> Result<()> {
        let (waiter, answer) = channel();
        let waiters = self.waiters.as_ref().expect("only dropping takes the channel");
        let gone = || Error::corrupt("the thread that writes it has ended");
        waiters.send(waiter).map_err(|_| gone())?;
        Ok(answer.recv().map_err(|_| gone())??)
    }
}

/// Flushes for whoever waits; while one flush runs, the next group gathers.
fn serve(db: &sled::Db, log: &File, queue: &Receiver<Waiter>, failure: &Mutex<Option<String>>) {
    while let Ok(first) = queue.recv() {
        let group: Vec<Waiter> = std::iter::once(first).chain(queue.try_iter()).collect();
        let result = flush(db, log);
        let reason = result.as_ref().err().map(ToString::to_string);
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        if let Err(error) = &result {
            tracing::error!(%error, rows = group.len(), "the store cannot write");
        }
        for waiter in group {
            let _ = waiter.send(result.clone()); // who no longer waits needs no answer
        }
    }
}

/// sled's own flush asks Linux for `sync_file_range`, which reaches neither the file's metadata nor
/// the cache of the disk; fsync does.
fn flush(db: &sled::Db, log: &File) -> Result<(), sled::Error> {
    db.flush()?;
    Ok(log.sync_all()?)
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.waiters.take()); // ends the thread's loop
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there was already printed
        }
    }
}
