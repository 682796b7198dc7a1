//! Reads the formats of a time that clients send.

use jiff::{
    civil::{Date, DateTime, Time},
    fmt::strtime::{self, BrokenDownTime},
};

use super::Timestamp;

/// How a date is written, the most usual first.
const DATES: [&str; 16] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%m.%d.%Y",
    "%a, %d %b %Y",
    "%A, %d %B %Y",
    "%a %b %d %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%B %d %Y",
];

/// How a time of day is written; those with AM or PM first, as the others match their beginning.
const TIMES: [&str; 6] =
    ["%I:%M:%S%.f %p", "%I:%M:%S%p", "%I:%M %p", "%I:%M%p", "%H:%M:%S%.f", "%H:%M"];

/// Any format we know.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits(text);
    }
    DATES.iter().find_map(|format| {
        let (parsed, rest) = prefix(format, text)?;
        clock(parsed.to_date().ok()?, rest.trim_start_matches(['T', 't', ' ', ',']))
    })
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

/// The time of day in `text`, with a zone or without, on a day; midnight without a text.
fn clock(day: Date, text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        return Some(moment(day.to_datetime(Time::midnight()), 0));
    }
    let text = text.replacen(',', ".", 1);
    TIMES.iter().find_map(|format| {
        let (parsed, zone) = prefix(format, &text)?;
        let time = parsed.to_time().ok()?;
        Some(moment(day.to_datetime(time), offset(zone.trim())?))
    })
}

/// What `format` reads at the beginning of `text`, and the rest.
fn prefix<'a>(format: &str, text: &'a str) -> Option<(BrokenDownTime, &'a str)> {
    let (parsed, end) = BrokenDownTime::parse_prefix(format, text).ok()?;
    Some((parsed, text.get(end..)?))
}

/// The time in UTC at which clocks `offset` seconds east of Greenwich show `local`.
fn moment(local: DateTime, offset: i64) -> Timestamp {
    let nanos = local.duration_since(super::EPOCH).as_nanos();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX) - offset;
    let nanos = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
    Timestamp { seconds, nanos }
}

/// Seconds east of Greenwich of `Z`, `+02:00`, `-0700`, `+0000 UTC`, `GMT+0100 (…)` or nothing.
fn offset(zone: &str) -> Option<i64> {
    let zone = zone.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    let names = ["UTC", "GMT", "Z"];
    let zone = names.iter().find_map(|name| zone.strip_prefix(name)).unwrap_or(&zone);
    match zone.len() {
        0 => Some(0),
        3 => offset(&format!("{zone}00")),
        _ => {
            let format = if zone.contains(':') { "%:z" } else { "%z" };
            let parsed = strtime::parse(format, zone).ok()?;
            Some(i64::from(parsed.offset()?.seconds()))
        }
    }
}

/// `20060102`, `20060102150405`, or a Unix time in seconds, milli-, micro- or nanoseconds.
fn digits(text: &str) -> Option<Timestamp> {
    let unix = |per_second: i64| {
        let value: i64 = text.parse().ok()?;
        let nanos = value % per_second * (1_000_000_000 / per_second);
        Some(Timestamp { seconds: value / per_second, nanos: u32::try_from(nanos).ok()? })
    };
    let calendar = |format: &str| strtime::parse(format, text).ok();
    match text.len() {
        8 => clock(calendar("%Y%m%d")?.to_date().ok()?, ""),
        14 => Some(moment(calendar("%Y%m%d%H%M%S")?.to_datetime().ok()?, 0)),
        9 | 10 => unix(1),
        13 => unix(1000),
        16 => unix(1_000_000),
        19 => unix(1_000_000_000),
        _ => None,
    }
}
