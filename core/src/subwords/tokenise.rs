//! Moses' tokenizer (`tokenizer.perl`).

use std::borrow::Cow;

use regex::{Captures, Regex};

use super::{
    characters::{Class, Prefixes, class, prefixes},
    rules::Rules,
};

/// The tokenizer of one language.
#[derive(Debug, Clone)]
pub(super) struct Tokeniser {
    clean: Rules,
    symbols: Rules,
    dots: Regex,
    commas: Rules,
    apostrophes: Rules,
    end: Rules,
    markers: Regex,
    escapes: Rules,
    alpha: Class,
    lower: Class,
    prefixes: &'static Prefixes,
}

/// Blanks, as Python knows them.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

impl Tokeniser {
    pub(super) fn new(language: &str) -> Self {
        let scripts: &[&str] = match language {
            "ko" => &["Hangul"],
            "zh" => &["Han"],
            "ja" => &["Hiragana", "Katakana", "Han"],
            _ => &[],
        };
        let with_scripts =
            |own: &str| scripts.iter().fold(class(own), |sum, name| sum.and(&class(name)));
        let (alnum, wide_alpha) = (with_scripts("IsAlnum").pattern(), with_scripts("IsAlpha"));
        let (alpha, number) = (class("IsAlpha").pattern(), class("IsN").pattern());
        let apostrophes: Vec<(String, &str)> = match language {
            "en" => vec![
                (format!("([^{alpha}])'([^{alpha}])"), "${1} ' ${2}"),
                (format!("([^{alpha}{number}])'([{alpha}])"), "${1} ' ${2}"),
                (format!("([{alpha}])'([^{alpha}])"), "${1} ' ${2}"),
                (format!("([{alpha}])'([{alpha}])"), "${1} '${2}"),
                (format!("([{number}])'(s)"), "${1} '${2}"),
            ],
            "fr" | "it" => vec![
                (format!("([^{alpha}])'([^{alpha}])"), "${1} ' ${2}"),
                (format!("([^{alpha}])'([{alpha}])"), "${1} ' ${2}"),
                (format!("([{alpha}])'([^{alpha}])"), "${1} ' ${2}"),
                (format!("([{alpha}])'([{alpha}])"), "${1}' ${2}"),
            ],
            _ => vec![("'".into(), " ' ")],
        };
        let expression = |text: &str| Regex::new(text).expect("the expressions here are valid");
        Self {
            clean: Rules::new([(r"[\s\x1c-\x1f]+", " "), (r"[\x00-\x1f]", "")]),
            symbols: Rules::new([(format!(r"([^{alnum}\s\x1c-\x1f.'`,\-])"), " ${1} ")]),
            dots: expression(r"\.{2,}"),
            commas: Rules::new([
                (format!("([^{number}]),"), "${1} , "),
                (format!(",([^{number}])"), " , ${1}"),
                (format!("([{number}]),$"), "${1} , "),
            ]),
            apostrophes: Rules::new(apostrophes),
            end: Rules::new([(r"\.' ?$", " . ' ")]),
            markers: expression("(?:DOT)+MULTI"),
            escapes: Rules::new([
                ("&", "&amp;"),
                (r"\|", "&#124;"),
                ("<", "&lt;"),
                (">", "&gt;"),
                ("'", "&apos;"),
                (r#"""#, "&quot;"),
                (r"\[", "&#91;"),
                (r"\]", "&#93;"),
            ]),
            alpha: wide_alpha,
            lower: class("IsLower"),
            prefixes: prefixes(language),
        }
    }

    /// Cuts a text into words and punctuation, with characters that Moses gives a meaning escaped.
    pub(super) fn tokens(&self, text: &str) -> Vec<String> {
        let text = self.clean.apply(text);
        let text = self.symbols.apply(text.trim_matches(is_blank));
        let text = self.mark_dots(&text).into_owned();
        let text = self.apostrophes.apply(&self.commas.apply(&text));
        let text = self.cut_full_stops(&text);
        let text = self.end.apply(&text);
        let dots = |found: &Captures<'_>| ".".repeat((found[0].len() - "MULTI".len()) / 3);
        let text = self.markers.replace_all(&text, dots);
        let text = self.escapes.apply(&text);
        text.split(is_blank).filter(|token| !token.is_empty()).map(String::from).collect()
    }

    /// Several dots in a row become a word that nothing cuts.
    fn mark_dots<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.dots.replace_all(text, |found: &Captures<'_>| {
            let found = found.get(0).expect("the whole match");
            let behind = if found.end() < text.len() { " " } else { "" };
            format!(" {}MULTI{behind}", "DOT".repeat(found.len()))
        })
    }

    /// Cuts the full stop from words that are not abbreviations, and leaves one blank between words.
    fn cut_full_stops(&self, text: &str) -> String {
        let words: Vec<&str> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
        let cut = |(i, word): (usize, &&str)| {
            let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty()) else {
                return word.to_string();
            };
            let next = words.get(i + 1);
            let is_lower = next.and_then(|next| next.chars().next()).map(|c| self.lower.has(c));
            let has_number =
                next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
            let stays = (stem.contains('.') && stem.chars().any(|c| self.alpha.has(c)))
                || self.prefixes.always.contains(stem)
                || is_lower == Some(true)
                || (self.prefixes.before_numbers.contains(stem) && has_number);
            if stays { word.to_string() } else { format!("{stem} .") }
        };
        words.iter().enumerate().map(cut).collect::<Vec<_>>().join(" ")
    }
}
