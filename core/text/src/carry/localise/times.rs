//! Times as French and Portuguese (`8h30`), German and Dutch (`15.30 Uhr`) and Italian (`alle 15.30`) write them.

use super::{Languages, Localised};

/// Words of French and Portuguese before `17 h` where it is a time, not a duration.
const BEFORE_HOURS: &[&str] = &[
    "à",
    "dès",
    "vers",
    "avant",
    "après",
    "entre",
    "et",
    "de",
    "as",
    "às",
    "das",
    "pelas",
    "e",
    "até",
    "les",
    "jusqu'à",
    "jusqu’à",
];

/// Words of Italian before a time.
const ITALIAN: &[&str] = &["alle", "dalle", "ore", "delle"];

/// What the time `text` between `before` and `behind` is in the target language; `None` for all others.
pub(super) fn localised(
    text: &str,
    [before, behind]: [&str; 2],
    languages: Languages<'_>,
) -> Option<Localised> {
    let (time, own) = match languages.source {
        "fr" | "pt" => (hours(text, before)?, ["fr", "pt"]),
        "de" | "nl" | "it" => {
            let is_time = match languages.source {
                "it" => is_last(before, ITALIAN),
                _ => ["Uhr", "uur"].iter().any(|word| behind.trim_start().starts_with(word)),
            };
            (clock(text).filter(|_| is_time)?, ["de", "nl"])
        }
        _ => return None,
    };
    let is_own = own.contains(&languages.target) || languages.source == languages.target;
    Some(match is_own {
        true => Localised::default(),
        false => {
            Localised { seen: Some(time.clone()), written: Some(time), ..Localised::default() }
        }
    })
}

/// The time that `text` is: `8h30`, and behind a word such as `à` also `17 h`, `9h`.
fn hours(text: &str, before: &str) -> Option<String> {
    let spaces = [' ', '\u{a0}', '\u{202f}'];
    let (digits, minutes) = text.split_once('h')?;
    let (digits, minutes) = (digits.trim_end_matches(spaces), minutes.trim_start_matches(spaces));
    if minutes.is_empty() {
        return is_last(before, BEFORE_HOURS).then(|| of(digits, "00"))?;
    }
    of(digits, minutes)
}

/// The time that `text` is, with a stop: `15.30`.
fn clock(text: &str) -> Option<String> {
    text.split_once('.').and_then(|(hours, minutes)| of(hours, minutes))
}

/// `hours` and `minutes` as most languages write them together.
fn of(hours: &str, minutes: &str) -> Option<String> {
    let below = |text: &str, most: u32| text.parse().ok().filter(|number: &u32| *number <= most);
    let hours = below(hours, 24).filter(|_| hours.len() < 3)?;
    let minutes = below(minutes, 59).filter(|_| minutes.len() == 2)?;
    Some(format!("{hours}:{minutes:02}"))
}

/// Whether the last word of `before` is one of `words`.
fn is_last(before: &str, words: &[&str]) -> bool {
    let last = before.split_whitespace().next_back().map(str::to_lowercase);
    last.is_some_and(|last| words.contains(&last.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_times() {
        assert_eq!(hours("17 h", "entre ").as_deref(), Some("17:00"));
        assert_eq!(hours("9h", "aberto das ").as_deref(), Some("9:00"));
        assert_eq!(hours("8h30", "Rendez-vous : ").as_deref(), Some("8:30"));
        assert_eq!(hours("8 h 05", "à ").as_deref(), Some("8:05"));
        for (text, before) in [("8h75", "à "), ("8h305", "à "), ("3 h", "pendant "), ("30 h", "à ")]
        {
            assert_eq!(hours(text, before), None, "{text}");
        }
    }

    #[test]
    fn a_stop_between_hours_and_minutes_becomes_a_colon() {
        let written = |text, around, source, target| {
            localised(text, around, Languages::new(source, target)).map(|it| it.written)
        };
        let time = Some(Some("15:30".to_owned()));
        assert_eq!(written("15.30", ["um ", " Uhr"], "de", "en"), time);
        assert_eq!(written("15.30", ["om ", " uur"], "nl", "fr"), time);
        assert_eq!(written("15.30", ["dalle ", " alle 18"], "it", "es"), time);
        assert_eq!(
            written("15.30", ["um ", " Uhr"], "de", "nl"),
            Some(None),
            "written so there, too"
        );
        assert_eq!(written("15.30", ["kostet ", " Euro"], "de", "en"), None);
        assert_eq!(written("15.75", ["um ", " Uhr"], "de", "en"), None);
        assert_eq!(written("15.30", ["costa ", " euro"], "it", "en"), None);
    }
}
