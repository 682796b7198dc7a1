//! Subtitles: time codes, cue settings, override blocks.

use std::sync::LazyLock;

use super::{
    Kind,
    table::{
        Form::{Cut, Point},
        Table, compile, pattern, when,
    },
};

/// What takes up a line, or its beginning.
pub(super) static LINES: Table = Table(LazyLock::new(|| {
    compile(vec![
        pattern(
            Kind::Subtitle,
            Cut,
            r"\[?(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{2,3}[ \t]{0,4}-->[ \t]{0,4}(?:\d{1,2}:)?\d{1,2}:\d{2}[.,]\d{2,3}\]?(?:[ \t]{1,4}[A-Za-z]{1,12}:[\w%,.-]+){0,8}[ \t]*",
        ),
        pattern(
            Kind::Subtitle,
            Cut,
            r"(?m)^(?:Dialogue|Comment):[ \t]{0,4}(?:[^,\n]*,){9}|^WEBVTT[^\n]*$|^\[(?:Script Info|V4\+? Styles|Events|Fonts)\][ \t]{0,9}$|^(?:Format|Style|ScriptType|PlayRes[XY]|WrapStyle):[^\n]*$",
        ),
        pattern(Kind::Subtitle, Cut, r"(?:[\[<]\d{1,3}:\d{2}(?:[.:]\d{1,3})?[\]>][ \t]{0,4}){1,4}"),
        pattern(Kind::Subtitle, Cut, r"<v(?:\.[\w.]+)?[ \t][^<>\n]+>"),
    ])
}));

/// What stands between words.
pub(super) static INLINE: Table = Table(LazyLock::new(|| {
    compile(vec![
        pattern(Kind::Subtitle, Point, r"(?:\{\\[^{}\n]+\})+"),
        when(Kind::Subtitle, Cut, r"[♪♫♬]+", |_, at| Some(at)),
    ])
}));
