//! Durations as Go writes them, such as `1h30m`.

/// Units with their nanoseconds; a longer name before one that it starts with.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Nanoseconds of a duration.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let refuse = || format!("invalid duration `{text}`; write it as `10m` or `1h30m`");
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut sum = 0.0;
    while !rest.is_empty() || sum == 0.0 && text.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refuse)?;
        let number: f64 = rest[..end].parse().map_err(|_| refuse())?;
        rest = &rest[end..];
        let is_unit = |(name, _): &&(&str, f64)| rest.starts_with(name);
        let (name, nanos) = UNITS.iter().find(is_unit).ok_or_else(refuse)?;
        rest = &rest[name.len()..];
        sum += number * nanos;
    }
    let nanos = sign * sum;
    match rest.is_empty() && text.len() > 1 && nanos.abs() < i64::MAX as f64 {
        true => Ok(nanos as i64),
        false => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, seconds) in [
            ("10m", 600.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("-1m", -60.0),
            ("100ms", 0.1),
            ("1m1s1ms", 61.001),
            ("2µs", 2e-6),
            ("0", 0.0),
            ("0s", 0.0),
        ] {
            let nanos = parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert!((nanos as f64 / 1e9 - seconds).abs() < 1e-9, "{text} is {nanos} ns");
        }
        for text in ["", "-", "10", "m", "1d", "1h-3m", "1..5h", "9999999999h", "ten", "1 h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
