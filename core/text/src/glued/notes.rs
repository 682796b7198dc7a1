//! What a short element is to the word that it touches.

use std::ops::Range;

use super::Script;
use crate::letters::is_unspaced;

/// What becomes of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is translated as any other.
    None,
    /// It is a part of the word at this place, which stays.
    Word(Range<usize>),
    /// It is a note to the words from here on.
    Note(usize),
    /// It is a note that stands behind the end of a sentence.
    Apart,
}

/// Characters of a word at most: what is longer is none.
const MAX_WORD: usize = 40;

/// Signs that notes are numbered with.
const NOTE_SIGNS: &str = "*†‡§¶®™℠";

/// Endings of ordinals, which are set above the line.
const ORDINALS: &[&str] = &["e", "er", "re", "me", "ème", "th", "o", "a"];

/// Whether an element with this text may belong to the word that it touches.
pub(super) fn may_be_note(text: &str) -> bool {
    let is_part =
        |c: char| c.is_alphanumeric() || NOTE_SIGNS.contains(c) || ",;()[]–-−+′' ".contains(c);
    text.trim() == text
        && text.chars().count() <= 12
        && text.contains(|c: char| c.is_alphanumeric() || NOTE_SIGNS.contains(c))
        && text.chars().all(is_part)
        && !text.split(' ').any(|word| word.chars().filter(|c| c.is_alphabetic()).count() > 4)
}

/// What the element at `at` is, which may have another at its end; the text before `floor` has nothing to do
/// with it.
pub(super) fn fate(
    text: &str,
    floor: usize,
    (at, is_last): (&Range<usize>, bool),
    script: Script,
) -> Fate {
    let content = &text[at.clone()];
    if !may_be_note(content) {
        return Fate::None;
    }
    let has_digit = content.contains(|c: char| c.is_ascii_digit());
    let is_set = script != Script::None;
    let is_number = content.bytes().all(|byte| byte.is_ascii_digit());
    let before = &text[floor..at.start];
    let last = before.chars().next_back();
    let end = if is_last { word_end(text, at.end) } else { at.end };
    if end > at.end {
        // `14C`, `H2O`, `3rd`
        let is_one = is_set && (has_digit || last.is_some_and(is_word)) || is_number;
        return match is_one && !content.contains(' ') {
            true => Fate::Word(word_start(before, floor)..end),
            false => Fate::None,
        };
    }
    match last {
        Some(c) if is_word(c) => behind_word(before, floor, at, content, script),
        Some(c) if is_number && goes_on_a_number(before, c) => {
            Fate::Word(number_start(before, floor)..at.end)
        }
        Some(c) if is_note(content, is_set) && (is_set || !is_number || has_word(before)) => {
            behind_mark(before, floor, c)
        }
        _ => Fate::None,
    }
}

/// What an element is that stands behind a word.
fn behind_word(
    before: &str,
    floor: usize,
    at: &Range<usize>,
    content: &str,
    script: Script,
) -> Fate {
    let start = word_start(before, floor);
    let word = &before[start - floor..];
    match script {
        _ if word.is_empty() => Fate::None,
        Script::None if !is_note(content, false) => Fate::None,
        _ if belongs(word, content, script) => Fate::Word(start..at.end),
        _ if is_note(content, script != Script::None) => Fate::Note(start),
        _ => Fate::None,
    }
}

/// What a note is that stands behind the mark `last`: to the word before a comma, or to a whole sentence.
fn behind_mark(before: &str, floor: usize, last: char) -> Fate {
    if before.trim_end_matches(|c: char| "\"'”’»)]".contains(c)).ends_with(['.', '!', '?', '…'])
    {
        return Fate::Apart;
    }
    // A quotation is translated otherwise by itself: its note stands about where it stood.
    if before
        .trim_end_matches(|c: char| ",;:".contains(c))
        .ends_with(['"', '”', '’', '»', ')', ']'])
    {
        return Fate::Apart;
    }
    let is_closing = ",;:%".contains(last);
    let bare = before.trim_end_matches(|c: char| ",;:%".contains(c));
    let start = word_start(bare, floor);
    match is_closing && start < floor + bare.len() {
        true => Fate::Note(start),
        false => Fate::None,
    }
}

/// Whether a word stands before the marks at the end of `before`.
fn has_word(before: &str) -> bool {
    let bare = before.trim_end_matches(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
    bare.ends_with(char::is_alphabetic)
}

/// Whether a text is what notes are called: `3`, `1, 2`, `[4]`, `a`, `*`; what is not set above the line
/// is one only as a small number or a sign.
fn is_note(text: &str, is_set: bool) -> bool {
    let inner = text.trim_matches(['[', ']', '(', ')']);
    let is_number =
        |part: &str| !part.is_empty() && part.len() < 4 && part.bytes().all(|b| b.is_ascii_digit());
    let is_sign = |part: &str| !part.is_empty() && part.chars().all(|c| NOTE_SIGNS.contains(c));
    let is_letters = |part: &str| {
        let letters = part.trim_start_matches(|c: char| c.is_ascii_digit());
        (1..3).contains(&letters.chars().count()) && letters.chars().all(char::is_alphabetic)
    };
    let is_name = |part: &str| {
        is_number(part)
            || is_sign(part)
            || is_set && (is_letters(part) || part.len() < 6 && is_range(part))
    };
    inner.split([',', ';']).all(|part| is_name(part.trim()))
}

fn is_range(part: &str) -> bool {
    part.contains(|c: char| c.is_ascii_digit())
        && part.chars().all(|c| c.is_ascii_digit() || "–-−+".contains(c))
}

/// Whether an element belongs to the word before it: a power, an index, an ordinal.
fn belongs(word: &str, content: &str, script: Script) -> bool {
    let is_number = content.contains(|c: char| c.is_ascii_digit());
    let length = word.chars().count();
    if script == Script::None {
        return false;
    }
    let is_symbol = length == 1 && !(word == "I" && is_number);
    let has_digit = word.contains(|c: char| c.is_ascii_digit());
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    let is_formula = script == Script::Sub && (length <= 2 || capitals > 1);
    // No word is without a vowel: `cm`, `mc`.
    let is_unit = length <= 3
        && is_number
        && word.chars().all(|c| c.is_lowercase() && !"aeiouyàáâäèéêëíïóôöúü".contains(c));
    let is_ordinal = word.chars().all(|c| "IVXLCM".contains(c)) && ORDINALS.contains(&content);
    is_symbol || has_digit || is_formula || is_unit || is_ordinal
}

/// Whether digits behind `before`, which ends with `last`, go on a number: `2.5`, `10-12`.
fn goes_on_a_number(before: &str, last: char) -> bool {
    ".,:/-–".contains(last)
        && before[..before.len() - last.len_utf8()].ends_with(|c: char| c.is_ascii_digit())
}

fn number_start(before: &str, floor: usize) -> usize {
    let is_part = |c: &char| is_word(*c) || ".,:/-–".contains(*c);
    let length: usize =
        before.chars().rev().take(MAX_WORD).take_while(is_part).map(char::len_utf8).sum();
    floor + before.len() - length
}

/// Whether `c` is a part of a word that ends somewhere.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !is_unspaced(c)
}

/// Where the word at the end of `before` begins; that begins at `floor`.
pub(super) fn word_start(before: &str, floor: usize) -> usize {
    let is_part = |c: &char| is_word(*c) || matches!(c, '-' | '\'' | '’');
    let word = before.chars().rev().take(MAX_WORD).take_while(is_part);
    let start = before.len() - word.map(char::len_utf8).sum::<usize>();
    let skipped =
        before[start..].len() - before[start..].trim_start_matches(['-', '\'', '’']).len();
    floor + start + skipped
}

/// Where the word at `at` ends.
pub(super) fn word_end(text: &str, at: usize) -> usize {
    let word = text[at..].chars().take(MAX_WORD).take_while(|c| is_word(*c));
    at + word.map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the part of `text` in `{}` is, which is set as `script`.
    fn told(text: &str, script: Script) -> String {
        let (before, rest) = text.split_once('{').expect("it begins");
        let (content, behind) = rest.split_once('}').expect("it ends");
        let text = format!("{before}{content}{behind}");
        let at = before.len()..before.len() + content.len();
        match fate(&text, 0, (&at, true), script) {
            Fate::None => "none".into(),
            Fate::Apart => "apart".into(),
            Fate::Word(word) => format!("word {}", &text[word]),
            Fate::Note(from) => format!("note to {}", &text[from..at.start]),
        }
    }

    #[test]
    fn powers_indexes_and_ordinals_belong_to_their_word() {
        for (text, script, expected) in [
            ("10 m{2} of grass", Script::Super, "word m2"),
            ("10 km{2} of grass", Script::Super, "word km2"),
            ("On the 3{rd} of May", Script::Super, "word 3rd"),
            ("Le XIX{e} siècle", Script::Super, "word XIXe"),
            ("about 10{-3} of it", Script::Super, "word 10-3"),
            ("a tank of CO{2} stood", Script::Sub, "word CO2"),
            ("a tank of H{2}O stood", Script::Sub, "word H2O"),
            ("{14}C is old", Script::Super, "word 14C"),
            ("On the {3}rd of May", Script::None, "word 3rd"),
            ("The x{i} is small", Script::Sub, "word xi"),
            ("The T{max} is small", Script::Sub, "word Tmax"),
            ("Version 2.{5} is new", Script::None, "word 2.5"),
        ] {
            assert_eq!(told(text, script), expected, "{text}");
        }
    }

    #[test]
    fn notes_are_told_from_words() {
        for (text, script, expected) in [
            ("The king of Spain{3} was", Script::Super, "note to Spain"),
            ("The dog{1} sleeps", Script::None, "note to dog"),
            ("The lake{a} is cold", Script::Super, "note to lake"),
            ("The UK{1,2} and", Script::Super, "note to UK"),
            ("He came,{3} saw", Script::Super, "note to came,"),
            ("He came.{3} He saw", Script::Super, "apart"),
            ("She said “no.”{3} He saw", Script::Super, "apart"),
            ("Spain{[2]} was", Script::Super, "note to Spain"),
            ("He said “no”,{3} and", Script::Super, "apart"),
            ("He (my son){3} saw", Script::Super, "apart"),
            ("my mother-in-law{*} was", Script::Super, "note to mother-in-law"),
        ] {
            assert_eq!(told(text, script), expected, "{text}");
        }
    }

    #[test]
    fn words_and_what_stands_alone_are_no_notes() {
        for (text, script) in [
            ("A {3} and", Script::Super),
            ("{3} and", Script::None),
            ("the drop {H}ello", Script::None),
            ("un{like}ly", Script::None),
            ("a year{2024} ago", Script::None),
            ("our shop{new} is", Script::Super),
            ("our shop{ 1} is", Script::Super),
            ("({3}) and", Script::Super),
            ("the dogs{a} are", Script::None),
            ("costs $,{5} and", Script::None),
            ("西班牙{3} 国王", Script::Super),
        ] {
            assert_eq!(told(text, script), "none", "{text}");
        }
    }
}
