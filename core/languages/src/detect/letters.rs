//! What the letters of a text say: scripts that one language uses, and letters that few have.

use std::collections::HashMap;

/// The language of a text whose letters are mostly of one script that is not Latin, with how much of
/// the text is in it.
pub(super) fn of_script(text: &str) -> Option<(&'static str, f64)> {
    let mut counts: HashMap<Script, usize> = HashMap::new();
    let mut total = 0usize;
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        total += 1;
        if let Some(script) = script(c) {
            *counts.entry(script).or_default() += 1;
        }
    }
    let of = |script: Script| counts.get(&script).copied().unwrap_or(0);
    // Japanese mixes its scripts.
    let japanese = of(Script::Kana) + if of(Script::Kana) > 0 { of(Script::Han) } else { 0 };
    let (script, most) = counts.iter().map(|(&script, &count)| (script, count)).max_by_key(
        |&(script, count)| (count, script), // the same for equal counts
    )?;
    let (language, count) = match script {
        Script::Kana | Script::Han if japanese > 0 => ("ja", japanese),
        _ => (language(script, text), most),
    };
    let share = count as f64 / total.max(1) as f64;
    (share > 0.5).then_some((language, share))
}

/// Scripts that stand for a language, or for a few that letters tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Script {
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Devanagari,
    Bengali,
    Gurmukhi,
    Gujarati,
    Tamil,
    Telugu,
    Kannada,
    Malayalam,
    Sinhala,
    Thai,
    Georgian,
    Ethiopic,
    Hangul,
    Kana,
    Han,
}

fn script(c: char) -> Option<Script> {
    Some(match c as u32 {
        0x370..=0x3FF | 0x1F00..=0x1FFF => Script::Greek,
        0x400..=0x52F => Script::Cyrillic,
        0x530..=0x58F => Script::Armenian,
        0x590..=0x5FF => Script::Hebrew,
        0x600..=0x77F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFF => Script::Arabic,
        0x900..=0x97F => Script::Devanagari,
        0x980..=0x9FF => Script::Bengali,
        0xA00..=0xA7F => Script::Gurmukhi,
        0xA80..=0xAFF => Script::Gujarati,
        0xB80..=0xBFF => Script::Tamil,
        0xC00..=0xC7F => Script::Telugu,
        0xC80..=0xCFF => Script::Kannada,
        0xD00..=0xD7F => Script::Malayalam,
        0xD80..=0xDFF => Script::Sinhala,
        0xE00..=0xE7F => Script::Thai,
        0x10A0..=0x10FF => Script::Georgian,
        0x1200..=0x137F => Script::Ethiopic,
        0x1100..=0x11FF | 0x3130..=0x318F | 0xAC00..=0xD7FF => Script::Hangul,
        0x3040..=0x30FF | 0x31F0..=0x31FF => Script::Kana,
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF => Script::Han,
        _ => return None,
    })
}

/// The language that `text` in `script` is in, by letters that others do not have.
fn language(script: Script, text: &str) -> &'static str {
    let lower = text.to_lowercase();
    let has = |letters: &[char]| lower.contains(letters);
    match script {
        Script::Greek => "el",
        Script::Cyrillic if has(&['ї', 'є', 'ґ']) => "uk",
        Script::Cyrillic if has(&['ў']) => "be",
        Script::Cyrillic if has(&['ђ', 'ћ']) => "sr",
        Script::Cyrillic if has(&['ѓ', 'ќ', 'ѕ']) => "mk",
        Script::Cyrillic if has(&['ј', 'љ', 'њ', 'џ']) => "sr",
        Script::Cyrillic if has(&['қ', 'ғ', 'ұ', 'ә']) => "kk",
        Script::Cyrillic if has(&['ө', 'ү']) => "mn",
        Script::Cyrillic if has(&['ы', 'э', 'ё']) => "ru",
        Script::Cyrillic if has(&['і']) => "uk",
        Script::Cyrillic => by_cyrillic_words(&lower),
        Script::Armenian => "hy",
        Script::Hebrew => "he",
        Script::Arabic if has(&['ٹ', 'ڈ', 'ں', 'ے']) => "ur",
        Script::Arabic if has(&['پ', 'چ', 'ژ', 'گ', 'ک', 'ی']) => "fa",
        Script::Arabic => "ar",
        Script::Devanagari => "hi",
        Script::Bengali => "bn",
        Script::Gurmukhi => "pa",
        Script::Gujarati => "gu",
        Script::Tamil => "ta",
        Script::Telugu => "te",
        Script::Kannada => "kn",
        Script::Malayalam => "ml",
        Script::Sinhala => "si",
        Script::Thai => "th",
        Script::Georgian => "ka",
        Script::Ethiopic => "am",
        Script::Hangul => "ko",
        Script::Kana => "ja",
        Script::Han => "zh",
    }
}

/// Russian, Ukrainian or Bulgarian, where no letter tells them apart.
fn by_cyrillic_words(text: &str) -> &'static str {
    const WORDS: &[(&str, &[&str])] = &[
        (
            "bg",
            &[
                "и", "на", "да", "се", "не", "за", "от", "са", "съм", "ще", "че", "е", "до", "как",
                "с", "това", "със",
            ],
        ),
        (
            "uk",
            &[
                "та",
                "що",
                "як",
                "це",
                "не",
                "на",
                "до",
                "для",
                "або",
                "він",
                "вона",
                "ми",
                "ви",
                "так",
                "дякую",
            ],
        ),
        (
            "ru",
            &[
                "и",
                "в",
                "не",
                "на",
                "что",
                "он",
                "как",
                "это",
                "по",
                "но",
                "из",
                "к",
                "у",
                "же",
                "спасибо",
                "да",
                "привет",
            ],
        ),
    ];
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).collect();
    let hits = |list: &[&str]| words.iter().filter(|word| list.contains(word)).count();
    // A hard sign within a word is frequent in Bulgarian.
    let sign = 2 * words.iter().filter(|word| word.trim_end_matches('ъ').contains('ъ')).count();
    let score =
        |language: &str, list: &[&str]| hits(list) + if language == "bg" { sign } else { 0 };
    // The last of equal ones, which is Russian.
    WORDS
        .iter()
        .max_by_key(|(language, list)| score(language, list))
        .map_or("ru", |(found, _)| found)
}

/// Letters of languages that the detector has no model of; other languages hardly use them.
const RARE: &[(&str, &[char])] = &[
    ("pl", &['ł', 'ą', 'ę', 'ś', 'ż', 'ź', 'ń', 'ć']),
    ("cs", &['ě', 'ř', 'ů', 'ň', 'ť', 'č', 'š', 'ž']),
    ("sk", &['ľ', 'ĺ', 'ŕ', 'ť', 'ň', 'ď', 'č', 'š', 'ž']),
    ("hu", &['ő', 'ű']),
    ("tr", &['ı', 'ğ', 'ş']),
    ("hr", &['đ', 'ć', 'č', 'š', 'ž']),
    ("sl", &['č', 'š', 'ž']),
    ("lt", &['ė', 'į', 'ų', 'ū', 'ž', 'š', 'č']),
    ("lv", &['ģ', 'ķ', 'ļ', 'ņ', 'ā', 'ē', 'ī', 'ū', 'š', 'ž']),
    ("et", &['õ']),
    ("is", &['þ', 'ð']),
    (
        "vi",
        &[
            'ơ', 'ư', 'đ', 'ạ', 'ả', 'ấ', 'ầ', 'ậ', 'ắ', 'ế', 'ề', 'ệ', 'ố', 'ồ', 'ộ', 'ớ', 'ờ',
            'ợ', 'ủ', 'ụ', 'ứ', 'ừ', 'ự', 'ị', 'ọ', 'ể', 'ổ', 'ở', 'ử', 'ữ', 'ẫ', 'ẽ', 'ũ', 'ĩ',
        ],
    ),
];

/// For each language with rare letters the share of `words`, in lower case, that have one of them.
pub(super) fn rare(words: &[&str]) -> Vec<(&'static str, f64)> {
    let share = |letters: &[char]| {
        // `õe` is Portuguese: `configurações`.
        let with = words.iter().filter(|word| word.replace("õe", "").contains(letters)).count();
        with as f64 / words.len().max(1) as f64
    };
    RARE.iter().map(|(language, letters)| (*language, share(letters))).collect()
}
