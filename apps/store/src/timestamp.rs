//! A point in time as clients write it, as JSON shows it, and as bytes in the order of time.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use jiff::{SignedDuration, civil::DateTime};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

mod parse;

/// The beginning of 1970.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A point in time to the nanosecond, in UTC; the default is the zero time of Go, `0001-01-01T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that second.
    pub nanos: u32,
}

/// A text that no known format of a time reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time; write it as `2006-01-02T15:04:05Z`")]
pub struct BadTime(pub String);

impl Timestamp {
    /// What stands for no time at all.
    pub const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0 };

    /// Bytes of [`to_bytes`](Self::to_bytes).
    pub(crate) const BYTES: usize = 12;

    /// The time of this call, to the microsecond.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Self { seconds, nanos: since.subsec_micros() * 1000 }
    }

    /// The start of a second since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Whether this stands for no time at all.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// This time and `nanos` nanoseconds more, or the last that there is.
    #[must_use]
    pub fn plus_nanos(self, nanos: i64) -> Self {
        let sum = i64::from(self.nanos) + nanos.rem_euclid(1_000_000_000);
        let carry = nanos.div_euclid(1_000_000_000) + sum / 1_000_000_000;
        let nanos = u32::try_from(sum % 1_000_000_000).unwrap_or_default();
        Self { seconds: self.seconds.saturating_add(carry), nanos }
    }

    /// Reads a time in any common format; an empty text is the zero time.
    pub fn parse(text: &str) -> Result<Self, BadTime> {
        match text.trim() {
            "" => Ok(Self::ZERO),
            text => parse::any(text).ok_or_else(|| BadTime(text.into())),
        }
    }

    /// Reads a time as RFC 3339 writes it, and nothing else.
    pub fn parse_rfc3339(text: &str) -> Result<Self, BadTime> {
        parse::rfc3339(text).ok_or_else(|| BadTime(text.into()))
    }

    /// Bytes whose order is that of time.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&((self.seconds as u64) ^ (1 << 63)).to_be_bytes());
        bytes[8..].copy_from_slice(&self.nanos.to_be_bytes());
        bytes
    }

    /// Undoes [`to_bytes`](Self::to_bytes).
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seconds, nanos) = bytes.split_at_checked(8)?;
        let seconds = u64::from_be_bytes(seconds.try_into().ok()?) ^ (1 << 63);
        Some(Self { seconds: seconds as i64, nanos: u32::from_be_bytes(nanos.try_into().ok()?) })
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

/// As RFC 3339 in UTC, with as many decimals as there are; times after the year 9999 as its end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i32::try_from(self.nanos).unwrap_or_default();
        write!(f, "{}Z", EPOCH.saturating_add(SignedDuration::new(self.seconds, nanos)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text in any common format, or a number of seconds or of a smaller unit.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A time as JSON has it.
struct Written;

impl Written {
    fn number<E: de::Error>(text: &str) -> Result<Timestamp, E> {
        parse::number(text).ok_or_else(|| E::custom(BadTime(text.into())))
    }
}

impl Visitor<'_> for Written {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time, as text or as a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Timestamp, E> {
        Self::number(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Timestamp, E> {
        Self::number(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Timestamp, E> {
        Self::number(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn common_formats_are_read() -> anyhow::Result<()> {
        for (text, expected) in [
            ("", "0001-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("2022-02-24", "2022-02-24T00:00:00Z"),
            ("2021-10-24T06:42:20.207Z", "2021-10-24T06:42:20.207Z"),
            ("2021-10-24T06:42:20.123456789+02:00", "2021-10-24T04:42:20.123456789Z"),
            ("2021-10-24 06:42:20", "2021-10-24T06:42:20Z"),
            ("2021-10-24 06:42:20.5 +0000 UTC", "2021-10-24T06:42:20.5Z"),
            ("2021-10-24 06:42", "2021-10-24T06:42:00Z"),
            ("2021/10/24", "2021-10-24T00:00:00Z"),
            ("10/24/2021", "2021-10-24T00:00:00Z"),
            ("20211024", "2021-10-24T00:00:00Z"),
            ("20211024064220", "2021-10-24T06:42:20Z"),
            ("1635057740", "2021-10-24T06:42:20Z"),
            ("1635057740207", "2021-10-24T06:42:20.207Z"),
            ("Sun, 24 Oct 2021 06:42:20 GMT", "2021-10-24T06:42:20Z"),
            ("Oct 24, 2021", "2021-10-24T00:00:00Z"),
            ("24 Oct 2021 06:42:20", "2021-10-24T06:42:20Z"),
            (
                "Sun Oct 24 2021 08:42:20 GMT+0200 (Central European Summer Time)",
                "2021-10-24T06:42:20Z",
            ),
            ("2021-10-24 08:42:20.123456789 +0200 CEST m=+0.01", "2021-10-24T06:42:20.123456789Z"),
            ("10/24/2021 06:42:20 PM", "2021-10-24T18:42:20Z"),
            ("10/24/2021 12:05 AM", "2021-10-24T00:05:00Z"),
            ("24 October 2021", "2021-10-24T00:00:00Z"),
            ("2021-10-24 06:42:20,5 -07", "2021-10-24T13:42:20.5Z"),
            ("1600-02-29T00:00:00Z", "1600-02-29T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::parse(text)?.to_string(), expected, "{text}");
        }
        Ok(())
    }

    #[test]
    fn whatever_gorse_reads_is_read() -> anyhow::Result<()> {
        for (text, expected) in [
            ("4/8/14 22:05", "2014-04-08T22:05:00Z"),
            ("08/21/71", "1971-08-21T00:00:00Z"),
            ("7 oct 70", "1970-10-07T00:00:00Z"),
            ("1/2/68", "2068-01-02T00:00:00Z"),
            ("oct. 7, 1970", "1970-10-07T00:00:00Z"),
            ("October 7th, 1970", "1970-10-07T00:00:00Z"),
            ("2013-Feb-03", "2013-02-03T00:00:00Z"),
            ("13-Feb-03", "2003-02-13T00:00:00Z"),
            ("2014-04", "2014-04-01T00:00:00Z"),
            ("2014", "2014-01-01T00:00:00Z"),
            ("171113 14:14:20", "2017-11-13T14:14:20Z"),
            ("20060102T150405Z", "2006-01-02T15:04:05Z"),
            ("Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"),
            ("Mon Jan  2 15:04:05 MST 2006", "2006-01-02T22:04:05Z"),
            ("Mon Jan 02 15:04:05 -0700 2006", "2006-01-02T22:04:05Z"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "2006-01-02T22:04:05Z"),
            ("Mon, 02 Jan 2006 15:04:05 CET", "2006-01-02T14:04:05Z"),
            ("Monday, 02-Jan-06 15:04:05 PST", "2006-01-02T23:04:05Z"),
            ("06/Jan/2008:15:04:05 -0700", "2008-01-06T22:04:05Z"),
            ("2006-01-02T15:04:05+05:30", "2006-01-02T09:34:05Z"),
            ("978300760000", "2000-12-31T22:12:40Z"),
            ("1635057740.25", "2021-10-24T06:42:20.25Z"),
            ("1635057740207123", "2021-10-24T06:42:20.207123Z"),
            ("1635057740207123456", "2021-10-24T06:42:20.207123456Z"),
        ] {
            assert_eq!(Timestamp::parse(text)?.to_string(), expected, "{text}");
        }
        Ok(())
    }

    #[test]
    fn numbers_of_json_are_times_too() -> anyhow::Result<()> {
        for (json, expected) in [
            ("1635057740", "2021-10-24T06:42:20Z"),
            ("1635057740207", "2021-10-24T06:42:20.207Z"),
            ("1635057740.5", "2021-10-24T06:42:20.5Z"),
            ("20211024", "2021-10-24T00:00:00Z"),
            ("2014", "1970-01-01T00:33:34Z"),
            ("-5", "1969-12-31T23:59:55Z"),
            ("\"2014\"", "2014-01-01T00:00:00Z"),
        ] {
            let time: Timestamp = serde_json::from_str(json)?;
            assert_eq!(time.to_string(), expected, "{json}");
        }
        for json in ["20241301", "null", "true", "1e300", "[1]"] {
            assert!(serde_json::from_str::<Timestamp>(json).is_err(), "{json}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "soon",
            "2021-13-01",
            "2021-02-30",
            "2021-10-24T25:00:00Z",
            "NaN",
            "-",
            "1e9",
            "5",
            "20241301",
            "4/8/141",
            "4/8/4",
            "Mon, 02 Jan 2006 15:04:05 XYZ",
            "Tue, 02 Jan 2006 15:04:05 GMT",
            "Jan 2 15:04:05",
            "monday",
            "may",
            "2006-01-02T",
            "13:04 PM",
        ] {
            let error = Timestamp::parse(text).expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(Timestamp::parse_rfc3339("2021-10-24").is_err());
        assert!(Timestamp::parse_rfc3339("2021-10-24T06:42:20Z").is_ok());
    }

    #[test]
    fn nanoseconds_carry_over_in_both_directions() {
        let start = Timestamp { seconds: 10, nanos: 600_000_000 };
        assert_eq!(start.plus_nanos(500_000_000), Timestamp { seconds: 11, nanos: 100_000_000 });
        assert_eq!(start.plus_nanos(-700_000_000), Timestamp { seconds: 9, nanos: 900_000_000 });
    }

    proptest! {
        #[test]
        fn text_and_bytes_lead_back_and_keep_the_order(
            a in -62_135_596_800i64..253_402_300_799, b in any::<i64>(), nanos in 0u32..1_000_000_000,
        ) {
            let (a, b) = (Timestamp { seconds: a, nanos }, Timestamp { seconds: b, nanos });
            prop_assert_eq!(Timestamp::parse(&a.to_string()).expect("our own format"), a);
            prop_assert_eq!(Timestamp::from_bytes(&a.to_bytes()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }
    }
}
