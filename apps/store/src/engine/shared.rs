//! What the store asks of an engine that several processes have open at the same time.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{LimitChange, LimitTotal, Result};

/// How long a process may not have looked at what others changed, before it reads everything anew: the
/// log of changes goes back farther.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(5 * 60);

/// What is told of changes.
pub(crate) type Heard = Box<dyn Fn(Option<&str>) + Send + Sync>;

/// An engine with other writers.
pub(crate) trait Shared: fmt::Debug + Send + Sync {
    /// Begins a transaction of this thread in which nobody else changes `tree`. Until its end all that the
    /// thread reads and writes belongs to it. One within another joins it. The values of `keys` are read at
    /// once, where each would be asked of another process later.
    fn begin(&self, tree: &str, keys: Vec<Vec<u8>>) -> Result<()>;

    /// Begins a transaction of this thread that reads everything as of one moment.
    fn begin_snapshot(&self) -> Result<()>;

    /// Ends the transaction of this thread: what it wrote is on disk then if it `is_kept`, and else
    /// undone.
    fn end(&self, is_kept: bool) -> Result<()>;

    /// Whether this thread has begun a transaction.
    fn is_within(&self) -> bool;

    /// Where the log of changes of `tree` ends.
    fn position(&self, tree: &str) -> Result<i64>;

    /// What other processes changed in `tree` behind a position of the log.
    fn changes(&self, tree: &str, after: i64) -> Result<Changes>;

    /// Calls `heard` with the name of each tree that another process changed, and without one whenever any
    /// of them may have been changed.
    fn listen(&self, heard: Heard);

    /// Adds what this process counted, and returns what all processes counted together.
    fn exchange_limits(&self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>>;

    /// Why the engine could not be asked the last time; none if it could.
    fn failure(&self) -> Option<String>;

    /// Asks the engine whether it is there.
    fn ping(&self) -> Result<()>;
}

/// What others changed in a tree.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Where the log ends.
    pub(crate) position: i64,
    /// Whether all rows were removed before these changes.
    pub(crate) is_cleared: bool,
    /// What became of each key.
    pub(crate) rows: BTreeMap<Vec<u8>, Changed>,
}

/// The first bytes of what was there before, and of what is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) old: Option<Vec<u8>>,
    pub(crate) new: Option<Vec<u8>>,
}

/// Ends a transaction, also where what it is for panics.
pub(super) struct Ending<'a>(Option<&'a dyn Shared>);

impl<'a> Ending<'a> {
    pub(super) fn of(shared: &'a dyn Shared) -> Self {
        Self(Some(shared))
    }

    /// Keeps what was written, or undoes it.
    pub(super) fn end(mut self, is_kept: bool) -> Result<()> {
        self.0.take().map_or(Ok(()), |shared| shared.end(is_kept))
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            let _ = shared.end(false); // what panicked is told
        }
    }
}
