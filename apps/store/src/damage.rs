//! Stores that were damaged: told apart from whole ones, and what can be read saved to a new one.
//!
//! sled keeps rows in a log, the file `db`, and where they are in snapshot files, which it makes
//! again from the log. It trusts both more than a disk deserves: a snapshot that was cut short makes
//! it refuse the store though the log has every row, and some damage to the log makes it panic.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fs_err as fs;

use crate::{CACHE_BYTES, Counts, Error, Result, Store, recommend::Tenant};

/// Bytes of one segment of sled's log.
const SEGMENT: u64 = 512 << 10;

/// Rows written together.
const CHUNK: usize = 1000;

/// Rows that cannot be read, named at most.
const NAMED: usize = 10;

/// What a look at every row of a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that are whole.
    pub counts: Counts,
    /// Rows that cannot be read.
    pub bad: usize,
    /// The first of these.
    pub first: Vec<String>,
}

/// Opens the database in `dir`; what sled panics about is an error.
pub(crate) fn open(dir: &Path) -> Result<sled::Db> {
    set_aside_damaged_snapshots(dir)?;
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
    match quietly(|| config.open()) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(error @ (sled::Error::Corruption { .. } | sled::Error::ReportableBug(_)))) => {
            Err(Error::Damaged { path: dir.into(), reason: error.to_string() })
        }
        Ok(Err(error)) => Err(Error::opening(dir, error)),
        Err(reason) => Err(Error::Damaged { path: dir.into(), reason }),
    }
}

/// Renames snapshot files whose checksum is wrong: without them sled reads its log.
fn set_aside_damaged_snapshots(dir: &Path) -> Result<()> {
    for path in snapshots(dir)? {
        if is_whole_snapshot(&fs::read(&path)?) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tracing::warn!(file = %path.display(), "a damaged snapshot is left out, and made anew");
        fs::rename(&path, path.with_file_name(format!("damaged.{name}")))?;
    }
    Ok(())
}

fn snapshots(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Whether a snapshot ends in its length and its checksum, as sled writes it.
fn is_whole_snapshot(bytes: &[u8]) -> bool {
    let Some((content, end)) = bytes.split_last_chunk::<12>() else { return false };
    !content.is_empty() && crc32fast::hash(content).to_le_bytes() == end[8..]
}

/// Runs `work`, and returns what it panics with as an error, unprinted.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Mutex<()> = Mutex::new(());
    let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(work));
    set_hook(hook);
    result.map_err(|panic| said(panic.as_ref()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("sled panicked").to_owned()
}

impl Store {
    /// Looks at every row of the store in `dir`. Blocks.
    pub fn check(dir: &Path) -> Result<Report> {
        if !dir.join("db").exists() {
            return Err(Error::Invalid(format!("`{}` holds no store", dir.display())));
        }
        let store = Self::open(dir)?;
        let mut report = Report::default();
        let looked = quietly(|| store.look(&mut report));
        match looked {
            Ok(looked) => looked.map(|()| report),
            Err(reason) => Err(Error::Damaged { path: dir.into(), reason }),
        }
    }

    fn look(&self, report: &mut Report) -> Result<()> {
        let mut counts = Counts {
            suggestions: report.note(self.suggestions())?,
            keys: report.note(self.keys())?,
            ..Counts::default()
        };
        for name in self.tenants()? {
            let tenant: Tenant = self.tenant(&name)?;
            counts.users += report.note(tenant.users(""))?;
            counts.items += report.note(tenant.items(""))?;
            counts.feedback += report.note(tenant.full_feedback())?;
            report.note(tenant.events())?;
        }
        report.counts = counts;
        Ok(())
    }

    /// Writes what can be read of the damaged store in `from` to a new one in `to`. Blocks.
    ///
    /// `from` stays as it is: a copy is opened, with its snapshots, without them, and at last
    /// without what lies behind its last whole segment.
    pub fn salvage(from: &Path, to: &Path) -> Result<Report> {
        let log = fs::File::open(from.join("db"))?;
        if log.file().try_lock().is_err() {
            return Err(Error::InUse { path: from.into() });
        }
        if to.exists() && fs::read_dir(to)?.next().is_some() {
            return Err(Error::Invalid(format!("`{}` is not empty", to.display())));
        }
        fs::create_dir_all(to)?;
        let copy = to.join("copy");
        let mut reason = String::new();
        for attempt in 0..3 {
            copy_store(from, &copy, attempt)?;
            let config = sled::Config::new().path(&copy).cache_capacity(CACHE_BYTES);
            match quietly(|| config.open()) {
                Ok(Ok(db)) => {
                    save(&db, to)?;
                    drop(db);
                    fs::remove_dir_all(&copy)?;
                    return Self::check(to);
                }
                Ok(Err(error)) => reason = error.to_string(),
                Err(panic) => reason = panic,
            }
            fs::remove_dir_all(&copy)?;
        }
        Err(Error::Damaged { path: from.into(), reason })
    }
}

impl Report {
    /// Counts the good rows and notes the others.
    fn note<T>(&mut self, rows: impl Iterator<Item = Result<T>>) -> Result<usize> {
        let mut good = 0;
        for row in rows {
            match row {
                Ok(_) => good += 1,
                Err(error @ Error::Corrupt(_)) => {
                    self.bad += 1;
                    if self.first.len() < NAMED {
                        self.first.push(error.to_string());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(good)
    }
}

/// Copies the files of a store for an attempt to open it.
fn copy_store(from: &Path, to: &Path, attempt: usize) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_snapshot = name.to_string_lossy().starts_with("snap.");
        let path = to.join(&name);
        if entry.file_type()?.is_dir() {
            if name == "blobs" {
                copy_store(&entry.path(), &path, 0)?;
            }
        } else if !is_snapshot || attempt == 0 {
            fs::copy(entry.path(), path)?;
        }
    }
    if attempt == 2 {
        let log = fs::OpenOptions::new().write(true).open(to.join("db"))?;
        let length = log.metadata()?.len();
        log.set_len(length / SEGMENT * SEGMENT)?;
    }
    Ok(())
}

/// Writes all rows of `db` that can be read to a new database in `dir`: from the first on, and where
/// they break off, from the last back.
fn save(db: &sled::Db, dir: &Path) -> Result<()> {
    let new = open(dir)?;
    for name in db.tree_names() {
        let Ok(Ok(tree)) = quietly(|| db.open_tree(&name)) else { continue };
        let into = new.open_tree(&name)?;
        let is_whole = move_rows(&into, || tree.iter());
        if !is_whole {
            move_rows(&into, || tree.iter().rev());
        }
    }
    new.flush()?;
    Ok(())
}

/// Moves rows until there are no more, or one cannot be read; says whether all were.
fn move_rows<I>(into: &sled::Tree, rows: impl FnOnce() -> I) -> bool
where
    I: Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
{
    let moved = quietly(|| -> sled::Result<()> {
        let mut batch = sled::Batch::default();
        let mut waiting = 0;
        for row in rows() {
            let Ok((key, value)) = row else {
                into.apply_batch(batch)?;
                return Err(sled::Error::Unsupported("a row cannot be read".into()));
            };
            batch.insert(key, value);
            waiting += 1;
            if waiting == CHUNK {
                into.apply_batch(std::mem::take(&mut batch))?;
                waiting = 0;
            }
        }
        into.apply_batch(batch)
    });
    matches!(moved, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_TENANT, Feedback, Mode, Timestamp};

    /// A store with `rows` events, closed.
    fn filled(rows: i64) -> anyhow::Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        let tenant = Store::open(dir.path())?.tenant(DEFAULT_TENANT)?;
        let row = |i: i64| Feedback {
            feedback_type: "read".into(),
            user_id: format!("u{}", i % 97),
            item_id: format!("i{i}"),
            value: 1.0,
            timestamp: Timestamp::from_seconds(i),
            comment: "x".repeat(200),
            ..Feedback::default()
        };
        for first in (0..rows).step_by(500) {
            let rows: Vec<Feedback> = (first..(first + 500).min(rows)).map(row).collect();
            tenant.put_feedback(&rows, Mode::Add, (true, true))?;
        }
        Ok(dir)
    }

    /// Checks a store that this process has just closed: sled lets go of its lock a moment later.
    fn checked(dir: &Path) -> Result<Report> {
        for _ in 0..100 {
            match Store::check(dir) {
                Err(Error::InUse { .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                other => return other,
            }
        }
        Store::check(dir)
    }

    #[test]
    fn a_damaged_snapshot_is_made_anew() -> anyhow::Result<()> {
        for damage in ["cut", "flipped", "empty", "unfinished"] {
            let dir = filled(600)?;
            let snapshot = snapshots(dir.path())?.pop();
            let snapshot = snapshot.unwrap_or_else(|| dir.path().join("snap.0000000000000001"));
            let mut bytes = fs::read(&snapshot).unwrap_or_default();
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "flipped" => bytes.iter_mut().take(3).for_each(|byte| *byte ^= 0x55),
                _ => bytes.clear(),
            }
            let path = match damage {
                "unfinished" => dir.path().join("snap.FFFFFFFFFFFFFFFF.generating"),
                _ => snapshot,
            };
            fs::write(path, bytes)?;
            let report = checked(dir.path())?;
            assert_eq!((report.counts.feedback, report.bad), (600, 0), "{damage}");
        }
        Ok(())
    }

    #[test]
    fn a_store_cut_short_is_an_error_or_what_is_left_and_never_a_panic() -> anyhow::Result<()> {
        let dir = filled(4000)?;
        let whole = fs::read(dir.path().join("db"))?;
        for share in [0.95, 0.7, 0.4, 0.1, 0.0] {
            let cut = tempfile::tempdir()?;
            copy_store(dir.path(), cut.path(), 0)?;
            let length = (whole.len() as f64 * share) as usize;
            fs::write(cut.path().join("db"), &whole[..length])?;
            let (to, before) = (tempfile::tempdir()?, fs::read(cut.path().join("db"))?);
            match Store::salvage(cut.path(), to.path()) {
                Ok(report) => assert!(report.counts.feedback <= 4000, "{report:?}"),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
            }
            assert!(fs::read(cut.path().join("db"))? == before, "salvaging changes nothing");
            match Store::check(cut.path()) {
                Ok(report) => assert!(report.counts.feedback <= 4000, "{report:?}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("salvage") || text.contains("damaged"), "{text}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_whole_store_is_saved_whole_and_a_row_that_is_none_is_named() -> anyhow::Result<()> {
        let dir = filled(1200)?;
        let to = tempfile::tempdir()?;
        let report = Store::salvage(dir.path(), to.path())?;
        assert_eq!((report.counts.feedback, report.counts.items, report.bad), (1200, 1200, 0));
        let again = Store::salvage(dir.path(), to.path()).expect_err("it is not empty");
        assert!(again.to_string().contains("not empty"), "{again}");

        let db = open(dir.path())?;
        db.open_tree("recommend:default")?.insert(b"ibad", b"{nonsense")?;
        db.flush()?;
        drop(db);
        let report = Store::check(dir.path())?;
        assert_eq!((report.counts.items, report.bad), (1200, 1));
        assert!(report.first[0].contains("an item"), "{report:?}");
        Ok(())
    }
}
