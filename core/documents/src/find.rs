//! Finds the sentences of a block, and what in them is not prose.

use std::ops::Range;

use dragoman_text::{
    Role, Sentence, Span,
    pieces::{self, Carry, Piece},
    sentence::{partners, trimmed},
    split::{Segment, has_letters, split},
};

use crate::block::{AtomKind, Block, Mark};

/// A sentence of a block, and where it stands.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) sentence: Sentence,
    /// Bytes of the block's text.
    pub(crate) at: Range<usize>,
    /// The atoms it covers, the first and the last perhaps in part.
    pub(crate) atoms: Range<usize>,
    /// The format that most of it has.
    pub(crate) format: usize,
    /// What each span of the sentence is.
    pub(crate) spans: Vec<SpanSource>,
}

/// What a span of a sentence is in the block.
#[derive(Debug, Clone)]
pub(crate) enum SpanSource {
    /// These atoms, which have this text.
    Atoms { at: Range<usize>, atoms: Range<usize> },
    /// The beginning of words in another format.
    Format(usize),
    /// The end of such words.
    EndFormat,
}

/// The sentences of `block`, written in `language`.
pub(crate) fn find(block: &Block, language: &str) -> Vec<Found> {
    let (marks, broken) = with_pieces(block, pieces::find(&block.text, language));
    let finder = Finder { block, marks };
    let mut found = Vec::new();
    let mut start = 0;
    for segment in split(&finder.masked(), language) {
        let range = start..start + segment.as_str().len();
        start = range.end;
        let is_broken = || broken.iter().any(|at| at.start < range.end && range.start < at.end);
        if matches!(segment, Segment::Sentence(_)) && !is_broken() {
            found.extend(finder.sentence(range));
        }
    }
    found
}

/// The marks of `block` with `pieces` among them; and where a piece has markup inside that does not
/// end in it, so that nothing there is translated.
fn with_pieces(block: &Block, pieces: Vec<Piece>) -> (Vec<Mark>, Vec<Range<usize>>) {
    let (mut all, mut broken) = (Vec::with_capacity(block.marks.len() + pieces.len()), Vec::new());
    let mut marks = block.marks.iter().cloned().peekable();
    for piece in pieces {
        let Range { start, end } = piece.at;
        while let Some(mark) = marks.next_if(|mark| mark.at.end <= start) {
            all.push(mark);
        }
        if all.last().is_some_and(|last: &Mark| last.at.end > start) {
            continue; // a part of what is kept anyway
        }
        let mut inside: Vec<Mark> = Vec::new();
        while let Some(mark) = marks.next_if(|mark| mark.at.start < end) {
            inside.push(mark);
        }
        let partners = partners(inside.len(), |i| &inside[i].role);
        let is_whole = |(mark, partner): (&Mark, &Option<usize>)| match mark.role {
            Role::Open(_) | Role::Close(_) => partner.is_some(),
            _ => true,
        };
        if inside.iter().any(|mark| mark.role == Role::Noun || mark.is_cut) {
            all.append(&mut inside);
            continue;
        }
        if !inside.iter().zip(&partners).all(is_whole) {
            broken.push(start..end);
            all.append(&mut inside);
            continue;
        }
        let is_cut = piece.carry == Carry::Cut;
        let role = match piece.carry {
            Carry::Inline(role) if inside.is_empty() || role.is_word() => role,
            Carry::Inline(_) => Role::Noun,
            Carry::Cut => Role::Point,
        };
        all.push(Mark { role, at: start..end, atoms: block.atoms_at(&(start..end)), is_cut });
    }
    all.extend(marks);
    (all, broken)
}

struct Finder<'a> {
    block: &'a Block,
    marks: Vec<Mark>,
}

impl Finder<'_> {
    /// The text with words in place of what is not prose, and a line end where no sentence reaches
    /// over.
    fn masked(&self) -> String {
        let text = &self.block.text;
        let mut masked = String::with_capacity(text.len());
        for mark in self.marks.iter().filter(|mark| !mark.at.is_empty()) {
            masked.push_str(&text[masked.len()..mark.at.start]);
            let mask = match &mark.role {
                _ if mark.is_cut => '\n',
                Role::Sign => {
                    masked.push_str(&text[mark.at.clone()]);
                    continue;
                }
                role if role.is_word() => 'x',
                Role::Open(_) => '(',
                _ => '"',
            };
            masked.extend(std::iter::repeat_n(mask, mark.at.len()));
        }
        masked.push_str(&text[masked.len()..]);
        masked
    }

    /// The marks that stand in `range` or at its ends; wide ones only when they are in it.
    fn marks_at(&self, range: &Range<usize>) -> Vec<&Mark> {
        let first = self.marks.partition_point(|mark| mark.at.end < range.start);
        let last = self.marks.partition_point(|mark| mark.at.start <= range.end);
        let touches = |mark: &&Mark| {
            mark.at.is_empty() || mark.at.start < range.end && range.start < mark.at.end
        };
        self.marks[first..last.max(first)].iter().filter(touches).collect()
    }

    /// The sentence at `range`, if there is something to translate.
    fn sentence(&self, range: Range<usize>) -> Option<Found> {
        let text = &self.block.text;
        let marks = self.marks_at(&range);
        let is_within = |mark: &&Mark| range.start <= mark.at.start && mark.at.end <= range.end;
        // Markup without text between two sentences that touch, or a part of a longer piece.
        if !marks.iter().all(is_within) {
            return None;
        }
        let span = |i: usize| (&marks[i].at, &marks[i].role);
        let (range, kept) = trimmed(text, span, marks.len(), range);
        let marks = &marks[kept];
        if !has_words(text, marks, &range) {
            return None;
        }
        let mut atoms = self.block.atoms_at(&range);
        if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
            atoms = atoms.start.min(first.atoms.start)..atoms.end.max(last.atoms.end);
        }
        let format = self.most_common_format(&atoms, &range);
        let mut sentence = Sentence { text: text[range.clone()].to_owned(), spans: Vec::new() };
        let mut spans = Vec::new();
        for (at, role, source) in self.spans(marks, &atoms, &range, format) {
            let at = at.start - range.start..at.end - range.start;
            sentence.spans.push(Span { at, role });
            spans.push(source);
        }
        Some(Found { sentence, at: range, atoms, format, spans })
    }

    /// The text atoms of a sentence: number, the part in `range`, format.
    fn texts<'a>(
        &'a self,
        atoms: &Range<usize>,
        range: &'a Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>, usize)> + 'a {
        atoms.clone().filter_map(move |number| {
            let atom = &self.block.atoms[number];
            let at = atom.at.start.max(range.start)..atom.at.end.min(range.end);
            match atom.kind {
                AtomKind::Text(format) if at.start < at.end => Some((number, at, format)),
                _ => None,
            }
        })
    }

    fn most_common_format(&self, atoms: &Range<usize>, range: &Range<usize>) -> usize {
        let mut sizes: Vec<(usize, usize)> = Vec::new();
        for (_, at, format) in self.texts(atoms, range) {
            match sizes.iter_mut().find(|(known, _)| *known == format) {
                Some((_, size)) => *size += at.len(),
                None => sizes.push((format, at.len())),
            }
        }
        let most = sizes.iter().map(|(_, size)| *size).max();
        sizes.iter().find(|(_, size)| Some(*size) == most).map_or(0, |(format, _)| *format)
    }

    /// The spans of a sentence in order: its marks, and around words in another format than `base`
    /// where those begin and end.
    fn spans(
        &self,
        marks: &[&Mark],
        atoms: &Range<usize>,
        range: &Range<usize>,
        base: usize,
    ) -> Vec<(Range<usize>, Role, SpanSource)> {
        let mut spans = Spans { all: Vec::new(), open: None, base, end: range.start, behind: 0 };
        let mut marks = marks.iter().peekable();
        let mut done = range.start;
        for (number, at, format) in self.texts(atoms, range) {
            let mut start = at.start.max(done);
            loop {
                let before = |mark: &&&Mark| {
                    mark.atoms.start < number
                        || mark.atoms.start == number && mark.at.start <= start
                };
                if let Some(mark) = marks.next_if(before) {
                    spans.mark(mark, self.block);
                    start = start.max(mark.at.end);
                    done = start;
                    continue;
                }
                let next = marks.peek().filter(|mark| mark.atoms.start == number);
                let end = next.map_or(at.end, |mark| mark.at.start.min(at.end));
                if start < end {
                    let text = &self.block.text[start..end];
                    spans.text(start..end, text.trim().is_empty(), format);
                    start = end;
                }
                if next.is_none() || start >= at.end {
                    break;
                }
            }
        }
        for mark in marks {
            spans.mark(mark, self.block);
        }
        spans.close();
        spans.all
    }
}

/// The spans of a sentence while they are collected.
struct Spans {
    all: Vec<(Range<usize>, Role, SpanSource)>,
    /// The format that is open, and its number among those of the sentence.
    open: Option<(usize, usize)>,
    base: usize,
    /// Where the last words end in the text, and how many spans stand before that.
    end: usize,
    behind: usize,
}

impl Spans {
    fn text(&mut self, at: Range<usize>, is_blank: bool, format: usize) {
        if is_blank {
            return; // a space looks the same in most formats
        }
        if self.open.is_none_or(|(open, _)| open != format) {
            self.close();
            if format != self.base {
                let number = self.all.len();
                let role = Role::Open(name(number));
                self.all.push((at.start..at.start, role, SpanSource::Format(format)));
                self.open = Some((format, number));
            }
        }
        self.end = at.end;
        self.behind = self.all.len();
    }

    fn mark(&mut self, mark: &Mark, block: &Block) {
        let source = SpanSource::Atoms { at: mark.at.clone(), atoms: mark.atoms.clone() };
        let span = (mark.at.clone(), mark.role.clone(), source);
        match (&block.atoms[mark.atoms.start].kind, &mark.role) {
            (AtomKind::Text(format), role) if role.is_word() => {
                self.text(mark.at.clone(), false, *format);
                self.all.push(span);
                self.behind = self.all.len();
                return;
            }
            (_, Role::Open(_) | Role::Close(_)) => self.close(),
            _ => {}
        }
        self.all.push(span);
    }

    fn close(&mut self) {
        if let Some((_, number)) = self.open.take() {
            // Before the markup that stands behind the last words.
            let at = self.end..self.end;
            self.all.insert(
                self.behind.max(number + 1),
                (at, Role::Close(name(number)), SpanSource::EndFormat),
            );
        }
    }
}

fn name(number: usize) -> String {
    format!("format {number}")
}

/// Whether there are letters in `range` outside of `marks`.
fn has_words(text: &str, marks: &[&Mark], range: &Range<usize>) -> bool {
    let mut at = range.start;
    for mark in marks.iter().filter(|mark| !mark.at.is_empty()) {
        if at < mark.at.start && has_letters(&text[at..mark.at.start]) {
            return true;
        }
        at = at.max(mark.at.end);
    }
    at < range.end && has_letters(&text[at..range.end])
}

impl Block {
    /// The atoms that have a part of the text at `range`.
    pub(crate) fn atoms_at(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.atoms.partition_point(|atom| atom.at.end <= range.start);
        let last = self.atoms.partition_point(|atom| atom.at.start < range.end);
        first..last.max(first)
    }
}
