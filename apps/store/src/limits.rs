//! Counts of requests that servers add up in a database that they share.

use crate::{Result, Store};

/// How a count changes with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Microseconds that are owed: they add up, and pass with time.
    Debt = 0,
    /// A number that is forgotten some time after the last addition.
    SinceLast = 1,
    /// A number that is forgotten some time after the first addition.
    SinceFirst = 2,
}

/// What one server counted since the last exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    /// What it is a count of; no two changes of one exchange have the same name.
    pub name: String,
    /// How it changes with time.
    pub kind: LimitKind,
    /// What is added; of a number, nothing only asks.
    pub amount: i64,
    /// Microseconds: of a debt, how long ago the first of it was made; of a number, how long it is remembered.
    pub span: i64,
}

/// What all servers counted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitTotal {
    /// The number; of a debt it says nothing.
    pub count: i64,
    /// Microseconds until it is forgotten, or paid; negative where that is over.
    pub remaining: i64,
}

impl Store {
    /// Adds `changes` to what other servers counted, and returns what became of each.
    ///
    /// Nothing of this is on disk, and a crash of the database forgets it. Only a store that
    /// [is shared](Self::is_shared) counts.
    pub fn exchange_limits(&self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>> {
        self.inner.database.exchange_limits(changes)
    }
}
