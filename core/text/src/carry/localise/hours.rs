//! Opening hours in other languages: `Mo.–Fr. 9–18 Uhr` is `Mon–Fri 9:00–18:00`.

use super::Localised;
use crate::pieces::WEEKDAYS;

/// What weekdays and hours as `source` writes them are in `target`; `None` for all others.
pub(super) fn localised(text: &str, source: &str, target: &str) -> Option<Localised> {
    let written = days(text, source, target).or_else(|| clock(text, target))?;
    Some(Localised { seen: Some(written.clone()), written: Some(written), ..Localised::default() })
}

/// One short weekday, or two with a dash between them.
fn days(text: &str, source: &str, target: &str) -> Option<String> {
    let of = |language: &str| WEEKDAYS.iter().find(|(code, ..)| *code == language);
    let ((_, theirs, _), (_, ours, has_stop)) = (of(source)?, of(target)?);
    let mut words = text.split([' ', '-', '–', '.']).filter(|word| !word.is_empty());
    let day = |word: &str| {
        let place = theirs.iter().position(|day| day.to_lowercase() == word.to_lowercase())?;
        Some(format!("{}{}", ours[place], if *has_stop { "." } else { "" }))
    };
    let first = day(words.next()?)?;
    let Some(second) = words.next() else { return Some(first) };
    let dash = if text.contains('–') { '–' } else { '-' };
    Some(format!("{first}{dash}{}", day(second)?))
}

/// Two times with a dash between them, before `Uhr` or `uur`.
fn clock(text: &str, target: &str) -> Option<String> {
    let range = text.strip_suffix(" Uhr").or_else(|| text.strip_suffix(" uur"))?;
    let (first, second) = range.split_once(['-', '–'])?;
    let is_word = matches!(target, "de" | "nl");
    let mark = if is_word { '.' } else { ':' };
    let time = |time: &str| match time.trim().split_once(['.', ':']) {
        Some((hours, minutes)) => format!("{hours}{mark}{minutes}"),
        None if is_word => time.trim().to_owned(),
        None => format!("{}:00", time.trim()),
    };
    let unit = match target {
        "de" => " Uhr",
        "nl" => " uur",
        _ => "",
    };
    Some(format!("{}–{}{unit}", time(first), time(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_hours_are_those_of_the_target() {
        let written = |text, source, target| localised(text, source, target)?.written;
        for (text, source, target, wanted) in [
            ("Mo.–Fr.", "de", "en", "Mon–Fri"),
            ("Mo - Fr", "de", "fr", "lun.-ven."),
            ("Sa.", "de", "es", "sáb."),
            ("Mon-Fri", "en", "de", "Mo.-Fr."),
            ("9–18 Uhr", "de", "en", "9:00–18:00"),
            ("10.30–14 Uhr", "de", "en", "10:30–14:00"),
            ("9.30-18 uur", "nl", "de", "9.30–18 Uhr"),
        ] {
            assert_eq!(written(text, source, target).as_deref(), Some(wanted), "{text} {target}");
        }
        assert_eq!(localised("15", "de", "en"), None);
        assert_eq!(localised("Mo.–Fr.", "de", "ja"), None);
    }
}
