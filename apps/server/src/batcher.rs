//! Joins the sentences of all requests into batches, and answers each in its place.
//!
//! A request takes slots of a bounded queue for its sentences, or is refused at once; a long
//! request takes a share of the slots and feeds its next sentence as one comes back. Sentences
//! that are equal, or were translated before, are translated once.

mod cache;
mod queue;
mod worker;

use std::{collections::HashMap, sync::Arc, time::Instant};

use dragoman_core::translate::{Job, Translation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    batcher::{
        cache::Cache,
        queue::{Limits, Queue, Waiting},
    },
    config::QueueConfig,
    error::{Result, ServiceError},
    metrics::Metrics,
    model::Loaded,
};

/// Share of the queue that one request may hold.
const SHARE: usize = 2;

/// The queue before the model, and the threads behind it.
pub(crate) struct Batcher {
    queue: Arc<Queue>,
    slots: Arc<Semaphore>,
    cache: Cache,
    share: usize,
    metrics: Arc<Metrics>,
}

/// A translated sentence on its way back: its number in the request, and its slot.
type Answer = (usize, Result<Translation, ServiceError>, OwnedSemaphorePermit);

impl Batcher {
    /// Starts the threads that translate.
    pub(crate) fn start(config: &QueueConfig, metrics: Arc<Metrics>) -> Result<Self> {
        let limits = Limits {
            sentences: config.batch_sentences,
            chars: config.batch_chars,
            wait: std::time::Duration::from_millis(config.batch_wait_ms),
        };
        let queue = Arc::new(Queue::new(limits, metrics.queued.clone()));
        for number in 0..config.batch_workers {
            let (queue, metrics) = (Arc::clone(&queue), Arc::clone(&metrics));
            std::thread::Builder::new()
                .name(format!("batch-{number}"))
                .spawn(move || worker::serve(&queue, &metrics))?;
        }
        Ok(Self {
            queue,
            slots: Arc::new(Semaphore::new(config.queue_size)),
            cache: Cache::new(config.cache_bytes),
            share: config.queue_size.div_ceil(SHARE),
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
        jobs: Vec<Job>,
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
        jobs: &[Job],
        missing: &[usize],
        done: &mut [Option<Arc<Translation>>],
    ) -> Result<(), ServiceError> {
        let mut slots = self.take_slots(missing.len().min(self.share))?;
        let (reply, mut answers) = mpsc::unbounded_channel::<Answer>();
        let served = Arc::default();
        let waiting = |number: usize, slot| Waiting {
            number,
            job: jobs[number].clone(),
            model: Arc::clone(model),
            since: Instant::now(),
            slot,
            served: Arc::clone(&served),
            reply: reply.clone(),
        };

        let mut rest = missing.iter();
        let first = std::iter::from_fn(|| Some(waiting(*rest.next()?, slots.split(1)?)));
        self.queue.push(first.take(missing.len().min(self.share)).collect());
        for _ in missing {
            let (number, translation, slot) =
                answers.recv().await.expect("`reply` keeps the channel open");
            let translation = Arc::new(translation?);
            self.cache.put(model.generation, &jobs[number], &translation);
            done[number] = Some(translation);
            if let Some(&next) = rest.next() {
                self.queue.push(vec![waiting(next, slot)]);
            }
        }
        Ok(())
    }

    /// Takes `count` slots, or refuses: waiting would only make the queue longer.
    fn take_slots(&self, count: usize) -> Result<OwnedSemaphorePermit, ServiceError> {
        let count = u32::try_from(count).expect("the queue's size is checked to be smaller");
        let take = || Arc::clone(&self.slots).try_acquire_many_owned(count);
        take()
            .or_else(|_| {
                self.metrics.cancelled.inc_by(self.queue.drop_cancelled() as u64);
                take()
            })
            .map_err(|_| {
                self.metrics.refused.inc();
                ServiceError::Busy
            })
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The jobs that differ, and for each of `jobs` which one of them it is.
fn without_doubles(jobs: Vec<Job>) -> (Vec<Job>, Vec<usize>) {
    let mut numbers: HashMap<Job, usize> = HashMap::new();
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
