//! Counts of requests that several processes add up.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use dragoman_store::{LimitChange, LimitKind, LimitTotal, Store};

use super::server::Server;

const SECOND: i64 = 1_000_000;

/// What may pass between two requests of this test on a busy machine.
const SLACK: i64 = 5 * SECOND;

fn change(name: &str, kind: LimitKind, amount: i64, span: i64) -> LimitChange {
    LimitChange { name: name.into(), kind, amount, span }
}

fn ensure_total(total: LimitTotal, count: Option<i64>, remaining: i64) -> Result<()> {
    ensure!(count.is_none_or(|count| total.count == count), "{total:?}, not {count:?}");
    let is_close = (remaining - SLACK..=remaining).contains(&total.remaining);
    ensure!(is_close, "{total:?}, not about {remaining}");
    Ok(())
}

#[test]
fn counts_of_two_servers_add_up() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let (one, other) = (Store::open(&address)?, Store::open(&address)?);
    let debt = |amount, span| change("debt", LimitKind::Debt, amount, span);
    let last = |amount| change("last", LimitKind::SinceLast, amount, 3600 * SECOND);
    let first = |amount, span| change("first", LimitKind::SinceFirst, amount, span);

    let totals = one.exchange_limits(&[first(2, 100 * SECOND), debt(10 * SECOND, 0), last(1)])?;
    ensure_total(totals[0], Some(2), 100 * SECOND)?;
    ensure_total(totals[1], None, 10 * SECOND)?;
    ensure_total(totals[2], Some(1), 3600 * SECOND)?;
    let totals =
        other.exchange_limits(&[last(2), debt(50 * SECOND, 0), first(1, 3600 * SECOND)])?;
    ensure_total(totals[0], Some(3), 3600 * SECOND)?;
    ensure_total(totals[1], None, 60 * SECOND)?;
    ensure_total(totals[2], Some(3), 100 * SECOND)?;
    let asked = one.exchange_limits(&[last(0), change("nobody", LimitKind::SinceLast, 0, 1)])?;
    ensure_total(asked[0], Some(3), 3600 * SECOND)?;
    ensure!(asked[1] == LimitTotal::default(), "{:?}", asked[1]);
    ensure!(one.exchange_limits(&[])?.is_empty());

    // What began a while ago is paid in part.
    let old = change("old", LimitKind::Debt, 2 * SECOND, 10 * SECOND);
    ensure_total(one.exchange_limits(&[old])?[0], None, -8 * SECOND)?;
    // What was forgotten begins anew.
    for expected in [1, 1] {
        let short = change("short", LimitKind::SinceFirst, 1, SECOND / 10);
        ensure_total(other.exchange_limits(&[short])?[0], Some(expected), SECOND / 10)?;
        sleep(Duration::from_millis(150));
    }
    Ok(())
}

#[test]
fn servers_that_count_the_same_callers_at_the_same_time_lose_nothing() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let stores = [Store::open(&address)?, Store::open(&address)?];
    let names = |is_reversed: bool, amount| {
        let mut changes: Vec<LimitChange> = (0..200)
            .map(|i| change(&format!("n{i}"), LimitKind::SinceLast, amount, 3600 * SECOND))
            .collect();
        if is_reversed {
            changes.reverse();
        }
        changes
    };
    std::thread::scope(|scope| {
        let work = [0, 1, 2, 3].map(|i| {
            let (store, changes) = (&stores[i % 2], names(i >= 2, 1));
            scope.spawn(move || (0..20).try_for_each(|_| store.exchange_limits(&changes).map(drop)))
        });
        work.into_iter().try_for_each(|work| work.join().expect("no thread panicked"))
    })?;
    let totals = stores[0].exchange_limits(&names(false, 0))?;
    ensure!(totals.iter().all(|total| total.count == 80), "{totals:?}");
    Ok(())
}

#[test]
fn a_store_of_one_server_has_nobody_to_count_with() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let error = Store::open(dir.path())?.exchange_limits(&[]).expect_err("nobody shares it");
    ensure!(error.to_string().contains("not shared"), "{error}");
    Ok(())
}
