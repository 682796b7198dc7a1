//! Sentences waiting for a batch, and which of them go together.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dragoman_core::translate::{Job, Translation};
use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc::UnboundedSender};

use super::Answer;
use crate::{error::ServiceError, model::Loaded};

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
    /// How many sentences of its request have had their turn.
    pub(super) served: Arc<AtomicUsize>,
    pub(super) reply: UnboundedSender<Answer>,
}

impl Waiting {
    /// Sends the answer back, and the slot with it.
    pub(super) fn answer(self, result: Result<Translation, ServiceError>) {
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
    /// Whether the next batch begins with the oldest sentence.
    is_oldest_next: bool,
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

    /// Takes the sentence whose turn it is, and with it those most like it in length.
    ///
    /// By turns that is the oldest one, so that nobody waits for ever, and one of the request that
    /// got least so far, so that a word does not wait for a book.
    fn take_batch(&mut self, limits: Limits) -> Vec<Waiting> {
        self.is_oldest_next = !self.is_oldest_next;
        let served = |sentence: &&Waiting| sentence.served.load(Ordering::Relaxed);
        let oldest = self.waiting.front().filter(|_| self.is_oldest_next);
        let Some(first) = oldest.or_else(|| self.waiting.iter().min_by_key(served)) else {
            return Vec::new();
        };
        let fitting = |(i, other): (usize, &Waiting)| first.fits(other).then_some(i);
        let mut candidates: Vec<usize> =
            self.waiting.iter().enumerate().filter_map(fitting).collect();
        let is_first = |i: usize| std::ptr::eq(&self.waiting[i], first);
        candidates.sort_by_key(|&i| (!is_first(i), self.waiting[i].len().abs_diff(first.len())));

        let mut longest = 0;
        let mut taken = vec![false; self.waiting.len()];
        for (count, i) in (1..=limits.sentences).zip(candidates) {
            longest = longest.max(self.waiting[i].len());
            if count > 1 && count * longest > limits.chars {
                break;
            }
            taken[i] = true;
            self.waiting[i].served.fetch_add(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use dragoman_core::translate::Translate;
    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    struct Mute;

    impl Translate for Mute {
        fn languages(&self) -> Vec<String> {
            Vec::new()
        }

        fn can_translate(&self, _: &str, _: &str) -> bool {
            false
        }

        fn domains(&self) -> Vec<String> {
            Vec::new()
        }

        fn translate(&self, _: &[Job]) -> dragoman_core::Result<Vec<Translation>> {
            Ok(Vec::new())
        }

        fn experts(&self) -> serde_json::Value {
            serde_json::Value::Null
        }
    }

    const LIMITS: Limits = Limits { sentences: 10, chars: 10_000, wait: Duration::ZERO };

    /// The sentences of one request; the receiver keeps them alive.
    fn request(texts: &[String]) -> (Vec<Waiting>, mpsc::UnboundedReceiver<Answer>) {
        let (reply, answers) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(texts.len()));
        let model = Arc::new(Loaded { model: Arc::new(Mute), generation: 0 });
        let served = Arc::new(AtomicUsize::new(0));
        let waiting = |(number, text): (usize, &String)| Waiting {
            number,
            job: Job {
                source: "en".into(),
                target: "de".into(),
                domains: Vec::new(),
                text: text.clone(),
                num_hypotheses: 1,
                trace: false,
            },
            model: Arc::clone(&model),
            since: Instant::now(),
            slot: Arc::clone(&slots).try_acquire_owned().expect("a slot for each"),
            served: Arc::clone(&served),
            reply: reply.clone(),
        };
        (texts.iter().enumerate().map(waiting).collect(), answers)
    }

    fn book() -> Vec<String> {
        (0..100).map(|i| format!("A line of the book {i}")).collect()
    }

    fn texts(batch: Vec<Waiting>) -> Vec<String> {
        batch.into_iter().map(|waiting| waiting.job.text).collect()
    }

    #[test]
    fn a_word_does_not_wait_for_a_book() {
        let mut state = State::default();
        let (lines, _book) = request(&book());
        let (word, _word) = request(&["Word".into()]);
        state.waiting.extend(lines);
        state.take_batch(LIMITS);
        state.waiting.extend(word);
        let next = [texts(state.take_batch(LIMITS)), texts(state.take_batch(LIMITS))].concat();
        assert!(next.contains(&"Word".to_owned()), "{next:?}");
    }

    #[test]
    fn a_book_does_not_wait_for_all_the_words_that_come() {
        let mut state = State::default();
        let (lines, _book) = request(&book());
        state.waiting.extend(lines);
        let mut answers = Vec::new();
        let mut left = 100;
        for _ in 0..20 {
            // Too long to go with the lines, so that every word asks for a batch of its own.
            let (word, answer) = request(&["word".repeat(100)]);
            state.waiting.extend(word);
            answers.push(answer);
            let batch = texts(state.take_batch(LIMITS));
            left -= batch.iter().filter(|text| text.starts_with("A line")).count();
        }
        assert_eq!(left, 0, "lines of the book that still wait");
    }

    #[test]
    fn a_batch_keeps_to_its_limits_and_loses_nobody() {
        let mut state = State::default();
        let mixed: Vec<String> = (1..200).map(|i| "x".repeat(i * 7 % 390 + 1)).collect();
        let (sentences, _request) = request(&mixed);
        state.waiting.extend(sentences);
        let limits = Limits { chars: 1000, ..LIMITS };
        let mut all = Vec::new();
        while !state.waiting.is_empty() {
            let batch = texts(state.take_batch(limits));
            let longest = batch.iter().map(String::len).max().unwrap_or_default();
            assert!(batch.len() <= 10 && batch.len() * longest <= 1000, "{batch:?}");
            all.extend(batch);
        }
        all.sort_unstable();
        let mut mixed = mixed;
        mixed.sort_unstable();
        assert_eq!(all, mixed);
    }
}
