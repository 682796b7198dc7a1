//! The forms in which clients, logs and spreadsheets write a time.
//!
//! A crate of its own because the store and the readers of logs do not know each other, and a time must mean
//! the same to the API, to an import and to training.

use jiff::civil::Date;

/// Seconds since 1970, and nanoseconds after that second.
pub type Moment = (i64, u32);

const EPOCH: Date = Date::constant(1970, 1, 1);

const NANOS: i64 = 1_000_000_000;

const MONTHS: &str =
    "january february march april may june july august september october november december";

const WEEKDAYS: &str = "monday tuesday wednesday thursday friday saturday sunday";

/// Names of zones by their hours east of Greenwich. `IST` has three meanings and is not among them.
const ZONES: [(i64, &[&str]); 15] = [
    (0, &["Z", "UTC", "GMT", "WET"]),
    (1, &["CET", "BST", "WEST", "MET"]),
    (2, &["CEST", "EET", "MEST"]),
    (3, &["EEST", "MSK"]),
    (8, &["SGT", "HKT", "AWST"]),
    (9, &["JST", "KST"]),
    (10, &["AEST"]),
    (11, &["AEDT"]),
    (-10, &["HST"]),
    (-9, &["AKST"]),
    (-8, &["PST", "AKDT"]),
    (-7, &["MST", "PDT"]),
    (-6, &["CST", "MDT"]),
    (-5, &["EST", "CDT"]),
    (-4, &["EDT"]),
];

/// What a text means: a date with or without a time of day and a zone, a year of four digits, or a
/// [`number()`] of eight digits or more.
pub fn text(text: &str) -> Option<Moment> {
    let text = text.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if text.len() == 4 && is_number(text) {
        return moment(date(year(text)?, 1, 1)?, MIDNIGHT, 0);
    }
    if whole.len() >= 8 && is_number(whole) && text.parse::<f64>().is_ok() {
        return number(text);
    }
    written(text)
}

/// What a number means: of 8, 14 or 17 digits a date (`20060102`, `20060102150405`, and the same with
/// milliseconds), else the time since 1970, in seconds up to 11 digits, in milliseconds up to 13, in
/// microseconds up to 16 and in nanoseconds up to 19.
pub fn number(text: &str) -> Option<Moment> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits(text);
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.abs() < 1e19)?;
    let whole = format!("{:.0}", value.trunc().abs());
    if value < 0.0 {
        let seconds = value / unit(whole.len()) as f64; // before 1970 there are no dates of eight digits
        return Some((seconds.floor() as i64, 0));
    }
    let (seconds, nanos) = digits(&whole)?;
    match (value.fract() == 0.0, whole.len()) {
        (true, _) => Some((seconds, nanos)),
        (false, 8) => None, // neither a date nor what anybody counts
        (false, ..=11) => {
            Some((seconds, (value.fract() * 1e6).round().min(999_999.0) as u32 * 1000))
        }
        (false, _) => Some((seconds, nanos)),
    }
}

/// How many of the units that a number of so many digits counts make a second.
fn unit(digits: usize) -> i64 {
    match digits {
        ..=11 => 1,
        12..=14 => 1000,
        15..=17 => 1_000_000,
        _ => NANOS,
    }
}

fn digits(text: &str) -> Option<Moment> {
    match text.len() {
        8 | 14 | 17 => calendar(text),
        0 | 20.. => None,
        length => {
            let (value, unit): (i64, i64) = (text.parse().ok()?, unit(length));
            Some((value / unit, u32::try_from(value % unit * (NANOS / unit)).ok()?))
        }
    }
}

/// The date of `20060102` and of `20060102150405`, perhaps with milliseconds behind it. A number that
/// would be of another age is more likely a counter, and no date.
fn calendar(text: &str) -> Option<Moment> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let year = part(0, 4).filter(|year| (1900..2200).contains(year))?;
    let date = date(year, part(4, 6)?, part(6, 8)?)?;
    if text.len() == 8 {
        return moment(date, MIDNIGHT, 0);
    }
    let nanos = part(14, 17).map_or(0, |millis| millis as u32 * 1_000_000);
    let clock = Clock { second: second_of_day(part(8, 10)?, part(10, 12)?, part(12, 14)?)?, nanos };
    moment(date, clock, 0)
}

/// A time of day.
#[derive(Clone, Copy)]
struct Clock {
    /// Seconds since midnight.
    second: i64,
    nanos: u32,
}

const MIDNIGHT: Clock = Clock { second: 0, nanos: 0 };

/// A leap second counts as the one before it.
fn second_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
}

/// The time in UTC at which clocks `offset` seconds east of Greenwich show `clock`.
fn moment(date: Date, clock: Clock, offset: i64) -> Option<Moment> {
    Some((date.duration_since(EPOCH).as_secs() + clock.second - offset, clock.nanos))
}

/// What is left of a text.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, is_wanted: fn(&char) -> bool) -> Option<&'a str> {
        let length = self.0.chars().take_while(is_wanted).map(char::len_utf8).sum();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(taken)
    }

    fn digits(&mut self) -> Option<&'a str> {
        self.take(char::is_ascii_digit)
    }

    /// A number of one digit or two.
    fn number(&mut self) -> Option<i64> {
        self.digits().filter(|digits| digits.len() <= 2)?.parse().ok()
    }

    fn word(&mut self) -> Option<&'a str> {
        self.take(char::is_ascii_alphabetic)
    }

    fn eat(&mut self, mark: char) -> bool {
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip(&mut self, marks: &[char]) {
        self.0 = self.0.trim_start_matches(marks);
    }

    fn is_digit(self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Leaves out what follows the number of a day: `th` of `7th`.
    fn skip_ordinal(&mut self) {
        let mut ahead = *self;
        let is_ordinal =
            |word: &str| ["st", "nd", "rd", "th"].iter().any(|end| word.eq_ignore_ascii_case(end));
        if ahead.word().is_some_and(is_ordinal) {
            *self = ahead;
        }
    }
}

/// A day whose year may stand behind the time of day, as in `Mon Jan  2 15:04:05 2006`.
struct Day {
    year: Option<i64>,
    month: i64,
    day: i64,
}

/// The place from 1 of the name that `word`, of three letters or more, begins.
fn named(word: &str, names: &str) -> Option<i64> {
    let word = word.to_ascii_lowercase();
    let place = names.split(' ').position(|name| name.starts_with(&word));
    place.filter(|_| word.len() >= 3).map(|place| place as i64 + 1)
}

/// A year of four digits, or of two: from 69 on of the 20th century, as Go and POSIX have it.
fn year(digits: &str) -> Option<i64> {
    let year: i64 = digits.parse().ok()?;
    match digits.len() {
        4 => Some(year),
        2 if year >= 69 => Some(1900 + year),
        2 => Some(2000 + year),
        _ => None,
    }
}

/// A date, and what may stand before and behind it.
fn written(text: &str) -> Option<Moment> {
    let mut rest = Rest(text);
    let mut ahead = rest;
    let weekday = ahead.word().and_then(|word| named(word, WEEKDAYS));
    if weekday.is_some() {
        ahead.skip(&[' ', ',', '.']);
        rest = ahead;
    }
    let Day { year, month, day } = day(&mut rest)?;
    let clock = clock(&mut rest)?;
    let (offset, year) = zone_and_year(rest.0, year)?;
    let date = date(year?, month, day)?;
    let is_right = |weekday| i64::from(date.weekday().to_monday_one_offset()) == weekday;
    moment(date, clock, offset).filter(|_| weekday.is_none_or(is_right))
}

fn day(rest: &mut Rest<'_>) -> Option<Day> {
    let Some(first) = rest.digits() else { return month_first(rest) };
    let part = |from: usize| first.get(from..from + 2)?.parse().ok();
    match first.len() {
        1 | 2 => day_or_month_first(first.parse().ok()?, rest),
        4 => year_first(year(first)?, rest),
        // `171113 14:14:20`: without a time of day it would be a mere number.
        6 if rest.0.starts_with(' ') && rest.0.contains(':') => {
            Some(Day { year: year(first.get(..2)?), month: part(2)?, day: part(4)? })
        }
        8 => Some(Day { year: year(first.get(..4)?), month: part(4)?, day: part(6)? }),
        _ => None,
    }
}

/// `2006-01-02`, `2006/1/2`, `2006.01.02`, `2006-Jan-02`, `2006-01`.
fn year_first(year: i64, rest: &mut Rest<'_>) -> Option<Day> {
    let mark = ['-', '/', '.'].into_iter().find(|&mark| rest.eat(mark))?;
    let month = match rest.is_digit() {
        true => rest.number()?,
        false => named(rest.word()?, MONTHS)?,
    };
    let day = match rest.eat(mark) {
        true => rest.number()?,
        false if mark == '.' => return None, // that is a number
        false => 1,
    };
    Some(Day { year: Some(year), month, day })
}

/// `02 Jan 2006`, `02-Jan-06`, `02/Jan/2006`, `2nd January 2006`; without a name the month is first:
/// `1/2/2006`, `01-02-06`.
fn day_or_month_first(first: i64, rest: &mut Rest<'_>) -> Option<Day> {
    rest.skip_ordinal();
    let mark = ['-', '/', '.', ' '].into_iter().find(|&mark| rest.eat(mark));
    rest.skip(&[' ']);
    if !rest.is_digit() {
        let month = named(rest.word()?, MONTHS)?;
        return Some(Day { year: year_ahead(rest)?, month, day: first });
    }
    let mark = mark.filter(|&mark| mark != ' ')?;
    let day = rest.number()?;
    let year = year(rest.eat(mark).then(|| rest.digits())??)?;
    Some(Day { year: Some(year), month: first, day })
}

/// `Jan 2, 2006`, `oct. 7, 1970`, `October 7th, 1970`, `Jan 2 15:04:05 2006`.
fn month_first(rest: &mut Rest<'_>) -> Option<Day> {
    let month = named(rest.word()?, MONTHS)?;
    rest.skip(&['.', ' ', '-', '/']);
    let day = rest.number()?;
    rest.skip_ordinal();
    Some(Day { year: year_ahead(rest)?, month, day })
}

/// The year behind a day and a month; none where a time of day follows first.
fn year_ahead(rest: &mut Rest<'_>) -> Option<Option<i64>> {
    rest.skip(&[' ', ',', '.', '-', '/']);
    let mut ahead = *rest;
    match ahead.digits() {
        Some(digits) if digits.len() == 4 || !ahead.0.starts_with(':') => {
            *rest = ahead;
            Some(Some(year(digits)?))
        }
        _ => Some(None),
    }
}

/// The time of day behind a date; midnight where none follows.
fn clock(rest: &mut Rest<'_>) -> Option<Clock> {
    rest.skip(&[' ', ',']);
    let is_announced = ['T', 't', ':'].into_iter().any(|mark| rest.eat(mark));
    rest.skip(&[' ']);
    if !rest.is_digit() {
        return (!is_announced).then_some(MIDNIGHT);
    }
    let first = rest.digits()?;
    let (mut hour, minute, second) = if rest.eat(':') && first.len() <= 2 {
        let minute = rest.number()?;
        let second = if rest.eat(':') { rest.number()? } else { 0 };
        (first.parse().ok()?, minute, second)
    } else {
        let part = |from: usize| first.get(from..from + 2)?.parse::<i64>().ok();
        let second = (first.len() == 6).then(|| part(4));
        let hour = part(0).filter(|_| [4, 6].contains(&first.len()))?; // `1504` or `150405`
        (hour, part(2)?, second.unwrap_or(Some(0))?)
    };
    let mut ahead = *rest;
    let mut nanos = 0;
    if (ahead.eat('.') || ahead.eat(',')) && ahead.is_digit() {
        let fraction = format!("{:0<9}", ahead.digits()?);
        nanos = fraction.get(..9)?.parse().ok()?;
        *rest = ahead;
    }
    rest.skip(&[' ']);
    let mut ahead = *rest;
    let word = ahead.word().unwrap_or_default();
    let is = |half| word.eq_ignore_ascii_case(half);
    if is("am") || is("pm") {
        *rest = ahead;
        hour = Some(hour).filter(|hour| (1..=12).contains(hour))? % 12;
        hour += if is("pm") { 12 } else { 0 };
    }
    Some(Clock { second: second_of_day(hour, minute, second)?, nanos })
}

/// Seconds east of Greenwich, and the year, of what stands behind a time of day: `+0200 CEST m=+0.01`,
/// `GMT+0100 (…)`, `MST 2006`, or nothing.
fn zone_and_year(text: &str, mut year: Option<i64>) -> Option<(i64, Option<i64>)> {
    let remark = text.find(['(', '[']).unwrap_or(text.len());
    let mut offset = None;
    for word in text[..remark].split_whitespace() {
        if word.starts_with("m=") {
            break; // a reading of Go's other clock
        }
        if year.is_none() && word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit()) {
            year = self::year(word);
        } else if offset.is_none() || word.starts_with(['+', '-']) {
            offset = Some(zone(word)?);
        } else if !word.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None; // not even the name of the offset before it
        }
    }
    Some((offset.unwrap_or(0), year))
}

/// Seconds east of Greenwich of `Z`, `EST`, `+02`, `-0700`, `+02:00` or `GMT+0100`.
fn zone(word: &str) -> Option<i64> {
    let word = word.to_ascii_uppercase();
    let signed = word.strip_prefix("UTC").or(word.strip_prefix("GMT")).unwrap_or(&word);
    let Some(sign) = signed.chars().next().filter(|sign| ['+', '-'].contains(sign)) else {
        let zone = ZONES.iter().find(|(_, names)| names.contains(&word.as_str()));
        return zone.map(|(hours, _)| hours * 3600);
    };
    let digits = signed[1..].replace(':', "");
    let part = |from: usize, to: usize| match digits.get(from..to) {
        Some(part) => part.parse::<u8>().ok().map(i64::from),
        None => Some(0),
    };
    let hours = part(0, 2.min(digits.len())).filter(|_| [1, 2, 4, 6].contains(&digits.len()))?;
    let east = second_of_day(hours, part(2, 4)?, part(4, 6)?)?;
    Some(if sign == '-' { -east } else { east })
}
