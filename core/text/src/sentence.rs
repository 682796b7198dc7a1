//! A sentence to translate, and what in it is not prose.

use std::ops::Range;

/// A sentence as a reader sees it, with the spans that do not go through the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// The text, the spans included.
    pub text: String,
    /// What is not prose, in the order of the text; no span overlaps another.
    pub spans: Vec<Span>,
}

/// A part of a sentence that comes back as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Bytes of the sentence's text; empty for markup that a reader does not see.
    pub at: Range<usize>,
    /// What it does in the sentence.
    pub role: Role,
}

/// What a span does in its sentence, which decides how it is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Stands for a word: an address, a placeholder, code. The model sees a word in its place.
    Noun,
    /// As [`Role::Noun`], and its order among others of this role may not change: `%s`, `{}`.
    Argument,
    /// A number: the model sees it, and may write it as the target language does.
    Number,
    /// A date, an amount, a name of other letters: the model sees it, and must not change it.
    Figure,
    /// A sign such as an emoji: a word within a sentence, and no part of it at its ends.
    Sign,
    /// Markup that begins at some words; the name is that of its end.
    Open(String),
    /// Markup that ends behind some words.
    Close(String),
    /// Markup between words, which the model does not see.
    Point,
}

impl Role {
    /// Whether the span is a word of its sentence, not markup around or between words.
    pub fn is_word(&self) -> bool {
        matches!(self, Self::Noun | Self::Argument | Self::Number | Self::Figure | Self::Sign)
    }
}

/// The spans that stand between words of the sentence at `range`, as a range of `spans`: markup
/// at the ends stays outside, unless its other half is inside.
///
/// `spans` are those that touch `range`, in their order.
pub fn inner<'a>(
    spans: impl Fn(usize) -> (&'a Range<usize>, &'a Role),
    count: usize,
    range: &Range<usize>,
) -> Range<usize> {
    let partners = partners(count, |i| spans(i).1);
    let is_inner = |at: usize| range.start < at && at < range.end;
    let first = (0..count).find(|&i| {
        let (at, role) = spans(i);
        role.is_word() && at.end > range.start && at.start < range.end
            || is_inner(at.start)
            || at.start == range.start
                && partners[i].is_some_and(|partner| is_inner(spans(partner).0.start))
    });
    let Some(first) = first else { return 0..0 };
    let last = (first..count).rfind(|&i| {
        let (at, role) = spans(i);
        role.is_word() && at.end > range.start && at.start < range.end
            || is_inner(at.start) && (at.is_empty() || at.end < range.end)
            || at.start == range.start && at.end < range.end
            || partners[i].is_some_and(|partner| partner >= first)
    });
    first..last.map_or(first, |last| last + 1)
}

/// `range` without the signs and the markup at its ends, and without the white space around them;
/// markup whose other half is inside stays.
///
/// `spans` are those in `range`, in their order.
pub fn trimmed<'a>(
    text: &str,
    spans: impl Fn(usize) -> (&'a Range<usize>, &'a Role),
    count: usize,
    range: Range<usize>,
) -> Range<usize> {
    let partners = partners(count, |i| spans(i).1);
    let (mut start, mut end) = (range.start, range.end);
    let (mut first, mut last) = (0, count);
    loop {
        start = end - text[start..end].trim_start().len();
        end = start + text[start..end].trim_end().len();
        if first == last {
            return start..end;
        }
        let (opening, closing) = (spans(first), spans(last - 1));
        let begins = opening.0.start == start && !opening.0.is_empty();
        let ends = closing.0.end == end && !closing.0.is_empty();
        let wraps = begins && ends && partners[first] == Some(last - 1);
        let is_loose = |i: usize| match spans(i).1 {
            Role::Sign | Role::Point => true,
            Role::Open(_) | Role::Close(_) => partners[i].is_none(),
            _ => false,
        };
        if wraps {
            (start, end) = (opening.0.end, closing.0.start);
            (first, last) = (first + 1, last - 1);
        } else if begins && is_loose(first) {
            start = opening.0.end;
            first += 1;
        } else if ends && is_loose(last - 1) {
            end = closing.0.start;
            last -= 1;
        } else {
            return start..end;
        }
    }
}

/// For each of `count` spans, where its other half is.
pub fn partners<'a>(count: usize, role: impl Fn(usize) -> &'a Role) -> Vec<Option<usize>> {
    let mut partners = vec![None; count];
    let mut open: Vec<(usize, &str)> = Vec::new();
    for i in 0..count {
        match role(i) {
            Role::Open(name) => open.push((i, name)),
            Role::Close(name) => {
                if let Some((j, _)) = open.pop_if(|(_, opened)| opened == name) {
                    partners[i] = Some(j);
                    partners[j] = Some(i);
                }
            }
            _ => {}
        }
    }
    partners
}
