//! Sentences waiting for a batch, and which of them go together.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dragoman_core::translate::{Job, Translation};
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc::UnboundedSender};

use super::Answer;
use crate::{error::ApiError, model::Loaded};

/// Characters by which the lengths in a batch may differ in any case.
const SLACK: usize = 24;

/// A sentence that waits, with the slot it takes.
pub(super) struct Waiting {
    /// Its number in the request.
    pub(super) number: usize,
    pub(super) job: Job,
    pub(super) model: Arc<Loaded>,
    pub(super) since: Instant,
    pub(super) slot: OwnedSemaphorePermit,
    pub(super) reply: UnboundedSender<Answer>,
}

impl Waiting {
    /// Sends the answer back, and the slot with it.
    pub(super) fn answer(self, result: Result<Translation, ApiError>) {
        let _ = self.reply.send((self.number, result, self.slot)); // or nobody waits any more
    }

    /// Whether both are sentences of one request.
    pub(super) fn is_of_request(&self, other: &Self) -> bool {
        self.reply.same_channel(&other.reply)
    }

    fn len(&self) -> usize {
        self.job.text.len()
    }

    /// Whether both can go in one batch.
    fn fits(&self, other: &Self) -> bool {
        let (short, long) = (self.len().min(other.len()), self.len().max(other.len()));
        self.model.generation == other.model.generation
            && self.job.num_hypotheses == other.job.num_hypotheses
            && self.job.trace == other.job.trace
            && long <= 2 * short + SLACK
    }
}

/// How large a batch grows, and how long it waits to grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) sentences: usize,
    pub(super) chars: usize,
    pub(super) wait: Duration,
}

/// The sentences that wait, oldest first.
pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
    length: IntGauge,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(limits: Limits, length: IntGauge) -> Self {
        Self { limits, state: Mutex::default(), changed: Condvar::new(), length }
    }

    /// Adds sentences at the end; their slots bound the length.
    pub(super) fn push(&self, sentences: Vec<Waiting>) {
        let mut state = self.lock();
        state.waiting.extend(sentences);
        self.length.set(state.waiting.len() as i64);
        self.changed.notify_all();
    }

    /// Drops the sentences whose request is gone, and counts them.
    pub(super) fn drop_cancelled(&self) -> usize {
        self.lock().drop_cancelled()
    }

    /// Ends the wait of all workers.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Blocks for the next batch, and counts what was dropped on the way; `None` when closed.
    pub(super) fn take(&self) -> Option<(Vec<Waiting>, usize)> {
        let mut state = self.lock();
        let mut dropped = 0;
        loop {
            dropped += state.drop_cancelled();
            if state.closed {
                return None;
            }
            let Some(oldest) = state.waiting.front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = self.limits.wait.saturating_sub(oldest.since.elapsed());
            let chars: usize = state.waiting.iter().map(Waiting::len).sum();
            let full = state.waiting.len() >= self.limits.sentences || chars >= self.limits.chars;
            if full || left.is_zero() {
                let batch = state.take_batch(self.limits);
                self.length.set(state.waiting.len() as i64);
                return Some((batch, dropped));
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_cancelled(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|sentence| !sentence.reply.is_closed());
        before - self.waiting.len()
    }

    /// Takes the oldest sentence, and with it those most like it in length.
    fn take_batch(&mut self, limits: Limits) -> Vec<Waiting> {
        let Some(oldest) = self.waiting.front() else { return Vec::new() };
        let fitting = |(i, other): (usize, &Waiting)| oldest.fits(other).then_some(i);
        let mut candidates: Vec<usize> =
            self.waiting.iter().enumerate().filter_map(fitting).collect();
        candidates.sort_by_key(|&i| self.waiting[i].len().abs_diff(oldest.len()));

        let mut longest = 0;
        let mut taken = vec![false; self.waiting.len()];
        for (count, i) in (1..=limits.sentences).zip(candidates) {
            longest = longest.max(self.waiting[i].len());
            if count > 1 && count * longest > limits.chars {
                break;
            }
            taken[i] = true;
        }
        let all = std::mem::take(&mut self.waiting);
        let (batch, rest) = split(all.into_iter().zip(taken));
        self.waiting = rest;
        batch
    }
}

fn split(sentences: impl Iterator<Item = (Waiting, bool)>) -> (Vec<Waiting>, VecDeque<Waiting>) {
    let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
    for (sentence, is_taken) in sentences {
        if is_taken { batch.push(sentence) } else { rest.push_back(sentence) }
    }
    (batch, rest)
}
