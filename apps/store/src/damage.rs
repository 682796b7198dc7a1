//! Stores that were damaged: distinguished from whole ones, and what can be read saved to a new one.

use std::path::Path;

use fs_err as fs;

use crate::{
    Counts, Error, Result, Store,
    engine::{Change, Engine, EngineKind, Rows, is_address, quietly},
    recommend::Tenant,
};

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

impl Store {
    /// Looks at every row of the store in `dir`. Blocks.
    pub fn check(dir: &Path) -> Result<Report> {
        kind_of(dir)?.verify(dir)?;
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
    /// `from` stays as it is: a copy is opened, each time with less of what may be in the way.
    pub fn salvage(from: &Path, to: &Path) -> Result<Report> {
        let kind = kind_of(from)?;
        only_a_folder(kind, "`pg_dump` saves what a damaged database still has")?;
        let file = fs::File::open(&kind.files(from)[0])?;
        if file.file().try_lock().is_err() {
            return Err(Error::InUse { path: from.into() });
        }
        if to.exists() && fs::read_dir(to)?.next().is_some() {
            return Err(Error::Invalid(format!("`{}` is not empty", to.display())));
        }
        fs::create_dir_all(to)?;
        let copy = to.join("copy");
        let mut reason = String::new();
        for attempt in 0..kind.rescues() {
            kind.copy_to_save(from, &copy, attempt)?;
            match kind.open(&copy) {
                Ok(engine) => {
                    save(engine.as_ref(), kind, to)?;
                    drop(engine);
                    fs::remove_dir_all(&copy)?;
                    return Self::check(to);
                }
                Err(Error::Damaged { reason: found, .. }) => reason = found,
                Err(error) => reason = error.to_string(),
            }
            fs::remove_dir_all(&copy)?;
        }
        Err(Error::Damaged { path: from.into(), reason })
    }
}

/// Refuses what is done with files alone.
pub(crate) fn only_a_folder(kind: EngineKind, instead: &str) -> Result<()> {
    match kind {
        EngineKind::Postgres => {
            Err(Error::Invalid(format!("PostgreSQL keeps this store, and no folder; {instead}")))
        }
        EngineKind::Sled | EngineKind::Redb => Ok(()),
    }
}

/// The engine of the store in `dir`.
pub(crate) fn kind_of(dir: &Path) -> Result<EngineKind> {
    let is_there = is_address(dir) || dir.exists();
    let found = if is_there { EngineKind::of(dir)? } else { None };
    found.ok_or_else(|| Error::Invalid(format!("`{}` holds no store", dir.display())))
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

/// Writes all rows of `engine` that can be read to a new store in `dir`: from the first on, and where
/// they break off, from the last back.
fn save(engine: &dyn Engine, kind: EngineKind, dir: &Path) -> Result<()> {
    let new = kind.open(dir)?;
    let names = quietly(|| engine.trees()).unwrap_or_else(|reason| Err(Error::Engine(reason)))?;
    for name in names {
        let rows = || engine.range(&name, Vec::new(), None);
        let is_whole = move_rows(new.as_ref(), &name, rows);
        if !is_whole {
            let backwards = || -> Result<Rows> { Ok(Box::new(Backwards(rows()?))) };
            move_rows(new.as_ref(), &name, backwards);
        }
    }
    new.flush()?;
    kind.mark(dir)
}

/// Rows from the last on.
struct Backwards(Rows);

impl Iterator for Backwards {
    type Item = Result<crate::engine::Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl DoubleEndedIterator for Backwards {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Moves rows until there are no more, or one cannot be read; says whether all were.
fn move_rows(into: &dyn Engine, tree: &str, rows: impl FnOnce() -> Result<Rows>) -> bool {
    let moved = quietly(|| -> Result<bool> {
        let mut waiting = Vec::new();
        for row in rows()? {
            let Ok((key, value)) = row else {
                into.apply(tree, &Change::Rows(waiting))?;
                return Ok(false);
            };
            waiting.push((key, Some(value)));
            if waiting.len() == CHUNK {
                into.apply(tree, &Change::Rows(std::mem::take(&mut waiting)))?;
            }
        }
        into.apply(tree, &Change::Rows(waiting))?;
        Ok(true)
    });
    matches!(moved, Ok(Ok(true)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{DEFAULT_TENANT, Feedback, Insert, Mode, Timestamp};

    /// A store with `rows` events, closed.
    pub(crate) fn filled(kind: EngineKind, rows: i64) -> anyhow::Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        let tenant = Store::open_with(dir.path(), Some(kind))?.tenant(DEFAULT_TENANT)?;
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
            tenant.put_feedback(&rows, Mode::Add, Insert::BOTH)?;
        }
        Ok(dir)
    }

    #[test]
    fn a_store_cut_short_is_an_error_or_what_is_left_and_never_a_panic() -> anyhow::Result<()> {
        for kind in EngineKind::ALL {
            let dir = filled(kind, 4000)?;
            let whole = fs::read(&kind.files(dir.path())[0])?;
            for share in [0.95, 0.7, 0.4, 0.1, 0.0] {
                let cut = tempfile::tempdir()?;
                kind.copy_to_save(dir.path(), cut.path(), 0)?;
                let length = (whole.len() as f64 * share) as usize;
                let file = &kind.files(cut.path())[0];
                fs::write(file, &whole[..length])?;
                let (to, before) = (tempfile::tempdir()?, fs::read(file)?);
                match Store::salvage(cut.path(), to.path()) {
                    Ok(report) => assert!(report.counts.feedback <= 4000, "{report:?}"),
                    Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{error}"),
                }
                assert!(fs::read(file)? == before, "salvaging changes nothing");
                match Store::check(cut.path()) {
                    Ok(report) => assert!(report.counts.feedback <= 4000, "{report:?}"),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(text.contains("salvage") || text.contains("damaged"), "{text}");
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_whole_store_is_saved_whole_and_a_row_that_is_none_is_named() -> anyhow::Result<()> {
        for kind in EngineKind::ALL {
            let dir = filled(kind, 1200)?;
            let to = tempfile::tempdir()?;
            let report = Store::salvage(dir.path(), to.path())?;
            assert_eq!((report.counts.feedback, report.counts.items, report.bad), (1200, 1200, 0));
            assert_eq!(EngineKind::of(to.path())?, Some(kind));
            let again = Store::salvage(dir.path(), to.path()).expect_err("it is not empty");
            assert!(again.to_string().contains("not empty"), "{again}");

            let engine = kind.open(dir.path())?;
            let bad = (b"ibad".to_vec(), Some(b"{nonsense".to_vec()));
            engine.apply("recommend:default", &Change::Rows(vec![bad]))?;
            engine.flush()?;
            drop(engine);
            let report = Store::check(dir.path())?;
            assert_eq!((report.counts.items, report.bad), (1200, 1));
            assert!(report.first[0].contains("an item"), "{report:?}");
        }
        Ok(())
    }
}
