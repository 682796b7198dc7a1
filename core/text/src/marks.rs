//! Markup within a text: what in the text is not prose is put among it, and sentences are found between.
//!
//! Formats keep marks of their own, which know where they stand in the document; [`Mark`] is what is
//! needed of them here. Marks are in the order of the text, and none overlaps another.

use std::ops::Range;

use crate::{
    pieces::{Carry, Kind, Piece},
    sentence::{Role, partners, trimmed},
    split::has_letters,
};

/// A piece of markup, or of what is not prose.
pub trait Mark {
    /// Bytes of the text; empty for markup that a reader does not see.
    fn at(&self) -> &Range<usize>;

    /// What it does in its sentence.
    fn role(&self) -> &Role;

    /// Whether no sentence reaches over it.
    fn is_cut(&self) -> bool;
}

/// A text's marks with the pieces that are not prose among them.
#[derive(Debug)]
pub struct Marked<M> {
    /// All marks.
    pub marks: Vec<M>,
    /// Where a piece has markup inside that does not end in it: nothing there is translated.
    pub broken: Vec<Range<usize>>,
}

/// Puts `pieces` among `marks`; `make` makes a mark of its role, its place, and whether it cuts.
pub fn with_pieces<M: Mark>(
    marks: Vec<M>,
    pieces: Vec<Piece>,
    make: impl Fn(Role, Range<usize>, bool) -> M,
) -> Marked<M> {
    let (mut all, mut broken) = (Vec::with_capacity(marks.len() + pieces.len()), Vec::new());
    let mut marks = marks.into_iter().peekable();
    for piece in pieces {
        let Range { start, end } = piece.at;
        while let Some(mark) = marks.next_if(|mark| mark.at().end <= start) {
            all.push(mark);
        }
        if all.last().is_some_and(|last: &M| last.at().end > start) {
            continue; // a part of what is kept anyway
        }
        let mut inside: Vec<M> = Vec::new();
        while let Some(mark) = marks.next_if(|mark| mark.at().start < end) {
            inside.push(mark);
        }
        let partners = partners(inside.len(), |i| inside[i].role());
        let is_whole = |(mark, partner): (&M, &Option<usize>)| match mark.role() {
            Role::Open(_) | Role::Close(_) => partner.is_some(),
            _ => true,
        };
        let is_kept = inside.iter().any(|mark| *mark.role() == Role::Noun || mark.is_cut());
        if is_kept {
            all.append(&mut inside);
        } else if !inside.iter().zip(&partners).all(is_whole) {
            // Two words that touch across markup are not one identifier.
            if piece.kind != Kind::Identifier {
                broken.push(start..end);
            }
            all.append(&mut inside);
        } else {
            let is_cut = piece.carry == Carry::Cut;
            let role = match piece.carry {
                Carry::Inline(role) if inside.is_empty() || role.is_word() => role,
                Carry::Inline(_) => Role::Noun,
                Carry::Cut => Role::Point,
            };
            all.push(make(role, start..end, is_cut));
        }
    }
    all.extend(marks);
    Marked { marks: all, broken }
}

/// `text` with a word of the same length in place of each word that is not prose, and a line end where
/// no sentence reaches over.
pub fn masked<M: Mark>(text: &str, marks: &[M]) -> String {
    let mut masked = String::with_capacity(text.len());
    for mark in marks.iter().filter(|mark| !mark.at().is_empty()) {
        masked.push_str(&text[masked.len()..mark.at().start]);
        let mask = match mark.role() {
            _ if mark.is_cut() => '\n',
            Role::Sign => {
                masked.push_str(&text[mark.at().clone()]);
                continue;
            }
            // One letter would be an initial, with which no sentence ends.
            role if role.is_word() && mark.at().len() == 1 => '_',
            role if role.is_word() => 'x',
            Role::Open(_) => '(',
            _ => '"',
        };
        masked.extend(std::iter::repeat_n(mask, mark.at().len()));
    }
    masked.push_str(&text[masked.len()..]);
    masked
}

/// The sentence in `range` without what stands at its ends, and the marks in it; none when there is
/// nothing to translate, or when a mark reaches out of `range`.
pub fn sentence_at<'a, M: Mark>(
    text: &str,
    marks: &'a [M],
    range: Range<usize>,
) -> Option<(Range<usize>, Vec<&'a M>)> {
    let marks = touching(marks, &range);
    let is_within = |mark: &&M| range.start <= mark.at().start && mark.at().end <= range.end;
    if !marks.iter().all(is_within) {
        return None;
    }
    let span = |i: usize| (marks[i].at(), marks[i].role());
    let (range, kept) = trimmed(text, span, marks.len(), range);
    let marks = marks[kept].to_vec();
    has_words(text, &marks, &range).then_some((range, marks))
}

/// The marks that stand in `range` or at its ends; wide ones only when they have a part in it.
fn touching<'a, M: Mark>(marks: &'a [M], range: &Range<usize>) -> Vec<&'a M> {
    let first = marks.partition_point(|mark| mark.at().end < range.start);
    let last = marks.partition_point(|mark| mark.at().start <= range.end);
    let touches = |mark: &&M| {
        let at = mark.at();
        at.is_empty() || at.start < range.end && range.start < at.end
    };
    marks[first..last.max(first)].iter().filter(touches).collect()
}

/// Whether there are letters in `range` besides those that are not prose.
fn has_words<M: Mark>(text: &str, marks: &[&M], range: &Range<usize>) -> bool {
    let mut at = range.start;
    for mark in marks.iter().filter(|mark| !mark.at().is_empty()) {
        if at < mark.at().start && has_letters(&text[at..mark.at().start]) {
            return true;
        }
        at = at.max(mark.at().end);
    }
    at < range.end && has_letters(&text[at..range.end])
}
