//! All jobs by their names: bounded in number, in bytes, and for each client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::job::DocumentJob;
use crate::{config::DocumentsConfig, error::ServiceError};

/// Share of all jobs, and of the memory for them, that one client may have.
const SHARE: usize = 4;

/// Where jobs are kept.
#[derive(Debug)]
pub(super) struct Shelf {
    most_jobs: usize,
    most_bytes: usize,
    jobs: Mutex<HashMap<Uuid, Arc<DocumentJob>>>,
}

impl Shelf {
    pub(super) fn new(config: &DocumentsConfig) -> Self {
        let (most_jobs, most_bytes) = (config.document_jobs, config.document_memory);
        Self { most_jobs, most_bytes, jobs: Mutex::default() }
    }

    /// Keeps a job under a new random name, or refuses at once.
    pub(super) fn put(&self, job: Arc<DocumentJob>) -> Result<Uuid, ServiceError> {
        let mut jobs = self.jobs();
        let of_client = |other: &&Arc<DocumentJob>| other.client == job.client;
        let own: Vec<&Arc<DocumentJob>> = jobs.values().filter(of_client).collect();
        let bytes_of_all = jobs.values().map(|job| job.size()).sum::<usize>() + job.size();
        let bytes_of_own = own.iter().map(|job| job.size()).sum::<usize>() + job.size();
        let is_full = jobs.len() >= self.most_jobs
            || own.len() >= self.most_jobs.div_ceil(SHARE)
            || bytes_of_all > self.most_bytes
            || bytes_of_own > self.most_bytes.div_ceil(SHARE);
        if is_full {
            return Err(ServiceError::Busy);
        }
        let id = Uuid::new_v4();
        jobs.insert(id, job);
        Ok(id)
    }

    /// A job whose result came is dropped when all results together are too much; it has to be sent
    /// again later.
    pub(super) fn resize(&self, job: &DocumentJob) {
        let bytes: usize = self.jobs().values().map(|job| job.size()).sum();
        if bytes > self.most_bytes {
            job.fail(ServiceError::Busy);
        }
    }

    pub(super) fn get(&self, id: Uuid) -> Option<Arc<DocumentJob>> {
        self.jobs().get(&id).cloned()
    }

    /// Stops and forgets a job.
    pub(super) fn remove(&self, id: Uuid) -> bool {
        let job = self.jobs().remove(&id);
        job.is_some_and(|job| {
            job.abort();
            true
        })
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<DocumentJob>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
