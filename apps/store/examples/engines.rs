//! Measures the storage engines on this machine's disk, and prints a table in Markdown:
//!
//! ```sh
//! cargo run --release -p dragoman-store --example engines -- [FOLDER] [SECONDS] [EVENTS]
//! ```
//!
//! Acknowledged writes are events, each answered when it is on disk. For the recovery a process that
//! writes with eight threads is killed, and the store is opened by the next. For the damage, copies of
//! a store are cut short or overwritten at random places, and checked and salvaged.
//!
//! PostgreSQL is measured where Debian's is installed, with a cluster of its own in the folder that TMPDIR
//! names, and as it is set up there: every commit waits for the disk.

#[allow(dead_code, reason = "the tests of the store ask for more")]
#[path = "../tests/server/mod.rs"]
mod server;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use dragoman_store::{
    DEFAULT_TENANT, EngineKind, Feedback, Insert, Mode, Store, Tenant, Timestamp,
};

use self::server::Server;

/// Folder of the store that a child process writes to.
const CHILD: &str = "DRAGOMAN_STORE_OF_THE_CHILD";

/// Random places of each kind of damage.
const TRIALS: u64 = 8;

fn main() -> Result<()> {
    if let Ok(dir) = std::env::var(CHILD) {
        return write_until_killed(dir.as_ref());
    }
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let events: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let server = Server::start()?;
    let folders = Places { folder: &folder, server: None };
    let mut engines: Vec<_> = EngineKind::ALL.map(|kind| (kind, folders)).into();
    if let Some(server) = &server {
        engines.push((EngineKind::Postgres, Places { folder: &folder, server: Some(server) }));
    }
    let mut columns = Vec::new();
    for (kind, places) in &engines {
        eprintln!("{kind} …");
        columns.push(measure(*kind, *places, Duration::from_secs(seconds), events)?);
    }
    let names: Vec<&str> = engines.iter().map(|(kind, _)| kind.name()).collect();
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(columns.len()));
    for (row, (name, _)) in columns[0].iter().enumerate() {
        let value =
            |column: &Column| column.get(row).map_or("–".to_owned(), |(_, it)| it.clone());
        let values: Vec<String> = columns.iter().map(value).collect();
        println!("| {name} | {} |", values.join(" | "));
    }
    Ok(())
}

/// Where stores of one engine are made.
#[derive(Clone, Copy)]
struct Places<'a> {
    folder: &'a Path,
    /// None for those in folders.
    server: Option<&'a Server>,
}

/// A store's folder or address, and a folder that is removed with it.
struct Place {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Places<'_> {
    fn fresh(&self) -> Result<Place> {
        let folder = tempfile::tempdir_in(self.folder)?;
        let path = match self.server {
            Some(server) => server.fresh()?,
            None => folder.path().into(),
        };
        Ok(Place { path, _folder: folder })
    }

    /// Bytes on disk: those of the folder, or of the tables and their indexes.
    fn bytes(&self, place: &Place) -> Result<u64> {
        let Some(server) = self.server else { return bytes(&place.path) };
        let path = place.path.to_string_lossy();
        let schema = path.rsplit("%3D").next().unwrap_or_default();
        let size = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n \
                    ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = ";
        Ok(server.sql(&format!("{size}'{schema}'"))?.parse()?)
    }
}

/// What a table has of one engine: names and values.
type Column = Vec<(String, String)>;

fn measure(kind: EngineKind, places: Places<'_>, time: Duration, events: u64) -> Result<Column> {
    let mut column = Column::new();
    let mut add = |name: String, value: String| {
        eprintln!("  {name}: {value}");
        column.push((name, value));
    };
    for writers in [1, 16] {
        let place = places.fresh()?;
        let tenant = Store::open_with(&place.path, Some(kind))?.tenant(DEFAULT_TENANT)?;
        let latencies = acknowledged(&tenant, writers, time)?;
        let rate = latencies.len() as f64 / time.as_secs_f64();
        let p =
            |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        add(format!("acknowledged writes/s, {writers} writers"), format!("{rate:.0}"));
        add("… p50 / p99, ms".into(), format!("{:.1} / {:.1}", p(0.5), p(0.99)));
        add(
            "… bytes on disk for each event".into(),
            (places.bytes(&place)? / latencies.len() as u64).to_string(),
        );
    }

    let dir = places.fresh()?;
    let started = Instant::now();
    {
        let tenant = Store::open_with(&dir.path, Some(kind))?.tenant(DEFAULT_TENANT)?;
        let writer = tenant.deferred();
        for first in (0..events).step_by(1000) {
            let rows: Vec<Feedback> = (first..(first + 1000).min(events)).map(event).collect();
            writer.put_feedback(&rows, Mode::Add, Insert::BOTH)?;
        }
        tenant.commit()?;
    }
    add(format!("import of {events} events, events/s"), rate(events, started));
    add("… MB on disk, closed".into(), format!("{:.1}", places.bytes(&dir)? as f64 / 1e6));
    let started = Instant::now();
    let tenant = Store::open(&dir.path)?.tenant(DEFAULT_TENANT)?;
    add("… opened again in, ms".into(), millis(started));
    let started = Instant::now();
    let read = tenant.events().count() as u64;
    ensure!(read == events, "{read} events of {events}");
    add("… events/s, read in order".into(), rate(read, started));
    let started = Instant::now();
    for i in 0..20_000 {
        let Feedback { user_id, item_id, .. } = event(i * 7919 % events);
        ensure!(tenant.feedback("read", &user_id, &item_id)?.is_some(), "event {i} is lost");
    }
    add("… rows/s, read at random".into(), rate(20_000, started));
    drop(tenant);

    let (mut slowest, mut lost, mut written) = (Duration::ZERO, 0, 0);
    for _ in 0..4 {
        let dir = places.fresh()?;
        drop(Store::open_with(&dir.path, Some(kind))?);
        let lines = killed(&dir.path, time)?;
        let started = Instant::now();
        let tenant = Store::open(&dir.path)?.tenant(DEFAULT_TENANT)?;
        slowest = slowest.max(started.elapsed());
        for line in &lines {
            let (user, item) = line.split_once(' ').context("user and item")?;
            lost += usize::from(tenant.feedback("read", user, item)?.is_none());
        }
        written += lines.len();
    }
    add("kill -9, four times: acknowledged events lost".into(), format!("{lost} of {written}"));
    add("… opened again in at most, ms".into(), format!("{:.0}", slowest.as_secs_f64() * 1e3));

    if places.server.is_some() {
        return Ok(column); // its files are its server's
    }
    for (name, damage) in DAMAGES {
        let (mut seen, mut kept, mut wrong) = (0, 0.0, 0);
        for trial in 0..TRIALS {
            let damaged = tempfile::tempdir_in(places.folder)?;
            copy(&dir.path, damaged.path())?;
            damage(&largest(damaged.path())?, trial)?;
            let checked = Store::check(damaged.path());
            seen += usize::from(
                !matches!(&checked, Ok(report) if report.bad == 0 && report.counts.feedback as u64 == events),
            );
            let saved = tempfile::tempdir_in(places.folder)?;
            if Store::salvage(damaged.path(), saved.path()).is_ok() {
                let tenant = Store::open(saved.path())?.tenant(DEFAULT_TENANT)?;
                for i in 0..events {
                    let expected = event(i);
                    let row = tenant.feedback("read", &expected.user_id, &expected.item_id);
                    match row {
                        Ok(Some(row)) if row.comment == expected.comment && row.value == 1.0 => {
                            kept += 1.0;
                        }
                        Ok(Some(_)) => wrong += 1,
                        _ => {}
                    }
                }
            }
        }
        let share = kept / (events * TRIALS) as f64 * 100.0;
        add(
            format!("{name}: rows salvaged (wrong ones), noticed by `check`"),
            format!("{share:.1} % ({wrong}), {seen} of {TRIALS}"),
        );
    }
    Ok(column)
}

type Damage = fn(&Path, u64) -> Result<()>;

const DAMAGES: [(&str, Damage); 5] = [
    ("last 1 % cut off", |file, _| shorten(file, 0.99)),
    ("second half cut off", |file, _| shorten(file, 0.5)),
    ("one byte flipped", |file, seed| overwrite(file, seed, 1, 1)),
    ("one page of 4 KiB zeroed", |file, seed| overwrite(file, seed, 1, 4096)),
    ("20 pages of 4 KiB zeroed", |file, seed| overwrite(file, seed, 20, 4096)),
];

fn shorten(file: &Path, share: f64) -> Result<()> {
    let length = std::fs::metadata(file)?.len();
    Ok(fs_err::OpenOptions::new()
        .write(true)
        .open(file)?
        .set_len((length as f64 * share) as u64)?)
}

/// Overwrites `count` places of `size` bytes; a single byte is flipped.
fn overwrite(file: &Path, seed: u64, count: u64, size: usize) -> Result<()> {
    let mut bytes = fs_err::read(file)?;
    for i in 0..count {
        let random = (seed * count + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let at = random as usize % bytes.len().saturating_sub(size).max(1);
        match size {
            1 => bytes[at] ^= 0x55,
            _ => bytes[at..at + size].fill(0),
        }
    }
    Ok(fs_err::write(file, bytes)?)
}

/// The event of a number: 2,000 users, an item of its own.
fn event(i: u64) -> Feedback {
    Feedback {
        feedback_type: "read".into(),
        user_id: format!("user{}", i.wrapping_mul(2_654_435_761) % 2000),
        item_id: format!("item{i}"),
        value: 1.0,
        timestamp: Timestamp::from_seconds(1_700_000_000 + i as i64),
        comment: format!("comment {i}"),
        ..Feedback::default()
    }
}

/// How long each write took until it was on disk, in order, of `writers` threads.
fn acknowledged(tenant: &Tenant, writers: u64, time: Duration) -> Result<Vec<Duration>> {
    let all = Mutex::new(Vec::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let all = &all;
            scope.spawn(move || {
                let mut own = Vec::new();
                for i in 0.. {
                    if started.elapsed() > time {
                        break;
                    }
                    let now = Instant::now();
                    let row = event(writer * 10_000_000 + i);
                    tenant.put_feedback(&[row], Mode::Add, Insert::BOTH).expect("it is written");
                    own.push(now.elapsed());
                }
                all.lock().expect("no writer panicked").extend(own);
            });
        }
    });
    let mut all = all.into_inner()?;
    all.sort_unstable();
    ensure!(!all.is_empty(), "nothing was written");
    Ok(all)
}

/// Lets a child process write for some time, kills it, and says what it acknowledged.
fn killed(dir: &Path, time: Duration) -> Result<Vec<String>> {
    let mut child =
        Command::new(std::env::current_exe()?).env(CHILD, dir).stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(child.stdout.take().context("stdout is piped")?);
    let reader =
        std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(time);
    child.kill()?;
    child.wait()?;
    let mut lines = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?;
    lines.retain(|line| line.ends_with('.')); // the last one may be cut off
    lines.iter_mut().for_each(|line| line.truncate(line.len() - 1));
    Ok(lines)
}

fn write_until_killed(dir: &Path) -> Result<()> {
    let tenant = Store::open(dir)?.tenant(DEFAULT_TENANT)?;
    std::thread::scope(|scope| {
        for writer in 0..8u64 {
            let tenant = &tenant;
            scope.spawn(move || {
                for i in 0.. {
                    let row = event(writer * 10_000_000 + i);
                    let line = format!("{} {}.", row.user_id, row.item_id);
                    tenant.put_feedback(&[row], Mode::Add, Insert::BOTH).expect("it is written");
                    println!("{line}");
                }
            });
        }
    });
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let path = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &path)?,
            false => drop(fs_err::copy(entry.path(), path)?),
        }
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => found.extend(files(&entry.path())?),
            false => found.push((entry.metadata()?.len(), entry.path())),
        }
    }
    Ok(found)
}

fn bytes(dir: &Path) -> Result<u64> {
    Ok(files(dir)?.iter().map(|(size, _)| size).sum())
}

fn largest(dir: &Path) -> Result<PathBuf> {
    Ok(files(dir)?.into_iter().max().context("the store has files")?.1)
}

fn rate(count: u64, started: Instant) -> String {
    format!("{:.0}", count as f64 / started.elapsed().as_secs_f64())
}

fn millis(started: Instant) -> String {
    format!("{:.0}", started.elapsed().as_secs_f64() * 1e3)
}
