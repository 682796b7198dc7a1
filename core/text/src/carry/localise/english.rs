//! Numbers that English writes with letters, in other languages.

use super::{Localised, ordinals};
use crate::carry::mask;

/// Months of English.
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What an English number with letters, between `before` and `behind`, is in `target`; `None` for all
/// others.
pub(super) fn localised(
    text: &str,
    [before, behind]: [&str; 2],
    target: &str,
) -> Option<Localised> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, letters) = text.split_at(end);
    match letters {
        "st" | "nd" | "rd" | "th" => {
            match digits.parse().ok().filter(|_| ordinals::is_century(behind_ordinals(behind))) {
                Some(number) => Some(ordinals::century(number, target)),
                None => Some(ordinal(digits, [before, behind], target)),
            }
        }
        "s" if digits.len() == 4 => Some(decade(digits, target)),
        _ => clock(text, target),
    }
}

/// What follows the other ordinals of an enumeration: `and 20th centuries`.
fn behind_ordinals(behind: &str) -> &str {
    let mut rest = behind.trim_start();
    loop {
        let words = rest.trim_start_matches([',', '-', '–', ' ']);
        let link = ["and ", "or ", "to ", "the "].iter().find_map(|link| words.strip_prefix(link));
        let next = link.unwrap_or(words);
        // An ordinal is a character of its own here, or its digits and letters.
        let end = next.find(|c: char| c.is_whitespace()).unwrap_or(next.len());
        let is_ordinal = next[..end].chars().all(|c| mask::number(c).is_some())
            || next.starts_with(|c: char| c.is_ascii_digit());
        if end == 0 || !is_ordinal && link.is_none() {
            return words;
        }
        rest = if is_ordinal { next[end..].trim_start() } else { next };
    }
}

fn ordinal(digits: &str, [before, behind]: [&str; 2], target: &str) -> Localised {
    let first_word = |text: &str| {
        text.split(|c: char| !c.is_alphabetic()).find(|w| !w.is_empty()).map(str::to_lowercase)
    };
    let last_word =
        before.trim_end().rsplit(|c: char| !c.is_alphabetic()).next().map(str::to_lowercase);
    let next = behind.trim_start();
    let next = next.strip_prefix("of ").unwrap_or(next);
    let is_month = |word: Option<String>| word.is_some_and(|word| MONTHS.contains(&word.as_str()));
    let is_date =
        is_month(last_word) || next.starts_with(char::is_uppercase) && is_month(first_word(next));
    let masculine = |mark: &str| format!("{digits}{mark}");
    let written = match target {
        "de" => masculine("."),
        "fr" if digits == "1" => "1er".to_owned(),
        "fr" | "es" | "it" | "nl" | "pt" if is_date => digits.to_owned(),
        "fr" | "nl" => masculine("e"),
        "es" | "pt" => masculine(".º"),
        "it" => masculine("º"),
        _ => return Localised::default(),
    };
    let marks =
        [".", "er", "re", "ère", "e", "ème", "nd", "nde", ".º", ".ª", "º", "ª", "ste", "de", ""];
    // A number alone is one in a date.
    let marks = marks.into_iter().filter(|mark| !mark.is_empty() || is_date);
    Localised { written: Some(written), seen: None, variants: marks.map(masculine).collect() }
}

fn decade(digits: &str, target: &str) -> Localised {
    let written = match target {
        "de" => format!("{digits}er"),
        "fr" => format!("années {digits}"),
        "es" => format!("años {digits}"),
        "it" => format!("anni {digits}"),
        "pt" => format!("anos {digits}"),
        "nl" => format!("jaren {digits}"),
        _ => return Localised::default(),
    };
    let variants = vec![format!("{digits}ern"), format!("années {}", &digits[2..])];
    Localised { written: Some(written), seen: None, variants }
}

/// A time of a clock with twelve hours.
fn clock(text: &str, target: &str) -> Option<Localised> {
    let compact: String =
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let number = compact.trim_end_matches(['a', 'p', 'm', '.']);
    let letters = compact[number.len()..].replace('.', "");
    let is_afternoon = match letters.as_str() {
        "am" => false,
        "pm" => true,
        _ => return None,
    };
    let (hours, minutes) = number.split_once([':', '.']).unwrap_or((number, "00"));
    let hours: u32 = hours.parse().ok().filter(|hours| (1..=12).contains(hours))?;
    if minutes.len() != 2 || !minutes.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if !matches!(target, "de" | "fr" | "es" | "it" | "nl" | "pt") {
        return Some(Localised::default());
    }
    let hours = hours % 12 + if is_afternoon { 12 } else { 0 };
    let written = Some(format!("{hours}:{minutes}"));
    Some(Localised { seen: written.clone(), written, variants: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, around: [&str; 2], target: &str) -> Option<String> {
        localised(text, around, target).and_then(|localised| localised.written)
    }

    #[test]
    fn ordinals_decades_and_times_are_those_of_the_target() {
        for (text, target, wanted) in [
            ("1st", "de", "1."),
            ("1st", "fr", "1er"),
            ("21st", "fr", "21e"),
            ("2nd", "es", "2.º"),
            ("1st", "it", "1º"),
            ("1st", "nl", "1e"),
            ("1990s", "de", "1990er"),
            ("1990s", "fr", "années 1990"),
            ("3:30 p.m", "de", "15:30"),
            ("6pm", "fr", "18:00"),
            ("12 a.m.", "es", "0:00"),
            ("12pm", "it", "12:00"),
        ] {
            assert_eq!(written(text, ["", ""], target).as_deref(), Some(wanted), "{text} {target}");
        }
        assert_eq!(written("12th", ["on March ", ""], "es").as_deref(), Some("12"));
        assert_eq!(written("12th", ["the ", " of March"], "fr").as_deref(), Some("12"));
        assert_eq!(written("12th", ["the ", " man"], "fr").as_deref(), Some("12e"));
        assert_eq!(written("12th", ["the ", " century"], "fr").as_deref(), Some("XIIe"));
        assert_eq!(written("12th", ["the ", " and 13th centuries"], "es").as_deref(), Some("XII"));
        for (text, target) in
            [("1st", "ja"), ("2.5", "de"), ("5 kg", "de"), ("13 pm", "de"), ("12.8 km", "de")]
        {
            assert_eq!(written(text, ["", ""], target), None, "{text}");
        }
    }
}
