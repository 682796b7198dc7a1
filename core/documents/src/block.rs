//! A stretch of a document that sentences do not leave, and the pieces it is made of.

use std::ops::Range;

use dragoman_text::Role;

/// A paragraph, a cell, a message: text with the markup in it.
#[derive(Debug)]
pub(crate) struct Block {
    /// As a reader sees it.
    pub(crate) text: String,
    /// What the text is made of, in the order of the source.
    pub(crate) atoms: Vec<Atom>,
    /// The markup among the atoms, in order; no mark overlaps another.
    pub(crate) marks: Vec<Mark>,
    /// What is written where the block is rewritten.
    pub(crate) edits: Vec<Edit>,
    /// How text is written in this place.
    pub(crate) escape: fn(&str) -> String,
    /// What is done to the block once it is written.
    pub(crate) finish: Finish,
    /// Where in the text a space stands for the way from one place in the source to the next, as between
    /// two subtitles: there the rewritten block is cut into parts.
    pub(crate) joints: Vec<usize>,
}

/// A piece of a block: some bytes of the source and the text they stand for.
#[derive(Debug, Clone)]
pub(crate) struct Atom {
    /// Bytes of the source.
    pub(crate) raw: Range<usize>,
    /// Bytes of the block's text; empty for markup that a reader does not see.
    pub(crate) at: Range<usize>,
    /// What it is.
    pub(crate) kind: AtomKind,
}

/// What an atom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtomKind {
    /// Text in the format with this number.
    Text(usize),
    /// Markup, which stands in a run of this format, or between runs.
    Markup(Option<usize>),
    /// Left out where its sentence is rewritten: a boundary between equal runs, a spelling mark.
    Hidden,
}

/// A piece of markup within the text.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// What it does in its sentence.
    pub(crate) role: Role,
    /// Bytes of the block's text.
    pub(crate) at: Range<usize>,
    /// The atoms it covers, the first and the last perhaps in part.
    pub(crate) atoms: Range<usize>,
    /// Whether no sentence reaches over it.
    pub(crate) is_cut: bool,
}

/// A change to the source, made when the block is rewritten.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// Bytes of the source that it replaces.
    pub(crate) at: Range<usize>,
    /// What stands there then.
    pub(crate) text: EditText,
    /// The translations that it goes with.
    pub(crate) when: When,
}

/// Which translations an edit goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// All of them.
    Always,
    /// Those of a model, which somebody should look at.
    Machine,
    /// Those that a person accepted before.
    Confirmed,
}

impl Edit {
    /// Puts the rewritten block at `at`.
    pub(crate) fn block(at: Range<usize>) -> Self {
        Self { at, text: EditText::Block, when: When::Always }
    }

    /// Puts `text` at `at`.
    pub(crate) fn literal(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: EditText::Literal(text.into()), when: When::Always }
    }

    /// The same edit, for some translations alone.
    pub(crate) fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

/// What an edit writes.
#[derive(Debug, Clone)]
pub(crate) enum EditText {
    /// This.
    Literal(String),
    /// The rewritten block.
    Block,
    /// The part of the rewritten block with this number, which the joints end, in so many lines.
    Part {
        /// The number of the part.
        number: usize,
        /// The lines to write it in.
        lines: usize,
        /// What ends a line.
        end: &'static str,
    },
}

/// What is done to a block once it is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Finish {
    /// Nothing.
    #[default]
    None,
    /// It is broken at spaces into so many lines, as subtitles are.
    Lines(usize, &'static str),
    /// This is called with it.
    Call(fn(String) -> String),
}

/// Builds blocks from the source.
pub(crate) struct Builder<'a> {
    source: &'a str,
    block: Block,
    collapse: bool,
}

impl<'a> Builder<'a> {
    /// Begins a block; with `collapse`, white space counts as one space.
    pub(crate) fn new(source: &'a str, escape: fn(&str) -> String, collapse: bool) -> Self {
        Self { source, block: empty(escape), collapse }
    }

    /// Where the text ends by now.
    pub(crate) fn end(&self) -> usize {
        self.block.text.len()
    }

    /// The number of atoms by now.
    pub(crate) fn count(&self) -> usize {
        self.block.atoms.len()
    }

    /// The text by now.
    pub(crate) fn text_so_far(&self) -> &str {
        &self.block.text
    }

    /// Adds source in which `read` finds what stands for something else: its text, or none for markup,
    /// and its bytes.
    pub(crate) fn escaped(
        &mut self,
        raw: Range<usize>,
        read: impl Fn(&str) -> Option<(String, usize)>,
    ) {
        let (mut plain, mut at) = (raw.start, raw.start);
        while at < raw.end {
            match read(&self.source[at..raw.end]) {
                Some((text, length)) => {
                    self.plain(plain..at, 0);
                    match text.is_empty() {
                        true => self.mark(Role::Point, at..at + length, None),
                        false => self.text(&text, at..at + length, 0),
                    }
                    at += length;
                    plain = at;
                }
                None => at += self.source[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        self.plain(plain..raw.end, 0);
    }

    /// Adds source that is text as it stands.
    pub(crate) fn plain(&mut self, raw: Range<usize>, format: usize) {
        if !self.collapse {
            let text = self.source[raw.clone()].to_owned();
            return self.text(&text, raw, format);
        }
        let text = &self.source[raw.clone()];
        let is_space = |c: char| c.is_ascii_whitespace();
        let mut at = raw.start;
        for piece in text.split_inclusive(is_space) {
            let word = piece.trim_end_matches(is_space);
            self.text(word, at..at + word.len(), format);
            if word.len() < piece.len() {
                let space = at + word.len()..at + piece.len();
                self.space(space, format);
            }
            at += piece.len();
        }
    }

    fn space(&mut self, raw: Range<usize>, format: usize) {
        if let Some(last) = self.block.atoms.last_mut()
            && last.kind == AtomKind::Text(format)
            && last.raw.end == raw.start
            && &self.block.text[last.at.clone()] == " "
        {
            last.raw.end = raw.end;
        } else if self.block.text.ends_with(' ') || self.block.text.is_empty() {
            self.hidden(raw);
        } else {
            self.text(" ", raw, format);
        }
    }

    /// Adds `text`, which the source writes as `raw`.
    pub(crate) fn text(&mut self, text: &str, raw: Range<usize>, format: usize) {
        if text.is_empty() {
            return;
        }
        let start = self.block.text.len();
        self.block.text.push_str(text);
        let is_plain = |raw: &Range<usize>, text: &str| self.source.get(raw.clone()) == Some(text);
        if let Some(last) = self.block.atoms.last_mut()
            && last.kind == AtomKind::Text(format)
            && last.raw.end == raw.start
            && is_plain(&raw, text)
            && is_plain(&last.raw, &self.block.text[last.at.clone()])
        {
            last.raw.end = raw.end;
            last.at.end = self.block.text.len();
            return;
        }
        let at = start..self.block.text.len();
        self.block.atoms.push(Atom { raw, at, kind: AtomKind::Text(format) });
    }

    /// Adds a space that stands for the way to another place in the source, behind `end`.
    pub(crate) fn joint(&mut self, end: usize) {
        self.block.joints.push(self.block.text.len());
        self.text(" ", end..end, 0);
    }

    /// Adds source that a rewritten sentence leaves out.
    pub(crate) fn hidden(&mut self, raw: Range<usize>) {
        let at = self.end()..self.end();
        self.block.atoms.push(Atom { raw, at, kind: AtomKind::Hidden });
    }

    /// Adds markup with a role.
    pub(crate) fn mark(&mut self, role: Role, raw: Range<usize>, format: Option<usize>) {
        let at = self.end()..self.end();
        self.push(role, at, raw, format, false);
    }

    /// Adds markup that a reader sees as `text`.
    pub(crate) fn seen(&mut self, text: &str, raw: Range<usize>, format: Option<usize>) {
        let start = self.end();
        self.block.text.push_str(text);
        let role = if text.is_empty() { Role::Point } else { Role::Noun };
        self.push(role, start..self.end(), raw, format, false);
    }

    /// Adds markup over which no sentence reaches, and which a reader sees as `text`.
    pub(crate) fn cut(&mut self, text: &str, raw: Range<usize>, format: Option<usize>) {
        let start = self.end();
        self.block.text.push_str(text);
        self.push(Role::Point, start..self.end(), raw, format, true);
    }

    fn push(
        &mut self,
        role: Role,
        at: Range<usize>,
        raw: Range<usize>,
        format: Option<usize>,
        is_cut: bool,
    ) {
        let number = self.count();
        self.block.atoms.push(Atom { raw, at: at.clone(), kind: AtomKind::Markup(format) });
        self.block.marks.push(Mark { role, at, atoms: number..number + 1, is_cut });
    }

    /// Makes one word of the atoms from `first` on, whose text begins at `start`.
    pub(crate) fn join(&mut self, first: usize, start: usize, role: Role) {
        self.block.marks.retain(|mark| mark.atoms.start < first);
        let (at, atoms) = (start..self.end(), first..self.count());
        if !atoms.is_empty() {
            self.block.marks.push(Mark { role, at, atoms, is_cut: false });
        }
    }

    /// The block, which takes the place of its own source; another one begins.
    pub(crate) fn finish(&mut self) -> Option<Block> {
        let mut block = self.finish_elsewhere(Vec::new())?;
        let raw = block.atoms.first()?.raw.start..block.atoms.last()?.raw.end;
        block.edits = vec![Edit::block(raw)];
        Some(block)
    }

    /// The block, which is written by `edits`; another one begins.
    pub(crate) fn finish_elsewhere(&mut self, edits: Vec<Edit>) -> Option<Block> {
        let escape = self.block.escape;
        let mut block = std::mem::replace(&mut self.block, empty(escape));
        if !dragoman_text::split::has_letters(&block.text) {
            return None;
        }
        block.edits = edits;
        pair(&mut block.marks);
        Some(block)
    }
}

fn empty(escape: fn(&str) -> String) -> Block {
    Block {
        text: String::new(),
        atoms: Vec::new(),
        marks: Vec::new(),
        edits: Vec::new(),
        escape,
        finish: Finish::None,
        joints: Vec::new(),
    }
}

impl Block {
    /// Whether it is written elsewhere than where its text was read.
    pub(crate) fn is_copied(&self) -> bool {
        let is_own = |edit: &Edit| {
            let first = self.atoms.first();
            first.is_some_and(|atom| edit.at.start <= atom.raw.start && atom.raw.end <= edit.at.end)
        };
        !self.edits.iter().any(|edit| !matches!(edit.text, EditText::Literal(_)) && is_own(edit))
    }
}

/// Makes points of marks that have no other half in the block.
fn pair(marks: &mut [Mark]) {
    let partners = dragoman_text::sentence::partners(marks.len(), |i| &marks[i].role);
    for (mark, partner) in marks.iter_mut().zip(partners) {
        if partner.is_none() && matches!(mark.role, Role::Open(_) | Role::Close(_)) {
            mark.role = Role::Point;
        }
    }
}
