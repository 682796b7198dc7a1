//! The languages: their codes, their names and the scripts they are written in.

/// A language that corpora may name by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language {
    /// ISO 639-1 code, as in `de`.
    pub code: &'static str,
    /// English name.
    pub name: &'static str,
    /// Scripts it is written in.
    pub scripts: &'static [Script],
}

/// A script, as far as it helps to tell that a text is in the wrong language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are the scripts' names")]
pub enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Devanagari,
    Bengali,
    Tamil,
    Thai,
    Georgian,
    Hangul,
    Kana,
    Han,
}

use Script::{
    Arabic, Armenian, Bengali, Cyrillic, Devanagari, Georgian, Greek, Han, Hangul, Hebrew, Kana,
    Latin, Tamil, Thai,
};

/// First and last character of the blocks of each script.
const BLOCKS: [(char, char, Script); 27] = [
    ('A', 'Z', Latin),
    ('a', 'z', Latin),
    ('\u{AA}', '\u{AA}', Latin),
    ('\u{BA}', '\u{BA}', Latin),
    ('\u{C0}', '\u{D6}', Latin),
    ('\u{D8}', '\u{F6}', Latin),
    ('\u{F8}', '\u{2AF}', Latin),
    ('\u{370}', '\u{3FF}', Greek),
    ('\u{400}', '\u{52F}', Cyrillic),
    ('\u{531}', '\u{58A}', Armenian),
    ('\u{591}', '\u{5F4}', Hebrew),
    ('\u{600}', '\u{6FF}', Arabic),
    ('\u{750}', '\u{77F}', Arabic),
    ('\u{900}', '\u{97F}', Devanagari),
    ('\u{980}', '\u{9FF}', Bengali),
    ('\u{B80}', '\u{BFF}', Tamil),
    ('\u{E00}', '\u{E7F}', Thai),
    ('\u{10A0}', '\u{10FF}', Georgian),
    ('\u{1100}', '\u{11FF}', Hangul),
    ('\u{1E00}', '\u{1EFF}', Latin),
    ('\u{1F00}', '\u{1FFF}', Greek),
    ('\u{3040}', '\u{30FF}', Kana),
    ('\u{3400}', '\u{4DBF}', Han),
    ('\u{4E00}', '\u{9FFF}', Han),
    ('\u{AC00}', '\u{D7AF}', Hangul),
    ('\u{FB50}', '\u{FEFC}', Arabic),
    ('\u{20000}', '\u{3134F}', Han),
];

/// The known languages, in the order of their codes.
pub const LANGUAGES: &[Language] = &[
    language("ar", "Arabic", &[Arabic]),
    language("bg", "Bulgarian", &[Cyrillic]),
    language("bn", "Bengali", &[Bengali]),
    language("ca", "Catalan", &[Latin]),
    language("cs", "Czech", &[Latin]),
    language("da", "Danish", &[Latin]),
    language("de", "German", &[Latin]),
    language("el", "Greek", &[Greek]),
    language("en", "English", &[Latin]),
    language("eo", "Esperanto", &[Latin]),
    language("es", "Spanish", &[Latin]),
    language("et", "Estonian", &[Latin]),
    language("eu", "Basque", &[Latin]),
    language("fa", "Persian", &[Arabic]),
    language("fi", "Finnish", &[Latin]),
    language("fr", "French", &[Latin]),
    language("ga", "Irish", &[Latin]),
    language("gl", "Galician", &[Latin]),
    language("he", "Hebrew", &[Hebrew]),
    language("hi", "Hindi", &[Devanagari]),
    language("hr", "Croatian", &[Latin]),
    language("hu", "Hungarian", &[Latin]),
    language("hy", "Armenian", &[Armenian]),
    language("id", "Indonesian", &[Latin]),
    language("is", "Icelandic", &[Latin]),
    language("it", "Italian", &[Latin]),
    language("ja", "Japanese", &[Kana, Han]),
    language("ka", "Georgian", &[Georgian]),
    language("ko", "Korean", &[Hangul, Han]),
    language("lt", "Lithuanian", &[Latin]),
    language("lv", "Latvian", &[Latin]),
    language("mk", "Macedonian", &[Cyrillic]),
    language("mr", "Marathi", &[Devanagari]),
    language("ms", "Malay", &[Latin]),
    language("mt", "Maltese", &[Latin]),
    language("nb", "Norwegian Bokmål", &[Latin]),
    language("nl", "Dutch", &[Latin]),
    language("pl", "Polish", &[Latin]),
    language("pt", "Portuguese", &[Latin]),
    language("ro", "Romanian", &[Latin]),
    language("ru", "Russian", &[Cyrillic]),
    language("sk", "Slovak", &[Latin]),
    language("sl", "Slovenian", &[Latin]),
    language("sq", "Albanian", &[Latin]),
    language("sr", "Serbian", &[Cyrillic, Latin]),
    language("sv", "Swedish", &[Latin]),
    language("sw", "Swahili", &[Latin]),
    language("ta", "Tamil", &[Tamil]),
    language("th", "Thai", &[Thai]),
    language("tl", "Tagalog", &[Latin]),
    language("tr", "Turkish", &[Latin]),
    language("uk", "Ukrainian", &[Cyrillic]),
    language("ur", "Urdu", &[Arabic]),
    language("vi", "Vietnamese", &[Latin]),
    language("zh", "Chinese", &[Han]),
];

const fn language(code: &'static str, name: &'static str, scripts: &'static [Script]) -> Language {
    Language { code, name, scripts }
}

impl Language {
    /// Finds a language by its code; a region or script behind it (`pt-BR`, `zh_Hans`) is ignored.
    pub fn find(code: &str) -> Option<&'static Self> {
        let code = base_code(code);
        LANGUAGES
            .binary_search_by(|language| language.code.cmp(code.as_str()))
            .ok()
            .map(|i| &LANGUAGES[i])
    }

    /// Whether most letters of `text` belong to a script of this language. A text without letters
    /// (`1999`, `:-)`) fits every language.
    pub fn fits_script(&self, text: &str) -> bool {
        let (mut right, mut wrong) = (0usize, 0usize);
        for script in text.chars().filter_map(Script::of) {
            match self.scripts.contains(&script) {
                true => right += 1,
                false => wrong += 1,
            }
        }
        right >= wrong
    }
}

impl Script {
    /// The script of a letter; `None` for digits, signs, and scripts not listed here.
    pub fn of(c: char) -> Option<Self> {
        let next = BLOCKS.partition_point(|&(first, _, _)| first <= c);
        let &(_, last, script) = BLOCKS.get(next.checked_sub(1)?)?;
        (c <= last).then_some(script)
    }
}

/// The language part of a code, in lower case: `pt` of `pt-BR`.
pub fn base_code(code: &str) -> String {
    code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_for_the_search() {
        assert!(LANGUAGES.is_sorted_by(|a, b| a.code < b.code));
        assert!(BLOCKS.is_sorted_by(|a, b| a.1 < b.0));
    }

    #[test]
    fn languages_are_found_by_code() {
        assert_eq!(Language::find("de").map(|l| l.name), Some("German"));
        assert_eq!(Language::find("pt-BR").map(|l| l.name), Some("Portuguese"));
        assert_eq!(Language::find("tlh"), None);
    }

    #[test]
    fn a_text_in_another_script_does_not_fit() {
        let fits = |code, text| Language::find(code).is_some_and(|l| l.fits_script(text));
        assert!(fits("de", "Grüße aus Köln"));
        assert!(fits("de", "1999 :-)"));
        assert!(fits("de", "Das Wort мир heißt Frieden"));
        assert!(!fits("de", "Привет, мир"));
        assert!(fits("ja", "東京へ行きます"));
        assert!(!fits("zh", "good morning"));
    }
}
