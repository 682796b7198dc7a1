//! PostgreSQL: all trees in one table, ordered by bytes, for any number of servers at the same time.
//!
//! A change is on disk when its transaction is committed, which holds the lock of its tree. A reader that then
//! writes what depends on it begins the transaction before it reads ([`Shared::begin`]): between two servers no
//! update is lost. Writers of one server share a transaction (`group`), which takes two round trips
//! (`transaction`). Each leaves a row in a log, by which other servers bring their memory up to date
//! ([`Shared::changes`]).

mod address;
mod layout;
mod known;
mod tls;
mod pool;
mod listen;
mod log;
mod transaction;
mod group;
mod pages;
mod limits;

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Change, Changes, Engine, Heard, Rows, Shared};
use crate::{Error, LimitChange, LimitTotal, Result};

pub(crate) use address::{is_address, refuse_others, shown};

use self::{
    group::Queues,
    pool::{Pool, lock},
    transaction::{Bound, Transaction, values_of},
};

/// A database of PostgreSQL; clones share it.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Arc<Pool>,
    /// What tells the changes of this process from those of others.
    origin: i64,
    /// The writers of each tree.
    queues: Arc<Mutex<Queues>>,
    /// Up to where the changes of each tree were asked for the last time.
    positions: Arc<Mutex<HashMap<String, i64>>>,
}

impl Postgres {
    /// Connects to the database at the address `place`, and makes what the store needs in it.
    pub(super) fn open(place: &Path) -> Result<Self> {
        let (queues, positions) = Default::default();
        let pool = Arc::new(Pool::open(place)?);
        Ok(Self { pool, origin: rand::random(), queues, positions })
    }

    fn positions(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        lock(&self.positions)
    }

    /// Does `work` within a transaction that holds the lock of `tree`.
    fn within(&self, tree: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.begin(tree, Vec::new())?;
        let done = work();
        let ended = self.end(done.is_ok());
        done.and(ended)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

/// Which keys of a tree matter to the memory of others: those that begin with one of these bytes, or all.
fn watched(tree: &str) -> Option<Vec<u8>> {
    // Of users, items and feedback the other orders of the same events follow from these.
    tree.starts_with("recommend:").then(|| b"ifh".to_vec())
}

impl Engine for Postgres {
    fn trees(&self) -> Result<Vec<String>> {
        self.send_all()?;
        // Leaps from the first row of a tree to that of the next.
        let select = "WITH RECURSIVE names AS (\
             (SELECT tree FROM dragoman_rows ORDER BY tree LIMIT 1) UNION ALL \
             SELECT (SELECT r.tree FROM dragoman_rows r WHERE r.tree > n.tree ORDER BY r.tree LIMIT 1) \
             FROM names n WHERE n.tree IS NOT NULL) \
             SELECT tree FROM names WHERE tree IS NOT NULL";
        let rows = self.pool.read(move |client| async move {
            let prepared = client.prepare_cached(select).await?;
            client.query(&prepared, &[]).await
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(value) = self.known(tree, key) {
            return Ok(value);
        }
        let (owned, asked) = (tree.to_owned(), key.to_vec());
        let row = self.pool.read(move |client| {
            let (tree, key) = (owned.clone(), asked.clone());
            async move {
                let select = "SELECT value FROM dragoman_rows WHERE tree = $1 AND key = $2";
                let prepared = client.prepare_cached(select).await?;
                client.query_opt(&prepared, &[&tree, &key]).await
            }
        })?;
        let value: Option<Vec<u8>> = row.map(|row| row.get(0));
        self.learn(tree, || [(key.to_vec(), value.clone())]);
        Ok(value)
    }

    fn get_many(&self, tree: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values: Vec<_> = keys.iter().map(|key| self.known(tree, key)).collect();
        let unknown = keys.iter().zip(&values).filter(|(_, value)| value.is_none());
        let unknown: Vec<Vec<u8>> = unknown.map(|(key, _)| key.clone()).collect();
        if !unknown.is_empty() {
            let (owned, asked) = (tree.to_owned(), unknown.clone());
            let read = self.pool.read(move |client| {
                let (tree, keys) = (owned.clone(), asked.clone());
                async move { values_of(&client, &tree, &keys).await }
            })?;
            self.learn(tree, || unknown.into_iter().zip(read.clone()));
            let places = values.iter_mut().filter(|value| value.is_none());
            places.zip(read).for_each(|(place, value)| *place = Some(value));
        }
        Ok(values.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        Ok(Box::new(pages::Pages::new(self.clone(), tree, from, to)))
    }

    fn apply(&self, tree: &str, change: &Change) -> Result<()> {
        self.within(tree, || match change {
            Change::Clear => self.clear(tree),
            Change::Rows(rows) => self.write(tree, rows),
        })
    }

    /// A commit is on disk already, unless the database is told otherwise.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Shared for Postgres {
    fn begin(&self, tree: &str, keys: Vec<Vec<u8>>) -> Result<()> {
        let state = self.pool.bound(|bound| {
            let Transaction { tree: own, locked, .. } = &*bound.transaction;
            bound.depth += usize::from(own.is_some());
            (own.is_none(), locked.contains_key(tree))
        });
        match state {
            Some((true, _)) => {
                Err(Error::Engine("a transaction that only reads cannot write".into()))
            }
            Some((false, true)) => Ok(()),
            Some((false, false)) => {
                self.lock_too(tree).inspect_err(|_| drop(self.end(false))) // the first error is told
            }
            None => self.take_turn(tree, keys),
        }
    }

    fn begin_snapshot(&self) -> Result<()> {
        let is_nested = self.pool.bound(|bound| bound.depth += 1);
        if is_nested.is_some() {
            return Ok(());
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned();
        let (client, ()) = self.pool.begin(begin, |_| async { Ok(()) })?;
        self.pool.bind(Bound::new(Box::new(Transaction::new(client, None))));
        Ok(())
    }

    fn end(&self, is_kept: bool) -> Result<()> {
        let state = self.pool.bound(|bound| {
            bound.depth -= 1;
            bound.is_doomed |= !is_kept;
            (bound.depth == 0, bound.is_doomed, bound.transaction.tree.clone())
        });
        let ended = match state {
            None | Some((false, ..)) => Ok(()),
            Some((true, _, None)) => match self.pool.unbind() {
                Some(bound) => self.close(*bound.transaction),
                None => Ok(()),
            },
            Some((true, is_doomed, Some(ref tree))) => self.end_turn(tree, !is_doomed),
        };
        match state {
            Some((_, true, Some(_))) if is_kept => ended
                .and(Err(Error::Engine("a part of the change failed; nothing is written".into()))),
            _ => ended,
        }
    }

    fn is_within(&self) -> bool {
        self.pool.bound(|_| ()).is_some()
    }

    fn position(&self, tree: &str) -> Result<i64> {
        log::position(&self.pool, tree)
    }

    fn changes(&self, tree: &str, after: i64) -> Result<Changes> {
        let known = self.pool.bound(|bound| bound.transaction.followed(tree, after)).flatten();
        let changes = match known {
            Some(changes) => changes,
            None => {
                let changes = log::changes(&self.pool, self.origin, tree, after)?;
                self.pool.bound(|bound| bound.transaction.follow(tree, changes.position));
                changes
            }
        };
        self.positions().insert(tree.to_owned(), changes.position);
        Ok(changes)
    }

    fn listen(&self, heard: Heard) {
        listen::start(&self.pool, self.origin, heard);
    }

    fn exchange_limits(&self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>> {
        limits::exchange(&self.pool, changes)
    }

    fn failure(&self) -> Option<String> {
        self.pool.failure()
    }

    fn ping(&self) -> Result<()> {
        self.pool.read(|client| async move { client.batch_execute("SELECT 1").await })
    }
}

fn unbound() -> Error {
    Error::Engine("the transaction has ended".into())
}
