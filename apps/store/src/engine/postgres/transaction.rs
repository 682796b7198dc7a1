//! The transaction of a thread: reads that its tree's lock makes last, and writes that are sent with the commit.
//!
//! A round trip to the database costs more than what is done there, so a transaction needs two. The first
//! begins it, waits for the lock, and reads what others changed and the rows that the writers named. The
//! second writes and commits. What a writer reads besides costs one each.

use std::{collections::HashMap, sync::Arc, time::Instant};

use deadpool_postgres::Object;
use futures_util::future::{join, try_join};
use tokio_postgres::{Statement, error::Error as PgError};

use super::{
    Postgres,
    group::Members,
    known::{Known, Undo, Value},
    log, unbound,
};
use crate::{Error, Result, engine::Changes};

/// Rows that wait to be sent; a writer of more sends them itself.
const MOST_WAITING: usize = 4096;

/// Keys that are read ahead at once.
const MOST_AHEAD: usize = 8192;

/// Writes rows and notes the change.
const APPLY: &str = "SELECT dragoman_apply($1, $2, $3, $4, $5)";

/// A transaction that a thread is bound to.
pub(super) struct Bound {
    pub(super) transaction: Box<Transaction>,
    /// How often it was begun within itself.
    pub(super) depth: usize,
    /// Whether a part of what this thread did failed: then nothing of it is kept.
    pub(super) is_doomed: bool,
    /// How what this thread wrote is taken back.
    pub(super) undo: Vec<(String, Undo)>,
    /// Whether some of it was sent: then it is undone with all else of the transaction.
    pub(super) has_sent: bool,
}

/// A transaction on one connection.
pub(super) struct Transaction {
    pub(super) client: Arc<Object>,
    /// The tree whose writers share it; none where it only reads, and everything as of one moment.
    pub(super) tree: Option<String>,
    /// Trees that nobody else changes meanwhile, and what is known of each.
    pub(super) locked: HashMap<String, Locked>,
    /// Why it cannot be committed.
    pub(super) broken: Option<String>,
    /// The writers before this one.
    pub(super) members: Members,
    pub(super) started: Instant,
}

/// A tree that nobody else changes meanwhile.
#[derive(Default)]
pub(super) struct Locked {
    pub(super) known: Known,
    /// What others changed behind a position; behind the end of that they change nothing.
    pub(super) followed: Option<(i64, Changes)>,
}

impl Bound {
    pub(super) fn new(transaction: Box<Transaction>) -> Self {
        Self { transaction, depth: 1, is_doomed: false, undo: Vec::new(), has_sent: false }
    }
}

impl Transaction {
    pub(super) fn new(client: Arc<Object>, tree: Option<String>) -> Self {
        Self {
            client,
            tree,
            locked: HashMap::new(),
            broken: None,
            members: Members::default(),
            started: Instant::now(),
        }
    }

    /// What others changed in `tree` behind `after`, if that is known.
    pub(super) fn followed(&mut self, tree: &str, after: i64) -> Option<Changes> {
        let (known, changes) = self.locked.get_mut(tree)?.followed.as_mut()?;
        if *known == after {
            *known = changes.position;
            let end = Changes { position: changes.position, ..Changes::default() };
            return Some(std::mem::replace(changes, end));
        }
        None
    }

    /// Notes that the changes of others in `tree` were asked for, up to `position`.
    pub(super) fn follow(&mut self, tree: &str, position: i64) {
        if let Some(locked) = self.locked.get_mut(tree) {
            locked.followed = Some((position, Changes { position, ..Changes::default() }));
        }
    }

    /// Those of `keys` of `tree` whose values are not known.
    pub(super) fn unknown(&self, tree: &str, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let Some(locked) = self.locked.get(tree) else { return keys.to_vec() };
        keys.iter().filter(|key| locked.known.value(key).is_none()).cloned().collect()
    }
}

impl Postgres {
    /// Begins a transaction that holds the lock of `tree`, and reads the rows of `keys` ahead.
    pub(super) fn open_transaction(
        &self,
        tree: &str,
        mut keys: Vec<Vec<u8>>,
    ) -> Result<Box<Transaction>> {
        keys.truncate(MOST_AHEAD);
        let name = tree.replace('\'', "''");
        let begin = format!("BEGIN; SELECT dragoman_lock('{name}')");
        let after = self.positions().get(tree).copied();
        let (origin, owned, asked) = (self.origin, tree.to_owned(), keys.clone());
        let (client, (changes, values)) = self.pool.begin(begin, move |client| {
            let (tree, keys) = (owned.clone(), asked.clone());
            async move {
                let changes = async {
                    match after {
                        Some(after) => log::page(&client, origin, &tree, after).await.map(Some),
                        None => Ok(None),
                    }
                };
                try_join(changes, values_of(&client, &tree, &keys)).await
            }
        })?;
        let mut locked = Locked::default();
        locked.known.learn(keys.into_iter().zip(values));
        let all =
            after.zip(changes).and_then(|(after, page)| Some((after, log::all_of(after, page)?)));
        locked.followed = all;
        let mut transaction = Box::new(Transaction::new(client, Some(tree.to_owned())));
        transaction.locked.insert(tree.to_owned(), locked);
        Ok(transaction)
    }

    /// Locks another tree for the transaction that this thread is bound to.
    pub(super) fn lock_too(&self, tree: &str) -> Result<()> {
        let (client, name) = (self.pool.bound_client().ok_or_else(unbound)?, tree.to_owned());
        self.pool.on_bound(client, move |client| async move {
            let lock = client.prepare_cached("SELECT dragoman_lock($1)").await?;
            client.execute(&lock, &[&name]).await.map(drop)
        })?;
        self.pool.bound(|bound| {
            bound.transaction.locked.insert(tree.to_owned(), Locked::default());
        });
        Ok(())
    }

    /// Reads rows of `tree`, whose lock this thread holds, ahead of a writer that names their `keys`.
    pub(super) fn read_ahead(&self, tree: &str, mut keys: Vec<Vec<u8>>) -> Result<()> {
        keys.truncate(MOST_AHEAD);
        let client = self.pool.bound_client().ok_or_else(unbound)?;
        let (owned, asked) = (tree.to_owned(), keys.clone());
        let values = self.pool.on_bound(client, move |client| async move {
            values_of(&client, &owned, &asked).await
        })?;
        self.learn(tree, || keys.into_iter().zip(values));
        Ok(())
    }

    /// The value of `key` as this thread's transaction will leave it, if that is known.
    pub(super) fn known(&self, tree: &str, key: &[u8]) -> Option<Value> {
        let value = |bound: &mut Bound| {
            bound.transaction.locked.get(tree).and_then(|locked| locked.known.value(key).cloned())
        };
        self.pool.bound(value).flatten()
    }

    /// Remembers what was read, where nobody else changes it.
    pub(super) fn learn<R>(&self, tree: &str, rows: impl FnOnce() -> R)
    where
        R: IntoIterator<Item = (Vec<u8>, Value)>,
    {
        self.pool.bound(|bound| {
            if let Some(locked) = bound.transaction.locked.get_mut(tree) {
                locked.known.learn(rows());
            }
        });
    }

    /// Notes rows to be written with the commit.
    pub(super) fn write(&self, tree: &str, rows: &[(Vec<u8>, Value)]) -> Result<()> {
        let waiting = self.pool.bound(|bound| {
            let locked = bound.transaction.locked.get_mut(tree)?;
            let undo = locked.known.write(rows);
            bound.undo.extend(undo.into_iter().map(|undo| (tree.to_owned(), undo)));
            Some(locked.known.waiting())
        });
        let waiting = waiting.flatten().ok_or_else(unbound)?;
        if waiting > MOST_WAITING { self.send(tree) } else { Ok(()) }
    }

    /// Sends what waits to be written to `tree`, if this thread is bound to a transaction: what is read from
    /// the database then has it.
    pub(super) fn send(&self, tree: &str) -> Result<()> {
        let waiting = self.pool.bound(|bound| {
            let known = &mut bound.transaction.locked.get_mut(tree)?.known;
            (known.waiting() > 0).then(|| {
                bound.has_sent |= !bound.undo.is_empty();
                bound.undo.clear();
                (Arc::clone(&bound.transaction.client), known.take())
            })
        });
        let Some((client, rows)) = waiting.flatten() else { return Ok(()) };
        let (origin, tree) = (self.origin, tree.to_owned());
        self.pool.on_bound(client, move |client| async move {
            let apply = client.prepare_cached(APPLY).await?;
            execute(&client, &apply, origin, &tree, rows).await
        })
    }

    /// Sends all that waits to be written.
    pub(super) fn send_all(&self) -> Result<()> {
        let trees = |bound: &mut Bound| bound.transaction.locked.keys().cloned().collect();
        let trees: Vec<String> = self.pool.bound(trees).unwrap_or_default();
        trees.iter().try_for_each(|tree| self.send(tree))
    }

    /// Removes all rows of `tree`.
    pub(super) fn clear(&self, tree: &str) -> Result<()> {
        let client = self.pool.bound(|bound| {
            bound.transaction.locked.get_mut(tree)?.known.clear();
            bound.undo.clear();
            bound.has_sent = true;
            Some(Arc::clone(&bound.transaction.client))
        });
        let client = client.flatten().ok_or_else(unbound)?;
        let (origin, tree) = (self.origin, tree.to_owned());
        self.pool.on_bound(client, move |client| async move {
            let clear = client.prepare_cached("SELECT dragoman_clear($1, $2)").await?;
            client.execute(&clear, &[&tree, &origin]).await.map(drop)
        })
    }

    /// Writes what waits and commits, or rolls back what is broken. A connection on which that fails is
    /// given up.
    pub(super) fn close(&self, transaction: Transaction) -> Result<()> {
        let Transaction { client, locked, broken, .. } = transaction;
        let origin = self.origin;
        let mut waiting: Vec<_> = locked
            .into_iter()
            .filter(|(_, locked)| locked.known.waiting() > 0)
            .map(|(tree, mut locked)| (tree, locked.known.take()))
            .collect();
        let is_kept = broken.is_none();
        let ended = self.pool.on(Arc::clone(&client), move |client| async move {
            if !is_kept {
                return client.batch_execute("ROLLBACK").await;
            }
            // The commit follows the last rows without waiting for an answer. After a statement that failed it
            // changes nothing.
            let Some((tree, rows)) = waiting.pop() else {
                return client.batch_execute("COMMIT").await;
            };
            let apply = client.prepare_cached(APPLY).await?;
            for (tree, rows) in waiting {
                execute(&client, &apply, origin, &tree, rows).await?;
            }
            let written = execute(&client, &apply, origin, &tree, rows);
            let (written, committed) = join(written, client.batch_execute("COMMIT")).await;
            written.and(committed)
        });
        if ended.is_err()
            && let Some(client) = Arc::into_inner(client)
        {
            drop(Object::take(client));
        }
        match broken {
            Some(reason) => Err(Error::Engine(reason)),
            None => ended,
        }
    }
}

/// The values of `keys` in `tree`, in their order.
pub(super) async fn values_of(
    client: &Object,
    tree: &str,
    keys: &[Vec<u8>],
) -> Result<Vec<Value>, PgError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Not a join, for which the planner may read the whole tree.
    let select = "SELECT (SELECT r.value FROM dragoman_rows r WHERE r.tree = $1 AND r.key = k.key) \
         FROM unnest($2::bytea[]) WITH ORDINALITY AS k(key, n) ORDER BY k.n";
    let prepared = client.prepare_cached(select).await?;
    let rows = client.query(&prepared, &[&tree, &keys]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn execute(
    client: &Object,
    apply: &Statement,
    origin: i64,
    tree: &str,
    (keys, values): (Vec<Vec<u8>>, Vec<Value>),
) -> Result<(), PgError> {
    let watched = super::watched(tree);
    client.execute(apply, &[&tree, &keys, &values, &watched, &origin]).await.map(drop)
}
