//! A process that is killed loses nothing that it acknowledged, whichever engine keeps the store.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use dragoman_store::{
    DEFAULT_TENANT, EngineKind, Feedback, Insert, Mode, Store, Suggestion, Timestamp,
};

const DIR: &str = "DRAGOMAN_TEST_STORE_OF_THE_CHILD";

/// Runs this binary's `child` on the store in `dir`, collects what it acknowledges, and kills it after
/// `count` lines.
fn acknowledged(
    child: &str,
    dir: &tempfile::TempDir,
    round: usize,
    count: usize,
) -> Result<Vec<String>> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["--ignored", "--exact", child, "--nocapture"])
        .env(DIR, dir.path())
        .env("ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = BufReader::new(process.stdout.take().context("stdout is piped")?);
    let mut lines = Vec::new();
    // The test harness may print before the first row on the same line.
    for line in output.lines() {
        let line = line?;
        if let Some(at) = line.find("row ") {
            lines.push(line[at..].to_owned());
        }
        if lines.len() >= count {
            break;
        }
    }
    process.kill()?; // SIGKILL
    process.wait()?;
    Ok(lines)
}

#[test]
fn rows_acknowledged_before_a_kill_are_there_after_it() -> Result<()> {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir()?;
        drop(Store::open_with(dir.path(), Some(kind))?);
        let mut written = Vec::new();
        for round in 0..3 {
            written.extend(acknowledged("child_that_writes_until_it_is_killed", &dir, round, 50)?);
        }
        let store = Store::open_with(dir.path(), Some(kind))?;
        let found: Vec<String> =
            store.suggestions().map(|row| row.map(|row| row.q)).collect::<Result<_, _>>()?;
        ensure!(written.len() == 150, "the children wrote {} rows", written.len());
        for row in &written {
            ensure!(found.contains(row), "{kind}: `{row}` was acknowledged and is lost");
        }
    }
    Ok(())
}

#[test]
fn an_event_is_in_all_orders_after_a_kill_or_in_none() -> Result<()> {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir()?;
        drop(Store::open_with(dir.path(), Some(kind))?);
        let mut written = Vec::new();
        for round in 0..3 {
            written.extend(acknowledged("child_that_writes_events", &dir, round, 40)?);
            let report = Store::check(dir.path())?;
            ensure!(report.bad == 0, "{kind}: {report:?}");
        }
        let tenant = Store::open(dir.path())?.tenant(DEFAULT_TENANT)?;
        let (mut by_time, mut by_user, mut by_item) = (0, 0, 0);
        for event in tenant.events() {
            event?;
            by_time += 1;
        }
        for user in tenant.user_ids("") {
            by_user += tenant.history(&user?).count();
        }
        for item in tenant.items("") {
            by_item += tenant.events_of_item(&item?.item_id).count();
        }
        ensure!(by_time == by_user && by_time == by_item, "{by_time}, {by_user}, {by_item}");
        for line in &written {
            let item = line.strip_prefix("row ").context("its mark")?;
            let user = item.split('.').next().unwrap_or_default();
            ensure!(tenant.feedback("read", user, item)?.is_some(), "{kind}: `{line}` is lost");
        }
    }
    Ok(())
}

/// Events that an import reads, enough to be loaded as blocks.
const IMPORTED: usize = 40_000;

#[test]
fn an_import_that_is_killed_leaves_a_tenant_that_was_empty_so_or_whole() -> Result<()> {
    let mut whole = 0;
    for milliseconds in [0, 20, 100, 300, 2000] {
        let dir = tempfile::tempdir()?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "child_that_imports", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().context("stdout is piped")?);
        let mut lines = output.lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("row read")));
        std::thread::sleep(Duration::from_millis(milliseconds));
        process.kill()?;
        process.wait()?;
        let is_done = lines.any(|line| line.is_ok_and(|line| line.contains("row done")));
        let report = Store::check(dir.path())?;
        ensure!(report.bad == 0, "{report:?}");
        let feedback = report.counts.feedback;
        ensure!([0, IMPORTED].contains(&feedback), "{feedback} events after {milliseconds} ms");
        ensure!(!is_done || feedback == IMPORTED, "the import was acknowledged");
        whole += usize::from(feedback > 0);
        let store = Store::open(dir.path())?;
        let counts = store.import_alone(DEFAULT_TENANT, events().as_bytes())?;
        ensure!(counts.feedback == IMPORTED, "{counts:?}");
        let tenant = store.tenant(DEFAULT_TENANT)?;
        ensure!(tenant.events().count() == IMPORTED && tenant.count_feedback()? == IMPORTED);
        ensure!(!dir.path().join("importing").exists(), "what the first import left is gone");
    }
    ensure!(whole < 5, "the import is done before the first kill");
    Ok(())
}

fn events() -> String {
    let line = |i: usize| {
        let (user, item) = (i % 997, i / 997);
        let time = Timestamp::from_seconds(1_600_000_000 + i as i64 * 7919 % 100_000);
        format!(
            "{{\"FeedbackType\":\"read\",\"UserId\":\"u{user}\",\"ItemId\":\"i{item}\",\"Timestamp\":\"{time}\"}}\n"
        )
    };
    (0..IMPORTED).map(line).collect()
}

#[test]
#[ignore = "the other test runs it as a child process"]
fn child_that_imports() -> Result<()> {
    /// Says when all was read.
    struct Lines<'a>(&'a [u8]);

    impl std::io::Read for Lines<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                println!("row read");
            }
            self.0.read(buffer)
        }
    }

    let Ok(dir) = std::env::var(DIR) else { return Ok(()) };
    let events = events();
    let store = Store::open(dir.as_ref())?;
    store.import_alone(DEFAULT_TENANT, BufReader::new(Lines(events.as_bytes())))?;
    println!("row done");
    Ok(())
}

#[test]
#[ignore = "the other test runs it as a child process"]
fn child_that_writes_until_it_is_killed() -> Result<()> {
    let Ok(dir) = std::env::var(DIR) else { return Ok(()) };
    let round = std::env::var("ROUND")?;
    let store = Store::open(dir.as_ref())?;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (store, round) = (store.clone(), &round);
            scope.spawn(move || {
                for i in 0.. {
                    let row = format!("row {round}.{writer}.{i}");
                    store.suggest(&Suggestion::new(&row, "s", "en", "de")).expect("disk");
                    println!("{row}"); // only now is it acknowledged
                }
            });
        }
    });
    Ok(())
}

#[test]
#[ignore = "the other test runs it as a child process"]
fn child_that_writes_events() -> Result<()> {
    let Ok(dir) = std::env::var(DIR) else { return Ok(()) };
    let round = std::env::var("ROUND")?;
    let tenant = Store::open(dir.as_ref())?.tenant(DEFAULT_TENANT)?;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (tenant, round) = (tenant.clone(), &round);
            scope.spawn(move || {
                for i in 0.. {
                    let item_id = format!("{writer}.{round}.{i}");
                    let row = Feedback {
                        feedback_type: "read".into(),
                        user_id: writer.to_string(),
                        item_id: item_id.clone(),
                        value: 1.0,
                        timestamp: Timestamp::from_seconds(i),
                        ..Feedback::default()
                    };
                    tenant.put_feedback(&[row], Mode::Add, Insert::BOTH).expect("disk");
                    println!("row {item_id}");
                }
            });
        }
    });
    Ok(())
}
