//! Ordinals in each language, centuries among them, which Romance languages write in Roman digits: `the 20th
//! century`, `le XXe siècle`, `el siglo XX`.

use super::Localised;

/// Beginnings of the words for a century.
const CENTURIES: &[&str] = &["centur", "Jahrhundert", "siècle", "siglo", "século", "secol", "eeuw"];

/// Whether `word` is one for a century.
pub(super) fn is_century(word: &str) -> bool {
    CENTURIES.iter().any(|beginning| word.starts_with(beginning))
}

/// What the number of a century, `XXe` or `XX`, or the French `1er` of a month is in `target`; `None` for all others.
pub(super) fn localised(text: &str, target: &str) -> Option<Localised> {
    if text == "1er" {
        let written = match target {
            "de" => "1.",
            "fr" => return Some(Localised::default()),
            "it" => "1º",
            _ => "1",
        };
        let variants = ["1", "1st", "1.", "1er", "1º", "1.º", "1°"].map(str::to_owned);
        return Some(Localised {
            written: Some(written.into()),
            seen: None,
            variants: variants.into(),
        });
    }
    let digits = text.trim_end_matches(|c: char| c.is_lowercase() || c == 'ᵉ');
    let number = value(digits).filter(|_| !digits.is_empty())?;
    Some(century(number, target))
}

/// What a century is in `target`.
pub(super) fn century(number: u32, target: &str) -> Localised {
    let roman = roman(number);
    let written = match target {
        "en" => format!("{number}{}", english(number)),
        "de" => format!("{number}."),
        "nl" => format!("{number}e"),
        "fr" if number == 1 => "Ier".to_owned(),
        "fr" => format!("{roman}e"),
        "es" | "it" | "pt" => roman.clone(),
        _ => return Localised::default(),
    };
    let marks = ["", "st", "nd", "rd", "th", ".", "e", "ème", "º", ".º", "ste", "de"];
    let arabic = marks.iter().map(|mark| format!("{number}{mark}"));
    let latin = ["", "e", "er", "ème", "º"].iter().map(|mark| format!("{roman}{mark}"));
    // Romance languages have Roman digits: others are written anew.
    let variants = match target {
        "fr" | "es" | "it" | "pt" => latin.collect(),
        _ => arabic.chain(latin).collect(),
    };
    Localised { written: Some(written), seen: None, variants }
}

/// The letters behind an ordinal of English.
pub(super) fn english(number: u32) -> &'static str {
    match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// The values of Roman digits below a hundred, large ones first.
const ROMAN: [(&str, u32); 7] =
    [("L", 50), ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1)];

fn roman(mut number: u32) -> String {
    let mut text = String::new();
    for (digits, value) in ROMAN {
        while number >= value {
            text.push_str(digits);
            number -= value;
        }
    }
    text
}

/// The number that `digits` are; `None` where they are none, or written as nobody does.
fn value(digits: &str) -> Option<u32> {
    (1..90).find(|number| roman(*number) == digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centuries_are_written_as_the_target_does() {
        let written = |text, target| localised(text, target).and_then(|it| it.written);
        for (text, target, wanted) in [
            ("XXe", "en", "20th"),
            ("XXIe", "en", "21st"),
            ("XIX", "de", "19."),
            ("XVIII", "fr", "XVIIIe"),
            ("Ier", "es", "I"),
            ("IVème", "nl", "4e"),
            ("1er", "en", "1"),
            ("1er", "de", "1."),
        ] {
            assert_eq!(written(text, target).as_deref(), Some(wanted), "{text} {target}");
        }
        assert_eq!(localised("IIX", "en"), None);
        assert_eq!(localised("20", "en"), None);
        assert_eq!(century(20, "ja"), Localised::default());
        assert_eq!([1, 2, 3, 11, 22, 113].map(english), ["st", "nd", "rd", "th", "nd", "th"]);
    }
}
