//! One queue for every model: what waits, what goes together in a batch, and who has a turn.
//!
//! A caller takes a slot before it waits, or is refused at once: [`slots`] for sentences, [`pool`] for
//! calls that block. Threads take batches; by turns a batch begins with what has waited longest and with what
//! belongs to the request that got least so far. While all threads are busy with long requests,
//! an express thread answers short ones.

pub(crate) mod pool;
pub(crate) mod slots;

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus::IntGauge;

/// Something that waits for a model.
pub(crate) trait Queued: Send + 'static {
    /// What it costs, such as its characters.
    fn cost(&self) -> usize;

    /// Whether both can go in one batch.
    fn fits(&self, other: &Self) -> bool;

    /// When it came.
    fn since(&self) -> Instant;

    /// Whether nobody waits for it any more.
    fn is_cancelled(&self) -> bool;

    /// How many of its request have had their turn.
    fn served(&self) -> usize;

    /// Notes that it has its turn.
    fn serve(&self);

    /// Whether its request is short.
    fn is_short(&self) -> bool;
}

/// How large a batch grows, and how long it waits to grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) count: usize,
    /// Most cost of a batch, counted as its members times the costliest.
    pub(crate) cost: usize,
    pub(crate) wait: Duration,
}

/// What waits, oldest first.
pub(crate) struct Queue<T> {
    limits: Limits,
    /// Threads that take batches, the express one left out.
    workers: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
    length: IntGauge,
}

/// What was taken from a queue; while it is held, its thread counts as busy.
pub(crate) struct Batch<'a, T> {
    pub(crate) members: Vec<T>,
    /// How many were dropped on the way because nobody waits for them.
    pub(crate) dropped: usize,
    /// What makes the thread count as busy.
    pub(crate) turn: Option<Turn<'a, T>>,
}

/// A thread at work.
pub(crate) struct Turn<'a, T>(&'a Queue<T>);

struct State<T> {
    waiting: VecDeque<T>,
    /// Whether the next batch begins with the oldest.
    is_oldest_next: bool,
    busy: usize,
    closed: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), is_oldest_next: false, busy: 0, closed: false }
    }
}

impl<T: Queued> Queue<T> {
    /// An empty queue for `workers` threads; `length` shows how many wait.
    pub(crate) fn new(limits: Limits, workers: usize, length: IntGauge) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { limits, workers, state, changed, length }
    }

    /// Adds at the end; the slots of the callers bound the length.
    pub(crate) fn push(&self, more: Vec<T>) {
        let mut state = self.lock();
        state.waiting.extend(more);
        self.length.set(state.waiting.len() as i64);
        self.changed.notify_all();
    }

    /// Drops those for whom nobody waits any more, and counts them.
    pub(crate) fn drop_cancelled(&self) -> usize {
        self.lock().drop_cancelled()
    }

    /// Ends the wait of all threads.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Blocks for the next batch; `None` when the queue is closed.
    pub(crate) fn take(&self) -> Option<Batch<'_, T>> {
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
            let left = self.limits.wait.saturating_sub(oldest.since().elapsed());
            let cost: usize = state.waiting.iter().map(T::cost).sum();
            let full = state.waiting.len() >= self.limits.count || cost >= self.limits.cost;
            if full || left.is_zero() {
                let members = state.take_batch(self.limits, |_| true);
                state.busy += 1;
                self.length.set(state.waiting.len() as i64);
                self.changed.notify_all(); // the express thread may have a turn now
                return Some(Batch { members, dropped, turn: Some(Turn(self)) });
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Blocks for a batch of short requests that would wait because all threads are busy; `None` when the
    /// queue is closed.
    pub(crate) fn take_short(&self, limits: Limits) -> Option<Batch<'_, T>> {
        let mut state = self.lock();
        let mut dropped = 0;
        loop {
            dropped += state.drop_cancelled();
            if state.closed {
                return None;
            }
            let is_busy = state.busy >= self.workers;
            if is_busy && state.waiting.iter().any(T::is_short) {
                let members = state.take_batch(limits, T::is_short);
                self.length.set(state.waiting.len() as i64);
                return Some(Batch { members, dropped, turn: None });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).busy -= 1;
    }
}

impl<T: Queued> State<T> {
    fn drop_cancelled(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|one| !one.is_cancelled());
        before - self.waiting.len()
    }

    /// Takes of those that `may` the one whose turn it is, and with it those most like it in cost.
    ///
    /// By turns that is the oldest one, so that nobody waits for ever, and one of the request that
    /// got least so far, so that a word does not wait for a book.
    fn take_batch(&mut self, limits: Limits, may: impl Fn(&T) -> bool) -> Vec<T> {
        self.is_oldest_next = !self.is_oldest_next;
        let mut able = self.waiting.iter().filter(|one| may(one));
        let first = match self.is_oldest_next {
            true => able.next(),
            false => able.min_by_key(|one| one.served()),
        };
        let Some(first) = first else { return Vec::new() };
        let fitting = |(i, other): (usize, &T)| (may(other) && first.fits(other)).then_some(i);
        let mut candidates: Vec<usize> =
            self.waiting.iter().enumerate().filter_map(fitting).collect();
        let is_first = |i: usize| std::ptr::eq(&self.waiting[i], first);
        candidates.sort_by_key(|&i| (!is_first(i), self.waiting[i].cost().abs_diff(first.cost())));

        let mut costliest = 0;
        let mut taken = vec![false; self.waiting.len()];
        for (count, i) in (1..=limits.count).zip(candidates) {
            costliest = costliest.max(self.waiting[i].cost());
            if count > 1 && count * costliest > limits.cost {
                break;
            }
            taken[i] = true;
            self.waiting[i].serve();
        }
        let all = std::mem::take(&mut self.waiting);
        let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
        for (one, is_taken) in all.into_iter().zip(taken) {
            if is_taken { batch.push(one) } else { rest.push_back(one) }
        }
        self.waiting = rest;
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// A text of a request.
    struct Line {
        text: String,
        since: Instant,
        served: Arc<AtomicUsize>,
        of: usize,
    }

    impl Queued for Line {
        fn cost(&self) -> usize {
            self.text.len()
        }

        fn fits(&self, other: &Self) -> bool {
            self.cost().max(other.cost()) <= 2 * self.cost().min(other.cost()) + 24
        }

        fn since(&self) -> Instant {
            self.since
        }

        fn is_cancelled(&self) -> bool {
            false
        }

        fn served(&self) -> usize {
            self.served.load(Ordering::Relaxed)
        }

        fn serve(&self) {
            self.served.fetch_add(1, Ordering::Relaxed);
        }

        fn is_short(&self) -> bool {
            self.of <= 8
        }
    }

    const LIMITS: Limits = Limits { count: 10, cost: 10_000, wait: Duration::ZERO };

    fn request(texts: &[String]) -> Vec<Line> {
        let served = Arc::new(AtomicUsize::new(0));
        let line = |text: &String| Line {
            text: text.clone(),
            since: Instant::now(),
            served: Arc::clone(&served),
            of: texts.len(),
        };
        texts.iter().map(line).collect()
    }

    fn book() -> Vec<String> {
        (0..100).map(|i| format!("A line of the book {i}")).collect()
    }

    fn texts(batch: Vec<Line>) -> Vec<String> {
        batch.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_word_does_not_wait_for_a_book() {
        let mut state = State::default();
        state.waiting.extend(request(&book()));
        state.take_batch(LIMITS, |_| true);
        state.waiting.extend(request(&["Word".into()]));
        let next =
            [texts(state.take_batch(LIMITS, |_| true)), texts(state.take_batch(LIMITS, |_| true))]
                .concat();
        assert!(next.contains(&"Word".to_owned()), "{next:?}");
    }

    #[test]
    fn a_book_does_not_wait_for_all_the_words_that_come() {
        let mut state = State::default();
        state.waiting.extend(request(&book()));
        let mut left = 100;
        for _ in 0..20 {
            // Too long to go with the lines, so that every word asks for a batch of its own.
            state.waiting.extend(request(&["word".repeat(100)]));
            let batch = texts(state.take_batch(LIMITS, |_| true));
            left -= batch.iter().filter(|text| text.starts_with("A line")).count();
        }
        assert_eq!(left, 0, "lines of the book that still wait");
    }

    #[test]
    fn a_batch_keeps_to_its_limits_and_loses_nobody() {
        let mut state = State::default();
        let mut mixed: Vec<String> = (1..200).map(|i| "x".repeat(i * 7 % 390 + 1)).collect();
        state.waiting.extend(request(&mixed));
        let limits = Limits { cost: 1000, ..LIMITS };
        let mut all = Vec::new();
        while !state.waiting.is_empty() {
            let batch = texts(state.take_batch(limits, |_| true));
            let longest = batch.iter().map(String::len).max().unwrap_or_default();
            assert!(batch.len() <= 10 && batch.len() * longest <= 1000, "{batch:?}");
            all.extend(batch);
        }
        all.sort_unstable();
        mixed.sort_unstable();
        assert_eq!(all, mixed);
    }

    #[test]
    fn the_express_thread_takes_short_requests_while_the_others_are_busy() -> anyhow::Result<()> {
        let queue = Arc::new(Queue::new(LIMITS, 1, IntGauge::new("length", "help")?));
        queue.push(request(&book()));
        let (sender, receiver) = mpsc::channel();
        let express = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                while let Some(batch) = queue.take_short(LIMITS) {
                    let _ = sender.send(texts(batch.members));
                }
            })
        };
        queue.push(request(&["Early".into()]));
        let waited = receiver.recv_timeout(Duration::from_millis(50));
        assert!(waited.is_err(), "nobody is busy yet: {waited:?}");
        let batch = queue.take().map(|batch| texts(batch.members.into_iter().collect()));
        drop(batch);
        let held = queue.take();
        queue.push(request(&["Word".into()]));
        let found: Vec<String> =
            std::iter::from_fn(|| receiver.recv_timeout(Duration::from_secs(5)).ok())
                .take(1)
                .flatten()
                .collect();
        assert!(found.iter().all(|text| ["Word", "Early"].contains(&text.as_str())), "{found:?}");
        assert!(!found.is_empty());
        drop(held);
        queue.close();
        assert!(express.join().is_ok());
        Ok(())
    }
}
