//! Numbers: plain ones, amounts, dates and times, accounts.

use std::{ops::Range, sync::LazyLock};

use super::{
    Kind,
    table::{
        Form::{Figure, Noun, Number},
        Table, before, behind, compile, pattern, when, without_final,
    },
};

/// Signs and codes of currencies.
const CURRENCY: &str = r"(?:US\$|A\$|C\$|[$€£¥₹₽₩₺₪₫฿]|\b(?:EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|AUD|CAD|INR|BTC)\b)";

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    let number = r"\d(?:[\d.,'’\u{a0}\u{202f}]*\d)?";
    let before_number =
        format!(r"{CURRENCY}[ \u{{a0}}]?-?{number}(?:[ \u{{a0}}]?(?:[kKM]|bn|Mio\.?|Mrd\.?)\b)?");
    let behind_number = format!(r"{number}[ \u{{a0}}\u{{202f}}]?{CURRENCY}");
    let leak = |regex: String| -> &'static str { regex.leak() };
    compile(vec![
        // Accounts
        when(
            Kind::Account,
            Noun,
            r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b",
            shortened,
        ),
        when(
            Kind::Account,
            Noun,
            r"\b(?:97[89]-?)?\d{1,5}-\d{1,7}-\d{1,7}-[\dXx]\b|\b(?:97[89] ?)?\d{1,5} \d{1,7} \d{1,7} [\dXx]\b|\b97[89]\d{10}\b|\b\d{9}[Xx]\b|\b\d{4}-\d{3}[\dXx]\b",
            |text, at| (!goes_on(text, at.end)).then_some(at),
        ),
        when(
            Kind::Account,
            Noun,
            r"(?:\+|\b00)\d{1,3}[ \u{a0}]?(?:\(0?\d{1,5}\)[ \u{a0}]?)?\d[\d \u{a0}./-]{4,20}\d|\(\d{2,5}\)[ \u{a0}-]?\d[\d -]{4,14}\d|\b0\d{1,4}[ /-]\d[\d -]{4,12}\d|\b\d{3}[-.]\d{3}[-.]\d{4}\b",
            |text, at| {
                let is_free = !before(text, at.start).is_some_and(char::is_alphanumeric);
                if !is_free {
                    return None;
                }
                let at = shortened(text, at)?;
                let digits = text[at.clone()].bytes().filter(u8::is_ascii_digit).count();
                (digits > 6).then_some(at)
            },
        ),
        when(Kind::Account, Noun, r"\b(?:\d{4}[ -]){3}\d{4}\b|\b\d{7,200}\b", |text, at| {
            (!goes_on(text, at.end)).then_some(at)
        }),
        // Ranges with a dash, which models write as a hyphen, or as a word between two numbers
        when(
            Kind::Number,
            Noun,
            r"\b\d{1,9}(?:[.,:]\d{1,9}){0,3}(?:[AaPp][Mm]\b)?[–‒]\d{1,9}(?:[.,:]\d{1,9}){0,3}(?:[AaPp][Mm]\b)?",
            |text, at| {
                let touches = |c: char| matches!(c, ':' | '.' | '-' | '–') || c.is_alphanumeric();
                (!before(text, at.start).is_some_and(touches)).then_some(at)
            },
        ),
        // Dates and times
        pattern(
            Kind::Date,
            Noun,
            r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?\b|\b\d{4}-W?\d{2}\b|\b\d{4}/\d{2}/\d{2}\b",
        ),
        // The 3.4. on which one meets
        when(Kind::Date, Noun, r"\b(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.", |text, at| {
            let is_free =
                !before(text, at.start).is_some_and(|c| c.is_alphanumeric() || ".,-/".contains(c));
            let goes_on = text[at.end..]
                .strip_prefix(' ')
                .is_some_and(|rest| rest.starts_with(char::is_lowercase));
            (is_free && goes_on).then_some(at)
        }),
        pattern(Kind::Date, Noun, r"\b\d{1,2}([./-])\d{1,2}[./-](?:\d{4}|\d{2})\b"),
        when(
            Kind::Date,
            Figure,
            r"\b\d{1,2}[:.]\d{2}[ \u{a0}]?(?:[AaPp]\.[Mm]\.|[AaPp][Mm]\b)|\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?\b",
            |text, at| {
                let touches = |c: char| matches!(c, ':' | '.' | '-') || c.is_alphanumeric();
                let end =
                    at.end - usize::from(text[at.clone()].ends_with('.') && ends(text, at.end));
                (!before(text, at.start).is_some_and(touches)).then_some(at.start..end)
            },
        ),
        pattern(Kind::Date, Number, r"\b\d{1,2}h\d{2}\b"),
        pattern(Kind::Date, Figure, r"\b(?:19|20)\d{2}[-–/](?:19|20)?\d{2}\b"),
        // Amounts and measures with a sign
        super::table::Pattern {
            kind: Kind::Amount,
            form: Figure,
            regex: leak(before_number),
            accept: whole,
        },
        super::table::Pattern {
            kind: Kind::Amount,
            form: Figure,
            regex: leak(behind_number),
            accept: |text, at| {
                // The sign may be the first of what follows: a formula, a variable.
                let is_free =
                    !behind(text, at.end).is_some_and(|c| c.is_alphanumeric() || "{(_".contains(c));
                is_free.then_some(at).and_then(|at| whole(text, at))
            },
        },
        when(
            Kind::Amount,
            Figure,
            r"[±≈≤≥−-]?[ \u{a0}]?\d(?:[\d.,]*\d)?[ \u{a0}\u{202f}]?(?:°[ \u{a0}]?[CFK]\b|°|‰|µm|μm|Ω|²|³|m²|m³|km²|km/h|m/s|kg/m³)|[±≈≤≥−]\d(?:[\d.,]*\d)?",
            whole,
        ),
        // Feet and inches: 6'2"
        pattern(Kind::Amount, Noun, r#"\b[1-9]['’′] ?(?:1[01]|\d)(?:["”″]|''|[½¼¾]["”″])"#),
        when(Kind::Amount, Noun, r"(?:§§?|№|#|¶|©)[ \u{a0}]?\d{1,9}(?:[a-z]\b)?", |_, at| {
            Some(at)
        }),
        pattern(
            Kind::Amount,
            Noun,
            r"\b\d{1,4}[x×]\d{1,4}(?:[x×]\d{1,4})?\b|[½¼¾⅓⅔⅛]|\b\d+[½¼¾⅓⅔⅛]",
        ),
        // Plain numbers
        when(
            Kind::Number,
            Number,
            r"[−-]?\d(?:[\d.,'’]*\d)?|\d{1,3}(?:[ \u{a0}\u{202f}]\d{3}){1,8}\b",
            whole,
        ),
    ])
}));

/// Whether a sentence ends at `at`, so that the stop of `p.m.` before it is that of the sentence, too.
pub(super) fn ends(text: &str, at: usize) -> bool {
    let rest = text[at..].trim_start();
    let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    // `p.m. EST`
    let is_zone = matches!(word.len(), 2..=5) && word.bytes().all(|b| b.is_ascii_uppercase());
    rest.is_empty()
        || rest.len() < text.len() - at && rest.starts_with(char::is_uppercase) && !is_zone
}

/// Without the groups at its end that are the beginning of what follows.
fn shortened(text: &str, mut at: Range<usize>) -> Option<Range<usize>> {
    while goes_on(text, at.end) {
        at.end = at.start + text[at.clone()].rfind([' ', '\u{a0}'])?;
    }
    Some(at)
}

/// Whether the digits before `end` are the beginning of another number, of an amount or of a word.
fn goes_on(text: &str, end: usize) -> bool {
    let rest = &text[end..];
    let begins = |rest: &str, with: fn(char) -> bool| rest.starts_with(with);
    let unit = rest.strip_prefix([' ', '\u{a0}', '\u{202f}']).unwrap_or(rest);
    begins(rest, char::is_alphanumeric)
        || rest.starts_with(['.', ',', '/', ':', '-', '\'', '’'])
            && begins(&rest[rest.chars().next().map_or(0, char::len_utf8)..], char::is_numeric)
        || unit.starts_with(['°', '%', '€', '£', '¥', '‰', '²', '³'])
            && !unit
                .chars()
                .nth(1)
                .is_some_and(|c| c.is_alphanumeric() && c != 'C' || "$({%".contains(c))
}

/// Without a mark at the end; not a part of a longer word with a sign.
fn whole(text: &str, at: Range<usize>) -> Option<Range<usize>> {
    let start = at.start + text[at.clone()].len()
        - text[at.clone()].trim_start_matches(['-', '−', ' ', '\u{a0}']).len();
    let sign = text[at.clone()].chars().next().filter(|c| matches!(c, '-' | '−'));
    let behind_sign = at.start + sign.map_or(0, char::len_utf8);
    let begins =
        sign.is_some() && before(text, at.start).is_none_or(|c| c.is_whitespace() || c == '(');
    let start = if begins && text[behind_sign..].starts_with(|c: char| c.is_ascii_digit()) {
        at.start
    } else {
        start
    };
    Some(without_final(text, start..at.end))
}

/// The value of a number, however its thousands and decimals are separated; `None` when that is
/// unclear.
///
/// The sign and the unit do not count.
pub(crate) fn value(number: &str) -> Option<String> {
    let number = number.trim_start_matches(['-', '−', '±', '≈', '≤', '≥', ' ', '\u{a0}']);
    let is_inner = |c: char| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}')
    };
    let end = number.find(|c| !is_inner(c)).unwrap_or(number.len());
    if number[end..].contains(|c: char| c.is_numeric()) {
        return None;
    }
    let number = number[..end].trim_end();
    let is_separator = |c: char| matches!(c, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}');
    let groups: Vec<&str> = number.split(is_separator).collect();
    if groups.iter().any(|group| group.is_empty() || !group.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let separators: Vec<char> = number.chars().filter(|&c| is_separator(c)).collect();
    let digits = groups.concat();
    let is_grouped =
        |groups: &[&str]| groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3);
    match separators.split_last() {
        None => Some(digits),
        // 1,234,567 or 1.234.567: thousands
        Some((last, rest)) if rest.iter().all(|c| c == last) && !rest.is_empty() => {
            is_grouped(&groups).then_some(digits)
        }
        // 1,234 may be either: its digits with where they are cut
        Some((_, [])) => {
            let decimals = groups[1].len();
            Some(
                format!("{}|{}", groups[0], groups[1])
                    .replace('|', if decimals == 3 { "?" } else { "|" }),
            )
        }
        // 1,234.56: thousands and then decimals
        Some((last, rest)) => {
            let whole = &groups[..groups.len() - 1];
            let same = rest.iter().all(|c| c == &rest[0] && c != last);
            (same && is_grouped(whole))
                .then(|| format!("{}|{}", whole.concat(), groups[groups.len() - 1]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_same_value_in_both_fashions() {
        for (a, b) in [
            ("2,200,112", "2.200.112"),
            ("3.5", "3,5"),
            ("1,234.56", "1.234,56"),
            ("244,890", "244.890"),
            ("10", "10"),
        ] {
            assert_eq!(value(a), value(b), "{a} {b}");
            assert!(value(a).is_some());
        }
        for (a, b) in [
            ("2,200,112", "2,200,12"),
            ("3.5", "35"),
            ("244,890", "24.890"),
            ("1,234.56", "1,23456"),
        ] {
            assert_ne!(value(a), value(b), "{a} {b}");
        }
        for (a, b) in [("2.5 kg", "2,5"), ("-3.5", "3,5"), ("21st", "21")] {
            assert_eq!(value(a), value(b), "{a} {b}");
        }
        for text in ["", "kg", "3:30 pm", "5–10 kg", "1.2,3,4"] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
