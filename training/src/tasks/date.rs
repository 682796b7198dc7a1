//! Times as people know them.

use jiff::Timestamp;

/// The time as `2026-01-31T12:00:00Z`.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
