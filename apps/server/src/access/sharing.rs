//! Counts the requests of callers together with other servers, through Redis or the database that holds the store.
//!
//! No request waits for this. Each server decides by its own counts and by what it last heard, and a thread exchanges
//! counts: it sends what was added and gets back what all servers counted together, in one round trip for all callers
//! that changed. It does so at once where nothing was exchanged for a while, and else every [`PERIOD`]. Only callers
//! who came here are asked about, so that traffic and memory follow a server's own callers. What servers let through
//! in the meantime beyond a limit is a debt that callers pay off before they are let in again
//! ([`allowances`](super::allowances)).
//!
//! Times are differences to the clock of the store, so that the clocks of the servers need not agree.

mod redis;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Weak,
        mpsc::{Receiver, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use dragoman_store::{LimitChange, LimitTotal, Store, fingerprint};

use super::counted::{Counted, Untold, now};
use crate::config::LimitsConfig;

use self::redis::Redis;

/// Time between two exchanges, at least.
const PERIOD: Duration = Duration::from_millis(200);

/// Time after which a store that was away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Callers of one round trip at most: Redis does nothing else meanwhile.
const CALLERS: usize = 1000;

/// Adds up what several servers count.
trait LimitsStore: Send {
    /// Adds `changes`, and returns what became of each.
    fn exchange(&mut self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>, String>;

    /// What the log calls it; without a password.
    fn name(&self) -> String;
}

/// A database that holds the store.
struct Database(Store);

impl LimitsStore for Database {
    fn exchange(&mut self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>, String> {
        self.0.exchange_limits(changes).map_err(|error| error.to_string())
    }

    fn name(&self) -> String {
        "the database of the store".into()
    }
}

/// Shares `tables` as `config` says: by default through `store`, if other servers have it as well.
pub(super) fn start(config: &LimitsConfig, store: &Store, tables: Vec<Arc<dyn Counted>>) {
    let shared: Box<dyn LimitsStore> = match config.limits_store.as_deref() {
        _ if config.is_alone() => return,
        Some(address) => match Redis::new(address) {
            Ok(redis) => Box::new(redis),
            Err(error) => return tracing::warn!(%error, "limits are counted by this server alone"),
        },
        None if store.is_shared() => Box::new(Database(store.clone())),
        None => return,
    };
    let (sender, queue) = sync_channel(1);
    let weak = tables.iter().map(Arc::downgrade).collect();
    let work = move || Exchange::new(shared, weak).run(&queue);
    match thread::Builder::new().name("limits".into()).spawn(work) {
        Ok(_) => tables.iter().for_each(|table| table.share(sender.clone())),
        Err(error) => tracing::warn!(%error, "limits are counted by this server alone"),
    }
}

/// The work of the thread.
struct Exchange {
    store: Box<dyn LimitsStore>,
    /// Weak, because they hold what wakes the thread: with the last of them it ends.
    tables: Vec<Weak<dyn Counted>>,
    /// Whether the store answered the last time; none before the first.
    is_there: Option<bool>,
}

impl Exchange {
    fn new(store: Box<dyn LimitsStore>, tables: Vec<Weak<dyn Counted>>) -> Self {
        Self { store, tables, is_there: None }
    }

    /// Exchanges counts until the tables are gone.
    fn run(&mut self, queue: &Receiver<()>) {
        loop {
            let started = Instant::now();
            let result = self.round(&now);
            let is_there = result.is_ok();
            self.report(result);
            if is_there {
                if queue.recv().is_err() {
                    return;
                }
                thread::sleep(PERIOD.saturating_sub(started.elapsed()));
            } else {
                thread::sleep(AGAIN);
                if queue.try_recv() == Err(TryRecvError::Disconnected) {
                    return;
                }
            }
        }
    }

    /// Exchanges what changed; where nothing did, a store that was away is asked whether it is there.
    fn round(&mut self, now: &dyn Fn() -> i64) -> Result<(), String> {
        let tables: Vec<Arc<dyn Counted>> = self.tables.iter().filter_map(Weak::upgrade).collect();
        let mut untold: Vec<(&dyn Counted, Vec<Untold>)> = Vec::new();
        for table in &tables {
            let taken = table.take(now());
            untold.extend(taken.chunks(CALLERS).map(|part| (table.as_ref(), part.to_vec())));
        }
        if untold.is_empty() && self.is_there == Some(true) {
            return Ok(());
        }
        if untold.is_empty() {
            return self.store.exchange(&[]).map(drop);
        }
        let mut result = Ok(());
        for batch in batches(untold) {
            if result.is_ok() {
                result = self.tell(&batch, now);
            }
            if result.is_err() {
                batch.iter().for_each(|(table, untold)| table.restore(untold, now()));
            }
        }
        result
    }

    /// Makes one round trip.
    fn tell(&mut self, batch: &Batch<'_>, now: &dyn Fn() -> i64) -> Result<(), String> {
        let changes = batch.iter().flat_map(|(table, untold)| {
            untold.iter().map(|untold| LimitChange {
                // Neither keys nor addresses are written down there.
                name: format!("{}:{}", table.name(), fingerprint(&untold.caller)),
                kind: table.kind(),
                amount: untold.amount,
                span: untold.span,
            })
        });
        let changes: Vec<LimitChange> = changes.collect();
        let totals = self.store.exchange(&changes)?;
        if totals.len() != changes.len() {
            return Err(format!("{} answers to {} questions", totals.len(), changes.len()));
        }
        let mut totals = totals.into_iter();
        for (table, untold) in batch {
            let told: Vec<_> = untold.iter().cloned().zip(totals.by_ref()).collect();
            table.learn(&told, now());
        }
        Ok(())
    }

    /// Says once that the store is away, and once that it is back.
    fn report(&mut self, result: Result<(), String>) {
        let was_there = self.is_there.replace(result.is_ok());
        let store = self.store.name();
        match (was_there, result) {
            (None, Ok(())) => tracing::info!(store, "limits are shared with other servers"),
            (Some(false), Ok(())) => tracing::info!(store, "limits are shared again"),
            (None | Some(true), Err(reason)) => tracing::warn!(
                store,
                reason,
                "limits are counted by this server alone, until their store answers"
            ),
            (Some(true), Ok(())) | (Some(false), Err(_)) => {}
        }
    }
}

/// What goes into one round trip.
type Batch<'a> = Vec<(&'a dyn Counted, Vec<Untold>)>;

/// Joins parts, none of which is larger than a round trip.
fn batches(parts: Batch<'_>) -> Vec<Batch<'_>> {
    let mut batches: Vec<Batch<'_>> = Vec::new();
    let mut size = CALLERS;
    for part in parts {
        let length = part.1.len();
        match batches.last_mut() {
            Some(batch) if size + length <= CALLERS => {
                batch.push(part);
                size += length;
            }
            _ => {
                batches.push(vec![part]);
                size = length;
            }
        }
    }
    batches
}
