//! Counts of requests that servers add up.

use std::{collections::HashMap, sync::Arc};

use super::Pool;
use crate::{LimitChange, LimitTotal, Result};

/// Adds what was counted, in the order of the names, so that two servers cannot wait for each other; and reads
/// what is only asked about. The column `count` of a debt holds what was added last, because an update sees no more
/// of it than the columns.
const EXCHANGE: &str = "WITH added AS ( \
     INSERT INTO dragoman_limits AS l (name, kind, count, until) \
     SELECT c.name, c.kind, c.amount, now() + interval '1 microsecond' * \
         CASE c.kind WHEN 0 THEN c.amount - c.span ELSE c.span END \
     FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[]) AS c(name, kind, amount, span) \
     WHERE c.amount > 0 ORDER BY c.name \
     ON CONFLICT (name) DO UPDATE SET \
         count = EXCLUDED.count + CASE WHEN l.kind <> 0 AND l.until > now() THEN l.count ELSE 0 END, \
         until = CASE \
             WHEN l.kind = 0 THEN \
                 greatest(l.until + interval '1 microsecond' * EXCLUDED.count, EXCLUDED.until) \
             WHEN l.kind = 2 AND l.until > now() THEN l.until \
             ELSE EXCLUDED.until END \
     RETURNING name, count, until) \
     SELECT name, count, (extract(epoch FROM until - now()) * 1000000)::bigint FROM added UNION ALL \
     SELECT name, count, (extract(epoch FROM until - now()) * 1000000)::bigint \
     FROM dragoman_limits WHERE name = ANY($5::text[])";

/// Removes rows that nobody needs any more, and none that somebody is writing.
pub(super) const OLD: &str = "DELETE FROM dragoman_limits WHERE name IN \
     (SELECT name FROM dragoman_limits WHERE until < now() - interval '1 minute' \
      LIMIT 20000 FOR UPDATE SKIP LOCKED)";

/// Adds `changes`, and returns what became of each. What a connection that broke off had counted already is
/// counted twice.
pub(super) fn exchange(pool: &Arc<Pool>, changes: &[LimitChange]) -> Result<Vec<LimitTotal>> {
    let names: Vec<String> = changes.iter().map(|change| change.name.clone()).collect();
    let asked: Vec<String> = changes
        .iter()
        .filter(|change| change.amount <= 0)
        .map(|change| change.name.clone())
        .collect();
    let kinds: Vec<i16> = changes.iter().map(|change| change.kind as i16).collect();
    let amounts: Vec<i64> = changes.iter().map(|change| change.amount).collect();
    let spans: Vec<i64> = changes.iter().map(|change| change.span).collect();
    let columns = Arc::new((names, kinds, amounts, spans, asked));
    let rows = pool.read(move |client| {
        let columns = Arc::clone(&columns);
        async move {
            let (names, kinds, amounts, spans, asked) = &*columns;
            let prepared = client.prepare_cached(EXCHANGE).await?;
            client.query(&prepared, &[names, kinds, amounts, spans, asked]).await
        }
    })?;
    let total = |row: &tokio_postgres::Row| LimitTotal { count: row.get(1), remaining: row.get(2) };
    let totals: HashMap<String, LimitTotal> =
        rows.iter().map(|row| (row.get(0), total(row))).collect();
    Ok(changes.iter().map(|change| totals.get(&change.name).copied().unwrap_or_default()).collect())
}
