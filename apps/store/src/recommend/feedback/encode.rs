//! What the bytes of a feedback row say.

use serde_json::Value;

use super::super::{Feedback, FeedbackKey, MAX_BYTES, codec::Parts, events::number};
use crate::{Error, Result, Timestamp};

/// The sum of two values; the greatest number where it would be infinite, which JSON cannot write.
pub(super) fn sum(a: f64, b: f64) -> f64 {
    finite(a + b)
}

/// `value`, or the nearest number that JSON can write.
fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) }
}

/// The earlier of two times, where the zero time is none.
pub(super) fn earliest(a: Timestamp, b: Timestamp) -> Timestamp {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ => a.min(b),
    }
}

/// The key that the bytes of a key mean.
pub(super) fn key_of(key: &[u8]) -> Result<FeedbackKey> {
    let mut parts = Parts::of(key);
    Ok(FeedbackKey { feedback_type: parts.id()?, user_id: parts.id()?, item_id: parts.id()? })
}

/// Bytes of the value and the two times.
const FIXED: usize = 8 + 2 * Timestamp::BYTES;

/// What a row sums up of its events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) value: f64,
    /// The first time.
    pub(super) timestamp: Timestamp,
    /// The last time.
    pub(super) updated: Timestamp,
}

impl Sums {
    /// The bytes of a row: the value and the two times, then labels and comment as JSON where there are some.
    pub(super) fn encode(&self, labels: &Value, comment: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(FIXED);
        bytes.extend(self.value.to_be_bytes());
        bytes.extend(self.timestamp.to_bytes());
        bytes.extend(self.updated.to_bytes());
        if !labels.is_null() || !comment.is_empty() {
            serde_json::to_writer(&mut bytes, &(labels, comment)).expect("text and JSON are JSON");
        }
        match bytes.len() {
            0..=MAX_BYTES => Ok(bytes),
            size => Err(Error::TooLarge { size, limit: MAX_BYTES }),
        }
    }

    /// Reads the beginning of a row.
    pub(super) fn decode(row: &[u8]) -> Result<Self> {
        let broken = || Error::corrupt("a feedback row is too short");
        let (value, rest) = row.split_first_chunk::<8>().ok_or_else(broken)?;
        let (timestamp, rest) = rest.split_at_checked(Timestamp::BYTES).ok_or_else(broken)?;
        let (updated, _) = rest.split_at_checked(Timestamp::BYTES).ok_or_else(broken)?;
        Ok(Self {
            value: finite(f64::from_be_bytes(*value)),
            timestamp: Timestamp::from_bytes(timestamp).ok_or_else(broken)?,
            updated: Timestamp::from_bytes(updated).ok_or_else(broken)?,
        })
    }
}

/// The bytes of `row`, without what its key says.
pub(in crate::recommend) fn encode(row: &Feedback) -> Result<Vec<u8>> {
    let Feedback { value, timestamp, updated, .. } = *row;
    Sums { value, timestamp, updated }.encode(&row.labels, &row.comment)
}

/// The row of `key` that `bytes` mean.
pub(super) fn decode(key: FeedbackKey, bytes: &[u8]) -> Result<Feedback> {
    let Sums { value, timestamp, updated } = Sums::decode(bytes)?;
    let (labels, comment): (Value, String) = match bytes.get(FIXED..).unwrap_or_default() {
        [] => Default::default(),
        rest => serde_json::from_slice(rest)
            .map_err(|error| Error::corrupt(format!("a feedback row: {error}")))?,
    };
    let FeedbackKey { feedback_type, user_id, item_id } = key;
    Ok(Feedback { feedback_type, user_id, item_id, value, timestamp, updated, labels, comment })
}

/// The value that a row, or its beginning, holds.
pub(in crate::recommend) fn value_in(row: &[u8]) -> f64 {
    row.get(..8).map_or(0.0, |bytes| finite(number(bytes)))
}
