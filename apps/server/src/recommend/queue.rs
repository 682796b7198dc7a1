//! Joins the queries of waiting calls into batches for the model.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use dragoman_core::recommend::{Event, Query, Ranking};
use prometheus::IntGauge;
use tracing::Span;

use super::link::Link;
use crate::{
    queue::{Limits, Queue, Queued},
    telemetry,
};

/// A batch of queries; while one is in work, the next gathers.
const BATCH: Limits = Limits { count: 32, cost: usize::MAX, wait: Duration::ZERO };

/// A query that owns what it asks with.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) link: Arc<Link>,
    pub(crate) history: Vec<Event>,
    pub(crate) labels: Vec<String>,
    pub(crate) now: i64,
    pub(crate) popularity: Arc<Vec<f32>>,
}

/// Why the model ranked nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) String);

/// A query that waits. The threads that wait for answers bound their number.
struct QueuedQuery {
    asked: Asked,
    since: Instant,
    reply: SyncSender<Result<Ranking, Failed>>,
    /// The span of its request.
    span: Span,
}

/// The queue before the model, and the thread behind it.
pub(crate) struct RankQueue {
    queue: Arc<Queue<QueuedQuery>>,
}

impl Asked {
    /// The query itself.
    pub(crate) fn query(&self) -> Query<'_> {
        let Self { history, labels, now, popularity, .. } = self;
        Query { history, labels, now: *now, popularity }
    }
}

impl RankQueue {
    /// Starts the thread; `length` shows how many wait.
    pub(crate) fn start(length: IntGauge) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::<QueuedQuery>::new(BATCH, 1, length));
        let of_thread = Arc::clone(&queue);
        let serve = move || {
            while let Some(batch) = of_thread.take() {
                answer(batch.members);
            }
        };
        std::thread::Builder::new().name("recommend".into()).spawn(serve)?;
        Ok(Self { queue })
    }

    /// Ranks the catalogue for one query; blocks until it is its turn.
    pub(crate) fn rank(&self, asked: Asked) -> Result<Ranking, Failed> {
        let (reply, answer) = sync_channel(1);
        self.queue.push(vec![QueuedQuery {
            asked,
            since: Instant::now(),
            reply,
            span: Span::current(),
        }]);
        answer.recv().map_err(|_| Failed("the thread of the model has ended".into()))?
    }
}

impl Drop for RankQueue {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Queued for QueuedQuery {
    fn cost(&self) -> usize {
        0
    }

    /// Queries of one batch go to one model.
    fn fits(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.asked.link, &other.asked.link)
    }

    fn since(&self) -> Instant {
        self.since
    }

    fn is_cancelled(&self) -> bool {
        false // a thread waits for every query
    }

    fn served(&self) -> usize {
        0
    }

    fn serve(&self) {}

    fn is_short(&self) -> bool {
        false
    }
}

/// Asks the model; when it fails on several, each is tried by itself.
fn answer(batch: Vec<QueuedQuery>) {
    let Some(first) = batch.first() else { return };
    let queries: Vec<Query<'_>> = batch.iter().map(|one| one.asked.query()).collect();
    let span = telemetry::batch(batch.iter().map(|one| (&one.span, one.since)));
    let result = span.in_scope(|| call(&first.asked.link, &queries));
    drop(span); // it ends before its requests do
    match result {
        Ok(rankings) => {
            for (one, ranking) in batch.iter().zip(rankings) {
                let _ = one.reply.send(Ok(ranking)); // who no longer waits needs no answer
            }
        }
        Err(_) if batch.len() > 1 => batch.into_iter().for_each(|one| answer(vec![one])),
        Err(error) => {
            let _ = first.reply.send(Err(error));
        }
    }
}

/// Calls the model, and turns a panic or an answer of the wrong size into an error.
fn call(link: &Link, queries: &[Query<'_>]) -> Result<Vec<Ranking>, Failed> {
    let items = link.model.items().len();
    // A model is `&self` and holds no state that a panic could leave half done.
    match catch_unwind(AssertUnwindSafe(|| link.model.rank(queries))) {
        Err(_) => Err(Failed("the model crashed; the server's log says where".into())),
        Ok(Err(error)) => Err(Failed(error.to_string())),
        Ok(Ok(found))
            if found.len() != queries.len()
                || found.iter().any(|one| one.scores.len() != items) =>
        {
            Err(Failed("the model answered for other queries or items".into()))
        }
        Ok(Ok(found)) => Ok(found),
    }
}
