//! Times as logs write them: seconds, milliseconds, or a date.

use jiff::{
    Timestamp,
    civil::DateTime,
    fmt::strtime::{self, BrokenDownTime},
    tz::Offset,
};

/// How dates are written beside RFC 3339, and times of day after them; those with AM or PM first, as the
/// others match their beginning.
const DATES: [&str; 7] =
    ["%m/%d/%Y", "%Y/%m/%d", "%a %b %d %Y", "%a, %d %b %Y", "%d %b %Y", "%b %d, %Y", "%Y-%m-%d"];
const CLOCKS: [&str; 5] = ["%I:%M:%S %p", "%I:%M %p", "%H:%M:%S%.f", "%H:%M", ""];

/// The seconds since 1970 that `text` means: a number (of milliseconds from 10¹¹ on, which is the
/// year 5138 in seconds), or a date: as in RFC 3339 (`2024-03-01T12:00:00Z`, `2024-03-01`), as
/// JavaScript writes it, or as spreadsheets do (`3/1/2024 1:05 PM`).
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
    let time: Option<Timestamp> = text.parse().or_else(|_| text.parse().and_then(utc)).ok();
    let time = time.or_else(|| written(text.trim()))?;
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000_000)).ok()
}

/// The time that one of [`DATES`] and one of [`CLOCKS`] read, with a zone such as `GMT+0100 (…)` or
/// without.
fn written(text: &str) -> Option<Timestamp> {
    DATES.iter().find_map(|date| {
        CLOCKS.iter().find_map(|clock| {
            let format = format!("{date} {clock}");
            let (read, end) = BrokenDownTime::parse_prefix(format.trim_end(), text).ok()?;
            let local = match clock.is_empty() {
                true => read.to_date().ok()?.to_datetime(jiff::civil::Time::midnight()),
                false => read.to_datetime().ok()?,
            };
            zone(text[end..].trim())?.to_timestamp(local).ok()
        })
    })
}

/// `GMT+0100 (…)`, `+0100`, `+01:00`, `UTC`, `Z` or nothing.
fn zone(text: &str) -> Option<Offset> {
    let first = text.split(' ').next().unwrap_or_default();
    let names = ["GMT", "UTC", "Z"];
    let rest = names.iter().find_map(|name| first.strip_prefix(name)).unwrap_or(first);
    if rest.is_empty() {
        return Some(Offset::UTC);
    }
    let format = if rest.contains(':') { "%:z" } else { "%z" };
    strtime::parse(format, rest).ok()?.offset()
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
            "Thu Feb 29 2024 13:30:15 GMT+0100 (Central European Standard Time)",
            "2/29/2024 12:30:15 PM",
            "2024/02/29 12:30:15",
            "Thu, 29 Feb 2024 12:30:15 +0000",
            "29 Feb 2024 12:30:15 UTC",
        ] {
            assert_eq!(parse(text), Ok(1_709_209_815), "{text}");
        }
        assert_eq!(parse("1969-12-31"), Ok(-86_400));
        assert_eq!(parse("-5"), Ok(-5));
        assert_eq!(parse("2/29/2024 12:05 AM"), parse("2024-02-29T00:05:00Z"));
        assert_eq!(parse("Feb 29, 2024"), parse("2024-02-29"));
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in [
            "",
            "noon",
            "2024-13-01",
            "NaN",
            "inf",
            "1e300",
            "2024-02-29T99:00:00Z",
            "2/30/2024",
            "2/29/2024 soon",
        ] {
            assert!(parse(text).is_err_and(|reason| reason.contains(text)), "{text}");
        }
    }
}
