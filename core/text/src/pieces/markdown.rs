//! Markdown: marks at the beginning of lines, links, emphasis, tables.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Carry, Kind, Piece, Recogniser, Text,
    table::{
        Form::{Cut, Noun, Point},
        Table, compile, pattern, when,
    },
};
use crate::{sentence::Role, split::has_letters};

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // Headings, quotations, lists of all kinds, tasks, footnotes
        pattern(
            Kind::Markdown,
            Cut,
            r"(?m)^[ \t]*(?:(?:>[ \t]{0,4}){1,8}|#{1,6}[ \t]+|(?:[-*+•◦▪▫‣⁃∙·●○■□–—]|\(?\d{1,4}[.):]|\(?[a-zA-LN-Z][.)]|\(?M\)|\((?:[ivxlc]{1,6})\)|[ivx]{1,5}[.)])[ \t]+){1,4}(?:\[[ xX/-]\][ \t]+|\[![A-Za-z]+\][+-]?[ \t]*)?",
        ),
        pattern(
            Kind::Markdown,
            Cut,
            r"(?m)^\[\^?[^\[\]\n]+\]:[ \t]*|[ \t]#{1,6}[ \t]*$|^[ \t]{0,3}(?:[-*_=][ \t]{0,2}){3,200}$",
        ),
        // Entries of a list within a line: `1) Open it. 2) Close it.`
        when(Kind::Markdown, Cut, r"[.!?] (?P<p>\(?\d{1,2}\) )", |text, at| {
            follows_entry(text, &at).then_some(at)
        }),
        pattern(Kind::Markdown, Noun, r"!?\[\[[^\[\]\n]+\]\]"),
        when(
            Kind::Markdown,
            Point,
            r"\[\^[^\[\]\s]+\]|!\[[^\[\]\n]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])",
            |text, at| (!stands_alone(text, &at)).then_some(at),
        ),
        when(Kind::Column, Cut, r"\t+| {3,200}", |text, at| {
            // Blanks at the ends of a line are layout anyway.
            Some(at).filter(|at| !text[..at.start].is_empty())
        }),
    ])
}));

/// How far back the entry before one of a list is looked for, in bytes.
const MAX_ENTRY: usize = 400;

/// Words with a stop before a number in brackets that is none of a list: `Eq. (2)`.
const BEFORE_NUMBER: &[&str] = &[
    "eq", "eqs", "éq", "ec", "fig", "figs", "abb", "tab", "gl", "art", "no", "nr", "núm", "cf",
    "vgl", "p", "pp", "s", "vol", "kap", "cap", "chap", "sec", "abs",
];

/// Whether the mark of an entry at `at` follows that of the one before in its line.
fn follows_entry(text: &str, at: &Range<usize>) -> bool {
    let number = |mark: &str| mark.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok();
    let Some(number) = number(&text[at.clone()]) else { return false };
    let mut start = at.start.saturating_sub(MAX_ENTRY);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let line = text[start..at.start].rsplit('\n').next().unwrap_or_default();
    let word = line.trim_end().trim_end_matches(['.', '!', '?']);
    let word = word.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let before = format!("{}) ", number.saturating_sub(1));
    let first = line.find(&before);
    // Brackets that open behind that mark are closed again.
    let is_even = |rest: &str| rest.matches('(').count() == rest.matches(')').count();
    number > 1
        && !BEFORE_NUMBER.contains(&word.to_lowercase().as_str())
        && first.is_some_and(|first| is_even(&line[first + before.len()..]))
}

/// Definitions of links with a title: `[guide]: https://example.org "The guide"`. Its quotes belong to the
/// definition.
pub(super) struct Definitions;

static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r#"(?m)^ {0,3}\[[^\[\]\n^][^\[\]\n]*\]:[ \t]+[^\s\n]+[ \t]+(?:"(?P<a>[^"\n]+)"|'(?P<b>[^'\n]+)'|\((?P<c>[^()\n]+)\))[ \t\r]*$"#;
    Regex::new(regex).expect("it is valid")
});

impl Recogniser for Definitions {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for found in DEFINITION.captures_iter(text.text) {
            let title = ["a", "b", "c"].into_iter().find_map(|name| found.name(name));
            let Some(title) = title else { continue };
            let whole = found.get_match().range();
            for at in [whole.start..title.start(), title.end()..whole.end] {
                pieces.push(Piece { at, kind: Kind::Markdown, carry: Carry::Cut });
            }
        }
    }
}

/// Images that stand alone in their lines: what they show and their titles are prose. Within a sentence, they
/// stay as they are.
pub(super) struct Images;

static IMAGE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r#"(?m)^[ \t>]*(!\[)([^\[\]\n]*\pL[^\[\]\n]*)\]\([^()\s]+(?:[ \t]+"([^"\n]*)")?\)[ \t\r]*$"#;
    Regex::new(regex).expect("it is valid")
});

/// Whether the image at `at` is one of [`Images`].
fn stands_alone(text: &str, at: &Range<usize>) -> bool {
    let before = text[..at.start].trim_end_matches([' ', '\t', '>', '!']);
    let behind = text[at.end..].trim_start_matches([' ', '\t', '\r']);
    if !(before.is_empty() || before.ends_with('\n'))
        || !(behind.is_empty() || behind.starts_with('\n'))
    {
        return false; // so that no long line is searched for each of its images
    }
    IMAGE.is_match(&text[before.len()..text.len() - behind.len()])
}

impl Recogniser for Images {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for found in IMAGE.captures_iter(text.text) {
            let [Some(mark), Some(shown), title] = [1, 2, 3].map(|group| found.get(group)) else {
                continue;
            };
            let end = found.get_match().end();
            let target = shown.end()..title.map_or(end, |title| title.start());
            let rest = title.map(|title| title.end()..end);
            for at in [mark.range(), target].into_iter().chain(rest) {
                pieces.push(Piece { at, kind: Kind::Markdown, carry: Carry::Cut });
            }
        }
    }
}

/// Links: their text is prose, their target is not.
pub(super) struct Links;

static LINK: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r#"\[([^\[\]\n]+)\](\((?:[^()\s]|\([^()\s]*\))*(?:\s{1,4}(?:"[^"\n]*"|'[^'\n]*'))?\)|\[[^\[\]\n]*\])"#;
    Regex::new(regex).expect("it is valid")
});

impl Recogniser for Links {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for link in LINK.captures_iter(text.text) {
            let (whole, Some(label)) = (link.get_match().range(), link.get(1)) else { continue };
            if text.text[..whole.start].ends_with('!') && stands_alone(text.text, &whole) {
                continue; // an image
            }
            let mut add = |at, role| {
                pieces.push(Piece { at, kind: Kind::Markdown, carry: Carry::Inline(role) });
            };
            if has_letters(label.as_str()) {
                add(whole.start..label.start(), Role::Open("](".into()));
                add(label.end()..whole.end, Role::Close("](".into()));
            } else {
                add(whole, Role::Noun);
            }
        }
    }
}

/// Emphasis: `**a**`, `_a_`, `~~a~~`, `==a==`.
pub(super) struct Emphasis;

/// Marks of one line that are open at once at most.
const MAX_OPEN: usize = 16;

impl Recogniser for Emphasis {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut start = 0;
        for line in text.text.split_inclusive('\n') {
            emphasis(line, start, pieces);
            start += line.len();
        }
    }
}

fn emphasis(line: &str, start: usize, pieces: &mut Vec<Piece>) {
    let is_mark = |c: char| matches!(c, '*' | '_' | '~' | '=');
    if !line.contains(is_mark) {
        return;
    }
    let mut open: Vec<(Range<usize>, char)> = Vec::new();
    let mut at = 0;
    while let Some(next) = line[at..].find(is_mark) {
        let from = at + next;
        let mark = line[from..].chars().next().unwrap_or('*');
        let length = line[from..].chars().take_while(|c| *c == mark).count();
        at = from + length;
        let fits = match mark {
            '*' | '_' => (1..=3).contains(&length),
            _ => length == 2,
        };
        if !fits {
            continue;
        }
        let before = line[..from].chars().next_back().unwrap_or(' ');
        let behind = line[at..].chars().next().unwrap_or(' ');
        let is_inside = mark == '_' && before.is_alphanumeric() && behind.is_alphanumeric();
        let may_close = !(before.is_whitespace() || mark == '_' && behind.is_alphanumeric());
        let may_open = !behind.is_whitespace() && !before.is_alphanumeric();
        if is_inside {
            continue;
        }
        let near = open.len().saturating_sub(MAX_OPEN);
        let other = open[near..].iter().rposition(|(at, m)| *m == mark && at.len() == length);
        match other.filter(|_| may_close) {
            Some(place) => {
                let (opened, _) = open[near + place].clone();
                open.truncate(near + place);
                let name: String = line[from..at].into();
                let mut add = |at: Range<usize>, role| {
                    let at = start + at.start..start + at.end;
                    pieces.push(Piece { at, kind: Kind::Markdown, carry: Carry::Inline(role) });
                };
                add(opened, Role::Open(name.clone()));
                add(from..at, Role::Close(name));
            }
            None if may_open => open.push((from..at, mark)),
            None => {}
        }
    }
}

/// Tables: the bars of lines that have two or more. Menus: bars and arrows between blanks.
pub(super) struct Tables;

impl Recogniser for Tables {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        let mut start = 0;
        for line in text.text.split_inclusive('\n') {
            let bars: Vec<usize> = line.match_indices('|').map(|(at, _)| at).collect();
            let is_row = bars.len() > 1 || line.trim().starts_with('|');
            let marks = match is_row {
                true => bars.into_iter().map(|at| at..at + 1).collect(),
                false => of_menu(line),
            };
            for at in marks {
                let at = start + at.start..start + at.end;
                pieces.push(Piece { at, kind: Kind::Markdown, carry: Carry::Cut });
            }
            start += line.len();
        }
    }
}

/// Words of an entry of a menu at most.
const MAX_WORDS: usize = 5;

/// The marks between the entries of a menu: `Home | About`, `Home » News`.
fn of_menu(line: &str) -> Vec<Range<usize>> {
    let marks = |mark: &'static str| {
        let found = line.match_indices(mark).map(|(at, mark)| at..at + mark.len());
        found.filter(|at| line[..at.start].ends_with(' ') && line[at.end..].starts_with(' '))
    };
    let code = line.find(['(', '{', '=']).unwrap_or(line.len()); // `P(A | B)`
    let bars = marks("|").filter(|at| at.start < code);
    // The end of a French quotation is before a small letter, or behind a mark.
    let is_between_entries = |at: &Range<usize>| {
        let is_end = line[..at.start].trim_end().ends_with(['.', ',', '!', '?', '…']);
        !is_end && !line[at.end..].trim_start().starts_with(char::is_lowercase)
    };
    // `Go to Settings › Privacy and turn it off.`
    let is_sentence = line.trim_end().ends_with(['.', '!', '?', '…', ':']);
    let is_quoted = line.contains(['«', '‹']);
    let mut entries = line.split(['»', '›']);
    let is_menu =
        !is_quoted && entries.all(|entry| entry.split_whitespace().nth(MAX_WORDS).is_none());
    let arrows = ["»", "›"].into_iter().flat_map(marks).filter(is_between_entries);
    let found = bars.chain(arrows.filter(|_| is_menu));
    found.filter(|_| !is_sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::find, of_menu};

    fn pieces(text: &str) -> Vec<&str> {
        find(text, "en").into_iter().map(|piece| &text[piece.at]).collect()
    }

    #[test]
    fn what_images_show_is_prose_where_they_stand_alone() {
        assert_eq!(pieces("![A cat](cat.png)"), ["![", "](cat.png)"]);
        assert_eq!(
            pieces("Text\n> ![A cat](cat.png \"My cat\")\n"),
            ["> ", "![", "](cat.png \"", "\")"]
        );
        assert_eq!(pieces("See ![A cat](cat.png) now"), ["![A cat](cat.png)"]);
        assert_eq!(pieces("![](cat.png)"), ["![](cat.png)"]);
    }

    #[test]
    fn marks_are_found_around_prose() {
        assert_eq!(pieces("## **Back up** and"), ["## ", "**", "**"]);
        assert_eq!(
            pieces("- [ ] Read [the manual](files/a_b.png) and [[Old Notes]]."),
            ["- [ ] ", "[", "](files/a_b.png)", "[[Old Notes]]"]
        );
        assert_eq!(pieces("> Never *ever* do it"), ["> ", "*", "*"]);
        assert_eq!(pieces("a) One"), ["a) "]);
        assert!(pieces("M. Dupont vient.").is_empty());
        assert_eq!(pieces("| One | two |"), ["|", "|", "|"]);
        assert_eq!(pieces("See the note[^1] there"), ["[^1]"]);
        assert_eq!(pieces("Home | About us"), ["|"]);
        for text in ["Go to Settings › Privacy and turn it off.", "Run ps | grep it to see."] {
            assert!(of_menu(text).is_empty(), "{text}");
        }
        assert_eq!(pieces("Go to Settings › Privacy and turn it off."), ["›"]);
        assert_eq!(pieces("1) Open it. 2) Close it. 3) Go."), ["1) ", "2) ", "3) "]);
        for text in ["As shown in Eq. (1) and Eq. (2) it is.", "We won. 5) is last."] {
            assert!(!pieces(text).iter().any(|piece| piece.ends_with(") ")), "{text}");
        }
        assert_eq!(pieces("Home » About us"), ["»"]);
        for text in ["« Oui » Elle part", "Je pars » puis il sort", "Je pars. » Puis il sort"] {
            assert!(!pieces(text).contains(&"»"), "{text}");
        }
        assert_eq!(
            pieces("[guide]: https://example.org \"The guide\"\nText"),
            ["[guide]: https://example.org \"", "\""]
        );
    }
}
