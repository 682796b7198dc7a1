//! Counts in Redis, Valkey, or what speaks as they do; version 5 or later.

use std::time::Duration;

use dragoman_store::{LimitChange, LimitTotal};
use redis::{Client, Connection, RedisError};

use super::LimitsStore;

/// What keys begin with; the braces keep them on one node of a cluster.
const PREFIX: &str = "dragoman:{limits}:";

/// How long a connection may take, and then each answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A script is one round trip, and nobody else counts meanwhile.
const SCRIPT: &str = include_str!("redis.lua");

pub(super) struct Redis {
    client: Client,
    connection: Option<Connection>,
}

impl Redis {
    /// The server at `address`, which need not be there yet.
    pub(super) fn new(address: &str) -> Result<Self, RedisError> {
        Ok(Self { client: Client::open(address)?, connection: None })
    }

    fn ask(&mut self, changes: &[LimitChange]) -> Result<Vec<i64>, RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let connection = self.client.get_connection_with_timeout(PATIENCE)?;
                connection.set_read_timeout(Some(PATIENCE))?;
                connection.set_write_timeout(Some(PATIENCE))?;
                none.insert(connection)
            }
        };
        let mut command = redis::cmd("EVAL");
        command.arg(SCRIPT).arg(changes.len());
        for LimitChange { name, .. } in changes {
            command.arg(format!("{PREFIX}{name}"));
        }
        for LimitChange { kind, amount, span, .. } in changes {
            command.arg(*kind as i64).arg(*amount).arg(*span);
        }
        command.query(connection)
    }
}

impl LimitsStore for Redis {
    fn exchange(&mut self, changes: &[LimitChange]) -> Result<Vec<LimitTotal>, String> {
        let was_connected = self.connection.is_some();
        let mut result = self.ask(changes);
        if let Err(error) = &result {
            self.connection = None;
            // A connection that nobody used for long may have been closed; at worst something is counted twice.
            if was_connected && error.is_io_error() && !error.is_timeout() {
                result = self.ask(changes);
            }
        }
        let numbers = result.map_err(|error| {
            self.connection = None;
            explained(&error)
        })?;
        let totals = numbers.chunks_exact(2);
        Ok(totals.map(|pair| LimitTotal { count: pair[0], remaining: pair[1] }).collect())
    }

    fn name(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }
}

/// Why the server did not answer, and what to do about it.
fn explained(error: &RedisError) -> String {
    let advice = match error.code() {
        Some("NOAUTH" | "WRONGPASS") => {
            "give the password in the address, redis://USER:PASSWORD@HOST:PORT"
        }
        Some("NOPERM") => "let the user run EVAL on keys that begin with `dragoman:`",
        Some(_) => "the log of that server may say more",
        None => "is it running, and does it listen on this address?",
    };
    format!("{error}; {advice}")
}
