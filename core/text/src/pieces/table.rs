//! Kinds that a regular expression finds.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Carry, Kind, Piece, Recogniser, Text};
use crate::sentence::Role;

/// A kind, how it is carried, and what it looks like.
///
/// A group named `p` is the piece, else the whole match is. Repetitions are bounded, so that a search
/// that fails has not looked far.
pub(super) struct Pattern {
    pub(super) kind: Kind,
    pub(super) form: Form,
    pub(super) regex: &'static str,
    /// What a regular expression cannot say: the text and the piece, which may become shorter.
    pub(super) accept: fn(&str, Range<usize>) -> Option<Range<usize>>,
}

/// How a pattern's pieces are carried.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Noun,
    Argument,
    Number,
    Figure,
    Sign,
    Point,
    Cut,
}

impl Form {
    pub(super) fn carry(self) -> Carry {
        Carry::Inline(match self {
            Self::Noun => Role::Noun,
            Self::Argument => Role::Argument,
            Self::Number => Role::Number,
            Self::Figure => Role::Figure,
            Self::Sign => Role::Sign,
            Self::Point => Role::Point,
            Self::Cut => return Carry::Cut,
        })
    }
}

/// A table of patterns.
pub(super) struct Table(pub(super) LazyLock<Vec<(Regex, Pattern)>>);

/// Marks at the end of a piece that are looked at.
const MAX_FINAL: usize = 64;

/// Compiles patterns.
pub(super) fn compile(patterns: Vec<Pattern>) -> Vec<(Regex, Pattern)> {
    let compiled = |pattern: Pattern| {
        let regex = Regex::new(pattern.regex).expect("the expressions of the tables are valid");
        (regex, pattern)
    };
    patterns.into_iter().map(compiled).collect()
}

/// A pattern whose matches all count.
pub(super) fn pattern(kind: Kind, form: Form, regex: &'static str) -> Pattern {
    Pattern { kind, form, regex, accept: |_, at| Some(at) }
}

/// A pattern with a condition.
pub(super) fn when(
    kind: Kind,
    form: Form,
    regex: &'static str,
    accept: fn(&str, Range<usize>) -> Option<Range<usize>>,
) -> Pattern {
    Pattern { kind, form, regex, accept }
}

impl Recogniser for Table {
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>) {
        for (regex, pattern) in &*self.0 {
            let has_group = regex.capture_names().flatten().any(|name| name == "p");
            let mut add = |at: Range<usize>| {
                if let Some(at) = (pattern.accept)(text.text, at) {
                    pieces.push(Piece { at, kind: pattern.kind, carry: pattern.form.carry() });
                }
            };
            if !has_group {
                regex.find_iter(text.text).for_each(|found| add(found.range()));
                continue;
            }
            for found in regex.captures_iter(text.text) {
                if let Some(piece) = found.name("p") {
                    add(piece.range());
                }
            }
        }
    }
}

/// The character before `at`.
pub(super) fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// The character behind `at`.
pub(super) fn behind(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next()
}

/// Whether no letter, digit or underscore touches the piece.
pub(super) fn apart(text: &str, at: Range<usize>) -> Option<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    (!before(text, at.start).is_some_and(is_word) && !behind(text, at.end).is_some_and(is_word))
        .then_some(at)
}

/// Without the punctuation at its end that belongs to the sentence.
pub(super) fn without_final(text: &str, at: Range<usize>) -> Range<usize> {
    let mut end = at.end;
    for _ in 0..MAX_FINAL {
        let Some(last) = text[at.start..end].chars().next_back() else { break };
        let inside = &text[at.start..end];
        let closes = |open: char| inside.matches(last).count() > inside.matches(open).count();
        let is_final = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '"' | '\'' | '*' | '’' | '”' | '»' | '…' => {
                true
            }
            ')' => closes('('),
            ']' => closes('['),
            '}' => closes('{'),
            '>' => closes('<'),
            _ => false,
        };
        if !is_final {
            break;
        }
        end -= last.len_utf8();
    }
    at.start..end
}
