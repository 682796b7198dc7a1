//! Times as logs write them: numbers of seconds and smaller units, or dates.

use dragoman_times as forms;
use serde_json::Value;

/// The seconds since 1970 that `text` means: a number, where one of eight digits or of fourteen is a
/// date (`20240301`), or a date in any of its [`forms`].
///
/// A number of up to seven digits counts seconds, a year alone among them: many a log counts its events.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let found = match text.parse::<f64>() {
        Ok(_) => forms::number(text),
        Err(_) => forms::text(text),
    };
    found.map(|(seconds, _)| seconds).ok_or_else(|| {
        format!(
            "the time `{text}` is neither a date such as 2024-03-01T12:00:00Z or 20240301 nor a number \
             of seconds, milli-, micro- or nanoseconds since 1970"
        )
    })
}

/// The same of JSON, where a text of four digits is a year and a number of four is not.
pub(super) fn parse_json(value: &Value) -> Result<i64, String> {
    match value.as_str() {
        Some(text) => forms::text(text).map_or_else(|| parse(text), |(seconds, _)| Ok(seconds)),
        None => parse(&value.to_string()),
    }
}

/// Whether `text` is a date of eight digits and no plain number.
pub(super) fn is_date_of_digits(text: &str) -> bool {
    text.len() == 8
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && forms::number(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_mean_the_same() {
        // date -u -d 2024-02-29T12:30:15Z +%s
        for text in [
            "1709209815",
            "1709209815.0",
            "1709209815.9",
            "1709209815123",
            "1709209815123456",
            "1709209815123456789",
            "20240229123015",
            "20240229123015123",
            "2024-02-29T12:30:15Z",
            "2024-02-29T14:30:15.5+02:00",
            "2024-02-29 12:30:15",
            "Thu Feb 29 2024 13:30:15 GMT+0100 (Central European Standard Time)",
            "2/29/2024 12:30:15 PM",
            "2/29/24 12:30:15",
            "2024/02/29 12:30:15",
            "Thu, 29 Feb 2024 12:30:15 +0000",
            "29 Feb 2024 12:30:15 UTC",
            "29/Feb/2024:05:30:15 -0700",
        ] {
            assert_eq!(parse(text), Ok(1_709_209_815), "{text}");
        }
        assert_eq!(parse("978300760000"), Ok(978_300_760), "12 digits are milliseconds");
        assert_eq!(parse("1969-12-31"), Ok(-86_400));
        assert_eq!(parse("-5"), Ok(-5));
        assert_eq!(parse("-31536000"), Ok(-31_536_000));
        assert_eq!(parse("2/29/2024 12:05 AM"), parse("2024-02-29T00:05:00Z"));
        for text in ["Feb 29, 2024", "20240229", "20240229.0", "2.0240229e7"] {
            assert_eq!(parse(text), parse("2024-02-29"), "{text}");
        }
    }

    #[test]
    fn four_digits_count_seconds_in_a_table_and_are_a_year_as_text_of_json() {
        assert_eq!(parse("2014"), Ok(2014));
        assert_eq!(parse_json(&2014.into()), Ok(2014));
        assert_eq!(parse_json(&"2014".into()), parse("2014-01-01"));
        assert_eq!(parse_json(&"300".into()), Ok(300));
        assert_eq!(parse_json(&1_709_209_815_123_i64.into()), Ok(1_709_209_815));
        assert!(is_date_of_digits("20240101") && !is_date_of_digits("20241301"));
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
            "20241301",
            "20240101.5",
            "12345678901234567890",
            "2024-02-29T99:00:00Z",
            "2/30/2024",
            "4/8/141",
            "2/29/2024 soon",
        ] {
            assert!(parse(text).is_err_and(|reason| reason.contains(text)), "{text}");
        }
    }
}
