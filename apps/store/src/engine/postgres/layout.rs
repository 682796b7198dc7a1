//! Makes what the store needs in a database, and brings an older layout up to date.

use deadpool_postgres::Object;
use tokio_postgres::error::{Error as PgError, SqlState};

use super::address::said;

/// The oldest server that has all that is used, as `server_version_num`.
const OLDEST: i32 = 120_000;

/// A step for each layout, from none to the first, and so on.
const STEPS: [&str; 3] =
    [include_str!("layout/1.sql"), include_str!("layout/2.sql"), include_str!("layout/3.sql")];

/// Key of the advisory lock that one migration at a time holds: the letters of "dragoman".
const LOCK: i64 = i64::from_be_bytes(*b"dragoman");

/// Makes or migrates the tables; says why that cannot be.
pub(super) async fn prepare(client: &Object) -> Result<(), String> {
    let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]);
    let version: i32 = version.await.map_err(|error| said(&error))?.get(0);
    if version < OLDEST {
        return Err(format!(
            "this is PostgreSQL {}; the store needs {} or later",
            version / 10_000,
            OLDEST / 10_000
        ));
    }
    let migrated = migrate(client).await;
    if migrated.is_err() {
        let _ = client.batch_execute("ROLLBACK").await; // the connection is given up anyway
    }
    migrated
}

async fn migrate(client: &Object) -> Result<(), String> {
    let failed = |error: PgError| refused(&error);
    client.batch_execute("BEGIN").await.map_err(failed)?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(failed)?;
    let make = "CREATE TABLE IF NOT EXISTS dragoman_layout (layout int NOT NULL)";
    let known = client.query_one("SELECT to_regclass('dragoman_layout') IS NOT NULL", &[]);
    let is_there: bool = known.await.map_err(failed)?.get(0);
    if !is_there {
        client.batch_execute(make).await.map_err(failed)?;
    }
    let found = client.query_opt("SELECT max(layout) FROM dragoman_layout", &[]);
    let found: Option<i32> = found.await.map_err(failed)?.and_then(|row| row.get(0));
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    if found > STEPS.len() {
        return Err(format!(
            "the tables have layout {found}, and this program knows {}; run the newer program that \
             made them",
            STEPS.len()
        ));
    }
    for (step, sql) in STEPS.iter().enumerate().skip(found) {
        client.batch_execute(sql).await.map_err(failed)?;
        let layout = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let note = "INSERT INTO dragoman_layout (layout) VALUES ($1)";
        client.execute(note, &[&layout]).await.map_err(failed)?;
    }
    client.batch_execute("COMMIT").await.map_err(failed)
}

fn refused(error: &PgError) -> String {
    let text = said(error);
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => format!(
            "{text}; the user needs to make tables: make it the owner of the database, or \
             `GRANT CREATE, USAGE ON SCHEMA public TO` it"
        ),
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            format!("{text}; it is a standby: give the address of the server that is written to")
        }
        Some(&SqlState::INVALID_SCHEMA_NAME) => {
            format!("{text}; make the schema that the address names in search_path")
        }
        _ => text,
    }
}
