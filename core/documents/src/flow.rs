//! Blocks of XML whose text stands among inline markup, as a grammar says.

use crate::{
    block::{Block, Builder},
    xml::{TokenKind, Xml},
};

/// The longest kept element that counts as a word of its sentence, in characters.
const MAX_WORD: usize = 60;

/// What the elements of a format are.
#[derive(Clone, Copy)]
pub(crate) struct Grammar {
    /// What the element is that begins with this token.
    pub(crate) element: fn(&Xml<'_>, usize) -> Element,
    /// Whether any white space counts as one space.
    pub(crate) collapse: bool,
    /// How text is written.
    pub(crate) escape: fn(&str) -> String,
    /// Reads an escape of the format's own at the beginning of a text: what it stands for, and its
    /// bytes.
    pub(crate) unescape: fn(&str) -> Option<(String, usize)>,
    /// How text is written within a section of characters, and its escapes there.
    pub(crate) escape_section: fn(&str) -> String,
    pub(crate) unescape_section: fn(&str) -> Option<(String, usize)>,
    /// Whether a word may be an element without text, which stands for a value.
    pub(crate) has_values: bool,
}

impl Grammar {
    /// One without escapes of its own.
    pub(crate) const fn new(element: fn(&Xml<'_>, usize) -> Element, collapse: bool) -> Self {
        let (escape, unescape) = (crate::xml::escape, |_: &str| None);
        Self {
            element,
            collapse,
            escape,
            unescape,
            escape_section,
            unescape_section: unescape,
            has_values: false,
        }
    }
}

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// A paragraph: its text is translated.
    Block,
    /// Markup around words.
    Inline,
    /// Kept; within a paragraph, its text is a word that stays.
    Word,
    /// Kept; markup around words begins here, which an element of the same number ends.
    Begin,
    /// The end of such markup.
    End,
    /// Kept; within a paragraph it stands between words. There may be paragraphs in it.
    Point,
    /// No sentence reaches over it.
    Break,
    /// So many spaces.
    Spaces(usize),
    /// Kept, and nobody looks into it.
    Skip,
    /// None of these: looked into, and within a paragraph a word or a point.
    Other,
}

/// The blocks of `xml`.
pub(crate) fn blocks(xml: &Xml<'_>, grammar: Grammar) -> Vec<Block> {
    let mut walk = Walk { xml, grammar, blocks: Vec::new() };
    walk.structure(0..xml.tokens.len());
    walk.blocks
}

/// The text within the element `number` as one block, whatever the grammar says it is; the block is
/// not finished.
pub(crate) fn element<'a>(xml: &Xml<'a>, number: usize, grammar: Grammar) -> Builder<'a> {
    let mut walk = Walk { xml, grammar, blocks: Vec::new() };
    let mut builder = walk.builder();
    walk.inline(xml.inside(number), &mut builder);
    builder
}

struct Walk<'x, 'a> {
    xml: &'x Xml<'a>,
    grammar: Grammar,
    blocks: Vec<Block>,
}

impl<'a> Walk<'_, 'a> {
    fn builder(&self) -> Builder<'a> {
        Builder::new(self.xml.source, self.grammar.escape, self.grammar.collapse)
    }

    /// Looks for blocks among tokens that are in none.
    fn structure(&mut self, tokens: std::ops::Range<usize>) {
        for number in self.xml.children(tokens) {
            if self.xml.begins(number) {
                match (self.grammar.element)(self.xml, number) {
                    Element::Block => self.block(number),
                    Element::Skip | Element::Word => {}
                    _ => self.structure(self.xml.inside(number)),
                }
            }
        }
    }

    fn block(&mut self, number: usize) {
        if let Some(section) = self.section(number) {
            let (escape, unescape) = (self.grammar.escape_section, self.grammar.unescape_section);
            let mut builder = Builder::new(self.xml.source, escape, false);
            builder.escaped(section, unescape);
            return self.blocks.extend(builder.finish());
        }
        let mut builder = self.builder();
        self.inline(self.xml.inside(number), &mut builder);
        self.blocks.extend(builder.finish());
    }

    /// The characters of an element that holds one section of characters and nothing else: in it, markup
    /// is text.
    fn section(&self, number: usize) -> Option<std::ops::Range<usize>> {
        let xml = self.xml;
        let is_blank = |child: &usize| {
            xml.tokens[*child].kind == TokenKind::Text && xml.token_text(*child).trim().is_empty()
        };
        let mut children = xml.children(xml.inside(number));
        children.retain(|child| !is_blank(child));
        let [child] = children[..] else { return None };
        let raw = &xml.tokens[child].raw;
        (xml.tokens[child].kind == TokenKind::CData).then(|| raw.start + 9..raw.end - 3)
    }

    /// Adds tokens to a block.
    fn inline(&mut self, tokens: std::ops::Range<usize>, builder: &mut Builder<'a>) {
        let xml = self.xml;
        for number in xml.children(tokens) {
            let raw = xml.tokens[number].raw.clone();
            match xml.tokens[number].kind {
                TokenKind::Text => builder.escaped(raw, self.grammar.unescape),
                TokenKind::Reference | TokenKind::CData => {
                    builder.text(&xml.token_text(number), raw, 0);
                }
                TokenKind::Other => builder.mark(dragoman_text::Role::Point, raw, None),
                TokenKind::Start | TokenKind::Empty => self.inline_element(number, builder),
                TokenKind::End => {}
            }
        }
    }

    fn inline_element(&mut self, number: usize, builder: &mut Builder<'a>) {
        use dragoman_text::Role;
        let xml = self.xml;
        let (token, raw) = (&xml.tokens[number], xml.element(number));
        match (self.grammar.element)(xml, number) {
            Element::Block => {
                self.blocks.extend(builder.finish());
                self.block(number);
            }
            Element::Inline if token.kind == TokenKind::Start => {
                let name = xml.name(number).to_owned();
                builder.mark(Role::Open(name.clone()), token.raw.clone(), None);
                self.inline(xml.inside(number), builder);
                builder.mark(Role::Close(name), xml.tokens[token.end].raw.clone(), None);
            }
            Element::Inline | Element::Skip => builder.mark(Role::Point, raw, None),
            Element::Break => builder.cut("\n", raw, None),
            Element::Spaces(count) => builder.text(&" ".repeat(count.min(1000)), raw, 0),
            Element::Point => self.point(number, builder),
            Element::Word => self.word(number, builder),
            Element::Begin => builder.mark(Role::Open(self.pair(number)), raw, None),
            Element::End => builder.mark(Role::Close(self.pair(number)), raw, None),
            Element::Other => {
                let before = self.blocks.len();
                self.structure(xml.inside(number));
                match self.blocks.len() > before {
                    true => builder.mark(Role::Point, raw, None),
                    false => self.word(number, builder),
                }
            }
        }
    }

    fn point(&mut self, number: usize, builder: &mut Builder<'a>) {
        self.structure(self.xml.inside(number));
        builder.mark(dragoman_text::Role::Point, self.xml.element(number), None);
    }

    /// What the two halves of a pair have in common.
    fn pair(&self, number: usize) -> String {
        let names = ["startRef", "rid", "i", "id"];
        let number = names.iter().find_map(|name| self.xml.attribute(number, name));
        let number = number.unwrap_or_default();
        let number = number
            .strip_prefix("START_")
            .or_else(|| number.strip_prefix("CLOSE_"))
            .unwrap_or(&number);
        format!("pair {number}")
    }

    fn word(&self, number: usize, builder: &mut Builder<'a>) {
        let text = original(self.xml, number);
        let text = match text.trim() {
            // A value that is put in here: the model has to see that something stands here.
            "" if self.grammar.has_values => format!("<{}>", self.xml.local(number)),
            text => text.to_owned(),
        };
        let raw = self.xml.element(number);
        match text.chars().count() > MAX_WORD {
            true => builder.cut("\n", raw, None),
            false => builder.seen(&text, raw, None),
        }
    }
}

/// Writes `text` within a section of characters, which it does not end.
pub(crate) fn escape_section(text: &str) -> String {
    text.replace("]]>", "]] >")
}

/// Attributes that say what an element stands for, as it is written or shown.
const ORIGINALS: &[&str] = &["equiv-text", "disp", "equiv"];

/// What the element stands for: what is in it, or what it says of that.
pub(crate) fn original(xml: &Xml<'_>, number: usize) -> String {
    let inside = xml.text(xml.inside(number));
    let said = || ORIGINALS.iter().find_map(|name| xml.attribute(number, name));
    match inside.trim() {
        "" => said().unwrap_or_default().trim().to_owned(),
        inside => inside.to_owned(),
    }
}
