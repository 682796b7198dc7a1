//! Times as French and Portuguese (`8h30`), German and Dutch (`15.30 Uhr`) and Italian (`alle 15.30`) write them.

use super::{Languages, Localised};
use crate::carry::mask;

/// Words of French and Portuguese before `17 h` where it is a time, not a duration.
const BEFORE_HOURS: &[&str] =
    &["à", "dès", "vers", "avant", "entre", "às", "das", "pelas", "até", "jusqu'à", "jusqu’à"];

/// Words of French and Portuguese between two times.
const BETWEEN: &[&str] = &["à", "et", "às", "e", "a"];

/// Words of French and Portuguese before `1h45` where it is a duration.
const BEFORE_DURATION: &[&str] = &[
    "dure",
    "durent",
    "durait",
    "durée",
    "pendant",
    "prend",
    "faut",
    "en",
    "dura",
    "duração",
    "durante",
    "leva",
    "demora",
    "environ",
    "cerca",
    "d'environ",
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
        "fr" | "pt" => (hours(text, [before, behind])?, ["fr", "pt"]),
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

/// The time that `text` between `before` and `behind` is: `8h30`, and beside words such as `à` also `17 h`, `9h`.
fn hours(text: &str, [before, behind]: [&str; 2]) -> Option<String> {
    let spaces = [' ', '\u{a0}', '\u{202f}'];
    let (digits, minutes) = text.split_once('h')?;
    let (digits, minutes) = (digits.trim_end_matches(spaces), minutes.trim_start_matches(spaces));
    let is_from = is_last(before, &["de", "das", "entre"]) && is_first(behind, BETWEEN);
    let is_until = is_last(before, BETWEEN) && has_hour(before);
    if is_last(before, BEFORE_DURATION) || is_last(before, &["de"]) && !is_from {
        return None;
    }
    if !minutes.is_empty() {
        return of(digits, minutes);
    }
    // `à 3 h de Paris`
    let is_distance = ["de", "d'", "d’"].iter().any(|word| behind.trim_start().starts_with(word));
    let is_time = is_from || is_until || is_last(before, BEFORE_HOURS) && !is_distance;
    of(digits, "00").filter(|_| is_time && digits != "24")
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

/// Whether the first word of `behind` is one of `words`, and a number follows.
fn is_first(behind: &str, words: &[&str]) -> bool {
    let mut found = behind.split_whitespace();
    found.next().is_some_and(|first| words.contains(&first))
        && found
            .next()
            .is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit() || is_word(c)))
}

/// Whether an hour is among the last words of `before`.
fn has_hour(before: &str) -> bool {
    let is_hour = |word: &str| {
        let begins = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('h');
        begins || word == "h" || word.contains(is_word)
    };
    before.split_whitespace().rev().take(3).any(is_hour)
}

/// Whether `c` stands for a word that is not prose.
fn is_word(c: char) -> bool {
    mask::number(c).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_times() {
        for (text, around, wanted) in [
            ("17 h", ["entre 9 h et ", ""], "17:00"),
            ("9 h", ["entre ", " et 17 h"], "9:00"),
            ("9h", ["aberto das ", " às 17h"], "9:00"),
            ("9h", ["ouvert de ", " à 17h"], "9:00"),
            ("8h30", ["Rendez-vous : ", ""], "8:30"),
            ("8 h 05", ["à ", ""], "8:05"),
        ] {
            assert_eq!(hours(text, around).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn durations_are_none() {
        for (text, around) in [
            ("8h75", ["à ", ""]),
            ("8h305", ["à ", ""]),
            ("3 h", ["pendant ", ""]),
            ("30 h", ["à ", ""]),
            ("3 h", ["un trajet de ", ""]),
            ("3 h", ["à ", " de Paris"]),
            ("24 h", ["dans les ", ""]),
            ("2 h", ["après ", " de route"]),
            ("8h", ["uma jornada de ", ""]),
            ("1h45", ["Le film dure ", ""]),
            ("1h45", ["un film de ", ""]),
        ] {
            assert_eq!(hours(text, around), None, "{around:?}");
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
