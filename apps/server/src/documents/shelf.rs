//! All jobs by their names: those in work bounded in number, and all of them in bytes, also for each client.
//!
//! A job that has ended keeps nobody out: when there is no room for a new one, results go, those that
//! were fetched first.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::job::{DocumentJob, Holding, Phase};
use crate::{config::DocumentsConfig, error::ServiceError};

/// Share of all jobs, and of the memory for them, that one client may have.
const SHARE: usize = 4;

/// Bytes that a job counts for at least, so that empty ones are bounded in number, too.
const FLOOR: usize = 64 << 10;

/// When to try again, where nothing says how long the jobs in work will take.
const UNKNOWN: Duration = Duration::from_secs(10);

/// The longest wait that is advised, however long the jobs in work will take.
const LONGEST: Duration = Duration::from_secs(600);

type Jobs = HashMap<Uuid, Arc<DocumentJob>>;

/// Where jobs are kept.
#[derive(Debug)]
pub(super) struct Shelf {
    most_jobs: usize,
    most_bytes: usize,
    /// Bytes of the jobs of one client.
    share: usize,
    floor: usize,
    jobs: Mutex<Jobs>,
}

impl Shelf {
    pub(super) fn new(config: &DocumentsConfig) -> Self {
        let (most_jobs, most_bytes) = (config.document_jobs, config.document_memory);
        // The largest document that is allowed can be sent, however small a quarter is.
        let share = most_bytes.div_ceil(SHARE).max(config.document_limit).min(most_bytes);
        let floor = FLOOR.min(most_bytes / most_jobs.max(1));
        Self { most_jobs, most_bytes, share, floor, jobs: Mutex::default() }
    }

    /// Keeps a job under a new random name, or refuses at once: when so many wait or are in work already that
    /// forgetting all results would not help.
    pub(super) fn put(&self, job: Arc<DocumentJob>) -> Result<Uuid, ServiceError> {
        let mut jobs = self.jobs();
        let size = self.bytes(&job.holding());
        if size > self.most_bytes {
            return Err(ServiceError::TooLarge(self.most_bytes));
        }
        let open: Vec<(bool, Holding)> = jobs
            .values()
            .map(|other| (other.client == job.client, other.holding()))
            .filter(|(_, holding)| holding.phase == Phase::Open)
            .collect();
        let own: Vec<(bool, Holding)> = open.iter().filter(|(own, _)| *own).cloned().collect();
        let bytes = |open: &[(bool, Holding)]| -> usize {
            size + open.iter().map(|(_, holding)| self.bytes(holding)).sum::<usize>()
        };
        if own.len() >= self.most_jobs.div_ceil(SHARE) || bytes(&own) > self.share {
            return Err(crowded(&own, "of yours "));
        }
        if open.len() >= self.most_jobs || bytes(&open) > self.most_bytes {
            return Err(crowded(&open, ""));
        }
        let id = Uuid::new_v4();
        jobs.insert(id, Arc::clone(&job));
        self.make_room(&mut jobs, id, &job.client);
        Ok(id)
    }

    /// Makes room for a job that holds its result now, in place of its document. It is dropped when the
    /// documents in work leave none, and has to be sent again later.
    pub(super) fn resize(&self, id: Uuid, job: &DocumentJob) {
        let mut jobs = self.jobs();
        if !self.make_room(&mut jobs, id, &job.client) {
            job.fail(ServiceError::Busy);
        }
    }

    /// Forgets jobs that have ended, but for `id`, until those of `client` are no more than its share, and all
    /// no more than they may be; `false` when they still are.
    ///
    /// What was fetched and what failed goes first, then the oldest of this client, then that of the
    /// client who has the most: who has little keeps it.
    fn make_room(&self, jobs: &mut Jobs, id: Uuid, client: &str) -> bool {
        let mut of_client: HashMap<String, usize> = HashMap::new();
        let mut ended = Vec::new();
        for (&other, job) in &*jobs {
            let holding = job.holding();
            let bytes = self.bytes(&holding);
            *of_client.entry(job.client.clone()).or_default() += bytes;
            if other != id && holding.phase != Phase::Open {
                ended.push((other, job.client.clone(), bytes, holding));
            }
        }
        let mut own = of_client.get(client).copied().unwrap_or_default();
        let mut all: usize = of_client.values().sum();
        ended.sort_by_cached_key(|(_, of, _, holding)| {
            let most = of_client.get(of).copied().map(Reverse);
            (holding.phase, of != client, most, holding.ended)
        });
        for is_own in [true, false] {
            ended.retain(|(other, of, bytes, _)| {
                let is_full = if is_own { own > self.share } else { all > self.most_bytes };
                let goes = is_full && (!is_own || of == client);
                if goes && let Some(job) = jobs.remove(other) {
                    job.abort();
                    all -= bytes;
                    own -= if of == client { *bytes } else { 0 };
                }
                !goes
            });
        }
        all <= self.most_bytes
    }

    /// Bytes that a job counts for.
    fn bytes(&self, holding: &Holding) -> usize {
        holding.bytes.max(self.floor)
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

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the jobs in work are too many, and when the first of them is likely to end.
fn crowded(open: &[(bool, Holding)], whose: &str) -> ServiceError {
    let left = open.iter().filter_map(|(_, holding)| holding.left).min().unwrap_or(UNKNOWN);
    let reason = match open.len() {
        1 => format!("1 document {whose}waits or is in work"),
        count => format!("{count} documents {whose}wait or are in work"),
    };
    let seconds = left.min(LONGEST).as_secs_f64().ceil().max(1.0) as u64;
    ServiceError::Crowded { reason, seconds }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::documents::Translated;

    /// A shelf for four jobs with four bytes each, of which a client may have half.
    fn shelf() -> Shelf {
        let config = DocumentsConfig {
            document_jobs: 4,
            document_memory: 16,
            document_limit: 8,
            ..DocumentsConfig::default()
        };
        Shelf::new(&config)
    }

    fn job(client: &str) -> Arc<DocumentJob> {
        Arc::new(DocumentJob::new("a.txt", 1, client, None))
    }

    /// Keeps a job of `client` that has ended.
    fn ended(shelf: &Shelf, client: &str) -> Uuid {
        let job = job(client);
        let id = shelf.put(Arc::clone(&job)).expect("there is room");
        job.finish(Translated { name: "b.txt".into(), bytes: Bytes::from_static(b"x") });
        shelf.resize(id, &job);
        id
    }

    fn has(shelf: &Shelf, ids: &[Uuid]) -> Vec<bool> {
        ids.iter().map(|id| shelf.get(*id).is_some()).collect()
    }

    #[test]
    fn results_make_room_and_what_was_fetched_goes_first() {
        let shelf = shelf();
        let ids = [ended(&shelf, "a"), ended(&shelf, "a")];
        shelf.get(ids[1]).expect("it is kept").take().expect("it is done");
        let third = ended(&shelf, "a");
        assert_eq!(has(&shelf, &[ids[0], ids[1], third]), [true, false, true]);
        let fourth = ended(&shelf, "a");
        assert_eq!(has(&shelf, &[ids[0], third, fourth]), [false, true, true]);
    }

    #[test]
    fn a_client_with_little_keeps_it_when_others_fill_the_shelf() {
        let shelf = shelf();
        let little = ended(&shelf, "b");
        let many = [ended(&shelf, "a"), ended(&shelf, "a")];
        let other = ended(&shelf, "c");
        let new = ended(&shelf, "d");
        assert_eq!(
            has(&shelf, &[little, many[0], many[1], other, new]),
            [true, false, true, true, true]
        );
    }

    #[test]
    fn jobs_in_work_are_bounded_and_keep_their_place() {
        let shelf = shelf();
        let first = job("a");
        let id = shelf.put(Arc::clone(&first)).expect("there is room");
        let refused = shelf.put(job("a")).expect_err("a client may have a quarter of four");
        assert_eq!(
            refused.to_string(),
            "1 document of yours waits or is in work; try again in about 10 s"
        );
        for client in ["b", "c", "d"] {
            shelf.put(job(client)).expect("there is room");
        }
        let refused = shelf.put(job("e")).expect_err("four are in work");
        assert!(refused.to_string().starts_with("4 documents wait or are in work"), "{refused}");
        first.fail(ServiceError::Busy);
        shelf.resize(id, &first);
        shelf.put(job("a")).expect("a job that failed keeps nobody out");
    }
}
