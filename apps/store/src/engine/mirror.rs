//! A small tree of a shared engine, kept in memory: what is asked at every request, such as API keys.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Instant,
};

use super::{Engine, FORGOTTEN, Rows, Shared};
use crate::Result;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The rows of one tree, as they were when it was last brought up to date.
#[derive(Debug)]
pub(super) struct Mirror {
    tree: String,
    seen: RwLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    rows: Map,
    position: i64,
    /// None until it was read.
    at: Option<Instant>,
}

impl Mirror {
    pub(super) fn new(tree: &str) -> Self {
        Self { tree: tree.into(), seen: RwLock::default() }
    }

    /// Reads the tree if it was changed since the last time, by whomever; within a transaction that reads
    /// as of one moment. The tree is small: what changed is found by reading it.
    pub(super) fn refresh(&self, engine: &dyn Engine, shared: &dyn Shared) -> Result<()> {
        let now = Instant::now();
        let position = shared.position(&self.tree)?;
        let is_current = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            seen.at.is_some_and(|at| now - at < FORGOTTEN) && seen.position == position
        };
        let rows = match is_current {
            true => None,
            false => Some(engine.range(&self.tree, Vec::new(), None)?.collect::<Result<Map>>()?),
        };
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if position < seen.position {
            return Ok(()); // another thread has seen more meanwhile
        }
        seen.rows = rows.unwrap_or_else(|| std::mem::take(&mut seen.rows));
        (seen.position, seen.at) = (position, Some(now));
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).rows.get(key).cloned()
    }

    pub(super) fn range(&self, from: Vec<u8>, to: Option<Vec<u8>>) -> Rows {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let rows = seen.rows.range(from..);
        let rows = rows.take_while(|(key, _)| to.as_ref().is_none_or(|to| *key < to));
        let rows: Vec<_> = rows.map(|(key, value)| Ok((key.clone(), value.clone()))).collect();
        Box::new(rows.into_iter())
    }
}
