//! Cuts a document into runs: the text and inline markup between two block elements.

use std::{mem, ops::Range};

use super::{
    attributes,
    elements::{Elements, Place},
    tokens::{Token, TokenKind},
};
use crate::{
    glued, marks,
    references::{Part, parts, unescape},
    sentence::Role,
    split::has_letters,
};

/// The longest opaque element that counts as a word of its sentence, in characters.
const MAX_OPAQUE: usize = 60;

/// A stretch of text that sentences do not leave.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// As a reader sees it: references read, white space joined.
    pub(crate) text: String,
    /// Markup within the text, in its order.
    pub(crate) marks: Vec<Mark>,
    /// Which bytes of the document the text comes from.
    units: Vec<Unit>,
}

/// A stretch of a run's text and of the document that belong together.
#[derive(Debug)]
struct Unit {
    text: Range<usize>,
    raw: Range<usize>,
}

/// A piece of inline markup.
#[derive(Debug)]
pub(crate) struct Mark {
    /// What it is; a [`Role::Noun`] is an element that is kept, with its text.
    pub(crate) role: Role,
    /// Where it stands in the text; empty for tags.
    pub(crate) at: Range<usize>,
    /// Where it stands in the document.
    pub(crate) raw: Range<usize>,
    /// Whether no sentence reaches over it.
    is_cut: bool,
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

impl Run {
    /// The bytes of the document that the text at `range` comes from.
    pub(crate) fn raw(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.units.partition_point(|unit| unit.text.end <= range.start);
        let last = self.units.partition_point(|unit| unit.text.start < range.end);
        let (Some(first), Some(last)) = (self.units.get(first), self.units[..last].last()) else {
            return 0..0; // of nothing; no sentence is empty
        };
        let start = match first.is_plain() {
            true => first.raw.start + range.start - first.text.start,
            false => first.raw.start,
        };
        let end = match last.is_plain() {
            true => last.raw.start + range.end - last.text.start,
            false => last.raw.end,
        };
        start..end
    }

    /// Takes in what is not prose in the text; returns where such a piece has markup inside that
    /// does not end in it.
    pub(crate) fn add_pieces(&mut self, language: &str) -> Vec<Range<usize>> {
        let marks = mem::take(&mut self.marks);
        let make = |role, at: Range<usize>, is_cut, covered: &[Mark]| {
            let mut raw = match at.is_empty() {
                true => self.raw(&(at.start..at.start + 1)),
                false => self.raw(&at),
            };
            if let (Some(first), Some(last)) = (covered.first(), covered.last()) {
                raw = raw.start.min(first.raw.start)..raw.end.max(last.raw.end);
            }
            // A mark without text is none in the document either.
            raw.end = if at.is_empty() { raw.start } else { raw.end };
            Mark { role, at, raw, is_cut }
        };
        let marked = glued::marked(&self.text, language, marks, &[], make);
        self.marks = marked.marks;
        marked.broken
    }

    fn add(&mut self, text: &str, raw: Range<usize>) {
        let start = self.text.len();
        self.text.push_str(text);
        self.units.push(Unit { text: start..self.text.len(), raw });
    }

    /// Adds the HTML text `html`, which begins at `start` of the document.
    fn add_text(&mut self, html: &str, start: usize) {
        let mut at = start;
        for part in parts(html) {
            let raw = match part {
                Part::Reference { raw, text } => {
                    self.add(&text, at..at + raw.len());
                    raw
                }
                Part::Plain(raw) => {
                    self.add_plain(raw, at);
                    raw
                }
            };
            at += raw.len();
        }
    }

    /// Adds words as they are, and any white space between them as one space.
    fn add_plain(&mut self, text: &str, start: usize) {
        let mut at = start;
        for piece in text.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let word = piece.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !word.is_empty() {
                self.add(word, at..at + word.len());
            }
            if word.len() < piece.len() {
                let space = at + word.len()..at + piece.len();
                match self.units.last_mut() {
                    Some(unit) if unit.is_space(&self.text) && unit.raw.end == space.start => {
                        unit.raw.end = space.end;
                    }
                    _ if self.text.ends_with(' ') => self.keep_space(space),
                    _ => self.add(" ", space),
                }
            }
            at += piece.len();
        }
    }

    /// White space that follows other white space: an image between the two keeps it, because it is seen.
    fn keep_space(&mut self, space: Range<usize>) {
        let text_end = self.text.len();
        if let Some(mark) = self.marks.last_mut()
            && mark.role == Role::Point
            && mark.at == (text_end..text_end)
            && mark.raw.end == space.start
        {
            mark.raw.end = space.end;
        }
    }

    fn mark(&mut self, role: Role, raw: Range<usize>) {
        let at = self.text.len();
        self.marks.push(Mark { role, at: at..at, raw, is_cut: false });
    }

    fn add_opaque(&mut self, text: &str, raw: Range<usize>) {
        let start = self.text.len();
        self.add(text, raw.clone());
        let role = if text.is_empty() { Role::Point } else { Role::Noun };
        self.marks.push(Mark { role, at: start..self.text.len(), raw, is_cut: false });
    }
}

impl Unit {
    /// Whether text and document are byte for byte the same here.
    fn is_plain(&self) -> bool {
        self.text.len() == self.raw.len()
    }

    fn is_space(&self, text: &str) -> bool {
        &text[self.text.clone()] == " "
    }
}

/// An element that is kept, while it is being read.
struct Opaque {
    name: String,
    depth: usize,
    start: usize,
    text: String,
    is_inline: bool,
    is_placeholder: bool,
}

/// What of a document is translated.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The runs that hold letters.
    pub(crate) runs: Vec<Run>,
    /// Runs of the values of attributes that readers see.
    pub(crate) attributes: Vec<Run>,
}

/// Finds what of `html` is translated. `tokens` are those of `html`, in their order.
pub(crate) fn find(html: &str, tokens: Vec<Token>, elements: &dyn Elements) -> Found {
    let (found, run, kept) = (Found::default(), Run::default(), Vec::new());
    let mut finder = Finder { html, elements, found, run, kept };
    let mut opaque: Option<Opaque> = None;
    // Where elements begin that are translated within others that are not.
    let asked = |token: &Token| matches!(token.kind, TokenKind::Open { translate: Some(true), .. });
    let asked: Vec<usize> =
        tokens.iter().enumerate().filter(|(_, token)| asked(token)).map(|(i, _)| i).collect();
    for (i, token) in tokens.iter().enumerate() {
        if let Some(element) = &mut opaque {
            if element.goes_on(&token.kind, &html[token.raw.clone()], elements) {
                continue;
            }
            if element.is_inline && element.text.chars().count() <= MAX_OPAQUE {
                finder.run.add_opaque(&element.shown(), element.start..token.raw.end);
            } else {
                finder.flush();
            }
            opaque = None;
            continue;
        }
        if !finder.kept.is_empty() && !finder.goes_on(&token.kind) {
            continue;
        }
        let has_translated = || {
            let next = asked.partition_point(|&place| place <= i);
            asked.get(next).is_some_and(|&place| place < end_of_element(&tokens, i))
        };
        match &token.kind {
            TokenKind::Open { name, translate: Some(false) }
                if !elements.is_void(name) && has_translated() =>
            {
                finder.flush();
                finder.kept.push((name.clone(), false));
            }
            _ => opaque = finder.add(i, token),
        }
    }
    finder.flush();
    finder.found
}

/// The number of the token behind the element that begins with token `start`.
fn end_of_element(tokens: &[Token], start: usize) -> usize {
    let TokenKind::Open { name: wanted, .. } = &tokens[start].kind else { return start + 1 };
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match &token.kind {
            TokenKind::Open { name, .. } if name == wanted => depth += 1,
            TokenKind::Close { name } if name == wanted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// Finds runs, token by token.
struct Finder<'a> {
    html: &'a str,
    elements: &'a dyn Elements,
    found: Found,
    run: Run,
    /// The open elements within one that is not translated but for some within it: the name of each,
    /// and whether what it holds is translated.
    kept: Vec<(String, bool)>,
}

impl Finder<'_> {
    /// Ends the run at hand.
    fn flush(&mut self) {
        let run = mem::take(&mut self.run);
        if has_letters(&run.text) {
            self.found.runs.push(run);
        }
    }

    /// Takes note of what a token within an element that is not translated opens or closes; whether the
    /// token is translated nevertheless.
    fn goes_on(&mut self, kind: &TokenKind) -> bool {
        let is_translated =
            |kept: &[(String, bool)]| kept.last().is_none_or(|(_, translated)| *translated);
        let before = is_translated(&self.kept);
        match kind {
            TokenKind::Open { name, translate } if !self.elements.is_void(name) => {
                self.kept.push((name.clone(), translate.unwrap_or(before)));
            }
            TokenKind::Close { name } => {
                if let Some(place) = self.kept.iter().rposition(|(open, _)| open == name) {
                    self.kept.truncate(place);
                }
            }
            _ => {}
        }
        let behind = is_translated(&self.kept);
        if before != behind {
            self.flush();
        }
        before && behind
    }

    /// Adds a token to the run; returns the element that is kept as it is, if the token opens one.
    fn add(&mut self, number: usize, token: &Token) -> Option<Opaque> {
        let (raw, elements) = (token.raw.clone(), self.elements);
        match &token.kind {
            TokenKind::Text => self.run.add_text(&self.html[raw.clone()], raw.start),
            TokenKind::Other => self.run.mark(Role::Point, raw),
            TokenKind::Open { name, translate } => {
                let keep = *translate == Some(false);
                if !keep {
                    self.add_attributes(&raw);
                }
                match elements.open(number, name, keep) {
                    Place::Opaque { is_inline, is_placeholder } => {
                        let (name, start) = (name.clone(), raw.start);
                        let (depth, text) = (1, String::new());
                        let opaque = Opaque { name, depth, start, text, is_inline, is_placeholder };
                        return Some(opaque);
                    }
                    Place::Point => self.run.mark(Role::Point, raw),
                    Place::Inline => self.run.mark(Role::Open(name.clone()), raw),
                    Place::Block => self.flush(),
                }
            }
            TokenKind::Close { name } => match elements.is_inline(number, name) {
                true => self.run.mark(Role::Close(name.clone()), raw),
                false => self.flush(),
            },
            TokenKind::Empty { name } => match elements.empty(number, name) {
                Place::Opaque { is_inline: true, .. } => {
                    self.run.add_opaque(&shown_empty(name), raw);
                }
                Place::Opaque { is_inline: false, .. } | Place::Block => self.flush(),
                Place::Inline | Place::Point => self.run.mark(Role::Point, raw),
            },
        }
        None
    }

    fn add_attributes(&mut self, tag: &Range<usize>) {
        for at in attributes::prose(&self.html[tag.clone()]) {
            let mut run = Run::default();
            let at = tag.start + at.start..tag.start + at.end;
            run.add_text(&self.html[at.clone()], at.start);
            if has_letters(&run.text) {
                self.found.attributes.push(run);
            }
        }
    }
}

/// What stands in a text for an element without content that is a word.
fn shown_empty(name: &str) -> String {
    format!("<{}>", name.chars().take(MAX_OPAQUE).collect::<String>())
}

impl Opaque {
    /// What stands in a text for the element.
    fn shown(&self) -> String {
        match self.text.trim() {
            "" if self.is_placeholder => shown_empty(&self.name),
            text => text.to_owned(),
        }
    }

    /// Takes the next token in; `false` when it ends the element.
    fn goes_on(&mut self, kind: &TokenKind, raw: &str, elements: &dyn Elements) -> bool {
        match kind {
            TokenKind::Text => self.text.push_str(&unescape(raw)),
            TokenKind::Open { name, .. } if *name == self.name => self.depth += 1,
            TokenKind::Close { name } if *name == self.name => self.depth -= 1,
            TokenKind::Open { name, .. } => self.is_inline &= elements.may_be_in_word(name),
            TokenKind::Close { .. } | TokenKind::Empty { .. } | TokenKind::Other => {}
        }
        self.depth > 0
    }
}
