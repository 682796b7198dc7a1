//! Threads for calls that block, of which a bounded number wait.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Thread},
};

use tokio::sync::{Semaphore, oneshot};
use tracing::Span;

use crate::error::ServiceError;

type Call = Box<dyn FnOnce() + Send>;

/// The threads, and the slots before them; it ends when this is dropped.
pub(crate) struct Pool {
    slots: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

/// Calls that wait for a thread, or threads that wait for a call.
#[derive(Default)]
struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    calls: VecDeque<Call>,
    /// Those that wait, the last to do so at the end. It is the next to work: its caches and its memory are
    /// the warmest.
    idle: Vec<Thread>,
    is_closed: bool,
}

impl Pool {
    /// Starts `threads` threads called `name`; at most `limit` calls wait or are in work.
    pub(crate) fn start(name: &str, threads: usize, limit: usize) -> std::io::Result<Self> {
        let this = Self { slots: Arc::new(Semaphore::new(limit)), waiting: Arc::default() };
        for number in 0..threads {
            let waiting = Arc::clone(&this.waiting);
            let work = move || {
                while let Some(call) = waiting.next() {
                    call();
                }
            };
            thread::Builder::new().name(format!("{name}-{number}")).spawn(work)?;
        }
        Ok(this)
    }

    /// Runs `work` when it is its turn, or refuses at once when too many wait. If nobody waits for
    /// the answer any more by then, it is not run.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| ServiceError::Busy)?;
        let (reply, answer) = oneshot::channel();
        let span = Span::current();
        let call = move || {
            if !reply.is_closed() {
                // A panic has been printed by now, and its caller is told that there was one.
                if let Ok(result) = catch_unwind(AssertUnwindSafe(|| span.in_scope(work))) {
                    let _ = reply.send(result); // or nobody waits any more
                }
            }
            drop(slot);
        };
        self.waiting.add(Box::new(call));
        let crashed = |_| ServiceError::Internal("the call crashed; the log says where".into());
        answer.await.map_err(crashed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.waiting.lock();
        state.is_closed = true;
        state.idle.iter().for_each(Thread::unpark);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: Call) {
        let mut state = self.lock();
        state.calls.push_back(call);
        let idle = state.idle.pop();
        drop(state);
        if let Some(thread) = idle {
            thread.unpark();
        }
    }

    /// The next call for this thread, when it comes; none after the pool was dropped.
    fn next(&self) -> Option<Call> {
        let this = thread::current();
        loop {
            {
                let mut state = self.lock();
                state.idle.retain(|thread| thread.id() != this.id()); // it may have woken by chance
                if let Some(call) = state.calls.pop_front() {
                    return Some(call);
                }
                if state.is_closed {
                    return None;
                }
                state.idle.push(this.clone());
            }
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[actix_web::test]
    async fn who_finds_no_slot_is_refused_at_once() -> anyhow::Result<()> {
        let pool = Arc::new(Pool::start("test", 1, 2)?);
        let (open, gate) = mpsc::channel::<()>();
        let first = {
            let pool = Arc::clone(&pool);
            actix_web::rt::spawn(async move { pool.run(move || gate.recv().is_ok()).await })
        };
        let second = {
            let pool = Arc::clone(&pool);
            actix_web::rt::spawn(async move { pool.run(|| 2).await })
        };
        actix_web::rt::task::yield_now().await;
        while pool.slots.available_permits() > 0 {
            actix_web::rt::task::yield_now().await;
        }
        assert_eq!(pool.run(|| 3).await, Err(ServiceError::Busy));
        open.send(())?;
        assert_eq!((first.await?, second.await?), (Ok(true), Ok(2)));
        Ok(())
    }

    #[actix_web::test]
    async fn a_panic_ends_one_call() -> anyhow::Result<()> {
        let pool = Pool::start("test", 1, 4)?;
        let crash = || -> usize { panic!("this test panics on purpose") };
        assert!(matches!(pool.run(crash).await, Err(ServiceError::Internal(_))));
        assert_eq!(pool.run(|| 1).await, Ok(1));
        Ok(())
    }
}
