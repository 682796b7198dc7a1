//! German ordinals in other languages: the model sees them as the target writes them, for it takes the
//! stop for the end of the sentence.

use super::{Localised, ordinals};
use crate::{carry::mask, carry::part::Context, pieces::is_month, sentence::Role};

/// What `text`, a number with its stop before `behind`, is in `target`; `None` for all others.
pub(super) fn localised(text: &str, behind: &str, target: &str) -> Option<Localised> {
    let digits = text.strip_suffix('.').filter(|digits| digits.len() < 3)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let next = behind.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let number: u32 = digits.parse().ok()?;
    let form = |suffix: &str| format!("{digits}{suffix}");
    let (seen, written) = match target {
        _ if is_month(next) => (form(""), form("")),
        "en" => (form(ordinals::english(number)), form(ordinals::english(number))),
        "fr" if digits == "1" => (form("er"), form("er")),
        "fr" | "nl" => (form("e"), form("e")),
        "es" | "pt" => (form(".º"), form(".º")),
        "it" => (form(".º"), form("º")),
        _ => return Some(Localised::default()),
    };
    if ordinals::is_century(next) {
        return Some(Localised { seen: Some(seen), ..ordinals::century(number, target) });
    }
    let marks = [
        "", "st", "nd", "rd", "th", "er", "re", "ère", "e", "ème", ".º", ".ª", "º", "ª", "ste",
        "de",
    ];
    // Where the number counts, it is not written without a mark.
    let marks = marks.into_iter().filter(|mark| is_month(next) || !mark.is_empty());
    Some(Localised {
        written: Some(written),
        seen: Some(seen),
        variants: marks.map(form).collect(),
    })
}

/// `target` without the stops behind ordinals that the model wrote all the same.
pub(super) fn without_stops(source: &str, target: String, context: &Context<'_>) -> String {
    let mut text = target;
    for c in source.chars() {
        let word = mask::number(c).and_then(|number| context.words.get(number));
        let is_ordinal = |word: &super::Word| {
            word.role == Role::Number
                && word.text.ends_with('.')
                && word.localised.written.is_some()
        };
        let Some(at) = text.find(c).filter(|_| word.is_some_and(is_ordinal)) else { continue };
        let stop = at + c.len_utf8();
        let goes_on = text[stop..].strip_prefix(". ");
        if goes_on.is_some_and(|rest| rest.starts_with(char::is_alphabetic)) {
            text.remove(stop);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_written_as_the_target_does() {
        let written = |text, behind, target| {
            localised(text, behind, target).and_then(|localised| localised.written)
        };
        for (text, behind, target, wanted) in [
            ("12.", " März 2025", "en", "12"),
            ("12.", " März", "es", "12"),
            ("2.", " Weltkrieg", "en", "2nd"),
            ("11.", " Tag", "en", "11th"),
            ("20.", " Jahrhundert", "fr", "XXe"),
            ("20.", " Jahrhundert", "en", "20th"),
            ("1.", " Tag", "fr", "1er"),
            ("20.", " Jahrhunderts", "it", "XX"),
            ("20.", " Platz", "it", "20º"),
        ] {
            assert_eq!(written(text, behind, target).as_deref(), Some(wanted), "{text} {target}");
        }
        assert_eq!(written("12.", " März", "ja").as_deref(), Some("12"));
        assert_eq!(written("2.", " Weltkrieg", "ja"), None);
        assert_eq!(localised("12", " März", "en"), None);
    }
}
