//! Moments as logs write them: seconds, milliseconds, or a date.

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

fn date(text: &str) -> Option<i64> {
    let (date, clock) = match text.find(['T', 't', ' ']) {
        Some(place) => (&text[..place], &text[place + 1..]),
        None => (text, "00:00:00Z"),
    };
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && parts.next().is_none();
    let place = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(place);
    let mut parts = clock.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let rest = parts.next().unwrap_or(Some(0.0))?;
    let of_day = hours * 3600.0 + minutes * 60.0 + rest;
    let in_range = in_range && (0.0..=86_400.0).contains(&of_day);
    in_range.then(|| days_since_1970(year, month, day) * 86_400 + of_day as i64 - offset(zone))
}

/// Seconds that a zone such as `+02:00` is ahead.
fn offset(zone: &str) -> i64 {
    let sign = match zone.chars().next() {
        Some('+') => 1,
        Some('-') => -1,
        _ => return 0,
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let number = |place: std::ops::Range<usize>| {
        digits.get(place).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(0)
    };
    sign * (number(0..2) * 3600 + number(2..4) * 60)
}

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant, `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
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
