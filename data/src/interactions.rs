//! Logs of what people did with items, in memory.
//!
//! [`Interactions::load`] finds the format by the names of the files; a malformed line is skipped,
//! counted and named. [`split`] cuts a log in time or at everybody's last event, [`describe`] says
//! how its users behaved.

mod amazon;
mod build;
mod columns;
pub mod describe;
mod events;
mod folder;
mod movielens;
mod parquet;
mod format;
mod properties;
mod reads;
mod rows;
mod sequences;
pub mod split;
mod table;
mod things;
mod time;

use std::path::Path;

use dragoman_core::recommend::{Event, Item};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use columns::ColumnNames;
pub use format::Format;

use self::build::Builder;
use crate::{Result, corpus::Faults};

/// A user with events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Identifier, unique within a log.
    pub id: String,
    /// What is known of the user, flattened to text, such as `occupation:writer`.
    pub labels: Vec<String>,
}

/// A log of interactions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interactions {
    /// The users, in the order of their identifiers.
    pub users: Vec<User>,
    /// The catalogue, in the order of the identifiers: as numbers if all of them are, else as text.
    pub items: Vec<Item>,
    /// Names of the kinds of event, by index; at least one.
    pub kinds: Vec<String>,
    /// What each user did, oldest first; events of one time stay in the order of the input.
    pub histories: Vec<Vec<Event>>,
    /// What each user saw, oldest first, where that is told apart
    /// ([`with_read_feedback`](Self::with_read_feedback)); else empty.
    pub reads: Vec<Vec<Event>>,
    /// Whether the events have times; in the sequence files of papers they have an order only, and
    /// every time is 0.
    pub has_times: bool,
}

/// Opens a file of lines, which may be packed as `.gz` or `.zst`.
pub fn open(path: &Path) -> Result<Box<dyn std::io::BufRead + Send>> {
    Ok(crate::corpus::input::open(path)?.into_reader())
}

/// The same of a stream, whose first bytes say whether it is packed.
pub fn open_stream(
    reader: impl std::io::Read + Send + 'static,
) -> Result<Box<dyn std::io::BufRead + Send>> {
    Ok(crate::corpus::input::open_stream(reader)?.into_reader())
}

impl Interactions {
    /// Reads the log at `path`, a file or a folder, whose format follows from its names; malformed
    /// lines are counted in the second part.
    pub fn load(path: &Path) -> Result<(Self, Faults)> {
        Self::load_as(Format::detect(path)?, path)
    }

    /// The same where the columns of events have the names `columns`.
    pub fn load_with(path: &Path, columns: &ColumnNames) -> Result<(Self, Faults)> {
        let mut builder = Builder::new(columns.clone());
        Format::detect(path)?.read(path, &mut builder)?;
        builder.finish(path)
    }

    /// Reads the log at `path` in a format that the caller knows.
    pub fn load_as(format: Format, path: &Path) -> Result<(Self, Faults)> {
        let mut builder = Builder::default();
        format.read(path, &mut builder)?;
        builder.finish(path)
    }

    /// Makes a log of what is in memory already: `events` are indices of users with their events,
    /// in any order of users, and in the order of time or of happening.
    ///
    /// # Panics
    /// When an event names a user that does not exist.
    pub fn new(
        users: Vec<User>,
        items: Vec<Item>,
        kinds: Vec<String>,
        events: impl IntoIterator<Item = (u32, Event)>,
    ) -> Self {
        let mut histories = vec![Vec::new(); users.len()];
        for (user, event) in events {
            histories[user as usize].push(event);
        }
        histories.iter_mut().for_each(|history| history.sort_by_key(|event| event.time));
        let has_times = histories.iter().flatten().any(|event| event.time != 0);
        Self { users, items, kinds, histories, reads: Vec::new(), has_times }
    }

    /// All events, user by user.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.histories.iter().flatten()
    }

    /// Number of all events.
    pub fn len(&self) -> usize {
        self.histories.iter().map(Vec::len).sum()
    }

    /// SHA-256 of all that happened, in hexadecimal: the same whatever format a log was read from.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (user, history) in self.users.iter().zip(&self.histories) {
            for event in history {
                let item = &self.items[event.item as usize].id;
                let kind = &self.kinds[event.kind as usize];
                for text in [user.id.as_str(), item, kind] {
                    hasher.update(text);
                    hasher.update([0]);
                }
                hasher.update(event.value.to_le_bytes());
                hasher.update(event.time.to_le_bytes());
            }
        }
        for (user, reads) in self.users.iter().zip(&self.reads) {
            for event in reads {
                for text in [user.id.as_str(), &self.items[event.item as usize].id] {
                    hasher.update(text);
                    hasher.update([1]);
                }
                hasher.update(event.time.to_le_bytes());
            }
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
