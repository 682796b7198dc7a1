//! XML as tokens that know where they stand, so that a document can be edited in place.
//!
//! No entity is expanded and nothing is loaded: a document type that declares something is refused.

use std::{borrow::Cow, ops::Range};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::{Error, Limits, Result};

/// A document, token by token.
#[derive(Debug)]
pub(crate) struct Xml<'a> {
    pub(crate) source: &'a str,
    pub(crate) tokens: Vec<Token>,
}

/// A token and its place.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Bytes of the source.
    pub(crate) raw: Range<usize>,
    /// For a start tag the number of its end tag.
    pub(crate) end: usize,
    /// Bytes of a tag's name in the source.
    name: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A start tag; [`Token::end`] is its end tag.
    Start,
    /// An end tag.
    End,
    /// A tag without content.
    Empty,
    /// Characters.
    Text,
    /// `&amp;` and its like.
    Reference,
    /// A section of characters without markup.
    CData,
    /// A comment, an instruction, a declaration.
    Other,
}

impl<'a> Xml<'a> {
    /// Reads `source`, a file of `format`.
    pub(crate) fn read(source: &'a str, format: &'static str, limits: &Limits) -> Result<Self> {
        let mut reader = Reader::from_str(source);
        let broken = |error: &dyn std::fmt::Display| Error::broken(format, error);
        let mut tokens: Vec<Token> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        loop {
            let event = reader.read_event().map_err(|error| broken(&error))?;
            let end = reader.buffer_position() as usize;
            let raw = at..end;
            at = end;
            let kind = match event {
                Event::Start(_) => TokenKind::Start,
                Event::End(_) => TokenKind::End,
                Event::Empty(_) => TokenKind::Empty,
                Event::Text(_) => TokenKind::Text,
                Event::GeneralRef(_) => TokenKind::Reference,
                Event::CData(_) => TokenKind::CData,
                Event::DocType(ref text) if text.contains(['[', '%']) => {
                    let reason = "its document type declares entities";
                    return Err(Error::unsafe_file(format, reason));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                    TokenKind::Other
                }
                Event::Eof => break,
            };
            let number = tokens.len();
            if kind == TokenKind::End {
                let start = open.pop().ok_or_else(|| broken(&"an end tag without a start"))?;
                tokens[start].end = number;
            }
            let name = name(source, &raw, kind);
            tokens.push(Token { kind, raw, end: number, name });
            if kind == TokenKind::Start {
                open.push(number);
                if open.len() > limits.depth {
                    let reason = format!("its elements stand more than {} deep", limits.depth);
                    return Err(Error::unsafe_file(format, reason));
                }
            }
        }
        if let Some(&start) = open.last() {
            let tag = &source[tokens[start].name.clone()];
            return Err(broken(&format_args!("the element `{tag}` has no end")));
        }
        Ok(Self { source, tokens })
    }

    /// The qualified name of a tag.
    pub(crate) fn name(&self, number: usize) -> &'a str {
        &self.source[self.tokens[number].name.clone()]
    }

    /// The name of a tag without its prefix.
    pub(crate) fn local(&self, number: usize) -> &'a str {
        let name = self.name(number);
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }

    /// The bytes of the element that begins with token `number`.
    pub(crate) fn element(&self, number: usize) -> Range<usize> {
        let token = &self.tokens[number];
        token.raw.start..self.tokens[token.end].raw.end
    }

    /// The numbers of the tokens within the element that begins with token `number`.
    pub(crate) fn inside(&self, number: usize) -> Range<usize> {
        match self.tokens[number].kind {
            TokenKind::Start => number + 1..self.tokens[number].end,
            _ => number..number,
        }
    }

    /// Whether token `number` begins an element.
    pub(crate) fn begins(&self, number: usize) -> bool {
        matches!(self.tokens[number].kind, TokenKind::Start | TokenKind::Empty)
    }

    /// The children of an element: the tokens of `inside` that are not within one of them.
    pub(crate) fn children(&self, inside: Range<usize>) -> Vec<usize> {
        let mut children = Vec::new();
        let mut number = inside.start;
        while number < inside.end {
            children.push(number);
            number = self.tokens[number].end.max(number) + 1;
        }
        children
    }

    /// The child elements of an element with this local name.
    pub(crate) fn named(&self, number: usize, local: &str) -> Vec<usize> {
        let mut children = self.children(self.inside(number));
        children.retain(|&child| self.begins(child) && self.local(child) == local);
        children
    }

    /// The value of an attribute, by its name with prefix.
    pub(crate) fn attribute(&self, number: usize, name: &str) -> Option<Cow<'a, str>> {
        self.attribute_at(number, name).map(|at| unescape(&self.source[at]))
    }

    /// Where the value of an attribute stands in the source, as it is written.
    pub(crate) fn attribute_at(&self, number: usize, name: &str) -> Option<Range<usize>> {
        let token = &self.tokens[number];
        let content = &self.source[token.raw.start + 1..token.raw.end - 1];
        let start = BytesStart::from_content(content, token.name.len());
        let attribute = start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.0 == name)?;
        let Cow::Borrowed(value) = attribute.value else { return None };
        let at = token.raw.start + 1 + (value.as_ptr() as usize - content.as_ptr() as usize);
        Some(at..at + value.len())
    }

    /// The text within tokens, without markup.
    pub(crate) fn text(&self, tokens: Range<usize>) -> String {
        let mut text = String::new();
        for number in tokens {
            text.push_str(&self.token_text(number));
        }
        text
    }

    /// The text that a token stands for; none for a tag.
    pub(crate) fn token_text(&self, number: usize) -> Cow<'a, str> {
        let token = &self.tokens[number];
        let raw = &self.source[token.raw.clone()];
        match token.kind {
            TokenKind::Text => raw.into(),
            TokenKind::Reference => reference(raw),
            TokenKind::CData => raw[9..raw.len() - 3].into(),
            _ => "".into(),
        }
    }
}

/// Where the name of a tag is.
fn name(source: &str, raw: &Range<usize>, kind: TokenKind) -> Range<usize> {
    let skip = match kind {
        TokenKind::Start | TokenKind::Empty => 1,
        TokenKind::End => 2,
        _ => return raw.start..raw.start,
    };
    let start = raw.start + skip;
    let is_end = |c: char| c.is_ascii_whitespace() || c == '>' || c == '/';
    let length = source[start..raw.end].find(is_end).unwrap_or(raw.end - start);
    start..start + length
}

/// What a reference stands for; itself when nobody knows it.
fn reference(raw: &str) -> Cow<'_, str> {
    let name = raw.trim_start_matches('&').trim_end_matches(';');
    let known = match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => {
            let number = name.strip_prefix('#');
            let c = number.and_then(|number| match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
                None => number.parse().ok().and_then(char::from_u32),
            });
            return match c {
                Some(c) => c.to_string().into(),
                None => dragoman_text::html::unescape(raw).into(),
            };
        }
    };
    known.into()
}

/// `text` with its references read.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = rest.find(';').filter(|end| *end < 40).map_or(1, |end| end + 1);
        out.push_str(&reference(&rest[..length]));
        rest = &rest[length..];
    }
    out.push_str(rest);
    out.into()
}

/// Writes `text` as the characters of an element; what XML cannot hold is left out.
pub(crate) fn escape(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' | '\r' => xml.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<Xml<'_>> {
        Xml::read(source, "XML", &Limits { depth: 4, ..Limits::default() })
    }

    #[test]
    fn tokens_are_the_document() -> Result<()> {
        let source = "<?xml version='1.0'?>\r\n<!DOCTYPE a SYSTEM 'a.dtd'><a b=\"1 > 0\" c:d='&lt;'>x &amp; <e/><![CDATA[<]]><!-- - --></a>\n";
        let xml = read(source)?;
        let all: String = xml.tokens.iter().map(|token| &source[token.raw.clone()]).collect();
        assert_eq!(all, source);
        let a = xml.tokens.iter().position(|token| token.kind == TokenKind::Start).expect("one");
        assert_eq!(xml.attribute(a, "b").as_deref(), Some("1 > 0"));
        assert_eq!(xml.attribute(a, "c:d").as_deref(), Some("<"));
        assert_eq!(xml.attribute(a, "d"), None);
        assert_eq!(xml.text(xml.inside(a)), "x & <");
        assert_eq!(xml.children(xml.inside(a)).len(), 6);
        Ok(())
    }

    #[test]
    fn what_is_broken_or_an_attack_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        assert!(matches!(read(bomb), Err(Error::Unsafe { .. })));
        assert!(read("<a><a><a><a><a/></a></a></a></a>").is_ok());
        let deep = "<a><a><a><a><a></a></a></a></a></a>";
        assert!(matches!(read(deep), Err(Error::Unsafe { .. })));
        for broken in ["<a>", "<a></b>", "</a>", "<a", "<a><![CDATA[", "<!-- "] {
            assert!(matches!(read(broken), Err(Error::Broken { .. })), "{broken}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        let text = "a < b & c > \"d\" 'e' é";
        assert_eq!(unescape(&escape(text)), text);
        assert_eq!(unescape("&#65;&#x42; &nbsp;&unknown; R&D"), "AB \u{a0}&unknown; R&D");
    }
}
