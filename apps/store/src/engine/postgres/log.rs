//! The log of changes, by which a process follows what others do.

use std::sync::Arc;

use deadpool_postgres::Object;
use tokio_postgres::{Row, error::Error as PgError};

use super::Pool;
use crate::{
    Result,
    engine::{Changed, Changes},
};

/// Rows of the log that are read at once.
const PAGE: i64 = 500;

/// The last change of `tree` that this transaction sees.
pub(super) fn position(pool: &Arc<Pool>, tree: &str) -> Result<i64> {
    let tree = tree.to_owned();
    pool.read(move |client| {
        let tree = tree.clone();
        async move {
            let select = "SELECT coalesce(max(id), 0) FROM dragoman_changes WHERE tree = $1";
            let prepared = client.prepare_cached(select).await?;
            Ok(client.query_one(&prepared, &[&tree]).await?.get(0))
        }
    })
}

/// What others than `origin` changed in `tree` after `after`, each key once.
pub(super) fn changes(pool: &Arc<Pool>, origin: i64, tree: &str, after: i64) -> Result<Changes> {
    let mut found = Changes { position: after, ..Changes::default() };
    loop {
        let (tree, after) = (tree.to_owned(), found.position);
        let rows = pool.read(move |client| {
            let tree = tree.clone();
            async move { page(&client, origin, &tree, after).await }
        })?;
        let count = rows.len();
        add(&mut found, rows);
        if (count as i64) < PAGE {
            return Ok(found);
        }
    }
}

/// A page of the log, from behind `after` on.
pub(super) async fn page(
    client: &Object,
    origin: i64,
    tree: &str,
    after: i64,
) -> Result<Vec<Row>, PgError> {
    // Own changes move the position on, and nothing else of them is read.
    let select = "SELECT id, origin = $3, \
         CASE WHEN origin = $3 THEN NULL ELSE keys END, \
         CASE WHEN origin = $3 THEN NULL ELSE old END, \
         CASE WHEN origin = $3 THEN NULL ELSE new END \
         FROM dragoman_changes WHERE tree = $1 AND id > $2 ORDER BY id LIMIT $4";
    let prepared = client.prepare_cached(select).await?;
    client.query(&prepared, &[&tree, &after, &origin, &PAGE]).await
}

/// What the first page behind `after` says, if it is all.
pub(super) fn all_of(after: i64, page: Vec<Row>) -> Option<Changes> {
    let mut found = Changes { position: after, ..Changes::default() };
    ((page.len() as i64) < PAGE).then(|| {
        add(&mut found, page);
        found
    })
}

fn add(found: &mut Changes, rows: Vec<Row>) {
    for row in rows {
        found.position = row.get(0);
        if row.get(1) {
            continue;
        }
        let keys: Option<Vec<Vec<u8>>> = row.get(2);
        let Some(keys) = keys else {
            found.is_cleared = true;
            found.rows.clear();
            continue;
        };
        let old: Vec<Option<Vec<u8>>> = row.get(3);
        let new: Vec<Option<Vec<u8>>> = row.get(4);
        for ((key, old), new) in keys.into_iter().zip(old).zip(new) {
            // Of several changes of a key the first knows what was there, the last what is.
            let known = found.rows.entry(key).or_insert(Changed { old, new: None });
            known.new = new;
        }
    }
}
