//! A store in PostgreSQL: what it shares with other processes, and what only a server can have happen to it.
//!
//! The tests start Debian's PostgreSQL with a cluster of their own; where it is not installed they are
//! skipped.

#[allow(dead_code, reason = "others that include it ask for more")]
mod server;
#[path = "postgres/groups.rs"]
mod groups;
#[path = "postgres/limits.rs"]
mod limits;
#[path = "postgres/tls.rs"]
mod tls;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_store::{
    DEFAULT_TENANT, EngineKind, Error, Feedback, Insert, Item, KeyLimits, MemoryOf, Mode, Store,
    Suggestion, Tenant, Timestamp,
};

use self::server::{PASSWORD, Server};

/// Address of the store of a child process.
const ADDRESS: &str = "DRAGOMAN_TEST_STORE_OF_THE_CHILD";

/// How soon one process knows of what another one did.
const SOON: Duration = Duration::from_secs(1);

fn event(i: i64) -> Feedback {
    Feedback {
        feedback_type: "read".into(),
        user_id: format!("u{}", i % 7),
        item_id: format!("i{i}"),
        value: 1.0,
        timestamp: Timestamp::from_seconds(i),
        ..Feedback::default()
    }
}

fn exported(store: &Store) -> Result<String> {
    let mut text = Vec::new();
    store.export(&mut text)?;
    Ok(String::from_utf8(text)?)
}

/// Waits until `is_so`, a second at most.
fn soon(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !is_so()? {
        ensure!(started.elapsed() < SOON, "not within a second: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{what}: {:?}", started.elapsed());
    Ok(())
}

#[test]
fn a_database_keeps_what_a_folder_keeps() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let address = server.fresh()?;
    let (one, other) = (Store::open(folder.path())?, Store::open(&address)?);
    ensure!(other.engine() == EngineKind::Postgres && other.is_shared() && !one.is_shared());
    one.create_tenant("shop")?;
    for tenant in [DEFAULT_TENANT, "shop"] {
        let tenant = one.tenant(tenant)?;
        for first in (0..3000).step_by(500) {
            let rows: Vec<Feedback> = (first..first + 500).map(event).collect();
            tenant.put_feedback(&rows, Mode::Add, Insert::BOTH)?;
        }
        tenant.put_feedback(&[event(3), event(3)], Mode::Replace, Insert::BOTH)?;
        tenant.delete_item("i9")?;
    }
    one.suggest(&Suggestion::new("a\0b", "c", "en", "de"))?;
    one.create_key(None, KeyLimits::default())?;
    other.import(exported(&one)?.as_bytes())?;
    ensure!(exported(&other)? == exported(&one)?, "the rows differ");

    // The same orders from both ends, page after page.
    let (a, b) = (one.tenant("shop")?, other.tenant("shop")?);
    let events = |tenant: &Tenant| tenant.events().collect::<Result<Vec<_>, _>>();
    ensure!(events(&a)? == events(&b)? && events(&a)?.len() == 2999);
    ensure!(b.history("u3").count() == a.history("u3").count());
    let items = |tenant: &Tenant| -> Result<Vec<Item>, Error> { tenant.items("i2").collect() };
    ensure!(items(&a)? == items(&b)?);
    ensure!(other.remove_tenant("shop")? && other.tenants()? == [DEFAULT_TENANT]);
    drop((a, b, one, other));
    ensure!(Store::check(&address)?.bad == 0);
    let error = Store::migrate(&address, EngineKind::Redb).expect_err("it has no files");
    ensure!(error.to_string().contains("store export"), "{error}");
    let asked = Store::open_with(&address, Some(EngineKind::Redb));
    ensure!(asked.is_err(), "PostgreSQL is no redb");
    Ok(())
}

#[test]
fn what_one_process_writes_the_other_knows_within_a_second() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let (one, other) = (Store::open(&address)?, Store::open(&address)?);
    let heard = std::sync::Arc::new(Mutex::new(Vec::new()));
    let all = std::sync::Arc::clone(&heard);
    other.follow(move |tenant| {
        all.lock().expect("nobody panics").push(tenant.map(str::to_owned));
    });

    let of = MemoryOf { owner: "", source: "en", target: "de" };
    ensure!(other.recall(of, "Good morning", 50, 5)?.is_empty());
    ensure!(other.suggest(&Suggestion::new("", "", "en", "de")).is_ok());
    ensure!(!other.is_closed(DEFAULT_TENANT));
    ensure!(one.create_tenant("shop")?);
    soon("a tenant", || Ok(other.tenant("shop").is_ok()))?;
    let key =
        one.create_key(Some(DEFAULT_TENANT), KeyLimits { req_limit: Some(3), char_limit: None })?;
    soon("a key and its limits", || {
        let limits = other.api_key(&key)?.map(|key| key.limits.req_limit);
        Ok(limits == Some(Some(3)) && other.is_closed(DEFAULT_TENANT))
    })?;
    ensure!(other.remove_key(&key)?);
    soon("that a key is gone", || {
        Ok(one.api_key(&key)?.is_none() && one.is_closed(DEFAULT_TENANT))
    })?;
    one.remember(of, &[("Good morning".into(), "Guten Morgen".into())])?;
    soon("a unit of memory", || Ok(other.recall(of, "Good mornings", 50, 5)?.len() == 1))?;
    ensure!(one.suggest(&Suggestion::new("a", "b", "en", "de"))?);
    ensure!(!other.suggest(&Suggestion::new("a", "b", "en", "de"))?, "it is stored already");
    one.tenant("shop")?.put_feedback(&[event(1)], Mode::Add, Insert::BOTH)?;
    soon("that a tenant was changed", || {
        Ok(heard.lock().expect("nobody panics").iter().any(|one| one.as_deref() == Some("shop")))
    })?;
    Ok(())
}

#[test]
fn writers_of_two_processes_lose_no_update() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let stores = [Store::open(&address)?, Store::open(&address)?];
    std::thread::scope(|scope| -> Result<()> {
        let mut threads = Vec::new();
        for (number, store) in stores.iter().enumerate() {
            for thread in 0..3 {
                threads.push(scope.spawn(move || -> Result<()> {
                    let tenant = store.tenant(DEFAULT_TENANT)?;
                    for i in 0..40 {
                        let seconds = number as i64 * 1000 + thread * 100 + i;
                        let row =
                            Feedback { timestamp: Timestamp::from_seconds(seconds), ..event(1) };
                        tenant.put_feedback(&[row], Mode::Add, Insert::BOTH)?;
                        store.add_usage("me", 20_000)?;
                        store.suggest(&Suggestion::new(format!("{i}"), "s", "en", "de"))?;
                    }
                    Ok(())
                }));
            }
        }
        threads.into_iter().try_for_each(|thread| thread.join().expect("no writer panics"))
    })?;
    for store in &stores {
        let tenant = store.tenant(DEFAULT_TENANT)?;
        let row = tenant.feedback("read", "u1", "i1")?.context("it was written")?;
        ensure!(row.value == 240.0, "{row:?}");
        ensure!(tenant.history("u1").count() == 240 && tenant.events().count() == 240);
        ensure!(store.usage("me")? == 240 * 20_000, "{}", store.usage("me")?);
        ensure!(store.suggestions().count() == 40, "{}", store.suggestions().count());
    }
    Ok(())
}

#[test]
fn tables_of_the_first_layout_are_brought_up_to_date() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let first = include_str!("../src/engine/postgres/layout/1.sql");
    let note = "CREATE TABLE dragoman_layout AS SELECT 1 AS layout";
    server.sql(&format!("SET search_path = s0; {first} {note}"))?;
    for round in 1..=2 {
        let tenant = Store::open(&address)?.tenant(DEFAULT_TENANT)?;
        tenant.put_feedback(&[event(1)], Mode::Add, Insert::BOTH)?;
        let row = tenant.feedback("read", "u1", "i1")?.context("it was written")?;
        ensure!(row.value == f64::from(round), "{row:?}");
        let (_, gone) = tenant.delete_feedback(None, "u1", "i2")?;
        ensure!(gone.is_empty());
    }
    ensure!(server.sql("SELECT max(layout) FROM s0.dragoman_layout")? == "3");
    Ok(())
}

#[test]
fn an_address_that_leads_nowhere_says_how_to_go_on_and_not_the_password() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let right = server.over_tcp(PASSWORD).display().to_string();
    drop(Store::open(right.as_ref())?);
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    server.sql("CREATE SCHEMA newer; CREATE TABLE newer.dragoman_layout (layout int NOT NULL)")?;
    server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")?; // usual since version 15
    server.sql("INSERT INTO newer.dragoman_layout VALUES (99)")?;
    server.sql("CREATE ROLE reader LOGIN PASSWORD 'p4ss'")?;
    for (address, texts) in [
        (server.over_tcp("wr0ng@word").display().to_string(), vec!["password", "PGPASSWORD"]),
        (right.replace(":s3cret%40word", ""), vec!["password", "PGPASSWORD"]),
        (right.replace("/postgres", "/nothing"), vec!["`createdb nothing`"]),
        (format!("postgres://u:s3cret%40word@127.0.0.1:{port}/db"), vec!["refused", "running"]),
        (right.clone() + "?sslmode=require", vec!["turn on `ssl`", "sslmode=disable"]),
        (right.clone() + "?sslmode=always", vec!["`verify-full`"]),
        (right.clone() + "?sslmode=verify-full&sslrootcert=%2Fno%2Ffile", vec!["/no/file"]),
        (right.clone() + "?options=-csearch_path%3Dnewer", vec!["layout 99", "newer program"]),
        (right.replace("dragoman:s3cret%40word", "reader:p4ss"), vec!["GRANT CREATE"]),
        ("postgres://u:s3cret%40word@[::1".to_owned(), vec!["postgres://USER:PASSWORD@HOST"]),
    ] {
        let error = Store::open(address.as_ref()).expect_err("it cannot be opened");
        let text = format!("{error} {error:?}");
        println!("{error}");
        for part in texts {
            ensure!(text.contains(part), "`{part}` is not in: {text}");
        }
        for secret in ["s3cret", "wr0ng", "p4ss"] {
            ensure!(!text.contains(secret), "`{secret}` is in: {text}");
        }
    }
    Ok(())
}

#[test]
fn a_server_that_crashes_under_load_loses_nothing_that_was_acknowledged() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let stores = [Store::open(&address)?, Store::open(&address)?];
    let acknowledged = Mutex::new(Vec::new());
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let outages = std::thread::scope(|scope| -> Result<usize> {
        let mut writers = Vec::new();
        for (number, store) in stores.iter().enumerate() {
            for thread in 0..2 {
                let (acknowledged, is_over) = (&acknowledged, &is_over);
                writers.push(scope.spawn(move || {
                    let tenant = store.tenant(DEFAULT_TENANT).expect("it is there");
                    let mut refused = 0;
                    for i in 0.. {
                        if is_over.load(std::sync::atomic::Ordering::Relaxed) {
                            return refused;
                        }
                        let i = (number as i64 * 2 + thread) * 1_000_000 + i;
                        match tenant.put_feedback(&[event(i)], Mode::Add, Insert::BOTH) {
                            Ok(_) => acknowledged.lock().expect("nobody panics").push(i),
                            Err(_) => {
                                refused += 1;
                                std::thread::sleep(Duration::from_millis(20));
                            }
                        }
                    }
                    refused
                }));
            }
        }
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(700));
            server.crash()?;
            std::thread::sleep(Duration::from_millis(300));
            ensure!(stores.iter().any(|store| store.failure().is_some()), "nobody noticed");
            server.up()?;
        }
        // Both write again by themselves.
        let before = acknowledged.lock().expect("nobody panics").len();
        let started = Instant::now();
        while acknowledged.lock().expect("nobody panics").len() < before + 20
            || stores.iter().any(|store| store.failure().is_some())
        {
            ensure!(started.elapsed() < Duration::from_secs(30), "it never came back");
            std::thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(writers.into_iter().map(|writer| writer.join().expect("no panic")).sum())
    })?;
    let acknowledged = acknowledged.into_inner().expect("nobody panics");
    println!("{} acknowledged, {outages} refused", acknowledged.len());
    ensure!(outages > 0, "the crashes were not under load");
    let tenant = stores[0].tenant(DEFAULT_TENANT)?;
    for i in acknowledged {
        let Feedback { user_id, item_id, .. } = event(i);
        let row = tenant.feedback("read", &user_id, &item_id)?;
        ensure!(row.is_some_and(|row| row.value == 1.0), "event {i} is lost or there twice");
    }
    ensure!(Store::check(&address)?.bad == 0);
    Ok(())
}

#[test]
fn rows_acknowledged_before_a_kill_are_there_after_it() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let address = server.fresh()?;
    let mut written = Vec::new();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(ADDRESS, &address)
            .env("ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        for line in output.lines() {
            let line = line?;
            if let Some(at) = line.find("row ") {
                written.push(line[at..].to_owned());
            }
            if written.len() >= 50 * (round + 1) {
                break;
            }
        }
        child.kill()?;
        child.wait()?;
    }
    let store = Store::open(&address)?;
    let found: Vec<String> =
        store.suggestions().map(|row| row.map(|row| row.q)).collect::<Result<_, _>>()?;
    for row in &written {
        ensure!(found.contains(row), "`{row}` was acknowledged and is lost");
    }
    Ok(())
}

#[test]
#[ignore = "the other test runs it as a child process"]
fn child_that_writes_until_it_is_killed() -> Result<()> {
    let Ok(address) = std::env::var(ADDRESS) else { return Ok(()) };
    let round = std::env::var("ROUND")?;
    let store = Store::open(address.as_ref())?;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, round) = (store.clone(), &round);
            scope.spawn(move || {
                for i in 0.. {
                    let row = format!("row {round}.{writer}.{i}");
                    store.suggest(&Suggestion::new(&row, "s", "en", "de")).expect("it is there");
                    println!("{row}"); // only now is it acknowledged
                }
            });
        }
    });
    Ok(())
}
