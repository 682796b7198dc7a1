//! Writes the blocks of a part with other sentences in them, and all else as it was.

use std::ops::Range;

use dragoman_text::{Item, Rewritten, Sentence};

use crate::{
    block::{AtomKind, Block, EditText, Finish, When},
    find::{Found, SpanSource},
    layout::{self, in_lines},
    part::{Part, RunFormat},
};

/// A part with its sentences.
struct Rewriting<'a> {
    part: &'a Part,
    /// The sentences of each block.
    found: &'a [Vec<Found>],
    /// What became of them, of each block.
    rewritten: &'a [&'a [Rewritten]],
    /// Whether each block is a translation that a person accepted.
    confirmed: &'a [bool],
}

impl Part {
    /// The text with `rewritten` in place of the sentences `found` in it.
    ///
    /// `confirmed` says of each block whether a person accepted its translation before.
    pub(crate) fn write(
        &self,
        found: &[Vec<Found>],
        mut rewritten: &[Rewritten],
        confirmed: &[bool],
    ) -> String {
        let mut of_block = Vec::with_capacity(found.len());
        for found in found {
            let (own, others) = rewritten.split_at(found.len());
            of_block.push(own);
            rewritten = others;
        }
        Rewriting { part: self, found, rewritten: &of_block, confirmed }.write()
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
                let other = if self.confirmed[number] { When::Machine } else { When::Confirmed };
                let edits = block.edits.iter().enumerate().filter(|(_, edit)| edit.when != other);
                places.extend(edits.map(|(edit, found)| (found.at.clone(), number, edit)));
            }
        }
        // An outer block before those within it; insertions in the order of their blocks.
        places.sort_by_key(|(at, number, edit)| {
            (at.start, std::cmp::Reverse(at.end), *number, *edit)
        });
        places.dedup_by(|later, place| self.is_same(later, place));
        let mut out = String::with_capacity(self.part.source.len() * 5 / 4);
        self.copy(0..self.part.source.len(), &places, &mut out);
        out
    }

    /// Whether two blocks write the same at the same place, such as a mark of the message of both.
    fn is_same(&self, one: &Place, other: &Place) -> bool {
        let edit = |place: &Place| &self.part.blocks[place.1].edits[place.2];
        let (EditText::Literal(a), EditText::Literal(b)) = (&edit(one).text, &edit(other).text)
        else {
            return false;
        };
        one.1 != other.1 && one.0 == other.0 && a == b
    }

    fn is_changed(&self, number: usize) -> bool {
        if self.confirmed[number] && self.part.blocks[number].is_copied() {
            return true; // the same word in both languages is a translation, too
        }
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
                EditText::Block => {
                    let (text, _) = self.block(*number, block, &places[next..]);
                    out.push_str(&text);
                }
                EditText::Part { number: part, lines, end } => {
                    let (text, cuts) = self.block(*number, block, &places[next..]);
                    out.push_str(&in_lines(layout::part(&text, &cuts, *part), *lines, end));
                }
            }
        }
        out.push_str(&source[at..range.end]);
    }

    /// A block with its rewritten sentences, and where it is cut at its joints; `places` are the edits
    /// behind its own.
    fn block(&self, number: usize, block: &Block, places: &[Place]) -> (String, Vec<usize>) {
        let mut writer = Writer {
            rewriting: self,
            block,
            places,
            out: String::new(),
            cuts: Vec::new(),
            in_sentence: false,
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
        let (text, cuts) = (writer.out, writer.cuts);
        let text = match block.finish {
            Finish::None => text,
            Finish::Lines(count, end) => in_lines(&text, count, end),
            Finish::Call(call) => call(text),
        };
        (text, cuts)
    }
}

/// Whether a sentence is written otherwise than it stands.
pub(crate) fn is_changed(sentence: &Sentence, rewritten: &Rewritten) -> bool {
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
    /// Where the block is cut.
    cuts: Vec<usize>,
    /// Whether a rewritten sentence is written, which is cut when it is whole.
    in_sentence: bool,
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
                    if self.block.joints.contains(&atom.at.start) {
                        match self.in_sentence {
                            true => self.text(" ", format),
                            false => self.cuts.push(self.out.len()),
                        }
                        continue;
                    }
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

    /// Writes a sentence, and cuts it where the joints in it are.
    fn items(&mut self, items: &[Item], found: &Found) {
        let start = self.out.len();
        self.in_sentence = true;
        self.write_items(items, found);
        self.in_sentence = false;
        let inside = |joint: &&usize| found.at.contains(*joint);
        let joints: Vec<usize> =
            self.block.joints.iter().filter(inside).map(|joint| joint - found.at.start).collect();
        if !joints.is_empty() {
            let source = &self.block.text[found.at.clone()];
            let cuts = layout::cuts(source, &joints, &self.out[start..]);
            self.cuts.extend(cuts.into_iter().map(|cut| start + cut));
        }
    }

    fn write_items(&mut self, items: &[Item], found: &Found) {
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
