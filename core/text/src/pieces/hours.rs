//! Opening hours: `Mo.–Fr. 9–18 Uhr`. Models take short weekdays for words, and `Uhr` for a watch.
//!
//! Most short weekdays are words, too (`so`, `mar`, `sat`), so they are found in ranges of two, and before a time
//! where such a range is beside them.

use std::{collections::HashMap, ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text, numbers::ends};
use crate::{letters::base, sentence::Role};

/// Short weekdays of languages from Monday on, and whether a stop is written behind them.
pub(crate) const WEEKDAYS: [(&str, [&str; 7], bool); 7] = [
    ("en", ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], false),
    ("de", ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"], true),
    ("fr", ["lun", "mar", "mer", "jeu", "ven", "sam", "dim"], true),
    ("es", ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"], true),
    ("nl", ["ma", "di", "wo", "do", "vr", "za", "zo"], false),
    ("it", ["lun", "mar", "mer", "gio", "ven", "sab", "dom"], false),
    ("pt", ["seg", "ter", "qua", "qui", "sex", "sáb", "dom"], true),
];

/// Finds them.
pub(super) struct Hours;

/// Ranges of weekdays, and a weekday before a time.
struct Days {
    range: Regex,
    before_time: Regex,
}

static DAYS: LazyLock<HashMap<&str, Days>> = LazyLock::new(|| {
    let of = |days: &[&str; 7]| {
        let day = |name| format!("(?P<{name}>{})", days.join("|"));
        let time = r"\d{1,2}(?: ?[-–] ?\d| ?h\b| Uhr\b| uur\b|[.:h]\d{2}\b)";
        let range = format!(r"\b{}\.? ?[-–] ?{}\b\.?", day("a"), day("b"));
        let before_time = format!(r"\b{}\.?[:,]? {time}", day("a"));
        let regex = |text: &str| Regex::new(text).expect("it is valid");
        Days { range: regex(&range), before_time: regex(&before_time) }
    };
    WEEKDAYS.iter().map(|(language, days, _)| (*language, of(days))).collect()
});

/// `9–18 Uhr`
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"(?:[01]?\d|2[0-4])(?:[.:][0-5]\d)?";
    Regex::new(&format!(r"\b{time} ?[-–] ?{time} (?:Uhr|uur)\b")).expect("it is valid")
});

impl Recogniser for Hours {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let language = base(text.language);
        let Some(days) = DAYS.get(language) else { return };
        let mut add = |at| {
            let carry = Carry::Inline(Role::Number);
            pieces.push(Piece { at, kind: Kind::Number, carry });
        };
        let ranges = ranges(text.text, days);
        let has_range = !ranges.is_empty();
        ranges.into_iter().for_each(&mut add);
        if has_range {
            for found in days.before_time.captures_iter(text.text) {
                let Some(day) = found.name("a") else { continue };
                let stop = usize::from(text.text[day.end()..].starts_with('.'));
                add(day.start()..day.end() + stop);
            }
        }
        // Dutch has the same word for the hours that something takes.
        for found in CLOCK.find_iter(text.text) {
            let is_time = has_range || found.as_str().contains(['.', ':']);
            if language == "de" || language == "nl" && is_time {
                add(found.range());
            }
        }
    }
}

/// The ranges of weekdays in `text`.
fn ranges(text: &str, days: &Days) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for found in days.range.captures_iter(text) {
        let mut at = found.get_match().range();
        let is_twice = found["a"] == found["b"]; // `zo-zo`
        let is_glued =
            text[..at.start].ends_with(['-', '–']) || text[at.end..].starts_with(['-', '–']);
        if is_twice || is_glued {
            continue;
        }
        if text[at.clone()].ends_with('.') && ends(text, at.end) {
            at.end -= 1;
        }
        ranges.push(at);
    }
    ranges
}

/// Whether `text`, written in `language`, has a range of weekdays.
pub(super) fn has_days(text: &str, language: &str) -> bool {
    let language = base(language);
    text.contains(['-', '–'])
        && DAYS.get(language).is_some_and(|days| !ranges(text, days).is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::find;

    #[test]
    fn days_and_times_are_found() {
        for (language, text, wanted) in [
            (
                "de",
                "Mo.–Fr. 9–18 Uhr, Sa. 10.30–14 Uhr",
                &["Mo.–Fr.", "9–18 Uhr", "Sa.", "10.30–14 Uhr"][..],
            ),
            ("en", "Open Mon-Fri", &["Mon-Fri"]),
            ("en", "Open Mon-Fri. Call first.", &["Mon-Fri"]),
            ("de", "Mo–Fr. Am Samstag zu.", &["Mo–Fr"]),
            ("nl", "Open ma–vr", &["ma–vr"]),
            ("nl", "Open van 9.30–18 uur", &["9.30–18 uur"]),
        ] {
            let found = find(text, language);
            let found: Vec<&str> = found.into_iter().map(|piece| &text[piece.at]).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn words_and_durations_are_not_taken_for_them() {
        for (language, text) in [
            ("de", "Das dauert so 2–3 Tage."),
            ("de", "Mir geht es so-so."),
            ("de", "Das kostet Fr. 20–30."),
            ("fr", "Un jeu 3–6 ans"),
            ("es", "La temperatura del mar 20-22 grados"),
            ("pt", "Devem ter 18–30 anos."),
            ("nl", "Het gaat zo-zo."),
            ("nl", "De reis duurt 3-4 uur."),
            ("nl", "Binnen 24-48 uur."),
            ("en", "He sat 2-3 hours."),
        ] {
            let found = find(text, language);
            let words = found.iter().map(|piece| &text[piece.at.clone()]);
            let letters: Vec<&str> =
                words.filter(|word| word.contains(char::is_alphabetic)).collect();
            assert!(letters.is_empty(), "{text}: {letters:?}");
        }
    }
}
