//! Reads the formats of a time that clients send.

use dragoman_times as forms;
use jiff::{civil::DateTime, fmt::strtime};

use super::Timestamp;

/// Any format we know.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    let (seconds, nanos) = forms::text(text)?;
    Some(Timestamp { seconds, nanos })
}

/// A number that JSON writes without quotes.
pub(super) fn number(text: &str) -> Option<Timestamp> {
    let (seconds, nanos) = forms::number(text)?;
    Some(Timestamp { seconds, nanos })
}

/// `2006-01-02T15:04:05.999999999Z07:00`, and nothing else.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let mut text = text.to_ascii_uppercase();
    if let Some(local) = text.strip_suffix('Z') {
        text = format!("{local}+00:00");
    }
    let parsed = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%:z", text).ok()?;
    Some(moment(parsed.to_datetime().ok()?, i64::from(parsed.offset()?.seconds())))
}

/// The time in UTC at which clocks `offset` seconds east of Greenwich show `local`.
fn moment(local: DateTime, offset: i64) -> Timestamp {
    let nanos = local.duration_since(super::EPOCH).as_nanos();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX) - offset;
    let nanos = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
    Timestamp { seconds, nanos }
}
