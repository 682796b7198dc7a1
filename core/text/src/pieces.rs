//! Finds what is not prose in a text: addresses, placeholders, markup, code, numbers, signs.
//!
//! Each family of kinds is a file. Most are tables of regular expressions, each of which takes linear
//! time; where one wants memory (fences, nested braces, pairs of marks) there is a scanner. Of what is
//! found the leftmost counts, and of those that begin together the longest.

mod table;
mod web;
mod files;
mod numbers;
mod placeholders;
mod icu;
mod code;
mod markdown;
mod tags;
mod latex;
mod subtitles;
mod signs;
mod scripts;
mod alone;
mod names;
mod common;
mod units;
mod english;
mod german;
mod hours;
mod romance;
mod expressions;
mod pairs;
mod mnemonics;

use std::ops::Range;

pub(crate) use german::is_month;
pub(crate) use hours::WEEKDAYS;
pub(crate) use numbers::value;
pub(crate) use pairs::AND_OR;

use crate::{letters::has_unspaced, sentence::Role};

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Url,
    Email,
    Handle,
    Hashtag,
    Path,
    Version,
    Identifier,
    Code,
    Number,
    Amount,
    Date,
    Account,
    Printf,
    Placeholder,
    Template,
    Icu,
    Tag,
    BbCode,
    Markdown,
    Latex,
    Subtitle,
    Escape,
    Emoji,
    Symbol,
    Invisible,
    Column,
    Script,
}

/// A stretch of a text that is not prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// How it is carried through the model.
    pub carry: Carry,
}

/// How a piece is carried through the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carry {
    /// In its sentence, as this.
    Inline(Role),
    /// Around the model: no sentence reaches over it.
    Cut,
}

/// Finds pieces of some kinds.
trait Recogniser: Sync {
    /// Adds the pieces of `text`, in any order; they may overlap those of others.
    fn find(&self, text: &Text<'_>, pieces: &mut Vec<Piece>);
}

/// A text, and what is known about it.
struct Text<'a> {
    text: &'a str,
    /// Code of its language.
    language: &'a str,
}

/// All recognisers but that of [`scripts`], which comes last. When two find a piece at the same place, the
/// first of them counts.
static RECOGNISERS: &[&dyn Recogniser] = &[
    &code::Fences,
    &code::Spans,
    &code::Indented,
    &code::Values,
    &subtitles::LINES,
    &subtitles::INLINE,
    &icu::Messages,
    &placeholders::Sections,
    &placeholders::TABLE,
    &markdown::Definitions,
    &markdown::Images,
    &markdown::Links,
    &markdown::TABLE,
    &markdown::Emphasis,
    &markdown::Tables,
    &tags::Tags,
    &tags::TABLE,
    &latex::TABLE,
    &web::TABLE,
    &files::TABLE,
    &english::Numbers,
    &german::Ordinals,
    &hours::Hours,
    &romance::Numerals,
    &units::Units,
    &numbers::TABLE,
    &alone::Letters,
    &names::TABLE,
    &expressions::TABLE,
    &pairs::Pairs,
    &signs::TABLE,
];

/// The pieces of `text`, written in `language`, in their order; none overlaps another.
///
/// ```
/// use dragoman_text::pieces::{Kind, find};
///
/// let text = "Write to ada@example.org before 14:30.";
/// let kinds: Vec<_> = find(text, "en").into_iter().map(|p| (p.kind, &text[p.at])).collect();
/// assert_eq!(kinds, [(Kind::Email, "ada@example.org"), (Kind::Date, "14:30")]);
/// ```
pub fn find(text: &str, language: &str) -> Vec<Piece> {
    if common::is_plain(text, language) {
        return of_letters(text, language);
    }
    let key = mnemonics::mark(text);
    let spaced = match has_unspaced(language) {
        true => Some(scripts::spaced(text)),
        false => key.clone().map(|at| mnemonics::joined(text, at)),
    };
    let mut found: Vec<Piece> = key.map(mnemonics::piece).into_iter().collect();
    let seen = Text { text: spaced.as_deref().unwrap_or(text), language };
    for recogniser in RECOGNISERS {
        recogniser.find(&seen, &mut found);
    }
    let text = Text { text, language };
    scripts::Scripts.find(&text, &mut found);
    let mut pieces = without_overlap(found);
    widen(text.text, &mut pieces);
    pair(&mut pieces);
    pieces
}

/// The pieces of a text that is plain: letters that stand alone, and symbols of units.
fn of_letters(text: &str, language: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    alone::Letters.find(&Text { text, language }, &mut found);
    units::symbols(text, &mut found);
    without_overlap(found)
}

/// Of `found` the leftmost and longest, in their order.
fn without_overlap(mut found: Vec<Piece>) -> Vec<Piece> {
    found.retain(|piece| !piece.at.is_empty());
    found.sort_by_key(|piece| (piece.at.start, usize::MAX - piece.at.end));
    let mut pieces: Vec<Piece> = Vec::with_capacity(found.len());
    for piece in found {
        if pieces.last().is_none_or(|last| last.at.end <= piece.at.start) {
            pieces.push(piece);
        }
    }
    pieces
}

/// Lets words that are not prose take in the letters that touch them, as in `{n}px`: a part of a word
/// cannot be translated.
fn widen(text: &str, pieces: &mut Vec<Piece>) {
    let is_letter = |c: &char| c.is_alphanumeric() && (c.is_ascii() || scripts::is_western(*c));
    let is_word = |piece: &Piece| {
        matches!(&piece.carry, Carry::Inline(role) if role.is_word())
            && !matches!(piece.kind, Kind::Script | Kind::Emoji | Kind::Symbol)
    };
    for i in 0..pieces.len() {
        if !is_word(&pieces[i]) {
            continue;
        }
        let floor = if i == 0 { 0 } else { pieces[i - 1].at.end };
        let ceiling = pieces.get(i + 1).map_or(text.len(), |next| next.at.start);
        let piece = &mut pieces[i];
        let length = piece.at.len();
        let first = text[piece.at.clone()].chars().next();
        let last = text[piece.at.clone()].chars().next_back();
        let before = text[floor..piece.at.start].chars().rev().take_while(is_letter);
        if first != Some('\'') {
            piece.at.start -= before.map(char::len_utf8).sum::<usize>();
        }
        let behind = text[piece.at.end..ceiling].chars().take_while(is_letter);
        if last != Some('\'') {
            piece.at.end += behind.map(char::len_utf8).sum::<usize>();
        }
        // With letters a number is a code; the symbol of its unit was found before.
        let has_grown = text[piece.at.clone()].len() > length
            && text[piece.at.clone()].chars().any(char::is_alphabetic);
        if piece.carry == Carry::Inline(Role::Number) && has_grown {
            piece.carry = Carry::Inline(Role::Figure);
        }
    }
    // Words that touch are one: no space tells them apart in a translation.
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces.drain(..) {
        match joined.last_mut() {
            Some(last) if last.at.end == piece.at.start && is_word(last) && is_word(&piece) => {
                last.at.end = piece.at.end;
                let both = [&last.carry, &piece.carry];
                let argument = Carry::Inline(Role::Argument);
                last.carry = match both.contains(&&argument) {
                    true => argument,
                    false => Carry::Inline(Role::Noun),
                };
            }
            _ => joined.push(piece),
        }
    }
    *pieces = joined;
}

/// Makes points of tags that have no other half in the text.
fn pair(pieces: &mut [Piece]) {
    let mut open: Vec<usize> = Vec::new();
    let mut paired = vec![false; pieces.len()];
    for i in 0..pieces.len() {
        match &pieces[i].carry {
            Carry::Inline(Role::Open(_)) => open.push(i),
            Carry::Inline(Role::Close(name)) => {
                // Few are open at once in writing; with more it is no writing.
                let near = open.len().saturating_sub(32);
                let matches = |&j: &usize| matches!(&pieces[j].carry, Carry::Inline(Role::Open(other)) if other == name);
                if let Some(place) = open[near..].iter().rposition(matches) {
                    let j = open[near + place];
                    open.truncate(near + place);
                    (paired[i], paired[j]) = (true, true);
                }
            }
            Carry::Cut => open.clear(),
            Carry::Inline(_) => {}
        }
    }
    for (piece, paired) in pieces.iter_mut().zip(paired) {
        let alone = match &piece.carry {
            Carry::Inline(Role::Open(name)) if !paired => tags::alone(name),
            Carry::Inline(Role::Close(_)) if !paired => Role::Point,
            _ => continue,
        };
        piece.carry = Carry::Inline(alone);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_are_in_order_and_apart(
            text in "([a-z ]|[{}<>\\[\\]()$%#@*_`~|\\\\/:&=+.,-]|[0-9]|\n|😊|字|é|\\PC){0,80}"
        ) {
            let mut end = 0;
            for piece in find(&text, "en") {
                prop_assert!(piece.at.start >= end && piece.at.end > piece.at.start);
                prop_assert!(text.get(piece.at.clone()).is_some());
                end = piece.at.end;
            }
        }
    }

    #[test]
    fn long_texts_take_linear_time() {
        for unit in [
            "{",
            "{{",
            "<",
            "<a ",
            "[",
            "[[",
            "(",
            "$",
            "$x ",
            "`",
            "``` ",
            "*",
            "**a",
            "_",
            "%",
            "%(",
            "\\",
            "\\[",
            "&",
            "#",
            "@",
            "@a",
            "https://",
            "a.",
            "a/",
            "1,",
            "1-",
            "+1 ",
            "{a, plural, ",
            "{a, select, b {",
            "<!--",
            "|",
            "| ",
            "A | ",
            "A » ",
            "![a](b) ",
            "x. 2) ",
            "siècle ",
            "Mo-Fr ",
            "\t",
            "->",
            "--",
            ":",
            "a:b:",
            "\u{1b}[",
            "😊",
            "字",
            "\\begin{a}",
            "~~~\n",
            "[a](",
            "![",
            "{{/a}}{{a}}",
            "<a>",
            "</a>",
            "[b]",
            "  ",
            "x_",
            "aB",
        ] {
            let started = std::time::Instant::now();
            let text = unit.repeat((1 << 18) / unit.len());
            find(&text, "en");
            assert!(started.elapsed().as_secs() < 10, "{unit:?} took {:?}", started.elapsed());
        }
    }
}
