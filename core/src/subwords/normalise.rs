//! Moses' normalisation of punctuation (`normalize-punctuation.perl`).

use super::rules::Rules;

/// The rules of a language.
pub(super) fn rules(language: &str) -> Rules {
    let quotes_and_commas: &[(&str, &str)] = match language {
        "en" => &[(r#""([,.]+)"#, r#"${1}""#)],
        "de" | "es" | "fr" => {
            &[(r#",""#, r#"","#), (r#"(\.+)"([\s\x1c-\x1f]*[^<])"#, r#""${1}${2}"#)]
        }
        _ => &[],
    };
    let numbers: &[(&str, &str)] = match language {
        "de" | "es" | "cz" | "cs" | "fr" => &[("(\\d)\u{a0}(\\d)", "${1},${2}")],
        _ => &[("(\\d)\u{a0}(\\d)", "${1}.${2}")],
    };
    let all = [SPACES, QUOTES, UNICODE, GUILLEMETS, HARD_SPACES, quotes_and_commas, numbers];
    Rules::new(all.concat())
}

const SPACES: &[(&str, &str)] = &[
    (r"\r", ""),
    (r"\(", " ("),
    (r"\)", ") "),
    (r" +", " "),
    (r"\) ([.!:?;,])", ")${1}"),
    (r"\( ", "("),
    (r" \)", ")"),
    (r"(\d) %", "${1}%"),
    (r" :", ":"),
    (r" ;", ";"),
];

const QUOTES: &[(&str, &str)] = &[("`", "'"), ("''", r#" " "#)];

const UNICODE: &[(&str, &str)] = &[
    ("„", r#"""#),
    ("“", r#"""#),
    ("”", r#"""#),
    ("–", "-"),
    ("—", " - "),
    (" +", " "),
    ("´", "'"),
    ("([a-zA-Z])‘([a-zA-Z])", "${1}'${2}"),
    ("([a-zA-Z])’([a-zA-Z])", "${1}'${2}"),
    ("‘", "'"),
    ("‚", "'"),
    ("’", "'"),
    ("''", r#"""#),
    ("´´", r#"""#),
    ("…", "..."),
];

const GUILLEMETS: &[(&str, &str)] = &[
    ("\u{a0}«\u{a0}", r#"""#),
    ("«\u{a0}", r#"""#),
    ("«", r#"""#),
    ("\u{a0}»\u{a0}", r#"""#),
    ("\u{a0}»", r#"""#),
    ("»", r#"""#),
];

const HARD_SPACES: &[(&str, &str)] = &[
    ("\u{a0}%", "%"),
    ("nº\u{a0}", "nº "),
    ("\u{a0}:", ":"),
    ("\u{a0}ºC", " ºC"),
    ("\u{a0}cm", " cm"),
    ("\u{a0}\\?", "?"),
    ("\u{a0}!", "!"),
    ("\u{a0};", ";"),
    (",\u{a0}", ", "),
    (" +", " "),
];
