//! Letters, the scripts they belong to, and which languages are written in them.

/// The language of a code such as `zh-Hant` or `pt_BR`.
pub(crate) fn base(code: &str) -> &str {
    code.split(['-', '_']).next().unwrap_or(code)
}

/// A script, as far as languages differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Indic,
    Thai,
    Georgian,
    Ethiopic,
    Hangul,
    Kana,
    Han,
    Other,
}

/// The script of a letter; none of other characters.
pub(crate) fn script(c: char) -> Option<Script> {
    if !is_letter(c) || is_joiner(c) {
        return None;
    }
    Some(match c as u32 {
        0x41..=0x24F | 0x1E00..=0x1EFF | 0x2C60..=0x2C7F | 0xA720..=0xA7FF | 0xFB00..=0xFB06 => {
            Script::Latin
        }
        0x370..=0x3FF | 0x1F00..=0x1FFF => Script::Greek,
        0x400..=0x52F | 0x1C80..=0x1C8F | 0x2DE0..=0x2DFF | 0xA640..=0xA69F => Script::Cyrillic,
        0x530..=0x58F => Script::Armenian,
        0x590..=0x5FF | 0xFB1D..=0xFB4F => Script::Hebrew,
        0x600..=0x77F | 0x8A0..=0x8FF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => Script::Arabic,
        0x900..=0xDFF => Script::Indic,
        0xE00..=0xE7F => Script::Thai,
        0x10A0..=0x10FF | 0x2D00..=0x2D2F => Script::Georgian,
        0x1200..=0x139F => Script::Ethiopic,
        0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7FF => Script::Hangul,
        0x3040..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9F => Script::Kana,
        0x2E80..=0x2FDF
        | 0x3005..=0x3007
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF => Script::Han,
        _ => Script::Other,
    })
}

/// Whether `c` is a letter, or a sign on one that writing cannot do without: vowels, tones, and what joins
/// letters or keeps them apart.
pub(crate) fn is_letter(c: char) -> bool {
    let is_sign = || match c as u32 {
        0x591..=0x5C7 | 0x610..=0x61A | 0x64B..=0x65F | 0x6D6..=0x6ED => true,
        0x900..=0xDFF => !c.is_numeric() && !matches!(c, '।' | '॥' | '॰'),
        0xE31..=0xE4E | 0xEB1..=0xECE | 0x102B..=0x103E | 0x17B4..=0x17D3 => true,
        _ => is_joiner(c),
    };
    c.is_alphabetic() || is_sign()
}

/// Whether `c` joins the letters around it, or keeps them apart.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// The scripts of a language.
pub(crate) fn scripts_of(language: &str) -> &'static [Script] {
    let language = base(language);
    match language {
        "ru" | "uk" | "be" | "bg" | "mk" | "kk" | "ky" | "mn" | "tg" | "ba" | "tt" | "cv" => {
            &[Script::Cyrillic]
        }
        "sr" => &[Script::Cyrillic, Script::Latin],
        "el" => &[Script::Greek],
        "hy" => &[Script::Armenian],
        "he" | "yi" => &[Script::Hebrew],
        "ar" | "fa" | "ur" | "ps" | "ug" | "sd" | "ckb" => &[Script::Arabic],
        "hi" | "bn" | "ta" | "te" | "ml" | "kn" | "mr" | "gu" | "pa" | "ne" | "si" | "or"
        | "as" | "sa" | "mai" => &[Script::Indic],
        "th" => &[Script::Thai],
        "ka" => &[Script::Georgian],
        "am" | "ti" => &[Script::Ethiopic],
        "km" | "lo" | "my" | "bo" | "dz" => &[Script::Other],
        "ko" => &[Script::Hangul, Script::Han],
        "ja" => &[Script::Kana, Script::Han],
        "zh" | "zt" | "yue" => &[Script::Han],
        _ => &[Script::Latin],
    }
}

/// Whether a language has a script of its own, so that letters of others must be looked for.
pub(crate) fn has_own(language: &str) -> bool {
    scripts_of(language) != [Script::Latin]
}

/// Whether `c` is a letter of a script that puts no space between words, or none between a word and its
/// particles: what touches it may be a word of its own.
pub(crate) fn is_unspaced(c: char) -> bool {
    let is_other = matches!(c as u32, 0xE80..=0xEFF | 0x1000..=0x109F | 0x1780..=0x17FF);
    let is_script =
        |script| matches!(script, Script::Thai | Script::Hangul | Script::Kana | Script::Han);
    c.is_alphabetic() && (is_other || script(c).is_some_and(is_script))
}

/// Whether a language is written in such letters.
pub(crate) fn has_unspaced(language: &str) -> bool {
    let language = base(language);
    matches!(language, "ja" | "zh" | "zt" | "yue" | "ko" | "th" | "lo" | "km" | "my")
}

/// Whether a model that writes `target` may put out the letter `c`.
pub(crate) fn may_write(c: char, target: &str) -> bool {
    let joins = |script| matches!(script, &Script::Arabic | &Script::Indic | &Script::Other);
    match script(c) {
        _ if is_joiner(c) => scripts_of(target).iter().any(joins),
        None => true,
        Some(Script::Latin) => true,
        Some(script) => scripts_of(target).contains(&script),
    }
}
