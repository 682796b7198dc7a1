//! Joins the queries of waiting requests into batches for the model.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
};

use dragoman_core::recommend::{Event, Query, Ranking};

use super::link::Link;

/// Queries in one batch at most.
const BATCH: usize = 32;

/// A query that owns what it asks with.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) link: Arc<Link>,
    pub(crate) history: Vec<Event>,
    pub(crate) labels: Vec<String>,
    pub(crate) now: i64,
    pub(crate) popularity: Arc<Vec<f32>>,
}

/// Why there is no ranking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many wait.
    Full,
    /// The model failed.
    Failed(String),
}

type Waiting = (Asked, SyncSender<Result<Ranking, Refusal>>);

/// The queue before the model; one thread works on it.
pub(crate) struct Queue {
    waiting: Mutex<Sender<Waiting>>,
    length: Arc<AtomicUsize>,
    limit: usize,
}

impl Asked {
    /// The query itself.
    pub(crate) fn query(&self) -> Query<'_> {
        let Self { history, labels, now, popularity, .. } = self;
        Query { history, labels, now: *now, popularity }
    }
}

impl Queue {
    /// Starts the thread; at most `limit` queries wait.
    pub(crate) fn start(limit: usize) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let length = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&length);
        let serve = move || serve(&receiver, &left);
        std::thread::Builder::new().name("recommend".into()).spawn(serve)?;
        Ok(Self { waiting: Mutex::new(sender), length, limit })
    }

    /// Ranks the catalogue for one query; blocks until it is its turn.
    pub(crate) fn rank(&self, asked: Asked) -> Result<Ranking, Refusal> {
        if self.length.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.length.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Full);
        }
        let (reply, answer) = sync_channel(1);
        let gone = || Refusal::Failed("the thread of the model has ended".into());
        let sent = {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.send((asked, reply))
        };
        sent.map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

/// Answers batch after batch until nobody can ask any more; while one is worked on, the next gathers.
fn serve(queue: &Receiver<Waiting>, length: &AtomicUsize) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| queue.recv().ok()) {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match queue.try_recv() {
                // Queries of one batch go to one model.
                Ok(other) if Arc::ptr_eq(&other.0.link, &batch[0].0.link) => batch.push(other),
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        length.fetch_sub(batch.len(), Ordering::Relaxed);
        answer(batch);
    }
}

/// Asks the model; when it fails on several, each is tried by itself.
fn answer(batch: Vec<Waiting>) {
    let queries: Vec<Query<'_>> = batch.iter().map(|(asked, _)| asked.query()).collect();
    match call(&batch[0].0.link, &queries) {
        Ok(rankings) => {
            for ((_, reply), ranking) in batch.iter().zip(rankings) {
                let _ = reply.send(Ok(ranking)); // who no longer waits needs no answer
            }
        }
        Err(_) if batch.len() > 1 => batch.into_iter().for_each(|one| answer(vec![one])),
        Err(error) => {
            let _ = batch[0].1.send(Err(error));
        }
    }
}

/// Calls the model, and turns a panic or an answer of the wrong size into an error.
fn call(link: &Link, queries: &[Query<'_>]) -> Result<Vec<Ranking>, Refusal> {
    let items = link.model.items().len();
    // A model is `&self` and holds no state that a panic could leave half done.
    match catch_unwind(AssertUnwindSafe(|| link.model.rank(queries))) {
        Err(_) => Err(Refusal::Failed("the model crashed; the server's log says where".into())),
        Ok(Err(error)) => Err(Refusal::Failed(error.to_string())),
        Ok(Ok(found))
            if found.len() != queries.len()
                || found.iter().any(|one| one.scores.len() != items) =>
        {
            Err(Refusal::Failed("the model answered for other queries or items".into()))
        }
        Ok(Ok(found)) => Ok(found),
    }
}
