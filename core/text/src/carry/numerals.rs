//! Words for numbers, which a translation may write in digits.

use crate::letters::{base, has_unspaced};

/// Whether a translation of `text` from one language into another may have digits that it has not:
/// Japanese writes April as `4月` and a cat as `1匹`, so there any may.
pub(super) fn may_appear(text: &str, source: &str, target: &str) -> bool {
    has_unspaced(target) || has_numeral(text, source)
}

/// Whether `text`, written in `language`, has a word that may become a number; for languages that are
/// not known here any text has.
fn has_numeral(text: &str, language: &str) -> bool {
    let language = base(language);
    let stems: &[&str] = match language {
        "en" => &[
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twel", "thirt", "fift", "twent", "fort", "hundred", "thousand", "million",
            "billion", "first", "second", "third", "half", "dozen", "noon", "midnight", "once",
            "twice", "zero", "quarter", "decade", "centur",
        ],
        "de" => &[
            "ein",
            "zwei",
            "drei",
            "vier",
            "fünf",
            "sechs",
            "sieb",
            "acht",
            "neun",
            "zehn",
            "elf",
            "zwölf",
            "zwanzig",
            "dreißig",
            "hundert",
            "tausend",
            "million",
            "milliard",
            "erst",
            "dritt",
            "halb",
            "dutzend",
            "mittag",
            "mitternacht",
            "null",
            "viertel",
            "jahrzehnt",
        ],
        "fr" => &[
            "un", "deux", "trois", "quatr", "cinq", "six", "sept", "huit", "neuf", "dix", "onz",
            "douz", "treiz", "quatorz", "quinz", "seiz", "vingt", "trent", "quarant", "soixant",
            "cent", "mille", "million", "milliard", "premi", "second", "tiers", "midi", "minuit",
            "demi", "zéro", "siècle", "décenn",
        ],
        "es" => &[
            "un", "dos", "tres", "cuatro", "cinc", "seis", "siet", "och", "nuev", "diez", "diec",
            "onc", "doc", "trec", "catorc", "quinc", "vein", "treint", "cuarent", "sesent",
            "setent", "novent", "cien", "mil", "primer", "segund", "tercer", "cuart", "quint",
            "medi", "cero", "siglo", "década",
        ],
        "nl" => &[
            "een",
            "één",
            "twee",
            "drie",
            "vier",
            "vijf",
            "zes",
            "zeven",
            "acht",
            "negen",
            "tien",
            "elf",
            "twaalf",
            "dertien",
            "twintig",
            "dertig",
            "veertig",
            "honderd",
            "duizend",
            "miljoen",
            "miljard",
            "eerst",
            "derde",
            "half",
            "dozijn",
            "middag",
            "middernacht",
            "nul",
            "kwart",
            "eeuw",
            "decenni",
        ],
        _ => return true,
    };
    // German and Dutch write numbers as one word.
    let is_compound = matches!(language, "de" | "nl");
    text.split(|c: char| !c.is_alphabetic()).any(|word| {
        let is_roman = word.len() > 1 && word.bytes().all(|b| b"IVXLCDM".contains(&b));
        let word = word.to_lowercase();
        let is_numeral = |stem: &&str| match is_compound {
            true => word.contains(stem),
            false => word.starts_with(*stem),
        };
        is_roman || stems.iter().any(is_numeral)
    })
}

#[cfg(test)]
mod tests {
    use super::has_numeral;

    #[test]
    fn words_for_numbers_are_known() {
        assert!(has_numeral("Twenty men came", "en") && has_numeral("im XIX. Jahr", "de"));
        assert!(has_numeral("die Vierundzwanzig", "de") && !has_numeral("Haus und Hof", "de"));
        assert!(!has_numeral("the house is red", "en"));
    }
}
