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

/// What is left of the sentence at `range` without the signs and the markup at its ends and the white
/// space around them: a part of the text, and which of the spans are in it. Markup whose other half is
/// inside stays.
///
/// `spans` are those that touch `range`, in their order. Of each that does not stay, all is outside of
/// the part that is returned, and of each that stays, all is inside.
pub fn trimmed<'a>(
    text: &str,
    spans: impl Fn(usize) -> (&'a Range<usize>, &'a Role),
    count: usize,
    range: Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let partners = partners(count, |i| spans(i).1);
    let (mut start, mut end) = (range.start, range.end);
    let (mut first, mut last) = (0, count);
    loop {
        start = end - text[start..end].trim_start().len();
        end = start + text[start..end].trim_end().len();
        if first == last {
            return (start..end, first..last);
        }
        let (opening, closing) = (spans(first), spans(last - 1));
        let begins = opening.0.start <= start;
        let ends = closing.0.end >= end;
        // Whether the other half of a span is inside, with something between them.
        let is_bound = |i: usize| {
            partners[i].is_some_and(|partner| {
                let between = spans(i.min(partner)).0.end..spans(i.max(partner)).0.start;
                (first..last).contains(&partner) && between.start.max(start) < between.end.min(end)
            })
        };
        let is_loose = |i: usize| match spans(i).1 {
            Role::Sign | Role::Point => true,
            Role::Open(_) | Role::Close(_) => !is_bound(i),
            _ => false,
        };
        if begins && ends && partners[first] == Some(last - 1) {
            (start, end) = (start.max(opening.0.end), end.min(closing.0.start));
            (first, last) = (first + 1, last - 1);
        } else if begins && is_loose(first) {
            start = start.max(opening.0.end);
            first += 1;
        } else if ends && is_loose(last - 1) {
            end = end.min(closing.0.start);
            last -= 1;
        } else {
            // White space that was passed belongs to the markup around it.
            start = start.min(opening.0.start);
            end = end.max(closing.0.end);
            return (start..end, first..last);
        }
        end = end.max(start);
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
