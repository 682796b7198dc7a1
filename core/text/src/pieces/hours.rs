//! Opening hours: `Mo.–Fr. 9–18 Uhr`. Models take short weekdays for words, and `Uhr` for a watch.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::sentence::Role;

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

/// Ranges of weekdays, and a weekday before a time, by language.
static DAYS: LazyLock<HashMap<&str, Regex>> = LazyLock::new(|| {
    let regex = |days: &[&str; 7]| {
        let day = format!("(?:{})", days.join("|"));
        let time = r"\d{1,2}(?:[.:h]\d{2})?(?: ?[-–]| ?h\b| Uhr\b| uur\b|[.:h]\d{2}\b)";
        let range = format!(r"\b(?i:{day})\.? ?[-–] ?(?i:{day})\b\.?");
        Regex::new(&format!(r"(?P<r>{range})|\b(?P<d>(?i:{day})\.?)[:,]? {time}"))
            .expect("it is valid")
    };
    WEEKDAYS.iter().map(|(language, days, _)| (*language, regex(days))).collect()
});

/// `9–18 Uhr`
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"\d{1,2}(?:[.:]\d{2})?";
    Regex::new(&format!(r"\b{time} ?[-–] ?{time} (?:Uhr|uur)\b")).expect("it is valid")
});

impl Recogniser for Hours {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let language = text.language.split('-').next().unwrap_or_default();
        let mut add = |at| {
            let carry = Carry::Inline(Role::Number);
            pieces.push(Piece { at, kind: Kind::Date, carry });
        };
        if matches!(language, "de" | "nl") {
            CLOCK.find_iter(text.text).for_each(|found| add(found.range()));
        }
        for found in DAYS.get(language).into_iter().flat_map(|days| days.captures_iter(text.text)) {
            found.name("r").or(found.name("d")).into_iter().for_each(|days| add(days.range()));
        }
    }
}

/// Whether `text`, written in `language`, has a range of weekdays.
pub(super) fn has_days(text: &str, language: &str) -> bool {
    let language = language.split('-').next().unwrap_or_default();
    text.contains(['-', '–']) && DAYS.get(language).is_some_and(|days| days.is_match(text))
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
            ("nl", "Open ma–vr", &["ma–vr"]),
            ("en", "They sat 5 times.", &["5"]),
        ] {
            let found = find(text, language);
            let found: Vec<&str> = found.into_iter().map(|piece| &text[piece.at]).collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
