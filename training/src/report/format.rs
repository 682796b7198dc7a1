//! Numbers and text as a page shows them.

use jiff::Timestamp;

/// Escapes text for HTML and SVG, attributes included.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Three significant digits with a unit prefix: `12.3 k`, `1.5 M`, `0.25`, `3e-5`.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let size = value.abs();
    let (scaled, prefix) = match size {
        1e18.. => (value / 1e18, " E"),
        1e15.. => (value / 1e15, " P"),
        1e12.. => (value / 1e12, " T"),
        1e9.. => (value / 1e9, " G"),
        1e6.. => (value / 1e6, " M"),
        1e4.. => (value / 1e3, " k"),
        _ if size > 0.0 && size < 1e-3 => return exponent(value),
        _ => (value, ""),
    };
    format!("{}{prefix}", plain(scaled))
}

/// Three significant digits or all digits before the point, without zeros at the end.
fn plain(value: f64) -> String {
    let digits_before = value.abs().max(1e-9).log10().floor() as i32 + 1;
    let decimals = (3 - digits_before).clamp(0, 5) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn exponent(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

/// `2 h 05 min`, `3 min 20 s` or `12 s`.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// `2025-01-31 14:05 UTC`.
pub(super) fn date(unix_time: u64) -> String {
    let seconds = i64::try_from(unix_time).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A key that sorts names as people do: `free.2` before `free.10`.
pub(super) fn natural_order(name: &str) -> Vec<(u64, String)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
        let end = after.find(|c| !is_digit(c)).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        key.push((0, text.to_owned()));
        key.push((number.parse().unwrap_or(0), String::new()));
        rest = after;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.123456, "0.123"),
            (0.00001234, "1.23e-5"),
            (0.0005, "5e-4"),
            (54.321, "54.3"),
            (2700.0, "2700"),
            (12_345.0, "12.3 k"),
            (9_900_000.0, "9.9 M"),
            (2.5e15, "2.5 P"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7_530.0), "2 h 05 min");
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_767_225_600), "2026-01-01 00:00 UTC");
    }

    #[test]
    fn names_are_sorted_by_number() {
        let mut names = ["free.10", "pair.en-de", "free.2", "free", "free.1.9", "free.1.10"];
        names.sort_by_key(|name| natural_order(name));
        assert_eq!(names, ["free", "free.1.9", "free.1.10", "free.2", "free.10", "pair.en-de"]);
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
