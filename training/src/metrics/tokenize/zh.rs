//! The tokenizer for Chinese: a character is a word, what is not Chinese is cut as by `13a`.

use std::ops::RangeInclusive;

use super::v13a;
use crate::metrics::text::is_space;

/// What counts as a Chinese character.
///
/// sacreBLEU means the last two as `U+20000..=U+2A6D6` and `U+2F800..=U+2FA1D`, but writes them with
/// four-digit escapes, and compares strings. These are the characters that its comparison lets
/// through, curly quotes and dashes among them; published scores have them, so ours do.
const CHINESE: [RangeInclusive<char>; 22] = [
    '\u{3400}'..='\u{4db5}', // CJK Unified Ideographs Extension A
    '\u{4e00}'..='\u{9fa5}', // CJK Unified Ideographs
    '\u{9fa6}'..='\u{9fbb}',
    '\u{f900}'..='\u{fa2d}', // CJK Compatibility Ideographs
    '\u{fa30}'..='\u{fa6a}',
    '\u{fa70}'..='\u{fad9}',
    '\u{ff00}'..='\u{ffef}', // full-width forms
    '\u{2e80}'..='\u{2eff}', // radicals
    '\u{3000}'..='\u{303f}', // punctuation
    '\u{31c0}'..='\u{31ef}', // strokes
    '\u{2f00}'..='\u{2fdf}', // Kangxi radicals
    '\u{2ff0}'..='\u{2fff}', // character structure
    '\u{3100}'..='\u{312f}', // Bopomofo
    '\u{31a0}'..='\u{31bf}',
    '\u{fe10}'..='\u{fe1f}',
    '\u{fe30}'..='\u{fe4f}',
    '\u{2600}'..='\u{26ff}', // symbols
    '\u{2700}'..='\u{27bf}',
    '\u{3200}'..='\u{32ff}',
    '\u{3300}'..='\u{33ff}',
    '\u{2001}'..='\u{2a6d}',
    '\u{2f81}'..='\u{2fa1}',
];

/// Cuts `line` into words.
pub(super) fn tokenize(line: &str) -> String {
    let mut spaced = String::with_capacity(2 * line.len());
    for c in line.trim_matches(is_space).chars() {
        if CHINESE.iter().any(|range| range.contains(&c)) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    v13a::apply_rules(&spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_words_and_latin_words_stay_whole() {
        assert_eq!(tokenize("我用Rust写代码。"), "我 用 Rust 写 代 码 。");
        assert_eq!(tokenize("“3.5米”"), "“ 3.5 米 ”");
    }

    #[test]
    fn a_number_keeps_its_full_stop_at_the_end_of_a_line() {
        assert_eq!(tokenize("in 2018."), "in 2018.");
    }
}
