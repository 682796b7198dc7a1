//! Placeholders of programs and templates.

use std::{collections::HashSet, sync::LazyLock};

use regex::Regex;

use super::{
    Carry, Kind, Piece, Recogniser, Text,
    table::{
        Form::{Argument, Cut, Noun, Point},
        Table, before, behind, compile, pattern, when,
    },
};
use crate::sentence::Role;

pub(super) static TABLE: Table = Table(LazyLock::new(|| {
    compile(vec![
        // printf: %s, %1$s, %-5.2f, %(name)s, %%
        pattern(
            Kind::Printf,
            Noun,
            r"%\([A-Za-z0-9_. -]+\)[#0+-]{0,4}\d{0,4}(?:\.\d{1,4})?[diouxXeEfFgGcrsa]",
        ),
        pattern(
            Kind::Printf,
            Noun,
            r"%\d{1,2}\$[#0+-]{0,4}\d{0,4}(?:\.\d{1,4})?(?:hh|h|ll|l|L|z|j|t)?[diouxXeEfFgGcsSpnaA@](?:%%)?",
        ),
        when(
            Kind::Printf,
            Argument,
            r"%[#0+-]{0,4}(?:\d{1,4}|\*)?(?:\.(?:\d{1,4}|\*))?(?:hh|h|ll|l|L|z|j|t|q)?[diouxXeEfFgGcsSpnaA@](?:%%)?",
            |text, at| {
                let is_percent =
                    before(text, at.start).is_some_and(|c| c.is_ascii_digit() || c == '%');
                let is_word = behind(text, at.end).is_some_and(|c| c.is_ascii_alphabetic())
                    && !text[at.clone()].ends_with(['s', 'd', '@', '%']);
                let is_named = text[at.end..].starts_with('%');
                (!is_percent && !is_word && !is_named).then_some(at)
            },
        ),
        pattern(Kind::Printf, Noun, r"%%"),
        when(Kind::Printf, Noun, r"%L?\d{1,2}\b", |text, at| {
            let is_percent = before(text, at.start).is_some_and(|c| c.is_ascii_digit());
            (!is_percent).then_some(at)
        }),
        pattern(Kind::Placeholder, Noun, r"%[A-Za-z_][A-Za-z0-9_.-]*%"),
        pattern(
            Kind::Placeholder,
            Noun,
            r"%\{[^{}\n]+\}|%<[A-Za-z_]\w*>[-+0#]?\d{0,3}(?:\.\d{1,3})?[a-z]",
        ),
        // Braces
        pattern(Kind::Template, Noun, r"\{\{\{[^{}\n]*\}\}\}|\{\{[^{}\n]*\}\}"),
        // One pattern for each: a search that looks for an end that never comes must not begin again.
        pattern(Kind::Template, Cut, r"\{%[^\n]*?%\}"),
        pattern(Kind::Template, Cut, r"\{#[^\n]*?#\}"),
        pattern(Kind::Template, Cut, r"<%[^\n]*?%>"),
        pattern(Kind::Template, Cut, r"<\?[a-z=][^\n]*?\?>"),
        pattern(Kind::Placeholder, Noun, r"[$#@]\{[^{}\n]+\}|\$\([A-Za-z_][^()\n]*\)"),
        when(
            Kind::Placeholder,
            Noun,
            r"\$[A-Za-z_]\w*(?:(?:\.|->)[A-Za-z_]\w*|\[[^\]\n]+\]){0,6}",
            |text, at| {
                (!before(text, at.start).is_some_and(|c| c.is_alphanumeric() || c == '\\'))
                    .then_some(at)
            },
        ),
        // ICU: {n, number}, {day, date, ::yMMMd}; quotes are within the style.
        pattern(
            Kind::Icu,
            Noun,
            r"\{\s{0,4}[\w.$-]+\s{0,4},\s{0,4}(?:number|date|time|spellout|ordinal|duration|list|unit|currency|scientific|percent)\s{0,4}(?:,[^{}\n]*)?\}",
        ),
        when(Kind::Placeholder, Noun, r"\{[^{}\n]*\}", |text, at| {
            let inside = &text[at.start + 1..at.end - 1];
            (!is_prose(inside)).then_some(at)
        }),
        // :name, and :smile:
        when(Kind::Placeholder, Noun, r":[A-Za-z_][A-Za-z0-9_+-]*:?|:[+-][0-9]:", |text, at| {
            let starts = before(text, at.start).is_none_or(|c| {
                c.is_whitespace()
                    || matches!(c, '(' | '[' | '"' | '\'' | '/' | '“' | '„' | '«' | ':')
            });
            let at = at.start..at.start + text[at].trim_end_matches('-').len();
            starts.then_some(at)
        }),
        pattern(
            Kind::Placeholder,
            Noun,
            r"\[[a-z][\w-]*(?::[\w-]+){1,4}\]|\[X\d{1,4}X\]|__\d{1,4}__|<<[A-Za-z_][\w .-]*>>|\[%[A-Za-z0-9_-]+%?\]|@@[A-Za-z0-9_]+@@|##[A-Za-z0-9_]+##|~[A-Z0-9_]{2,40}~|@:[\w.]+",
        ),
        // Escapes of string files and terminals
        pattern(Kind::Escape, Cut, r"(?:\\[nNrht])+"),
        pattern(
            Kind::Escape,
            Point,
            r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\n]*\x07|\\(?:033|x1[bB]|e|u001[bB])\[[0-9;]*[A-Za-z]",
        ),
        pattern(
            Kind::Escape,
            Noun,
            r"\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\u\{[0-9a-fA-F]{1,6}\}|\\x[0-9a-fA-F]{2}",
        ),
        pattern(
            Kind::Escape,
            Noun,
            r"&(?:[A-Za-z]{2,31}[0-9]{0,2}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});",
        ),
    ])
}));

/// Whether what stands in braces is prose: words with spaces between them and nothing of a program.
fn is_prose(inside: &str) -> bool {
    let words = inside
        .split_whitespace()
        .filter(|w| w.chars().all(|c| c.is_alphabetic() || ".,!?'’".contains(c)));
    words.count() > 1 && !inside.contains(['$', '\\', '(', '=', '{', '|', '_', ':'])
}

/// Pairs such as `{{strong}}` and `{{/strong}}`, `{{#if x}}` and `{{/if}}`.
pub(super) struct Sections;

static SECTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{([#^/]?)\s{0,4}([A-Za-z][\w.-]*)([^{}\n/]*)\}\}").expect("it is valid")
});

impl Recogniser for Sections {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        if !text.text.contains("{{/") {
            return;
        }
        let found: Vec<_> = SECTION.captures_iter(text.text).collect();
        let closed: HashSet<&str> = (found.iter())
            .filter(|found| &found[1] == "/")
            .filter_map(|found| found.get(2).map(|name| name.as_str()))
            .collect();
        for found in &found {
            let (whole, Some(name)) = (found.get_match().range(), found.get(2)) else { continue };
            let name = name.as_str();
            if !closed.contains(name) {
                continue;
            }
            let role = match &found[1] {
                "/" => Role::Close(format!("{{{{{name}")),
                _ => Role::Open(format!("{{{{{name}")),
            };
            pieces.push(Piece { at: whole, kind: Kind::Template, carry: Carry::Inline(role) });
        }
    }
}
