//! PostgreSQL: all trees in one table, ordered by bytes, for any number of servers at the same time.
//!
//! A change is one transaction, which is on disk when it is committed, and holds the lock of its tree. A
//! reader that then writes what depends on it begins the transaction before it reads
//! ([`Shared::begin`]): between two servers no update is lost. Each change leaves a row in a log, by
//! which other servers bring their memory up to date ([`Shared::changes`]).

mod address;
mod layout;
mod listen;
mod log;
mod pages;
mod pool;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{Change, Changes, Engine, Heard, Rows, Shared};
use crate::{Error, Result};

pub(crate) use address::{is_address, shown};

use self::pool::{Bound, Pool};

/// A database of PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: Arc<Pool>,
    /// What tells the changes of this process from those of others.
    origin: i64,
}

impl Postgres {
    /// Connects to the database at the address `place`, and makes what the store needs in it.
    pub(super) fn open(place: &Path) -> Result<Self> {
        Ok(Self { pool: Arc::new(Pool::open(place)?), origin: rand::random() })
    }

    /// Locks another tree for the transaction that this thread is bound to.
    fn lock_too(&self, tree: &str) -> Result<()> {
        let (client, name) = (self.pool.bound_client().ok_or_else(unbound)?, tree.to_owned());
        let locked = self.pool.on(client, move |client| async move {
            let lock = client.prepare_cached("SELECT dragoman_lock($1)").await?;
            client.execute(&lock, &[&name]).await.map(drop)
        });
        match locked {
            Ok(()) => drop(self.pool.bound(|bound| bound.locked.push(tree.to_owned()))),
            Err(_) => drop(self.end(false)), // the first error is the one to tell
        }
        locked
    }

    /// Does `work` within a transaction that holds the lock of `tree`.
    fn within(&self, tree: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.begin(tree)?;
        let done = work();
        let ended = self.end(done.is_ok());
        done.and(ended)
    }
}

/// Which keys of a tree matter to the memory of others: those that begin with one of these bytes, or all.
fn watched(tree: &str) -> Option<Vec<u8>> {
    // Of users, items and feedback the other orders of the same events follow from these.
    tree.starts_with("recommend:").then(|| b"ifh".to_vec())
}

impl Engine for Postgres {
    fn trees(&self) -> Result<Vec<String>> {
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
        let (tree, key) = (tree.to_owned(), key.to_vec());
        let row = self.pool.read(move |client| {
            let (tree, key) = (tree.clone(), key.clone());
            async move {
                let select = "SELECT value FROM dragoman_rows WHERE tree = $1 AND key = $2";
                let prepared = client.prepare_cached(select).await?;
                client.query_opt(&prepared, &[&tree, &key]).await
            }
        })?;
        Ok(row.map(|row| row.get(0)))
    }

    fn get_many(&self, tree: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (tree, keys) = (tree.to_owned(), keys.to_vec());
        let rows = self.pool.read(move |client| {
            let (tree, keys) = (tree.clone(), keys.clone());
            async move {
                let select = "SELECT r.value FROM unnest($2::bytea[]) WITH ORDINALITY AS k(key, n) \
                     LEFT JOIN dragoman_rows r ON r.tree = $1 AND r.key = k.key ORDER BY k.n";
                let prepared = client.prepare_cached(select).await?;
                client.query(&prepared, &[&tree, &keys]).await
            }
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn range(&self, tree: &str, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        Ok(Box::new(pages::Pages::new(Arc::clone(&self.pool), tree, from, to)))
    }

    fn apply(&self, tree: &str, change: &Change) -> Result<()> {
        self.within(tree, || {
            let (tree, origin) = (tree.to_owned(), self.origin);
            let client = self.pool.bound_client().ok_or_else(unbound)?;
            match change {
                Change::Clear => self.pool.on(client, move |client| async move {
                    let clear = client.prepare_cached("SELECT dragoman_clear($1, $2)").await?;
                    client.execute(&clear, &[&tree, &origin]).await.map(drop)
                }),
                Change::Rows(rows) => {
                    // Of one key the last counts, and a statement may meet it once.
                    let rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = rows.iter().cloned().collect();
                    let (keys, values): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                    let watched = watched(&tree);
                    self.pool.on(client, move |client| async move {
                        let apply = "SELECT dragoman_apply($1, $2, $3, $4, $5)";
                        let apply = client.prepare_cached(apply).await?;
                        client
                            .execute(&apply, &[&tree, &keys, &values, &watched, &origin])
                            .await
                            .map(drop)
                    })
                }
            }
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
    fn begin(&self, tree: &str) -> Result<()> {
        let state = self.pool.bound(|bound| {
            bound.depth += usize::from(!bound.is_snapshot);
            (bound.is_snapshot, bound.locked.iter().any(|known| known == tree))
        });
        match state {
            Some((true, _)) => {
                Err(Error::Engine("a transaction that only reads cannot write".into()))
            }
            Some((false, true)) => Ok(()),
            Some((false, false)) => self.lock_too(tree),
            None => {
                // Both at once, because each is a way to the server and back.
                let name = tree.replace('\'', "''");
                let begin = format!("BEGIN; SELECT dragoman_lock('{name}')");
                self.pool.bind(begin, |client| Bound {
                    client,
                    depth: 1,
                    is_snapshot: false,
                    locked: vec![tree.to_owned()],
                    is_doomed: false,
                })
            }
        }
    }

    fn begin_snapshot(&self) -> Result<()> {
        let is_nested = self.pool.bound(|bound| bound.depth += 1);
        if is_nested.is_some() {
            return Ok(());
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned();
        self.pool.bind(begin, |client| Bound {
            client,
            depth: 1,
            is_snapshot: true,
            locked: Vec::new(),
            is_doomed: false,
        })
    }

    fn end(&self, is_kept: bool) -> Result<()> {
        let state = self.pool.bound(|bound| {
            bound.depth -= 1;
            bound.is_doomed |= !is_kept;
            (bound.depth == 0, bound.is_doomed)
        });
        match state {
            None | Some((false, false)) => Ok(()),
            Some((true, is_doomed)) => self.pool.unbind(!is_doomed),
            Some((false, true)) => match is_kept {
                true => {
                    Err(Error::Engine("a part of the change failed; nothing is written".into()))
                }
                false => Ok(()),
            },
        }
    }

    fn is_within(&self) -> bool {
        self.pool.bound(|_| ()).is_some()
    }

    fn position(&self, tree: &str) -> Result<i64> {
        log::position(&self.pool, tree)
    }

    fn changes(&self, tree: &str, after: i64) -> Result<Changes> {
        log::changes(&self.pool, self.origin, tree, after)
    }

    fn listen(&self, heard: Heard) {
        listen::start(&self.pool, self.origin, heard);
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
