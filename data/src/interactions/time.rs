//! Times as logs write them: seconds, milliseconds, or a date.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// The seconds since 1970 that `text` means: a number (of milliseconds from 10¹¹ on, which is the
/// year 5138 in seconds), or a date as in RFC 3339 (`2024-03-01T12:00:00Z`, `2024-03-01`).
pub(super) fn parse(text: &str) -> Result<i64, String> {
    if let Ok(number) = text.parse::<f64>() {
        return seconds(number).ok_or_else(|| format!("the time `{text}` is out of range"));
    }
    date(text).ok_or_else(|| {
        format!("the time `{text}` is neither a number nor a date such as 2024-03-01T12:00:00Z")
    })
}

/// Whole seconds of a number of seconds or milliseconds.
pub(super) fn seconds(number: f64) -> Option<i64> {
    let number = if number.abs() >= 1e11 { number / 1000.0 } else { number };
    (number.abs() < 1e11).then_some(number.floor() as i64)
}

/// Seconds since 1970 of a date, a date with a time of day, or one with a zone too.
fn date(text: &str) -> Option<i64> {
    let utc = |time: DateTime| Offset::UTC.to_timestamp(time);
    let time: Timestamp = text.parse().or_else(|_| text.parse().and_then(utc)).ok()?;
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_milliseconds_and_dates_mean_the_same() {
        // date -u -d 2024-02-29T12:30:15Z +%s
        for text in [
            "1709209815",
            "1709209815.9",
            "1709209815123",
            "2024-02-29T12:30:15Z",
            "2024-02-29T14:30:15.5+02:00",
            "2024-02-29 12:30:15",
        ] {
            assert_eq!(parse(text), Ok(1_709_209_815), "{text}");
        }
        assert_eq!(parse("1969-12-31"), Ok(-86_400));
        assert_eq!(parse("-5"), Ok(-5));
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in ["", "noon", "2024-13-01", "NaN", "inf", "1e300", "2024-02-29T99:00:00Z"] {
            assert!(parse(text).is_err_and(|reason| reason.contains(text)), "{text}");
        }
    }
}
