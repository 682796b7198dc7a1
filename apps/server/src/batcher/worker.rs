//! The threads that give batches to the model.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use dragoman_core::{
    Error,
    translate::{Translate, Translation, TranslationJob},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::sentence::QueuedSentence;
use crate::{
    error::ServiceError,
    metrics::Metrics,
    queue::{Batch, Limits, Queue},
    telemetry,
};

/// The batches of short requests that are answered beside a long one.
const EXPRESS: Limits = Limits { count: 8, cost: 1024, wait: std::time::Duration::ZERO };

/// Translates batch after batch until the queue is closed.
pub(super) fn serve(queue: &Queue<QueuedSentence>, metrics: &Metrics) {
    while let Some(batch) = queue.take() {
        answer(batch, metrics);
    }
}

/// The thread that short requests are translated on: with the others it would wait for those of a
/// long batch to be free.
pub(super) fn express_pool() -> std::io::Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "express-model".into());
    pool.build().map_err(std::io::Error::other)
}

/// Translates short requests while the other threads are busy, until the queue is closed.
pub(super) fn serve_short(queue: &Queue<QueuedSentence>, metrics: &Metrics, pool: &ThreadPool) {
    while let Some(batch) = queue.take_short(EXPRESS) {
        pool.install(|| answer(batch, metrics));
    }
}

fn answer(batch: Batch<'_, QueuedSentence>, metrics: &Metrics) {
    let Batch { members, dropped, turn: _turn } = batch;
    metrics.cancelled.inc_by(dropped as u64);
    translate(members, metrics);
}

/// Translates one batch; whatever the model does, everyone in it is answered.
///
/// When it fails on several requests, each is tried by itself: one cannot spoil the others.
fn translate(batch: Vec<QueuedSentence>, metrics: &Metrics) {
    let Some(first) = batch.first() else { return };
    let jobs: Vec<TranslationJob> = batch.iter().map(|sentence| sentence.job.clone()).collect();
    let started = Instant::now();
    let span = telemetry::batch(batch.iter().map(|sentence| (&sentence.span, sentence.since)));
    let result = span.in_scope(|| call(&*first.model.model, &jobs));
    drop(span); // it ends before its requests do
    metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
    metrics.batch_size.observe(jobs.len() as f64);

    match result {
        Ok(translations) => {
            let characters: usize = jobs.iter().map(|job| job.text.chars().count()).sum();
            metrics.sentences.inc_by(jobs.len() as u64);
            metrics.characters.inc_by(characters as u64);
            for (sentence, translation) in batch.into_iter().zip(translations) {
                sentence.answer(Ok(translation));
            }
        }
        Err(_) if batch.iter().any(|other| !other.is_of_request(first)) => {
            for request in by_request(batch) {
                translate(request, metrics);
            }
        }
        Err(error) => {
            metrics.failed_batches.inc();
            for sentence in batch {
                sentence.answer(Err(error.clone()));
            }
        }
    }
}

/// The sentences of each request in `batch`.
fn by_request(batch: Vec<QueuedSentence>) -> Vec<Vec<QueuedSentence>> {
    let mut requests: Vec<Vec<QueuedSentence>> = Vec::new();
    for sentence in batch {
        match requests.iter_mut().find(|request| request[0].is_of_request(&sentence)) {
            Some(request) => request.push(sentence),
            None => requests.push(vec![sentence]),
        }
    }
    requests
}

/// Calls the model, and turns a panic or a wrong number of answers into an error.
fn call(model: &dyn Translate, jobs: &[TranslationJob]) -> Result<Vec<Translation>, ServiceError> {
    let failed =
        |reason: String| ServiceError::Internal(format!("Cannot translate text: {reason}"));
    // A model is `&self` and holds no state that a panic could leave half done.
    match catch_unwind(AssertUnwindSafe(|| model.translate(jobs))) {
        Err(_) => Err(failed("the model crashed; the server's log says where".into())),
        Ok(Err(
            error @ (Error::UnknownLanguage { .. }
            | Error::NoRoute { .. }
            | Error::UnknownDomain { .. }),
        )) => Err(ServiceError::invalid(error)),
        Ok(Err(Error::Remote(reason))) => Err(ServiceError::BadGateway(reason)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(found)) if found.len() != jobs.len() => {
            let (found, asked) = (found.len(), jobs.len());
            Err(failed(format!("the model answered {found} of {asked} sentences")))
        }
        Ok(Ok(found)) if found.iter().any(|translation| translation.hypotheses.is_empty()) => {
            Err(failed("the model left a sentence without a translation".into()))
        }
        Ok(Ok(found)) => Ok(found),
    }
}
