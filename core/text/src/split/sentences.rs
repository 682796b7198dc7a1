//! Finds the sentences of a line: Unicode's rules, with repairs for abbreviations.

use unicode_segmentation::UnicodeSegmentation;

use super::{FILLER, MAX_SENTENCE_CHARS};

/// How far the search for a sentence's end looks ahead, in characters.
const WINDOW_CHARS: usize = 5 * MAX_SENTENCE_CHARS;

/// Splits `line` into consecutive sentences, each with the white space that follows it.
pub(super) fn split_line<'a>(line: &'a str, language: &str) -> Vec<&'a str> {
    let mut sentences = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let window = &rest[..chars_end(rest, WINDOW_CHARS)];
        let mut found = bounds(window, language);
        if window.len() < rest.len() && found.len() > 1 {
            found.pop(); // it may go on behind the window
        }
        let mut taken = 0;
        for end in found {
            while taken < end {
                let length = cut(&rest[taken..end]);
                sentences.push(&rest[taken..taken + length]);
                taken += length;
                if end == window.len() && window.len() < rest.len() {
                    break; // one long sentence: cut once, and look again from there
                }
            }
        }
        rest = &rest[taken..];
    }
    sentences
}

/// Cuts `line` only where it is too long for a model.
pub(super) fn cut_line(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(cut(rest));
        pieces.push(piece);
        rest = others;
    }
    pieces
}

/// Ends of the sentences of `text`, as byte offsets.
fn bounds(text: &str, language: &str) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::new();
    let mut start = 0;
    for (at, piece) in text.split_sentence_bound_indices() {
        let closing = closing_marks(&text[..at], piece);
        let (at, piece) = (at + closing, &piece[closing..]);
        if at > start
            && !piece.is_empty()
            && !goes_on(&text[start..at], start == 0, piece, language)
        {
            ends.push(at);
            start = at;
        }
    }
    ends.push(text.len());
    ends
}

/// Bytes at the beginning of `after`, white space included, that close a quotation of `before`: French writes a
/// space before its marks, which Unicode takes for the end of a sentence.
fn closing_marks(before: &str, after: &str) -> usize {
    let count = |mark: char| before.matches(mark).count();
    let Some(mark) = after.chars().next() else { return 0 };
    let is_open = match mark {
        '»' => count('«') > count('»'),
        '”' => count('“') > count('”'),
        '"' => count('"') % 2 == 1,
        _ => return 0,
    };
    let behind = after[mark.len_utf8()..].trim_start_matches([')', '.', ',', '!', '?']);
    let rest = behind.trim_start();
    let stands_apart = rest.is_empty() || rest.len() < behind.len();
    if is_open && stands_apart { after.len() - rest.len() } else { 0 }
}

/// Whether the sentence `before`, although it looks complete, goes on with `after`.
fn goes_on(before: &str, is_first: bool, after: &str, language: &str) -> bool {
    if after.starts_with(char::is_lowercase) {
        return true;
    }
    let Some(before) = before.trim_end().strip_suffix('.') else { return false };
    let opens_word = |c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„' | '«');
    let (head, word) = match before.rfind(opens_word) {
        Some(at) => before.split_at(at),
        None => ("", before),
    };
    let word = word.trim_start_matches(opens_word);
    let lower = word.to_lowercase();
    let digits = word.len() <= 2 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    if digits {
        let opens_list = is_first && head.is_empty();
        return language == "de" && !opens_list;
    }
    // EE. UU., FF. AA.: the first half of a plural in Spanish
    let is_first_half = language == "es" && is_doubled(word) && {
        let next: String = after.chars().take_while(|c| c.is_alphabetic()).collect();
        is_doubled(&next) && after[next.len()..].starts_with('.')
    };
    is_letter(word)
        || is_first_half
        || word.contains('.') && word.split('.').all(is_letter)
        || NEVER_LAST.contains(&lower.as_str())
        || BEFORE_NUMBER.contains(&lower.as_str()) && after.starts_with(|c: char| c.is_numeric())
        || abbreviations(language).contains(&lower.as_str())
}

/// Whether `word` is a single letter, as in initials and `z. B.`
fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

/// Whether `word` is a capital written twice.
fn is_doubled(word: &str) -> bool {
    let mut chars = word.chars();
    let (first, second) = (chars.next(), chars.next());
    first == second && first.is_some_and(char::is_uppercase) && chars.next().is_none()
}

/// Abbreviations that another word always follows, alike in many languages.
const NEVER_LAST: &[&str] = &["dr", "prof", "mr", "mrs", "ms", "mme", "mlle", "st", "ca", "vs"];

/// Abbreviations when a number follows; words of their own otherwise.
const BEFORE_NUMBER: &[&str] = &[
    "no", "nr", "nos", "art", "fig", "abs", "abb", "vol", "ch", "cap", "chap", "pp", "pag", "pág",
    "núm", "sec", "kap", "bd", "tel", "p", "v", "jan", "feb", "dec", "mon", "tue", "wed", "thu",
    "fri",
];

/// Abbreviations of `language` that another word always follows.
fn abbreviations(language: &str) -> &'static [&'static str] {
    match language {
        "en" => &[
            "messrs", "rev", "hon", "gen", "col", "capt", "lt", "sgt", "sen", "rep", "gov", "pres",
            "viz", "al", "approx", "cf", "mt", "ft", "sr", "jr",
        ],
        "de" => &[
            "hr", "fr", "frl", "dipl", "ing", "hl", "bzw", "vgl", "evtl", "ggf", "inkl", "exkl",
            "sog", "zzgl", "abzgl", "bspw", "usf", "geb", "gest", "str", "nr", "allg", "insb",
            "mind", "max", "ungef",
        ],
        "fr" => &["mm", "mgr", "me", "ste", "av", "env", "cf", "boul", "éd", "ex", "dir"],
        "es" => &[
            "sr", "sra", "srta", "sres", "dra", "d", "dña", "ud", "uds", "vd", "ej", "av", "avda",
            "lic", "gral", "pdte", "cía", "sta", "sto", "excmo", "ilmo",
        ],
        "nl" => &[
            "dhr", "mevr", "mw", "mej", "drs", "ir", "ing", "mr", "ds", "bijv", "bv", "evt",
            "incl", "excl", "resp", "zgn", "jhr", "burg", "wed", "vgl", "m.b.t", "o.a",
        ],
        "it" => &[
            "sig", "sigg", "sig.ra", "dott", "dott.ssa", "avv", "ing", "arch", "geom", "rag", "on",
            "gent", "egr", "spett", "es", "cfr",
        ],
        "pt" => {
            &["sr", "sra", "srta", "dra", "profa", "eng", "exmo", "exma", "ex", "av", "d", "sto"]
        }
        _ => &[],
    }
}

/// Bytes of the first piece of `sentence`: all of it, or a part that is short enough.
fn cut(sentence: &str) -> usize {
    let end = chars_end(sentence, MAX_SENTENCE_CHARS);
    if end == sentence.len() {
        return end;
    }
    let window = &sentence[..end];
    let late_enough = |at: &usize| *at > end / 4;
    last_clause(window)
        .filter(late_enough)
        .or_else(|| last_space(window).filter(late_enough))
        .or_else(|| last_grapheme(window))
        .unwrap_or(end)
}

/// Byte offset behind the last clause mark of `text`.
fn last_clause(text: &str) -> Option<usize> {
    let marks = text.char_indices().zip(text.chars().skip(1).map(Some).chain([None]));
    let behind = |((at, mark), next): ((usize, char), Option<char>)| {
        let western = matches!(mark, ',' | ';' | ':' | ')' | '–' | '—')
            && next.is_some_and(char::is_whitespace);
        let eastern = matches!(mark, '，' | '；' | '：' | '、' | '。');
        (western || eastern).then_some(at + mark.len_utf8())
    };
    marks.filter_map(behind).last()
}

/// Byte offset behind the last white space of `text`.
fn last_space(text: &str) -> Option<usize> {
    let (at, space) = text.char_indices().rfind(|(_, c)| c.is_whitespace())?;
    Some(at + space.len_utf8())
}

/// Byte offset of the last character of `text` as a reader sees characters.
///
/// The last grapheme of a cut text may be a part of one.
fn last_grapheme(text: &str) -> Option<usize> {
    let is_own = |(_, grapheme): &(usize, &str)| !grapheme.starts_with(FILLER);
    text.grapheme_indices(true).rev().find(is_own).map(|(at, _)| at).filter(|&at| at > 0)
}

/// Byte offset behind the first `count` characters of `text` that count.
fn chars_end(text: &str, count: usize) -> usize {
    let own = text.char_indices().filter(|(_, c)| *c != FILLER);
    own.skip(count).map(|(at, _)| at).next().unwrap_or(text.len())
}
