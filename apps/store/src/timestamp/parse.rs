//! Reads the formats of a time that clients send.

use super::Timestamp;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Any format we know.
pub(super) fn any(text: &str) -> Option<Timestamp> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits(text);
    }
    if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && has_month(text) {
        return words(text);
    }
    let at = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let days = date(&text[..at])?;
    match text[at..].trim_start_matches(['T', 't', ' ']) {
        "" => Some(Timestamp::from_seconds(days * 86_400)),
        rest => clock(days, rest),
    }
}

/// `2006-01-02T15:04:05.999999999Z07:00`, and nothing else.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let (day, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let has_seconds = rest.as_bytes().get(5) == Some(&b':');
    let zone = &rest[rest.find(['Z', 'z', '+', '-'])?..];
    let has_zone = matches!(zone, "Z" | "z") || (zone.len() == 6 && zone.get(3..4) == Some(":"));
    if !has_seconds || !has_zone || day.as_bytes()[4] != b'-' {
        return None;
    }
    clock(date(day)?, rest)
}

/// The day since 1970 of a date in the calendar, in days.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=last).contains(&day) {
        return None;
    }
    // Years start in March: the leap day is the last of its year (Howard Hinnant's algorithm).
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The date of a day since 1970.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// `2006-01-02`, `2006/01/02` or `01/02/2006`, as days since 1970.
fn date(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    match (first.len(), third.len()) {
        (4, 1..=2) => days(number(first)?, number(second)?, number(third)?),
        (1..=2, 4) => days(number(third)?, number(first)?, number(second)?),
        _ => None,
    }
}

/// `15:04`, `15:04:05` or `15:04:05.999`, with a zone or without, on a day.
fn clock(days: i64, text: &str) -> Option<Timestamp> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | ':' | '.' | ',')).unwrap_or(text.len());
    let (time, zone) = text.split_at(end);
    let (time, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let parts: Vec<&str> = time.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (number(hour)?, number(minute)?, 0),
        [hour, minute, second] => (number(hour)?, number(minute)?, number(second)?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let nanos = match fraction {
        "" => 0,
        fraction => format!("{fraction:0<9}").parse().ok()?,
    };
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset(zone.trim())?;
    Some(Timestamp { seconds, nanos })
}

/// Seconds east of Greenwich of `Z`, `+02:00`, `-0700`, `+0000 UTC`, `GMT` or nothing.
fn offset(zone: &str) -> Option<i64> {
    let zone = zone.split(' ').next().unwrap_or_default();
    let sign = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => {
            return matches!(zone.to_ascii_uppercase().as_str(), "Z" | "UTC" | "GMT").then_some(0);
        }
    };
    let digits = zone[1..].replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    (hours <= 24 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `20060102`, `20060102150405`, or a Unix time in seconds, milli-, micro- or nanoseconds.
fn digits(text: &str) -> Option<Timestamp> {
    let unix = |per_second: i64| {
        let value: i64 = text.parse().ok()?;
        let nanos = value % per_second * (1_000_000_000 / per_second);
        Some(Timestamp { seconds: value / per_second, nanos: u32::try_from(nanos).ok()? })
    };
    match text.len() {
        8 => {
            let day = days(number(&text[..4])?, number(&text[4..6])?, number(&text[6..])?)?;
            Some(Timestamp::from_seconds(day * 86_400))
        }
        14 => {
            let day = days(number(&text[..4])?, number(&text[4..6])?, number(&text[6..8])?)?;
            clock(day, &format!("{}:{}:{}", &text[8..10], &text[10..12], &text[12..]))
        }
        9 | 10 => unix(1),
        13 => unix(1000),
        16 => unix(1_000_000),
        19 => unix(1_000_000_000),
        _ => None,
    }
}

fn has_month(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| month(word).is_some())
}

/// `Sun, 24 Oct 2021 06:42:20 GMT`, `Oct 24, 2021`, `24 October 2021`: a month in letters.
fn words(text: &str) -> Option<Timestamp> {
    let (mut found_month, mut numbers, mut time) = (None, Vec::new(), String::new());
    for word in text.split([' ', ',', '-']).filter(|word| !word.is_empty()) {
        if word.contains(':') || !time.is_empty() {
            time = format!("{time} {word}");
        } else if let Some(month) = month(word) {
            found_month = Some(month);
        } else if let Some(value) = number(word) {
            numbers.push(value);
        }
    }
    let [first, second] = numbers.as_slice() else { return None };
    let (year, day) = if *first > 31 { (*first, *second) } else { (*second, *first) };
    let day = days(year, found_month?, day)?;
    match time.trim() {
        "" => Some(Timestamp::from_seconds(day * 86_400)),
        time => clock(day, time),
    }
}

fn month(word: &str) -> Option<i64> {
    let start = word.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|name| *name == start)?;
    i64::try_from(index + 1).ok()
}

/// A number of digits alone: `parse` would also take a sign.
fn number(text: &str) -> Option<i64> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}
