//! Finds the sentences of a block, and what in them is not prose.

use std::ops::Range;

use dragoman_text::{
    Role, Sentence, Span,
    glued::{self, Script},
    marks::{self, Marked},
    split::{Segment, split},
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

/// The sentences of `block`, written in `language`; `scripts` says of each format how it is set.
pub(crate) fn find(block: &Block, scripts: &[Script], language: &str) -> Vec<Found> {
    let Marked { marks, broken } = marked(block, scripts, language);
    let finder = Finder { block, marks };
    let mut found = Vec::new();
    let mut start = 0;
    for segment in split(&marks::masked(&block.text, &finder.marks), language) {
        let range = start..start + segment.as_str().len();
        start = range.end;
        let is_broken = || broken.iter().any(|at| at.start < range.end && range.start < at.end);
        if matches!(segment, Segment::Sentence(_)) && !is_broken() {
            found.extend(finder.sentence(range));
        }
    }
    found
}

/// All of `block` as if it were one sentence, if there is something to translate.
pub(crate) fn whole(block: &Block, scripts: &[Script], language: &str) -> Option<Found> {
    let Marked { marks, broken } = marked(block, scripts, language);
    match broken.is_empty() {
        true => Finder { block, marks }.sentence(0..block.text.len()),
        false => None,
    }
}

/// The markup of `block`, with what is not prose in its text.
fn marked(block: &Block, scripts: &[Script], language: &str) -> Marked<Mark> {
    let make = |role, at: Range<usize>, is_cut, covered: &[Mark]| {
        let mut atoms = match at.is_empty() {
            true => block.atoms_at(&(at.start..at.start + 1)),
            false => block.atoms_at(&at),
        };
        if let (Some(first), Some(last)) = (covered.first(), covered.last()) {
            atoms = atoms.start.min(first.atoms.start)..atoms.end.max(last.atoms.end);
        }
        // A mark without text is none in the source either.
        atoms.end = if at.is_empty() { atoms.start } else { atoms.end };
        Mark { role, at, atoms, is_cut }
    };
    let scripts = set_apart(block, scripts);
    glued::marked(&block.text, language, block.marks.clone(), &scripts, make)
}

/// The stretches of `block` that their format sets above or below the line.
fn set_apart(block: &Block, scripts: &[Script]) -> Vec<(Range<usize>, Script)> {
    let mut found: Vec<(Range<usize>, Script)> = Vec::new();
    for atom in &block.atoms {
        let AtomKind::Text(format) = atom.kind else { continue };
        let script = scripts.get(format).copied().unwrap_or(Script::None);
        match found.last_mut() {
            _ if script == Script::None => {}
            Some((at, last)) if *last == script && at.end == atom.at.start => at.end = atom.at.end,
            _ => found.push((atom.at.clone(), script)),
        }
    }
    found
}

impl marks::Mark for Mark {
    fn at(&self) -> &Range<usize> {
        &self.at
    }

    fn role(&self) -> &Role {
        &self.role
    }

    fn is_cut(&self) -> bool {
        self.is_cut
    }
}

struct Finder<'a> {
    block: &'a Block,
    marks: Vec<Mark>,
}

impl Finder<'_> {
    /// The sentence at `range`, if there is something to translate.
    fn sentence(&self, range: Range<usize>) -> Option<Found> {
        let text = &self.block.text;
        let (range, marks) = marks::sentence_at(text, &self.marks, range)?;
        let mut atoms = self.block.atoms_at(&range);
        if let (Some(first), Some(last)) = (marks.first(), marks.last()) {
            atoms = atoms.start.min(first.atoms.start)..atoms.end.max(last.atoms.end);
        }
        let format = self.most_common_format(&atoms, &range);
        let mut sentence = Sentence { text: text[range.clone()].to_owned(), spans: Vec::new() };
        let mut spans = Vec::new();
        for (at, role, source) in self.spans(&marks, &atoms, &range, format) {
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

impl Block {
    /// The atoms that have a part of the text at `range`.
    pub(crate) fn atoms_at(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.atoms.partition_point(|atom| atom.at.end <= range.start);
        let last = self.atoms.partition_point(|atom| atom.at.start < range.end);
        first..last.max(first)
    }
}
