//! One document on its way, seen from outside.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dragoman_languages::Detected;
use tokio::{sync::watch, task::AbortHandle};

use super::Translated;
use crate::{access::is_same, error::ServiceError};

/// A job, shared by the task that does it and those who ask for it.
#[derive(Debug)]
pub(super) struct DocumentJob {
    name: String,
    pub(super) client: String,
    /// What has to be known besides its name, if anything.
    secret: Option<String>,
    /// Sentences done, and of how many.
    done: AtomicUsize,
    total: AtomicUsize,
    inner: Mutex<Inner>,
    ended: watch::Sender<bool>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    chars: usize,
    detected: Option<Detected>,
    result: Option<Translated>,
    /// Sentences that were in the memory.
    remembered: usize,
    /// When its translation began.
    started: Option<Instant>,
    /// Bytes that the job holds.
    size: usize,
    /// When it ended.
    ended: Option<Instant>,
    /// Whether its result was handed out.
    is_fetched: bool,
    task: Option<AbortHandle>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits for others to end.
    Queued,
    /// It is being translated.
    Translating,
    /// Its result can be taken.
    Done,
    /// It came to nothing.
    Failed(ServiceError),
}

/// How much a job is needed, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It failed, or its result was fetched.
    Spent,
    /// Its result was not fetched yet.
    Kept,
    /// It waits or is in work.
    Open,
}

/// What a job takes up.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) phase: Phase,
    pub(super) bytes: usize,
    pub(super) ended: Option<Instant>,
    /// About how long it will take, if it is in work.
    pub(super) left: Option<Duration>,
}

/// What can be said of a job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DocumentStatus {
    /// The name of the document as it was sent.
    pub(crate) name: String,
    pub(crate) state: State,
    /// Sentences that are translated, and of how many; of none until it was read.
    pub(crate) done: usize,
    pub(crate) total: usize,
    /// Characters of its text; 0 until it was read.
    pub(crate) chars: usize,
    /// Sentences that were in the memory; they are not among those.
    pub(crate) remembered: usize,
    /// The language that it was taken for, if that was to be guessed.
    pub(crate) detected: Option<Detected>,
    /// About how long it will take, once some of it is done.
    pub(crate) left: Option<Duration>,
}

impl DocumentJob {
    pub(super) fn new(name: &str, size: usize, client: &str, secret: Option<&str>) -> Self {
        let inner = Inner {
            state: State::Queued,
            chars: 0,
            detected: None,
            result: None,
            remembered: 0,
            started: None,
            size,
            ended: None,
            is_fetched: false,
            task: None,
        };
        Self {
            name: name.to_owned(),
            client: client.to_owned(),
            secret: secret.map(str::to_owned),
            done: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            inner: Mutex::new(inner),
            ended: watch::Sender::new(false),
        }
    }

    /// Whether somebody who gives `secret` may see the job.
    pub(super) fn is_for(&self, secret: Option<&str>) -> bool {
        match (&self.secret, secret) {
            (None, None) => true,
            (Some(own), Some(given)) => is_same(given, own),
            _ => false,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        self.inner().task = Some(task);
    }

    /// The document was read, and its language is known.
    pub(super) fn begin(&self, chars: usize, detected: Option<Detected>) {
        let mut inner = self.inner();
        inner.state = State::Translating;
        inner.chars = chars;
        inner.detected = detected;
    }

    /// So many sentences are translated, besides those that were in the memory.
    pub(super) fn set_total(&self, total: usize, remembered: usize) {
        let mut inner = self.inner();
        inner.started = Some(Instant::now());
        inner.remembered = remembered;
        drop(inner);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn set_done(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }

    pub(super) fn finish(&self, result: Translated) {
        self.set_done(self.total.load(Ordering::Relaxed));
        let mut inner = self.inner();
        inner.size = result.bytes.len();
        inner.result = Some(result);
        inner.state = State::Done;
        inner.ended = Some(Instant::now());
        drop(inner);
        self.ended.send_replace(true);
    }

    pub(super) fn fail(&self, error: ServiceError) {
        let mut inner = self.inner();
        inner.size = 0;
        inner.result = None;
        inner.state = State::Failed(error);
        inner.ended = Some(Instant::now());
        drop(inner);
        self.ended.send_replace(true);
    }

    /// Stops the task.
    pub(super) fn abort(&self) {
        if let Some(task) = self.inner().task.take() {
            task.abort();
        }
        self.ended.send_replace(true);
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let _ = ended.wait_for(|ended| *ended).await; // an error is an end, too
    }

    pub(super) fn holding(&self) -> Holding {
        let inner = self.inner();
        let phase = match inner.state {
            State::Queued | State::Translating => Phase::Open,
            State::Done if !inner.is_fetched => Phase::Kept,
            State::Done | State::Failed(_) => Phase::Spent,
        };
        Holding { phase, bytes: inner.size, ended: inner.ended, left: self.left(&inner) }
    }

    /// About how long it will take, once some of it is done.
    fn left(&self, inner: &Inner) -> Option<Duration> {
        let done = self.done.load(Ordering::Relaxed);
        let left = self.total.load(Ordering::Relaxed).saturating_sub(done);
        let started = inner.started.filter(|_| done > 0)?;
        Some(started.elapsed().mul_f64(left as f64 / done as f64))
    }

    pub(super) fn status(&self) -> DocumentStatus {
        let inner = self.inner();
        let done = self.done.load(Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed);
        let left = self.left(&inner);
        DocumentStatus {
            name: self.name.clone(),
            state: inner.state.clone(),
            done,
            total,
            chars: inner.chars,
            remembered: inner.remembered,
            detected: inner.detected.clone(),
            left,
        }
    }

    /// Hands its result out.
    pub(super) fn take(&self) -> Option<Translated> {
        let mut inner = self.inner();
        inner.is_fetched |= inner.result.is_some();
        inner.result.clone()
    }

    /// The name of its result.
    pub(super) fn result_name(&self) -> Option<String> {
        self.inner().result.as_ref().map(|result| result.name.clone())
    }
}
