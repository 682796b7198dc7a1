//! Gorse's own dump, which its `/api/dump` writes and its `/api/restore` reads.
//!
//! A stream of 64-bit numbers, the low byte first. A negative one says which rows follow, a positive one is the length
//! of the row behind it, and 0 is the end, behind which Gorse writes a line of statistics. A row is a message of protobuf,
//! and its labels are JSON within it.

use std::io::{Read, Write};

use prost::Message;
use serde_json::Value;

use super::{
    Counts, Of, Row,
    import::{Failed, Import},
};
use crate::{Error, Feedback, Item, Result, Store, Timestamp, User, recommend::FullFeedback};

/// Bytes of a number.
pub(super) const NUMBER: usize = 8;

const END: i64 = 0;
const USERS: i64 = -1;
const ITEMS: i64 = -2;
const FEEDBACK: i64 = -3;

/// The longest row, in bytes; what is longer is no length of a row.
const LONGEST: i64 = 16 << 20;

/// Whether what begins with `start` is a dump of Gorse. No text begins so.
pub(super) fn is_dump(start: &[u8]) -> bool {
    let number = start.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
    number.is_some_and(|number| (FEEDBACK..=USERS).contains(&number))
}

/// A user on the wire. Fields that no row here has a place for are left out: `subscribe`, `namespace`.
#[derive(Clone, PartialEq, Message)]
struct WireUser {
    #[prost(string, tag = "1")]
    user_id: String,
    #[prost(bytes = "vec", tag = "2")]
    labels: Vec<u8>,
    #[prost(string, tag = "3")]
    comment: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireItem {
    #[prost(string, tag = "2")]
    item_id: String,
    #[prost(bool, tag = "3")]
    is_hidden: bool,
    #[prost(string, repeated, tag = "4")]
    categories: Vec<String>,
    #[prost(message, optional, tag = "5")]
    timestamp: Option<WireTime>,
    #[prost(bytes = "vec", tag = "6")]
    labels: Vec<u8>,
    #[prost(string, tag = "7")]
    comment: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireFeedback {
    #[prost(string, tag = "2")]
    feedback_type: String,
    #[prost(string, tag = "3")]
    user_id: String,
    #[prost(string, tag = "4")]
    item_id: String,
    #[prost(double, tag = "5")]
    value: f64,
    #[prost(message, optional, tag = "6")]
    timestamp: Option<WireTime>,
    #[prost(string, tag = "7")]
    comment: String,
}

/// Feedback as Gorse wrote it before it had values. The time is where the value is now, and has another type on the
/// wire, so that one is never taken for the other.
#[derive(Clone, PartialEq, Message)]
struct OldWireFeedback {
    #[prost(string, tag = "2")]
    feedback_type: String,
    #[prost(string, tag = "3")]
    user_id: String,
    #[prost(string, tag = "4")]
    item_id: String,
    #[prost(message, optional, tag = "5")]
    timestamp: Option<WireTime>,
    #[prost(string, tag = "6")]
    comment: String,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Message)]
struct WireTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// What a number says.
enum Piece {
    Rows(i64),
    Row(Vec<u8>),
    End,
}

impl Import<'_> {
    /// Takes the rows of a dump; `tenant` is the one that they go to. Says what could not be read.
    pub(super) fn take_dump(
        &mut self,
        tenant: &str,
        mut reader: impl Read,
    ) -> Result<Option<Failed>> {
        let (mut rows, mut number) = (END, 0);
        let mut failed: Option<Failed> = None;
        loop {
            let bytes = match next(&mut reader) {
                Ok(Piece::Rows(which)) => {
                    rows = which;
                    continue;
                }
                Ok(Piece::Row(bytes)) => bytes,
                Ok(Piece::End) => return Ok(failed),
                Err(reason) => {
                    Failed::note(&mut failed, number + 1, reason);
                    return Ok(failed); // where the next row begins, nobody knows
                }
            };
            number += 1;
            match parse(rows, &bytes).and_then(|row| self.take(tenant, row)) {
                Ok(()) => {}
                Err(error @ (Error::Io(_) | Error::Invalid(_) | Error::TooLarge { .. })) => {
                    Failed::note(&mut failed, number, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn next(reader: &mut impl Read) -> Result<Piece, String> {
    let cut_off = |what: &str| {
        format!(
            "the dump ends here, {what}: it was cut off, so ask `/api/dump` of Gorse for it again"
        )
    };
    let start = read(reader, NUMBER)?;
    let number = match start.first_chunk() {
        Some(bytes) => i64::from_le_bytes(*bytes),
        None => return Err(cut_off("without the mark of its end")),
    };
    match number {
        END => Ok(Piece::End),
        FEEDBACK..=USERS => Ok(Piece::Rows(number)),
        1..=LONGEST => {
            let length = number as usize;
            let bytes = read(reader, length)?;
            match bytes.len() == length {
                true => Ok(Piece::Row(bytes)),
                false => Err(cut_off("within a row")),
            }
        }
        other => Err(format!(
            "{other} is neither the length of a row nor a mark: this is no dump of Gorse, or a damaged one; export \
             users, items and feedback of Gorse as JSON Lines in its place (`/api/bulk/users` and so on)"
        )),
    }
}

/// Up to `length` bytes; fewer only at the end. They are not reserved before they come.
fn read(reader: &mut impl Read, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(length as u64).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| error.to_string())
}

/// The row of a message that stands among `rows`.
fn parse(rows: i64, bytes: &[u8]) -> Result<Row> {
    let bad = |error: prost::DecodeError| Error::Invalid(error.to_string());
    match rows {
        USERS => {
            let WireUser { user_id, labels, comment } = WireUser::decode(bytes).map_err(bad)?;
            let row = User { user_id, labels: self::labels(&labels)?, comment };
            Ok(Row::User(Of { tenant: None, row }))
        }
        ITEMS => {
            let item = WireItem::decode(bytes).map_err(bad)?;
            let row = Item {
                item_id: item.item_id,
                is_hidden: item.is_hidden,
                categories: item.categories,
                timestamp: time(item.timestamp)?,
                labels: labels(&item.labels)?,
                comment: item.comment,
            };
            Ok(Row::Item(Of { tenant: None, row }))
        }
        _ => {
            let row = feedback(bytes).map_err(bad)?;
            let row = Feedback {
                feedback_type: row.feedback_type,
                user_id: row.user_id,
                item_id: row.item_id,
                value: row.value,
                timestamp: time(row.timestamp)?,
                comment: row.comment,
                ..Feedback::default()
            };
            let row = FullFeedback { row, events: Vec::new() };
            Ok(Row::Feedback(Of { tenant: None, row }))
        }
    }
}

/// Feedback of either form.
fn feedback(bytes: &[u8]) -> Result<WireFeedback, prost::DecodeError> {
    WireFeedback::decode(bytes).or_else(|error| {
        let old = OldWireFeedback::decode(bytes).map_err(|_| error)?;
        Ok(WireFeedback {
            feedback_type: old.feedback_type,
            user_id: old.user_id,
            item_id: old.item_id,
            value: 0.0,
            timestamp: old.timestamp,
            comment: old.comment,
        })
    })
}

fn labels(bytes: &[u8]) -> Result<Value> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| Error::Invalid(format!("labels: {error}")))
}

fn time(wire: Option<WireTime>) -> Result<Timestamp> {
    let Some(WireTime { seconds, nanos }) = wire else { return Ok(Timestamp::ZERO) };
    let invalid =
        || Error::Invalid(format!("{seconds} seconds and {nanos} nanoseconds are no time"));
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let is_known = (Timestamp::ZERO.seconds..=253_402_300_799).contains(&seconds);
    let nanos = nanos.filter(|_| is_known).ok_or_else(invalid)?;
    Ok(Timestamp { seconds, nanos })
}

impl Store {
    /// Writes users, items and feedback of the tenant `name` as Gorse reads them. It has no place for labels of
    /// feedback, nor for the single events of a row.
    pub fn export_to_gorse(&self, name: &str, mut writer: impl Write) -> Result<Counts> {
        let written = self.inner.database.snapshot(|| self.write_dump(name, &mut writer))?;
        writer.flush()?;
        Ok(written)
    }

    fn write_dump(&self, name: &str, writer: &mut impl Write) -> Result<Counts> {
        let tenant = self.tenant(name)?;
        let mut counts = Counts::default();
        write_number(writer, USERS)?;
        for user in tenant.users("") {
            let User { user_id, labels, comment } = user?;
            write(writer, &WireUser { user_id, labels: labels.to_string().into(), comment })?;
            counts.users += 1;
        }
        write_number(writer, ITEMS)?;
        for item in tenant.items("") {
            let item = item?;
            let message = WireItem {
                item_id: item.item_id,
                is_hidden: item.is_hidden,
                categories: item.categories,
                timestamp: Some(wire_time(item.timestamp)),
                labels: item.labels.to_string().into(),
                comment: item.comment,
            };
            write(writer, &message)?;
            counts.items += 1;
        }
        write_number(writer, FEEDBACK)?;
        for row in tenant.all_feedback(None) {
            let row = row?;
            let message = WireFeedback {
                feedback_type: row.feedback_type,
                user_id: row.user_id,
                item_id: row.item_id,
                value: row.value,
                timestamp: Some(wire_time(row.timestamp)),
                comment: row.comment,
            };
            write(writer, &message)?;
            counts.feedback += 1;
        }
        write_number(writer, END)?;
        Ok(counts)
    }
}

fn wire_time(time: Timestamp) -> WireTime {
    WireTime { seconds: time.seconds, nanos: i32::try_from(time.nanos).unwrap_or_default() }
}

fn write_number(writer: &mut impl Write, number: i64) -> Result<()> {
    Ok(writer.write_all(&number.to_le_bytes())?)
}

fn write(writer: &mut impl Write, message: &impl Message) -> Result<()> {
    let bytes = message.encode_to_vec();
    write_number(writer, bytes.len() as i64)?;
    Ok(writer.write_all(&bytes)?)
}

#[cfg(test)]
mod tests;
