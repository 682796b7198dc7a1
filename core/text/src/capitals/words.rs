//! The words of a text by their letters, and acronyms among them.

use std::ops::Range;

use crate::{
    letters::base,
    lexicon::{Usual, is_known, usual},
};

/// Acronyms and names that are written in capitals or may be, whatever the language, and that other
/// languages write alike.
const KEPT: &[&str] = &[
    "AC",
    "ADSL",
    "API",
    "ATM",
    "BBC",
    "BMW",
    "CD",
    "CIA",
    "CNN",
    "CPU",
    "CSS",
    "CSV",
    "DC",
    "DHL",
    "DIY",
    "DJ",
    "DNS",
    "DVD",
    "EPUB",
    "FAQ",
    "FBI",
    "FIFA",
    "FTP",
    "GIF",
    "GPS",
    "GPU",
    "HD",
    "HDMI",
    "HIV",
    "HP",
    "HR",
    "HTML",
    "HTTP",
    "HTTPS",
    "IBAN",
    "IBM",
    "ID",
    "IP",
    "ISBN",
    "ISO",
    "ISS",
    "JPEG",
    "JPG",
    "JSON",
    "KGB",
    "KLM",
    "LAN",
    "LCD",
    "LED",
    "LTE",
    "MIT",
    "MP",
    "MRI",
    "NASA",
    "NBA",
    "NFC",
    "NFL",
    "OECD",
    "OK",
    "OPEC",
    "OSCE",
    "PC",
    "PDF",
    "PHP",
    "PIN",
    "PNG",
    "QR",
    "RAM",
    "RGB",
    "ROM",
    "RSS",
    "SAP",
    "SDK",
    "SIM",
    "SMS",
    "SOS",
    "SQL",
    "SSD",
    "SSH",
    "SSL",
    "SUV",
    "SVG",
    "TCP",
    "TIFF",
    "TLS",
    "TV",
    "UEFA",
    "UK",
    "UNESCO",
    "UNICEF",
    "URL",
    "USB",
    "UTC",
    "UTF",
    "UX",
    "VIP",
    "VPN",
    "WLAN",
    "XLSX",
    "XML",
    "YAML",
    "ZIP",
    "ADIDAS",
    "ADOBE",
    "AIRBNB",
    "ANDROID",
    "AMAZON",
    "CANON",
    "EBAY",
    "FACEBOOK",
    "GITHUB",
    "GMAIL",
    "GOOGLE",
    "HONDA",
    "IKEA",
    "INSTAGRAM",
    "IPHONE",
    "LEGO",
    "LINKEDIN",
    "LINUX",
    "MICROSOFT",
    "NETFLIX",
    "NIKE",
    "NOKIA",
    "PAYPAL",
    "PINTEREST",
    "REDDIT",
    "SAMSUNG",
    "SIEMENS",
    "SKYPE",
    "SONY",
    "SPOTIFY",
    "TELEGRAM",
    "TESLA",
    "TIKTOK",
    "TOYOTA",
    "TWITTER",
    "UBER",
    "VISA",
    "VOLKSWAGEN",
    "WHATSAPP",
    "WIFI",
    "WIKIPEDIA",
    "YOUTUBE",
    "ZOOM",
];

/// Acronyms of [`KEPT`] that are words of a language.
const WORDS: &[(&str, &str)] = &[("es", "ID"), ("pb", "SIM"), ("pt", "SIM")];

/// Acronyms that other languages write otherwise, or that are words of one: a translation need not have
/// them.
const TRANSLATED: &[&str] = &[
    "AD", "AI", "AIDS", "AM", "BC", "CEO", "DNA", "EU", "EUR", "GB", "GDP", "GMT", "GMO", "IMF",
    "IT", "NATO", "NGO", "PM", "TB", "UFO", "UN", "UNO", "US", "USA", "USD", "VAT", "WHO", "WTO",
];

/// Keys, methods and the like: in capitals they are seldom an emphasis.
const KEYWORDS: &[&str] = &[
    "ALT", "CTRL", "DEL", "ENTER", "ESC", "FALSE", "GET", "HEAD", "INSERT", "NULL", "PATCH",
    "POST", "PUT", "README", "SELECT", "SHIFT", "STRG", "TAB", "TODO", "TRUE", "UPDATE", "WHERE",
];

/// Letters of an unknown word in capitals at most, for which it is an acronym.
const MAX_ACRONYM: usize = 5;

/// As [`MAX_ACRONYM`] where all words are in capitals.
const MAX_SHOUTED_ACRONYM: usize = 3;

/// The stretches of letters and digits in `text`.
pub(super) fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(char::is_alphanumeric)?;
        let length = text[start..].find(|c: char| !c.is_alphanumeric());
        rest = length.map_or(text.len(), |length| start + length);
        Some(start..rest)
    })
}

/// Whether `word` has several letters, and nothing but capitals.
pub(super) fn is_shouted(word: &str) -> bool {
    word.chars().nth(1).is_some() && word.chars().all(char::is_uppercase)
}

/// Whether the word in capitals stays so: in a text of such words only when it is surely an acronym.
pub(super) fn is_acronym(word: &str, language: &str, all_shouted: bool) -> bool {
    let length = word.chars().count();
    if is_listed(word, language) || is_roman(word) {
        return true;
    }
    if TRANSLATED.contains(&word) {
        // `WHO IS IT?` has the words.
        return !all_shouted || usual(word, language).is_none();
    }
    if !all_shouted && KEYWORDS.contains(&word) {
        return true;
    }
    let most = if all_shouted { MAX_SHOUTED_ACRONYM } else { MAX_ACRONYM };
    is_known(language)
        && usual(word, language).is_none()
        && (length <= most || word.is_ascii() && !word.contains(['A', 'E', 'I', 'O', 'U', 'Y']))
}

fn is_listed(word: &str, language: &str) -> bool {
    KEPT.contains(&word) && !WORDS.contains(&(language, word))
}

/// Whether a translation has to have the acronym.
pub(super) fn is_kept(word: &str, language: &str, all_shouted: bool) -> bool {
    let is_known = is_listed(word, language) && !(all_shouted && usual(word, language).is_some());
    let is_free = TRANSLATED.contains(&word) || KEYWORDS.contains(&word);
    is_known || !all_shouted && !is_free && is_acronym(word, language, false)
}

/// Whether these are Roman digits; of one letter there is none, and M, C and D are too much like words.
fn is_roman(word: &str) -> bool {
    word.len() > 1
        && word.bytes().all(|b| matches!(b, b'I' | b'V' | b'X'))
        && !["IIII", "VV", "VX", "IIX", "IIV"].iter().any(|wrong| word.contains(wrong))
}

/// How a word in capitals is written within a sentence; `None` where it stays.
pub(super) fn usual_form(word: &str, language: &str, all_shouted: bool) -> Option<Usual> {
    if is_acronym(word, language, all_shouted) {
        return None;
    }
    let is_german = base(language) == "de";
    match usual(word, language) {
        // Most German words that are not in a list of the common ones are nouns.
        None if all_shouted && is_german && is_known(language) => Some(Usual::Capital),
        None if all_shouted => Some(Usual::Small),
        // A name, or a word: a model reads both better so than in capitals.
        None if is_known(language) && word.chars().count() > MAX_ACRONYM => Some(Usual::Capital),
        known => known,
    }
}
