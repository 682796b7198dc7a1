//! Servers that count together in the memory of a test, on a clock that the test sets.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use dragoman_store::LimitKind;

use super::*;
use crate::access::{allowances::Allowances, counts::Counts};

const SECOND: i64 = 1_000_000;

/// What the stores have to do, in as few words as can be.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    now: i64,
    is_away: bool,
    rows: HashMap<String, LimitTotal>,
}

impl LimitsStore for Memory {
    fn exchange(&mut self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>, String> {
        let shelf = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.is_away {
            return Err("away".into());
        }
        let now = shelf.now;
        let add = |change: &LimitChange| {
            // The second number of a row is a moment, that of an answer a time from now.
            let (count, until) = match shelf.rows.get(&change.name) {
                Some(row) if change.kind == LimitKind::Debt || row.remaining > now => {
                    (row.count, Some(row.remaining))
                }
                _ => (0, None),
            };
            let until = match (change.kind, until) {
                (LimitKind::Debt, until) => {
                    until.unwrap_or(i64::MIN).max(now - change.span) + change.amount
                }
                (LimitKind::SinceFirst, Some(until)) => until,
                (_, until) if change.amount == 0 => until.unwrap_or(now),
                _ => now + change.span,
            };
            let count = count + change.amount;
            shelf.rows.insert(change.name.clone(), LimitTotal { count, remaining: until });
            LimitTotal { count, remaining: until - now }
        };
        Ok(changes.iter().map(add).collect())
    }

    fn name(&self) -> String {
        "memory".into()
    }
}

/// A server, with a clock of its own.
struct Server {
    minute: Arc<Allowances>,
    flood: Arc<Counts>,
    exchange: Exchange,
    /// How far its clock is ahead.
    ahead: i64,
}

/// Several servers, and the time.
struct Fleet {
    servers: Vec<Server>,
    memory: Memory,
    now: Cell<i64>,
}

impl Fleet {
    fn of(count: usize) -> Self {
        let memory = Memory::default();
        let server = |i| {
            let minute = Arc::new(Allowances::new("minute", Duration::from_secs(60)));
            let hour = Duration::from_secs(3600);
            let flood = Arc::new(Counts::new("flood", LimitKind::SinceLast, hour));
            let tables: [Arc<dyn Counted>; 2] = [minute.clone(), flood.clone()];
            let (sender, _) = sync_channel(1);
            tables.iter().for_each(|table| table.share(sender.clone()));
            let weak = tables.iter().map(Arc::downgrade).collect();
            let exchange = Exchange::new(Box::new(memory.clone()), weak);
            Server { minute, flood, exchange, ahead: i as i64 * 1_000 * SECOND }
        };
        Self { servers: (0..count).map(server).collect(), memory, now: Cell::new(0) }
    }

    /// Lets time pass.
    fn wait(&self, micros: i64) {
        self.now.set(self.now.get() + micros);
        self.memory.0.lock().expect("no thread panicked").now = self.now.get() + 77;
    }

    fn is_away(&self, is_away: bool) {
        self.memory.0.lock().expect("no thread panicked").is_away = is_away;
    }

    /// Whether a server lets a request by `caller` in, at `limit` a minute.
    fn asks(&self, server: usize, caller: &str, limit: u32) -> bool {
        let Server { minute, ahead, .. } = &self.servers[server];
        minute.check_at(caller, limit, 1, self.now.get() + ahead)
    }

    fn exchange(&mut self) {
        for server in &mut self.servers {
            let now = self.now.get() + server.ahead;
            let result = server.exchange.round(&|| now);
            server.exchange.report(result);
        }
    }

    /// How many of `rate` requests a second to each server are let in within `seconds`.
    fn let_in(&mut self, rate: i64, limit: u32, seconds: i64) -> i64 {
        let mut let_in = 0;
        for tick in 0..seconds * 5 {
            for server in 0..self.servers.len() {
                for _ in 0..rate / 5 {
                    let_in += i64::from(self.asks(server, "a", limit));
                }
            }
            self.wait(SECOND / 5);
            if tick % 5 == 0 || rate >= 5 {
                self.exchange();
            }
        }
        let_in
    }
}

#[test]
fn two_servers_let_as_many_in_as_one() {
    for (limit, rate) in [(60, 5), (60, 50), (600, 20), (6000, 100), (6000, 1000)] {
        let mut fleet = Fleet::of(2);
        let seconds = 300;
        let count = fleet.let_in(rate, limit, seconds);
        let expected = i64::from(limit) * (1 + seconds / 60);
        // What both let in before they first heard of each other.
        let beyond = 2 * rate / 5 + i64::from(limit) / 50;
        assert!(count <= expected + beyond, "{count} at {limit} a minute and {rate} a second");
        assert!(count >= (expected - beyond).min(2 * rate * seconds), "{count} at {limit}, {rate}");
    }
}

#[test]
fn what_was_let_in_before_the_servers_heard_of_each_other_is_paid_off() {
    let mut fleet = Fleet::of(2);
    for server in [0, 1] {
        (0..60).for_each(|_| assert!(fleet.asks(server, "a", 60), "nobody knows better"));
    }
    fleet.exchange();
    fleet.exchange(); // the first one to tell had heard of nobody
    fleet.wait(60 * SECOND);
    assert!(!fleet.asks(1, "a", 60), "the minute that one of them let in has passed");
    fleet.wait(2 * SECOND);
    assert!(fleet.asks(1, "a", 60), "both are paid");
    assert!(fleet.asks(0, "b", 60), "others owe nothing");
}

#[test]
fn a_store_that_is_away_holds_nobody_up_and_adds_up_nothing() {
    let mut fleet = Fleet::of(2);
    fleet.is_away(true);
    let alone = fleet.let_in(50, 60, 600);
    let expected = 2 * 60 * 11;
    assert!((expected - 4..=expected + 4).contains(&alone), "{alone}");
    fleet.is_away(false);
    fleet.exchange();
    assert!(fleet.servers.iter().all(|server| server.exchange.is_there == Some(true)));
    let together = fleet.let_in(50, 60, 300);
    // Both owe a minute, which they pay together.
    assert!((60 * 3..=60 * 5 + 20).contains(&together), "{together}");
}

#[test]
fn a_ban_holds_on_every_server_and_ends_an_hour_after_the_last_violation() {
    let mut fleet = Fleet::of(2);
    let is_banned = |fleet: &Fleet, server: usize| {
        let Server { flood, ahead, .. } = &fleet.servers[server];
        flood.has_reached_at("a", 3, fleet.now.get() + ahead)
    };
    for (server, seconds) in [(0, 1000), (1, 1000), (0, 1000)] {
        let Server { flood, ahead, .. } = &fleet.servers[server];
        flood.add_at("a", fleet.now.get() + ahead);
        fleet.exchange();
        fleet.wait(seconds * SECOND);
    }
    assert!(is_banned(&fleet, 0));
    assert!(!is_banned(&fleet, 1), "it was told of two");
    fleet.exchange();
    assert!(is_banned(&fleet, 1), "and has asked");
    fleet.wait(2599 * SECOND);
    assert!(is_banned(&fleet, 0) && is_banned(&fleet, 1));
    fleet.wait(2 * SECOND);
    assert!(!is_banned(&fleet, 0) && !is_banned(&fleet, 1));
}

#[test]
fn a_store_that_lost_its_rows_forgives_nobody_and_one_whose_clock_was_set_back_blocks_nobody_for_long()
 {
    let mut fleet = Fleet::of(1);
    (0..60).for_each(|_| assert!(fleet.asks(0, "a", 60)));
    fleet.exchange();
    fleet.memory.0.lock().expect("no thread panicked").rows.clear();
    fleet.wait(SECOND);
    assert!(fleet.asks(0, "a", 60));
    fleet.exchange();
    assert!(!fleet.asks(0, "a", 60));
    fleet.wait(SECOND);
    let row = LimitTotal { count: 0, remaining: 1_000_000 * SECOND };
    let mut rows = fleet.memory.0.lock().expect("no thread panicked");
    rows.rows.values_mut().for_each(|known| *known = row);
    drop(rows);
    assert!(fleet.asks(0, "a", 60));
    fleet.exchange();
    fleet.wait(121 * SECOND);
    assert!(fleet.asks(0, "a", 60));
}

#[test]
fn a_round_trip_is_no_larger_than_it_may_be() {
    let fleet = Fleet::of(1);
    for caller in 0..2 * CALLERS + 1 {
        assert!(fleet.asks(0, &caller.to_string(), 60));
    }
    let minute = fleet.servers[0].minute.as_ref();
    let untold = minute.take(0);
    assert_eq!(untold.len(), 2 * CALLERS + 1);
    let parts = untold.chunks(CALLERS).map(|part| (minute as &dyn Counted, part.to_vec()));
    let sizes: Vec<usize> = batches(parts.collect())
        .iter()
        .map(|batch| batch.iter().map(|(_, untold)| untold.len()).sum())
        .collect();
    assert_eq!(sizes, [CALLERS, CALLERS, 1]);
}
