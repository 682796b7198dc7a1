//! Writes the blocks of a part with other sentences in them, and all else as it was.

use std::ops::Range;

use dragoman_text::{Item, Rewritten, Sentence};

use crate::{
    block::{AtomKind, Block, EditText, Finish},
    find::{Found, SpanSource},
    part::{Part, RunFormat},
};

/// A part with its sentences.
struct Rewriting<'a> {
    part: &'a Part,
    /// The sentences of each block.
    found: &'a [Vec<Found>],
    /// What became of them, of each block.
    rewritten: &'a [&'a [Rewritten]],
}

impl Part {
    /// The text with `rewritten` in place of the sentences `found` in it.
    pub(crate) fn write(&self, found: &[Vec<Found>], mut rewritten: &[Rewritten]) -> String {
        let mut of_block = Vec::with_capacity(found.len());
        for found in found {
            let (own, others) = rewritten.split_at(found.len());
            of_block.push(own);
            rewritten = others;
        }
        Rewriting { part: self, found, rewritten: &of_block }.write()
    }
}

/// An edit of the source: its bytes, the block, and the number of the edit of that block.
type Place = (Range<usize>, usize, usize);

impl Rewriting<'_> {
    /// The part in the target language.
    fn write(&self) -> String {
        let mut places: Vec<Place> = Vec::new();
        for (number, block) in self.part.blocks.iter().enumerate() {
            if self.is_changed(number) {
                let edits = block.edits.iter().enumerate();
                places.extend(edits.map(|(edit, found)| (found.at.clone(), number, edit)));
            }
        }
        // An outer block before those within it; insertions in the order of their blocks.
        places.sort_by_key(|(at, number, edit)| {
            (at.start, std::cmp::Reverse(at.end), *number, *edit)
        });
        let mut out = String::with_capacity(self.part.source.len() * 5 / 4);
        self.copy(0..self.part.source.len(), &places, &mut out);
        out
    }

    fn is_changed(&self, number: usize) -> bool {
        let pairs = self.found[number].iter().zip(self.rewritten[number]);
        pairs.into_iter().any(|(found, rewritten)| is_changed(&found.sentence, rewritten))
    }

    /// Copies the source at `range`, with the edits `places` that are in it.
    fn copy(&self, range: Range<usize>, places: &[Place], out: &mut String) {
        let source = &self.part.source;
        let mut at = range.start;
        let mut next = places.partition_point(|(place, ..)| place.start < range.start);
        while let Some((place, number, edit)) = places.get(next) {
            if place.start > range.end || place.end > range.end {
                break;
            }
            next += 1;
            if place.start < at {
                continue; // within a block that was just written
            }
            out.push_str(&source[at..place.start]);
            at = place.end;
            let block = &self.part.blocks[*number];
            match &block.edits[*edit].text {
                EditText::Literal(text) => out.push_str(text),
                EditText::Block => out.push_str(&self.block(*number, block, &places[next..])),
            }
        }
        out.push_str(&source[at..range.end]);
    }

    /// A block with its rewritten sentences; `places` are the edits behind its own.
    fn block(&self, number: usize, block: &Block, places: &[Place]) -> String {
        let mut writer = Writer {
            rewriting: self,
            block,
            places,
            out: String::new(),
            run: None,
            in_text: false,
        };
        let (mut atom, mut at) = (0, 0);
        for (found, rewritten) in self.found[number].iter().zip(self.rewritten[number]) {
            match rewritten {
                Rewritten::Items(items) if is_changed(&found.sentence, rewritten) => {
                    writer.atoms(atom..found.atoms.start, at..found.at.start);
                    writer.items(items, found);
                    // The last atom may go on behind the sentence.
                    atom = found.atoms.end;
                    at = found.at.end;
                    if let Some(last) = block.atoms.get(atom.wrapping_sub(1))
                        && matches!(last.kind, AtomKind::Text(_))
                        && last.at.end > at
                    {
                        atom -= 1;
                    }
                }
                _ => {}
            }
        }
        writer.atoms(atom..block.atoms.len(), at..block.text.len());
        writer.end_run();
        let text = writer.out;
        match block.finish {
            Finish::None => text,
            Finish::Lines(count, end) => in_lines(&text, count, end),
            Finish::Call(call) => call(text),
        }
    }
}

/// Whether a sentence is written otherwise than it stands.
fn is_changed(sentence: &Sentence, rewritten: &Rewritten) -> bool {
    match rewritten {
        Rewritten::Unchanged => false,
        Rewritten::Items(items) => !sentence.is_said_by(items),
    }
}

/// Writes one block.
struct Writer<'a> {
    rewriting: &'a Rewriting<'a>,
    block: &'a Block,
    places: &'a [Place],
    out: String,
    /// The format of the run that is open.
    run: Option<usize>,
    /// Whether the text element of the run is open.
    in_text: bool,
}

impl Writer<'_> {
    fn format(&self, number: usize) -> &RunFormat {
        &self.rewriting.part.markup.formats[number]
    }

    /// Writes atoms as they were, of the text that is in `at`; the atom behind `atoms` may begin with
    /// some of it.
    fn atoms(&mut self, atoms: Range<usize>, at: Range<usize>) {
        for number in atoms.start..self.block.atoms.len() {
            let atom = &self.block.atoms[number];
            let text = atom.at.start.max(at.start)..atom.at.end.min(at.end);
            match atom.kind {
                AtomKind::Text(format) if text.start < text.end => {
                    let text = self.raw_text(number, text, format);
                    self.text(&text, format);
                }
                AtomKind::Text(_) if number >= atoms.end => break,
                AtomKind::Text(_) => {}
                _ if number >= atoms.end => break,
                AtomKind::Markup(run) => self.raw(atom.raw.clone(), run),
                AtomKind::Hidden => self.raw(atom.raw.clone(), None),
            }
        }
    }

    /// The text at `at` of an atom, as the source writes it.
    fn raw_text(&self, number: usize, at: Range<usize>, format: usize) -> String {
        let (atom, source) = (&self.block.atoms[number], &self.rewriting.part.source);
        let raw = &source[atom.raw.clone()];
        // A hyphen that is an element of its run is written as a character.
        let is_element = raw.starts_with('<') && !self.format(format).begin_text.is_empty();
        if at == atom.at && !is_element {
            return raw.to_owned();
        }
        match raw == &self.block.text[atom.at.clone()] {
            true => raw[at.start - atom.at.start..at.end - atom.at.start].to_owned(),
            false => (self.block.escape)(&self.block.text[at]),
        }
    }

    fn items(&mut self, items: &[Item], found: &Found) {
        let mut format = found.format;
        for item in items {
            match item {
                Item::Prose(text) => {
                    let text = (self.block.escape)(text);
                    self.text(&text, format);
                }
                Item::Span(span) => match &found.spans[*span] {
                    SpanSource::Format(other) => format = *other,
                    SpanSource::EndFormat => format = found.format,
                    SpanSource::Atoms { at, atoms } => self.atoms(atoms.clone(), at.clone()),
                },
            }
        }
    }

    /// Writes text, in a run of `format`.
    fn text(&mut self, text: &str, format: usize) {
        if text.is_empty() {
            return;
        }
        self.begin_run(format);
        if !self.in_text {
            let begin = &self.rewriting.part.markup.formats[format].begin_text;
            self.out.push_str(begin);
            self.in_text = true;
        }
        self.out.push_str(text);
    }

    /// Writes markup, in a run or between runs.
    fn raw(&mut self, raw: Range<usize>, run: Option<usize>) {
        match run {
            Some(format) => self.begin_run(format),
            None => self.end_run(),
        }
        self.end_text();
        self.rewriting.copy(raw, self.places, &mut self.out);
    }

    fn begin_run(&mut self, format: usize) {
        if self.run == Some(format) {
            return;
        }
        self.end_run();
        let begin = &self.rewriting.part.markup.formats[format].begin;
        self.out.push_str(begin);
        self.run = Some(format);
    }

    fn end_text(&mut self) {
        if let (Some(format), true) = (self.run, self.in_text) {
            let end = &self.rewriting.part.markup.formats[format].end_text;
            self.out.push_str(end);
            self.in_text = false;
        }
    }

    fn end_run(&mut self) {
        self.end_text();
        if let Some(format) = self.run.take() {
            let end = &self.rewriting.part.markup.formats[format].end;
            self.out.push_str(end);
        }
    }
}

/// `text` broken at spaces into `count` lines of about the same length; not within a tag.
fn in_lines(text: &str, count: usize, end: &str) -> String {
    let text = text.replace(end, " ");
    let mut depth = 0usize;
    let mut spaces: Vec<usize> = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '<' | '{' => depth += 1,
            '>' | '}' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => spaces.push(at),
            _ => {}
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for left in (2..=count).rev() {
        let middle = start + (text.len() - start) / left;
        let behind = spaces.iter().copied().filter(|at| *at > start);
        let Some(at) = behind.min_by_key(|at| at.abs_diff(middle)) else { break };
        out.push_str(&text[start..at]);
        out.push_str(end);
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out
}
