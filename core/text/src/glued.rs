//! Markup that touches a word: the number of a note, an exponent, an index, a part of a formula.
//!
//! `Spain<sup>3</sup>` reads `Spain3` without its tags, which is no word. What belongs to the word it
//! touches, as in `H<sub>2</sub>O` and `3<sup>rd</sup>`, is one word with it that stays. What is a note
//! to the word leaves the text: the model translates `Spain`, and the note stands behind what that becomes.

mod notes;

use std::ops::Range;

use self::notes::{Fate, fate};
use crate::{
    marks::{self, Mark, Marked},
    pieces::{self, Kind, Piece},
    sentence::{Role, partners},
};

/// How an element is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// On the line.
    None,
    /// Above it.
    Super,
    /// Below it.
    Sub,
}

/// An element within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Element {
    at: Range<usize>,
    /// The marks that it is made of.
    marks: Range<usize>,
    script: Script,
}

/// What becomes of the marks with these numbers.
#[derive(Debug)]
enum Change {
    /// They are within a word that is kept.
    Word { at: Range<usize>, marks: Range<usize> },
    /// They are a note to what begins at mark `first`, at `from`.
    Note { from: usize, first: usize, at: Range<usize>, marks: Range<usize> },
    /// They are a note to nothing that could be told.
    Apart { at: Range<usize>, marks: Range<usize> },
}

/// Bytes of an element that may be a note at most.
const MAX_ELEMENT: usize = 24;

/// Elements within a word at most.
const MAX_INDEXES: usize = 16;

/// The marks of `text`, with what in it is not prose among them. `scripts` are stretches that are set above
/// or below the line without a mark that says so.
///
/// `make` makes a mark of its role, its place, whether it cuts, and the marks that it takes the place of;
/// for one without text, those it comes before.
pub fn marked<M: Mark>(
    text: &str,
    language: &str,
    marks: Vec<M>,
    scripts: &[(Range<usize>, Script)],
    make: impl Fn(Role, Range<usize>, bool, &[M]) -> M,
) -> Marked<M> {
    let partners = partners(marks.len(), |i| marks[i].role());
    let elements = elements(text, &marks, &partners, scripts);
    let found = || pieces::find(text, language);
    let is_glued = |mark: &M| mark.at().is_empty() && is_glue(text, mark.at().start);
    if elements.is_empty() && !marks.iter().any(is_glued) {
        return marks::with_pieces(marks, found(), |role, at, cut| make(role, at, cut, &[]));
    }
    let whole: Vec<Piece> = found().into_iter().filter(|piece| is_firm(piece.kind)).collect();
    let mut changes = changes(text, &marks, &partners, &elements, &whole);
    add_words(text, &marks, &partners, &whole, &mut changes);
    let mut seen = text.as_bytes().to_vec();
    for change in &changes {
        // As what a sentence is split by, too: a quotation mark is part of no word.
        seen[change.at().clone()].fill(b'"');
    }
    let seen = String::from_utf8(seen).unwrap_or_else(|_| text.to_owned());
    let marks = changed(marks, changes, &make);
    let mut pieces = pieces::find(&seen, language);
    // A number or a name that an element cuts is prose with markup.
    pieces.retain(|piece| {
        let first = marks.partition_point(|mark| mark.at().end <= piece.at.start);
        let inside = marks[first..].iter().take_while(|mark| mark.at().start < piece.at.end);
        let is_cut = |mark: &M| mark.at().is_empty() && is_glue(&seen, mark.at().start);
        is_firm(piece.kind) || !inside.into_iter().any(is_cut)
    });
    marks::with_pieces(marks, pieces, |role, at, cut| make(role, at, cut, &[]))
}

impl Change {
    /// Takes in an element that follows at once, as `[1][2]` do.
    fn goes_on(&mut self, element: &Element) -> bool {
        match self {
            Self::Note { at, marks, .. } | Self::Apart { at, marks }
                if at.end == element.at.start && marks.end == element.marks.start =>
            {
                (at.end, marks.end) = (element.at.end, element.marks.end);
                true
            }
            _ => false,
        }
    }

    /// Where it begins in the text.
    fn begin(&self) -> usize {
        match self {
            Self::Note { from, .. } => *from,
            Self::Word { at, .. } | Self::Apart { at, .. } => at.start,
        }
    }

    fn at(&self) -> &Range<usize> {
        match self {
            Self::Word { at, .. } | Self::Note { at, .. } | Self::Apart { at, .. } => at,
        }
    }
}

/// Whether a piece of this kind is one however it is marked up within.
fn is_firm(kind: Kind) -> bool {
    use Kind::{Account, Amount, Date, Identifier, Number, Script, Symbol, Version};
    !matches!(kind, Account | Amount | Date | Identifier | Number | Script | Symbol | Version)
}

/// Whether a letter and a digit touch at `at`, or two digits.
fn is_glue(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let behind = text[at..].chars().next();
    match (before, behind) {
        (Some(before), Some(behind)) => {
            let is_word = notes::is_word(before) && notes::is_word(behind);
            is_word && (before.is_ascii_digit() || behind.is_ascii_digit())
        }
        _ => false,
    }
}

/// The short elements of a text, the outermost of those around the same.
fn elements<M: Mark>(
    text: &str,
    marks: &[M],
    partners: &[Option<usize>],
    scripts: &[(Range<usize>, Script)],
) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::new();
    for (at, script) in scripts.iter().filter(|(at, _)| at.len() <= MAX_ELEMENT) {
        let mut first = marks.partition_point(|mark| mark.at().end <= at.start);
        let mut last = marks.partition_point(|mark| mark.at().start < at.end).max(first);
        while first > 0
            && partners[first - 1] == Some(last)
            && marks[first - 1].at().end == at.start
            && marks[last].at().start == at.end
        {
            (first, last) = (first - 1, last + 1);
        }
        elements.push(Element { at: at.clone(), marks: first..last, script: *script });
    }
    let mut outer = 0..0;
    for (i, partner) in partners.iter().enumerate() {
        let Some(j) = partner.filter(|&j| j > i) else { continue };
        let at = marks[i].at().end..marks[j].at().start;
        if at.is_empty() || at.len() > MAX_ELEMENT || at == outer {
            continue;
        }
        let known = scripts.partition_point(|(known, _)| known.end <= at.start);
        let is_known = scripts.get(known).is_some_and(|(known, _)| known.start < at.end);
        if !is_known && notes::may_be_note(&text[at.clone()]) {
            let script = script_at(marks, i, at.start).unwrap_or(Script::None);
            elements.push(Element { at: at.clone(), marks: i..j + 1, script });
        }
        outer = at;
    }
    elements.sort_by_key(|element| element.at.start);
    elements.retain(|element| !marks[element.marks.clone()].iter().any(Mark::is_cut));
    elements
}

/// How the text at `start` is set by the elements that begin there, of which mark `first` is the outermost.
fn script_at<M: Mark>(marks: &[M], first: usize, start: usize) -> Option<Script> {
    let opening = marks[first..].iter().take_while(|mark| mark.at().end == start);
    opening.take(8).find_map(|mark| match mark.role() {
        Role::Open(name) => script_of(name),
        _ => None,
    })
}

/// How the element of this name is set, if its name says so.
fn script_of(name: &str) -> Option<Script> {
    match name.rsplit(':').next()? {
        "sup" => Some(Script::Super),
        "sub" => Some(Script::Sub),
        _ => None,
    }
}

/// What becomes of the elements that touch a word.
fn changes<M: Mark>(
    text: &str,
    marks: &[M],
    partners: &[Option<usize>],
    elements: &[Element],
    whole: &[Piece],
) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut number = 0;
    while let Some(element) = elements.get(number) {
        let floor = changes.last().map_or(0, |change| change.at().end);
        number += 1;
        if element.at.start < floor {
            continue;
        }
        if changes.last_mut().is_some_and(|last| last.goes_on(element)) {
            continue;
        }
        let inside = whole.get(whole.partition_point(|piece| piece.at.end < element.at.start));
        let inside = inside.filter(|piece| (floor..element.at.start).contains(&piece.at.start));
        let fate = match inside {
            Some(piece) => Fate::Word(piece.at.start..piece.at.end.max(element.at.end)),
            None => {
                let next = elements[number..].iter().find(|next| next.at.start >= element.at.end);
                let is_last = next.is_none_or(|next| next.at.start > element.at.end);
                fate(text, floor, (&element.at, is_last), element.script)
            }
        };
        let change = match fate {
            Fate::None => None,
            Fate::Apart => {
                Some(Change::Apart { at: element.at.clone(), marks: element.marks.clone() })
            }
            Fate::Word(mut at) => {
                // A formula has several indexes.
                for next in elements[number..].iter().take(MAX_INDEXES) {
                    if next.at.start > at.end {
                        break;
                    }
                    at.end = at.end.max(notes::word_end(text, next.at.end));
                }
                word(marks, partners, at)
            }
            Fate::Note(from) => Some(note(marks, partners, from, element)),
        };
        changes.extend(change);
    }
    changes
}

/// Adds the words in which other markup stands between a letter and a digit, as in `<b>Windows</b>10`.
fn add_words<M: Mark>(
    text: &str,
    marks: &[M],
    partners: &[Option<usize>],
    whole: &[Piece],
    changes: &mut Vec<Change>,
) {
    let mut words: Vec<Change> = Vec::new();
    let mut done = 0;
    for at in marks.iter().filter(|mark| mark.at().is_empty()).map(|mark| mark.at().start) {
        if at < done || !is_glue(text, at) {
            continue;
        }
        done = at + 1;
        let number = changes.partition_point(|change| change.at().end < at);
        let floor = number.checked_sub(1).map_or(0, |before| changes[before].at().end);
        let floor = floor.max(words.last().map_or(0, |word| word.at().end));
        let is_taken = |range: &Range<usize>| {
            changes.get(number).is_some_and(|next| next.begin() < range.end)
                || pieces_at(whole, range)
        };
        let range = notes::word_start(&text[floor..at], floor)..notes::word_end(text, at);
        if range.start < at
            && at < range.end
            && !is_taken(&range)
            && let Some(word) = word(marks, partners, range.clone())
        {
            done = range.end;
            words.push(word);
        }
    }
    changes.extend(words);
    changes.sort_by_key(Change::begin);
}

/// Whether one of `pieces` has a part in `range`.
fn pieces_at(pieces: &[Piece], range: &Range<usize>) -> bool {
    let next = pieces.get(pieces.partition_point(|piece| piece.at.end <= range.start));
    next.is_some_and(|piece| piece.at.start < range.end)
}

/// The word at `at` with the marks in it, unless an element reaches out of it.
fn word<M: Mark>(marks: &[M], partners: &[Option<usize>], at: Range<usize>) -> Option<Change> {
    let mut first = marks.partition_point(|mark| mark.at().end <= at.start);
    let mut last = marks.partition_point(|mark| mark.at().start < at.end).max(first);
    while last < marks.len()
        && marks[last].at().start == at.end
        && partners[last].is_some_and(|other| (first..last).contains(&other))
    {
        last += 1;
    }
    while first > 0
        && matches!(marks[first - 1].role(), Role::Open(_))
        && marks[first - 1].at().end == at.start
        && partners[first - 1].is_some_and(|other| other < last)
    {
        first -= 1;
    }
    is_balanced(marks, partners, first..last).then_some(Change::Word { at, marks: first..last })
}

/// Whether every element that has one tag among these marks has both there.
fn is_balanced<M: Mark>(marks: &[M], partners: &[Option<usize>], inside: Range<usize>) -> bool {
    inside.clone().all(|i| match marks[i].role() {
        Role::Open(_) | Role::Close(_) => {
            partners[i].is_some_and(|partner| inside.contains(&partner))
        }
        _ => !marks[i].is_cut(),
    })
}

/// The note that `element` is to the words from `from` on, with whole elements.
fn note<M: Mark>(
    marks: &[M],
    partners: &[Option<usize>],
    mut from: usize,
    element: &Element,
) -> Change {
    let end = element.marks.start;
    let mut first = marks.partition_point(|mark| mark.at().end <= from).min(end);
    let is_open = |i: &usize| {
        matches!(marks[*i].role(), Role::Open(_)) && partners[*i].is_none_or(|other| other >= end)
    };
    if let Some(open) = (first..end).rev().find(is_open) {
        (first, from) = (open + 1, marks[open].at().end);
    }
    let outer = (first..end).rev().filter_map(|i| partners[i]).filter(|&other| other < first).min();
    if let Some(outer) = outer {
        (first, from) = (outer, marks[outer].at().start);
    }
    let (at, covered) = (element.at.clone(), element.marks.clone());
    match from < at.start && is_balanced(marks, partners, first..end) {
        true => Change::Note { from, first, at, marks: covered },
        false => Change::Apart { at, marks: covered },
    }
}

/// The marks with `changes` made to them.
fn changed<M: Mark>(
    marks: Vec<M>,
    changes: Vec<Change>,
    make: &impl Fn(Role, Range<usize>, bool, &[M]) -> M,
) -> Vec<M> {
    // For each new mark the number of the one that it stands before, and for how many it stands.
    let mut made: Vec<(usize, usize, M)> = Vec::new();
    for (number, change) in changes.into_iter().enumerate() {
        let name = || format!("note {number}");
        let (role, at, covered) = match change {
            Change::Word { at, marks } => (Role::Noun, at, marks),
            Change::Apart { at, marks } => (Role::Point, at, marks),
            Change::Note { from, first, at, marks: covered } => {
                let begin = make(Role::Open(name()), from..from, false, &marks[first..covered.end]);
                made.push((first, 0, begin));
                (Role::Close(name()), at, covered)
            }
        };
        let mark = make(role, at, false, &marks[covered.clone()]);
        made.push((covered.start, covered.len(), mark));
    }
    made.sort_by_key(|(first, ..)| *first);
    let mut all = Vec::with_capacity(marks.len() + made.len());
    let mut made = made.into_iter().peekable();
    let mut skip = 0;
    let count = marks.len();
    for (i, mark) in marks.into_iter().map(Some).chain([None]).enumerate() {
        while let Some((_, covered, new)) = made.next_if(|(first, ..)| *first <= i || i == count) {
            skip = skip.max(i + covered);
            all.push(new);
        }
        all.extend(mark.filter(|_| i >= skip));
    }
    all
}

#[cfg(test)]
mod tests;
