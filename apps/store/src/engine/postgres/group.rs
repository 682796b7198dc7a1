//! Writers of one tree that come at the same time share a transaction.
//!
//! One of them begins it. When it is done it hands the transaction to the next that waits, and so on; the last
//! commits, and each learns of that one commit. So the database is asked twice for a group as it would be
//! for one, and its disk once. A writer that fails takes back what it wrote and no more. What cannot be
//! committed is an error of everyone in the group.

use std::{
    collections::{HashMap, VecDeque},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    time::Duration,
};

use super::{
    Postgres,
    pool::{lock, reason},
    transaction::{Bound, Transaction},
    unbound,
};
use crate::{Error, Result};

/// Writers of one transaction, and how long others may join it.
const MOST: (usize, Duration) = (256, Duration::from_millis(50));

/// How long a writer waits for its turn: as long as the database waits for the lock, and for the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a group ended; why not well.
type Outcome = Result<(), String>;

/// Writers that are done and wait for the commit.
pub(super) type Members = Vec<Sender<Outcome>>;

/// Those who write to each tree.
pub(super) type Queues = HashMap<String, Queue>;

/// The writers of one tree.
#[derive(Default)]
pub(super) struct Queue {
    /// Whether one of them has its turn.
    is_busy: bool,
    waiting: VecDeque<Waiting>,
    /// Number of the next that waits.
    next: u64,
}

/// A writer that waits.
struct Waiting {
    number: u64,
    /// Keys that it will read.
    keys: Vec<Vec<u8>>,
    turn: SyncSender<Turn>,
}

/// What a writer that waited does.
enum Turn {
    /// It begins a transaction.
    Begin,
    /// It goes on with one that others have written in.
    Join(Box<Transaction>),
    /// It gives up: the database could not be asked.
    Fail(String),
}

impl Queue {
    /// The keys of all that wait.
    fn keys(&self) -> Vec<Vec<u8>> {
        self.waiting.iter().flat_map(|one| one.keys.iter().cloned()).collect()
    }
}

impl Postgres {
    /// Binds this thread to a transaction that holds the lock of `tree`, once it is its turn; `keys` are
    /// those that it will read.
    pub(super) fn take_turn(&self, tree: &str, keys: Vec<Vec<u8>>) -> Result<()> {
        let place = {
            let mut queues = lock(&self.queues);
            let queue = queues.entry(tree.to_owned()).or_default();
            match std::mem::replace(&mut queue.is_busy, true) {
                false => None,
                true => {
                    let (turn, answer) = sync_channel(1);
                    let number = queue.next;
                    queue.next += 1;
                    queue.waiting.push_back(Waiting { number, keys: keys.clone(), turn });
                    Some((number, answer))
                }
            }
        };
        let turn = match place {
            None => Turn::Begin,
            Some((number, answer)) => self.wait_for_turn(tree, number, &answer)?,
        };
        match turn {
            Turn::Begin => self.begin_group(tree, keys),
            Turn::Join(transaction) => self.join_group(tree, &keys, transaction),
            Turn::Fail(reason) => Err(Error::Engine(reason)),
        }
    }

    fn wait_for_turn(&self, tree: &str, number: u64, answer: &Receiver<Turn>) -> Result<Turn> {
        match answer.recv_timeout(PATIENCE) {
            Ok(turn) => return Ok(turn),
            Err(RecvTimeoutError::Disconnected) => return Err(unbound()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let mut queues = lock(&self.queues);
        let waiting = &mut queues.entry(tree.to_owned()).or_default().waiting;
        let count = waiting.len();
        waiting.retain(|one| one.number != number);
        match waiting.len() == count {
            true => answer.try_recv().map_err(|_| unbound()), // it has come just now
            false => Err(Error::Engine(format!(
                "those who write to `{tree}` before this took more than {} seconds",
                PATIENCE.as_secs()
            ))),
        }
    }

    fn begin_group(&self, tree: &str, mut keys: Vec<Vec<u8>>) -> Result<()> {
        keys.extend(lock(&self.queues).get(tree).map(Queue::keys).unwrap_or_default());
        keys.sort_unstable();
        keys.dedup();
        match self.open_transaction(tree, keys) {
            Ok(transaction) => {
                self.pool.bind(Bound::new(transaction));
                Ok(())
            }
            Err(error) => {
                // Those who wait would be told the same, one after another.
                let mut queues = lock(&self.queues);
                let queue = queues.entry(tree.to_owned()).or_default();
                for one in queue.waiting.drain(..) {
                    let _ = one.turn.send(Turn::Fail(reason(&error))); // who gave up needs no answer
                }
                queue.is_busy = false;
                Err(error)
            }
        }
    }

    fn join_group(
        &self,
        tree: &str,
        keys: &[Vec<u8>],
        transaction: Box<Transaction>,
    ) -> Result<()> {
        let mut unknown = transaction.unknown(tree, keys);
        self.pool.bind(Bound::new(transaction));
        if unknown.is_empty() {
            return Ok(());
        }
        // With one question for all that have come meanwhile.
        unknown.extend(lock(&self.queues).get(tree).map(Queue::keys).unwrap_or_default());
        unknown.sort_unstable();
        unknown.dedup();
        let read = self.read_ahead(tree, unknown);
        if read.is_err() {
            let _ = self.end_turn(tree, false); // the first error is the one to tell
        }
        read
    }

    /// Ends the part that this thread has in a transaction, and waits until all of it is on disk; undoes the
    /// part unless it `is_kept`.
    pub(super) fn end_turn(&self, tree: &str, is_kept: bool) -> Result<()> {
        let Some(bound) = self.pool.unbind() else { return Err(unbound()) };
        let Bound { mut transaction, undo, has_sent, .. } = bound;
        if !is_kept && has_sent {
            let why = "another change that was to be written with it failed";
            transaction.broken.get_or_insert_with(|| why.to_owned());
        }
        if !is_kept && !has_sent {
            for (tree, undo) in undo.into_iter().rev() {
                if let Some(locked) = transaction.locked.get_mut(&tree) {
                    locked.known.undo(undo);
                }
            }
        }
        match self.hand_over(tree, transaction, is_kept) {
            Handed::Waiting(answer) => answer.recv().map_err(|_| unbound())?.map_err(Error::Engine),
            Handed::Done => Ok(()),
            Handed::Last(transaction) => self.close_group(tree, *transaction, is_kept),
        }
    }

    /// Hands the transaction to the next that waits, if there is one and it may join.
    fn hand_over(&self, tree: &str, mut transaction: Box<Transaction>, is_kept: bool) -> Handed {
        let is_open = transaction.broken.is_none()
            && transaction.members.len() < MOST.0
            && transaction.started.elapsed() < MOST.1;
        let mut queues = lock(&self.queues);
        let next = queues.get_mut(tree).filter(|_| is_open);
        let Some(next) = next.and_then(|queue| queue.waiting.pop_front()) else {
            return Handed::Last(transaction);
        };
        let answer = is_kept.then(|| {
            let (member, answer) = channel();
            transaction.members.push(member);
            answer
        });
        // It cannot have given up: it would do so under this lock.
        let _ = next.turn.send(Turn::Join(transaction));
        answer.map_or(Handed::Done, Handed::Waiting)
    }

    /// Commits, tells all who wait for that, and lets the next begin.
    fn close_group(&self, tree: &str, mut transaction: Transaction, is_kept: bool) -> Result<()> {
        let members = std::mem::take(&mut transaction.members);
        let closed = self.close(transaction);
        let outcome = closed.as_ref().map(drop).map_err(reason);
        for member in members {
            let _ = member.send(outcome.clone()); // each waits for it
        }
        {
            let mut queues = lock(&self.queues);
            let queue = queues.entry(tree.to_owned()).or_default();
            match queue.waiting.pop_front() {
                Some(next) => drop(next.turn.send(Turn::Begin)),
                None => queue.is_busy = false,
            }
        }
        // Who failed has an error of its own.
        if is_kept { closed } else { Ok(()) }
    }
}

/// What becomes of a transaction that a writer is done with.
enum Handed {
    /// Another goes on with it; the outcome will come.
    Waiting(Receiver<Outcome>),
    /// Another goes on with it, and the outcome does not matter.
    Done,
    /// Nobody else waits for it.
    Last(Box<Transaction>),
}
