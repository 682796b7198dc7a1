//! Joins the sentences of all requests into batches, and answers each in its place.
//!
//! A request takes slots of a bounded queue for its sentences, or is refused at once. A long request
//! takes a share of the slots, feeds its next sentences as others come back, and gives slots back
//! when more requests come. Sentences that are equal, or were translated before, are translated once.

mod cache;
mod sentence;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Instant};

use dragoman_core::translate::{Translation, TranslationJob};
use prometheus::IntGauge;
use tokio::sync::mpsc;
use tracing::Span;

use crate::{
    batcher::{cache::Cache, sentence::QueuedSentence},
    config::QueueConfig,
    error::{Result, ServiceError},
    metrics::Metrics,
    model::Loaded,
    queue::{
        Limits, Queue,
        slots::{Membership, Slot, Slots},
    },
};

/// The queue before the model, and the threads behind it.
pub(crate) struct Batcher {
    /// Sentences for models that compute here.
    local: Arc<Queue<QueuedSentence>>,
    /// Sentences for translators on other machines, which must not hold up those that compute.
    remote: Arc<Queue<QueuedSentence>>,
    slots: Slots,
    cache: Cache,
    metrics: Arc<Metrics>,
}

/// A translated sentence on its way back: its number in the request, and its slot.
type Answer = (usize, Result<Translation, ServiceError>, Slot);

impl Batcher {
    /// Starts the threads that translate.
    pub(crate) fn start(config: &QueueConfig, metrics: Arc<Metrics>) -> Result<Self> {
        let limits = Limits {
            count: config.batch_sentences,
            cost: config.batch_chars,
            wait: std::time::Duration::from_millis(config.batch_wait_ms),
        };
        let start = |limits, workers, name, length: &IntGauge| -> Result<_> {
            let queue = Arc::new(Queue::new(limits, workers, length.clone()));
            for number in 0..workers {
                let (queue, metrics) = (Arc::clone(&queue), Arc::clone(&metrics));
                std::thread::Builder::new()
                    .name(format!("{name}-{number}"))
                    .spawn(move || worker::serve(&queue, &metrics))?;
            }
            Ok(queue)
        };
        let local = start(limits, config.batch_workers, "batch", &metrics.queued)?;
        // One sentence a call: nothing is gained where the other side makes the batches.
        let single = Limits { count: 1, wait: std::time::Duration::ZERO, ..limits };
        let remote = start(single, config.remote_workers, "remote", &metrics.remote_queued)?;
        if config.express {
            let (queue, metrics) = (Arc::clone(&local), Arc::clone(&metrics));
            let pool = worker::express_pool()?;
            std::thread::Builder::new()
                .name("express".into())
                .spawn(move || worker::serve_short(&queue, &metrics, &pool))?;
        }
        Ok(Self {
            local,
            remote,
            slots: Slots::new(config.queue_size),
            cache: Cache::new(config.cache_bytes),
            metrics,
        })
    }

    /// Translates `jobs` with `model`, and answers in their order.
    ///
    /// The first sentence that fails fails them all. When this future is dropped, so are the
    /// sentences that still wait.
    pub(crate) async fn translate(
        &self,
        model: &Arc<Loaded>,
        jobs: Vec<TranslationJob>,
    ) -> Result<Vec<Arc<Translation>>, ServiceError> {
        let (unique, places) = without_doubles(jobs);
        let mut done: Vec<Option<Arc<Translation>>> =
            unique.iter().map(|job| self.cache.get(model.generation, job)).collect();
        self.metrics.cache_hits.inc_by(done.iter().flatten().count() as u64);

        let missing: Vec<usize> = (0..unique.len()).filter(|&i| done[i].is_none()).collect();
        self.work(model, &unique, &missing, &mut done).await?;
        let answered = |place: usize| done[place].clone().expect("every sentence was answered");
        Ok(places.into_iter().map(answered).collect())
    }

    /// Translates the `missing` of `jobs`, a share of the queue at a time.
    async fn work(
        &self,
        model: &Arc<Loaded>,
        jobs: &[TranslationJob],
        missing: &[usize],
        done: &mut [Option<Arc<Translation>>],
    ) -> Result<(), ServiceError> {
        if missing.is_empty() {
            return Ok(());
        }
        let (_membership, slots) = self.enter(missing.len())?;
        let (reply, mut answers) = mpsc::unbounded_channel::<Answer>();
        let (served, span) = (Arc::default(), Span::current());
        let waiting = |(slot, number): (Slot, usize)| QueuedSentence {
            number,
            job: jobs[number].clone(),
            model: Arc::clone(model),
            since: Instant::now(),
            slot,
            served: Arc::clone(&served),
            of: missing.len(),
            reply: reply.clone(),
            span: span.clone(),
        };

        let mut rest = missing.iter().copied();
        let mut in_flight = slots.len();
        self.push(slots.into_iter().zip(rest.by_ref()).map(waiting));
        let mut left = missing.len();
        while left > 0 {
            let mut free = Vec::new();
            let first = answers.recv().await.expect("`reply` keeps the channel open");
            let more = std::iter::from_fn(|| answers.try_recv().ok());
            for (number, translation, slot) in std::iter::once(first).chain(more) {
                let translation = Arc::new(translation?);
                self.cache.put(model.generation, &jobs[number], &translation);
                done[number] = Some(translation);
                free.push(slot);
                in_flight -= 1;
                left -= 1;
            }
            let next = self.next(&mut rest, in_flight, free);
            in_flight += next.len();
            self.push(next.into_iter().map(waiting));
        }
        Ok(())
    }

    /// Puts sentences into the queues of those who translate them.
    fn push(&self, sentences: impl Iterator<Item = QueuedSentence>) {
        let is_remote = |sentence: &QueuedSentence| {
            let QueuedSentence { job, model, .. } = sentence;
            model.model.is_remote(&job.source, &job.target)
        };
        let (remote, local) = sentences.partition(is_remote);
        for (queue, sentences) in [(&self.remote, remote), (&self.local, local)] {
            queue.push(sentences);
        }
    }

    /// The sentences that a request sends next: as many as it may have in flight, with the slots that
    /// came back, or with others that are free. Slots that it may not keep are given back.
    fn next(
        &self,
        rest: &mut impl ExactSizeIterator<Item = usize>,
        in_flight: usize,
        mut free: Vec<Slot>,
    ) -> Vec<(Slot, usize)> {
        // One slot stays with the request, so that it goes on.
        let allowed = self.slots.allowance().saturating_sub(in_flight).min(rest.len());
        free.truncate(if in_flight == 0 { allowed.max(1) } else { allowed });
        while free.len() < allowed {
            let Some(slot) = self.slots.another() else { break };
            free.push(slot);
        }
        free.into_iter().zip(rest.by_ref()).collect()
    }

    /// Takes slots for a request of `count` sentences, or refuses: waiting would only make the queue
    /// longer.
    fn enter(&self, count: usize) -> Result<(Membership, Vec<Slot>), ServiceError> {
        let enter = || self.slots.enter(count);
        enter()
            .or_else(|| {
                let dropped = self.local.drop_cancelled() + self.remote.drop_cancelled();
                self.metrics.cancelled.inc_by(dropped as u64);
                enter()
            })
            .ok_or_else(|| {
                self.metrics.refused.inc();
                ServiceError::Busy
            })
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.local.close();
        self.remote.close();
    }
}

/// The jobs that differ, and for each of `jobs` which one of them it is.
fn without_doubles(jobs: Vec<TranslationJob>) -> (Vec<TranslationJob>, Vec<usize>) {
    let mut numbers: HashMap<TranslationJob, usize> = HashMap::new();
    let mut unique = Vec::new();
    let places = jobs
        .into_iter()
        .map(|job| {
            let number = numbers.len();
            *numbers.entry(job).or_insert_with_key(|job| {
                unique.push(job.clone());
                number
            })
        })
        .collect();
    (unique, places)
}
