//! Markup of other languages in plain text: HTML, XML, BBCode.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Carry, Kind, Piece, Recogniser, Text,
    table::{
        Form::{Cut, Noun, Point},
        Table, compile, pattern,
    },
};
use crate::sentence::Role;

/// Elements that end a line or begin a block.
const BREAKS: &[&str] = &[
    "br",
    "hr",
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "td",
    "th",
    "table",
    "tbody",
    "thead",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "section",
    "article",
    "header",
    "footer",
    "body",
    "html",
    "head",
    "title",
    "dl",
    "dt",
    "dd",
    "form",
    "option",
    "select",
    "nav",
    "main",
    "pre",
];

/// Inline elements whose single tag is markup; of others it is a placeholder, as in `cp <from> <to>`.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "c", "cite", "del", "em", "font", "g", "i", "img",
    "ins", "kbd", "lang", "mark", "q", "ruby", "rt", "s", "small", "span", "strike", "strong",
    "sub", "sup", "tt", "u", "wbr",
];

/// Tags, which are paired later.
pub(super) struct Tags;

static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let attributes = r#"(?:\s{1,9}[A-Za-z_:@*#(\[][\w:.@\-\])]*(?:\s{0,4}=\s{0,4}(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=]+))?)*"#;
    let regex = format!(r"<(/?)([A-Za-z0-9][\w:.-]*)({attributes})\s{{0,9}}(/?)\s{{0,4}}>");
    Regex::new(&regex).expect("it is valid")
});

static BBCODE: LazyLock<Regex> = LazyLock::new(|| {
    let regex = r"(?i)\[(/?)(b|i|u|s|url|img|quote|code|color|colour|size|list|font|center|left|right|spoiler|email|youtube|sub|sup|table|tr|td|h\d|hide|pre|noparse)((?:[= ][^\[\]\n]*)?)\]|\[\*\]|\[br\]|\[hr\]";
    Regex::new(regex).expect("it is valid")
});

impl Recogniser for Tags {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for found in TAG.captures_iter(text.text) {
            let at = found.get_match().range();
            let name = found[2].to_lowercase();
            // A number between comparisons: "1 <2> 3" is none, but the tags <0> and </0> are.
            let carry = match (&found[1], &found[4]) {
                _ if BREAKS.contains(&name.as_str()) => Carry::Cut,
                ("/", _) => Carry::Inline(Role::Close(format!("<{name}"))),
                (_, "/") if matches!(name.as_str(), "img" | "wbr" | "a" | "b" | "i") => {
                    Carry::Inline(Role::Point)
                }
                (_, "/") => Carry::Inline(Role::Noun),
                _ if matches!(name.as_str(), "img" | "wbr") => Carry::Inline(Role::Point),
                _ => Carry::Inline(Role::Open(format!("<{name}"))),
            };
            pieces.push(Piece { at, kind: Kind::Tag, carry });
        }
        for found in BBCODE.captures_iter(text.text) {
            let at = found.get_match().range();
            let carry = match found.get(2).map(|name| name.as_str().to_lowercase()) {
                None => Carry::Cut,
                Some(name)
                    if matches!(
                        name.as_str(),
                        "list"
                            | "quote"
                            | "table"
                            | "tr"
                            | "td"
                            | "center"
                            | "code"
                            | "pre"
                            | "noparse"
                    ) =>
                {
                    Carry::Cut
                }
                Some(name) if &found[1] == "/" => Carry::Inline(Role::Close(format!("[{name}"))),
                Some(name) => Carry::Inline(Role::Open(format!("[{name}"))),
            };
            pieces.push(Piece { at, kind: Kind::BbCode, carry });
        }
    }
}

/// What a tag without its other half is.
pub(super) fn alone(name: &str) -> Role {
    match name.strip_prefix('<') {
        Some(name) if !INLINE.contains(&name) => Role::Noun,
        _ => Role::Point,
    }
}

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // One pattern for each: a search that looks for an end that never comes must not begin again.
        pattern(Kind::Tag, Point, r"<!--(?s:.*?)-->"),
        pattern(Kind::Tag, Point, r"<!\[CDATA\[|\]\]>|<!DOCTYPE[^<>\n]*>|<\?xml[^<>\n]*\?>"),
        pattern(Kind::Tag, Cut, r"(?is)<script\b[^<>]*>.*?</script>"),
        pattern(Kind::Tag, Cut, r"(?is)<style\b[^<>]*>.*?</style>"),
        pattern(Kind::Tag, Cut, r"(?is)<pre\b[^<>]*>.*?</pre>"),
        pattern(
            Kind::Tag,
            Noun,
            r"(?i)<(?:code|kbd|samp|var|tt)\b[^<>\n]*>[^<>\n]*</(?:code|kbd|samp|var|tt)>",
        ),
        pattern(Kind::BbCode, Noun, r"(?is)\[code(?:=[^\]\n]*)?\].*?\[/code\]"),
        pattern(
            Kind::BbCode,
            Noun,
            r"(?i)\[img(?:=[^\[\]\n]*)?\][^\[\n]*\[/img\]|\[youtube\][^\[\n]*\[/youtube\]|\[url\][^\[\n]*\[/url\]|\[email\][^\[\n]*\[/email\]",
        ),
    ])
}));
