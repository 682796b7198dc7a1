//! Measures: a number and the symbol of its unit, which are one word together.
//!
//! A symbol is no word of any language, and models translate it as if it were: `5 g` becomes a glass.
//! Symbols that are also words (`in`, `ha`) count only where no word can stand.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::{letters::base, sentence::Role};

/// Symbols of letters, most of which are no words.
const SYMBOLS: &str = r"[kMGT]?Hz|[kMGT]?Wh|[kMG]?W|k?VA|[kmµμ]?V(?: ?[AD]C)?|mAh|Ah|[mµμ]?A|k?N|Nm|[kMh]?Pa|mbar|[kM]J|k?cal|[kmµμ]?g|[kcdnmµμ]?m|[mcd]?[lL]|[kKMGTP]i?B|[kMGT]bit|[kMG]bps|dBA?|dpi|ppm|px|rpm|psi|mph|mol|fps|[kM]?Ω|oz|lbs?|ft|yd|pt|fl\.? ?oz|sq\.? ?(?:ft|m)|[mµμn]?s|lm|lx|[htFCK]|min|in|ha|bar|qt|mi|gal";

/// Symbols that no letter need follow.
const SIGNS: &str = r"[kcdmµμn]?m[²³]|°[ \u{a0}]?[CFK]\b|[°‰]|[kM]?Ω";

/// Symbols that may stand without a number.
const SAFE: &str = r"[kcm]?m[²³]|[kMG]?Hz|[kMG]?Wh|[kMG]W|kV|mAh|mA|hPa|kPa|MPa|mbar|kJ|kcal|kg|mg|µg|μg|km/h|km|cm|mm|µm|μm|ml|mL|cl|dl|[kKMGT]i?B|[kMG]bit|Mbps|Gbps|dB|°[CFK]|m/s|lbs";

/// Bytes of the longest symbol, in brackets.
const MAX_SYMBOL: usize = 8;

static MEASURE: LazyLock<Regex> = LazyLock::new(|| {
    let space = r"[ \u{a0}\u{202f}]";
    let plain = r"\d(?:[\d.,'’\u{a0}\u{202f}]{0,30}\d)?";
    let grouped = r"\d{1,3}(?: \d{3}){1,6}(?:[.,]\d{1,9})?";
    let number = format!("(?:{grouped}|{plain})");
    let per = format!(r"[/·](?:\d{{1,3}}{space})?(?:{SIGNS}|(?:{SAFE}|[gmlLshVWAKN]|min|mol)\b²?)");
    let regex = format!(
        r"(?P<n>[±≈≤≥−-]?{number}(?:{space}?[-–×x]{space}?{number})?){space}?(?P<u>(?:{SIGNS}|(?:{SYMBOLS})\b)(?:{per})?)"
    );
    Regex::new(&regex).expect("it is valid")
});

static ALONE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = format!(
        r"^[(\[]?(?P<w>{SAFE}|°)[)\]]?$|[(\[](?P<b>{SAFE})[)\]]|[ \u{{a0}}][(\[](?P<l>[gmlLshVWAKN])[)\]]"
    );
    Regex::new(&regex).expect("it is valid")
});

/// Adds the symbols of `text` that stand without a number.
pub(super) fn symbols(text: &str, pieces: &mut Vec<Piece>) {
    if text.len() > MAX_SYMBOL && !text.contains(['(', '[']) {
        return;
    }
    for found in ALONE.captures_iter(text) {
        let symbol = ["w", "b", "l"].into_iter().find_map(|name| found.name(name));
        if let Some(symbol) = symbol {
            let carry = Carry::Inline(Role::Figure);
            pieces.push(Piece { at: symbol.range(), kind: Kind::Identifier, carry });
        }
    }
}

/// Finds measures, and symbols that stand alone.
pub(super) struct Units;

impl Recogniser for Units {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut from = 0;
        // A search goes on behind a number: the 5 in the `3 of 5 kg` was not looked at before.
        while let Some(found) = MEASURE.captures_at(text.text, from) {
            let (Some(number), Some(unit)) = (found.name("n"), found.name("u")) else { break };
            from = unit.end();
            let Some(start) = begins(text.text, number.range()) else { continue };
            if is_unit(text, number.as_str(), unit.range()) {
                let carry = Carry::Inline(Role::Number);
                pieces.push(Piece { at: start..unit.end(), kind: Kind::Number, carry });
            } else {
                from = number.end();
            }
        }
        symbols(text.text, pieces);
    }
}

/// Where a measure begins whose number stands at `at`: a sign is one only where no word is before it.
fn begins(text: &str, at: Range<usize>) -> Option<usize> {
    let before = text[..at.start].chars().next_back();
    let touches = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | ':' | '/' | '-' | '_');
    let is_sign = !text[at.start..].starts_with(|c: char| c.is_ascii_digit());
    match before {
        Some(c) if !is_sign && (touches(c) || "$€£¥#".contains(c)) => None,
        Some(c) if is_sign && !(c.is_whitespace() || c == '(') => {
            let sign = text[at.start..].chars().next().map_or(0, char::len_utf8);
            (!text[at.start..].starts_with(['-', '−']) && !touches(c)).then_some(at.start + sign)
        }
        _ => Some(at.start),
    }
}

/// Whether the symbol at `at`, behind `number`, is one and no word.
fn is_unit(text: &Text<'_>, number: &str, at: Range<usize>) -> bool {
    let rest = &text.text[at.end..];
    let mut chars = rest.chars();
    let next = chars.next();
    // `l'eau`, `5 m-high`, `5 s_x`, `5 m=`
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '_' | '=' | '(' | '&');
    if next.is_some_and(goes_on)
        || matches!(next, Some('/' | '-' | '.' | ':' | '+'))
            && chars.next().is_some_and(char::is_alphanumeric)
    {
        return false;
    }
    // `C:\\Users`, `5 C:x`
    let touches = |rest: &str| rest.starts_with(|c: char| !c.is_whitespace());
    if rest.strip_prefix(':').is_some_and(touches) || rest.starts_with('\\') {
        return false;
    }
    let symbol = &text.text[at.clone()];
    let language = base(text.language);
    let follows = rest.trim_start_matches([' ', '\u{a0}']);
    let ends = follows.is_empty()
        || follows.starts_with([',', ';', ')', ']', '×', '"', '“', '”', '»', '?', '!', '\n', '\r'])
        || follows.starts_with('.') && !follows[1..].starts_with(char::is_alphanumeric);
    let before_small = rest.starts_with(' ') && follows.starts_with(char::is_lowercase);
    let before_number = follows.starts_with(|c: char| c.is_ascii_digit());
    let is_spaced = !text.text[..at.start].ends_with(|c: char| c.is_ascii_digit());
    match symbol {
        "in" => language == "en" && ends,
        "mi" | "gal" | "qt" => language == "en" && (ends || before_small),
        "ha" if matches!(language, "es" | "it") => ends,
        "bar" | "mol" => ends,
        // Dutch for "minus"
        "min" if language == "nl" => !before_number,
        // An hour with its minutes is a time, which languages write in their own way.
        "h" => !before_number,
        // The article where all words have a capital
        "A" => ends || before_small,
        // `the 1990 s`, `5 t` are measures; letters that number something have no digits before them.
        "g" | "m" | "l" | "L" | "s" | "t" | "V" | "W" | "F" | "K" | "C" | "N" => {
            // A letter that touches its number may be the end of a code such as `5L12`, which is one word anyway.
            is_spaced || number.len() < 7
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;

    fn pieces<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        find(text, language).into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn a_number_and_its_unit_are_one_word() {
        for measure in [
            "5 g",
            "250 g",
            "100 W",
            "20 s",
            "5 A",
            "2 l",
            "16 oz",
            "5 ml",
            "25 min",
            "25 mm",
            "1,75 m",
            "12 V DC",
            "2.5 kg",
            "3 GB",
            "10 h",
            "3 t",
            "6 ft",
            "10 lb",
            "90 km/h",
            "5 m²",
            "36.6 °C",
            "-5 °C",
            "3 g/l",
            "6 l/100 km",
            "1 500 kg",
            "5–10 kg",
            "9 m/s",
            "4 kΩ",
            "2.5kg",
            "16GB",
            "1,234.5 kWh",
            "180 °",
        ] {
            for text in [measure.to_owned(), format!("Das sind {measure} davon.")] {
                assert_eq!(pieces(&text, "de"), [measure], "{text}");
            }
        }
        assert_eq!(pieces("It is 5 in.", "en"), ["5 in"]);
        assert_eq!(pieces("(5 in x 7 in)", "en").last(), Some(&"7 in"));
        assert_eq!(pieces("Il pèse 3 kg et 5 g.", "fr"), ["3 kg", "5 g"]);
        assert_eq!(pieces("Weight (kg)", "en"), ["kg"]);
        assert_eq!(pieces("Length (m)", "en"), ["m"]);
        assert_eq!(pieces("km", "en"), ["km"]);
        assert_eq!(pieces("°C", "en"), ["°C"]);
    }

    #[test]
    fn words_behind_numbers_are_no_units() {
        for (language, text, number) in [
            ("en", "There are 5 in the room.", "5"),
            ("en", "We take 2 a day.", "2"),
            ("en", "The top 5 A New Hope scenes.", "5"),
            ("en", "She has 5 gold coins.", "5"),
            ("en", "In 2020 he left.", "2020"),
            ("es", "En 2020 ha subido.", "2020"),
            ("es", "En 1 mi casa.", "1"),
            ("it", "Alle 5 mi alzo.", "5"),
            ("nl", "Het is 5 min 3.", "5"),
            ("fr", "Les 5 l'ont vu.", "5"),
            ("fr", "Il est 10 h 30.", "10"),
            ("en", "The 5 m-high wall.", "5"),
            ("en", "I have 3 minutes.", "3"),
        ] {
            assert_eq!(pieces(text, language).first(), Some(&number), "{text}");
        }
        for text in ["The file(s) are here", "kilograms", "The ms is old"] {
            assert!(pieces(text, "en").is_empty(), "{text}");
        }
    }
}
