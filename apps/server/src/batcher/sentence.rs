//! A sentence that waits for a batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use dragoman_core::translate::{Translation, TranslationJob};
use tokio::sync::mpsc::UnboundedSender;
use tracing::Span;

use super::Answer;
use crate::{
    error::ServiceError,
    model::Loaded,
    queue::{Queued, slots::Slot},
};

/// Characters by which the lengths in a batch may differ in any case.
const SLACK: usize = 24;

/// Sentences of a short request at most.
const SHORT: usize = 8;

/// Bytes of a short request's sentence at most.
const SHORT_SENTENCE: usize = 400;

/// A sentence that waits, with the slot it takes.
pub(super) struct QueuedSentence {
    /// Its number in the request.
    pub(super) number: usize,
    pub(super) job: TranslationJob,
    pub(super) model: Arc<Loaded>,
    pub(super) since: Instant,
    pub(super) slot: Slot,
    /// How many sentences of its request have had their turn.
    pub(super) served: Arc<AtomicUsize>,
    /// How many sentences its request has.
    pub(super) of: usize,
    pub(super) reply: UnboundedSender<Answer>,
    /// The span of its request.
    pub(super) span: Span,
}

impl QueuedSentence {
    /// Sends the answer back, and the slot with it.
    pub(super) fn answer(self, result: Result<Translation, ServiceError>) {
        let _ = self.reply.send((self.number, result, self.slot)); // or nobody waits any more
    }

    /// Whether both are sentences of one request.
    pub(super) fn is_of_request(&self, other: &Self) -> bool {
        self.reply.same_channel(&other.reply)
    }
}

impl Queued for QueuedSentence {
    fn cost(&self) -> usize {
        self.job.text.len()
    }

    fn fits(&self, other: &Self) -> bool {
        let (short, long) = (self.cost().min(other.cost()), self.cost().max(other.cost()));
        self.model.generation == other.model.generation
            && self.job.num_hypotheses == other.job.num_hypotheses
            && self.job.trace == other.job.trace
            && long <= 2 * short + SLACK
    }

    fn since(&self) -> Instant {
        self.since
    }

    fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    fn is_short(&self) -> bool {
        self.of <= SHORT && self.cost() <= SHORT_SENTENCE
    }
}
