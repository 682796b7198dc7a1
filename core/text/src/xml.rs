//! XML: read as HTML is, but for what its elements are to sentences.
//!
//! No element of XML is inline by its name. Unless a caller says otherwise, an element that has text
//! beside it stands within a sentence, and one that stands among elements alone ends a sentence.
//! Entities are not expanded.

use std::ops::Range;

use crate::{
    html::{
        HtmlDocument,
        elements::{Elements, Place},
        joined,
        runs::{self, Run},
        tokens::{Token, TokenKind},
    },
    options::{Options, Tags},
};

/// An element that does not end where it should: where that is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What stands there.
    pub found: String,
    /// Where.
    pub at: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the XML is not well formed at `{}` (byte {})", self.found, self.at)
    }
}

impl std::error::Error for Malformed {}

/// Checks that every element of `xml` ends, within the one that it begins in.
///
/// # Errors
/// Fails at the first tag that does not fit.
pub fn check(xml: &str) -> Result<(), Malformed> {
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    let tokens = read(xml);
    for token in &tokens {
        match &token.kind {
            TokenKind::Open { name, .. } => open.push((name, token.raw.clone())),
            TokenKind::Close { name } if open.pop().is_none_or(|(opened, _)| opened != name) => {
                return Err(malformed(xml, token.raw.clone()));
            }
            _ => {}
        }
    }
    open.pop().map_or(Ok(()), |(_, raw)| Err(malformed(xml, raw)))
}

fn malformed(xml: &str, raw: Range<usize>) -> Malformed {
    Malformed { found: xml[raw.clone()].chars().take(40).collect(), at: raw.start }
}

/// The text that is in the elements of `xml`, for guessing its language.
pub fn visible_text(xml: &str, tags: &Tags) -> String {
    joined(find(xml, tags))
}

/// Reads `xml` as `options` say.
pub(crate) fn document(xml: &str, options: &Options) -> HtmlDocument {
    HtmlDocument::of_xml(xml, find(xml, &options.tags), options)
}

fn find(xml: &str, tags: &Tags) -> Vec<Run> {
    let tokens = read(xml);
    let elements = XmlElements::new(xml, &tokens, tags);
    runs::find(xml, tokens, &elements).runs
}

/// The elements of one document.
struct XmlElements<'a> {
    tags: &'a Tags,
    /// For each token, whether it is a tag that ends a sentence.
    is_block: Vec<bool>,
}

impl<'a> XmlElements<'a> {
    fn new(xml: &str, tokens: &[Token], tags: &'a Tags) -> Self {
        // The element that each token stands in: 0 is the document.
        let mut parents = Vec::with_capacity(tokens.len());
        let mut has_text = vec![false];
        let mut open = vec![(0, 0)];
        // The token that opened what each token closes.
        let mut opened_by: Vec<usize> = (0..tokens.len()).collect();
        for (number, token) in tokens.iter().enumerate() {
            if matches!(token.kind, TokenKind::Close { .. }) && open.len() > 1 {
                opened_by[number] = open.pop().unwrap_or_default().1;
            }
            let parent = open.last().copied().unwrap_or_default().0;
            parents.push(parent);
            match token.kind {
                TokenKind::Text => has_text[parent] |= !xml[token.raw.clone()].trim().is_empty(),
                TokenKind::Open { .. } => {
                    open.push((has_text.len(), number));
                    has_text.push(false);
                }
                _ => {}
            }
        }
        let names = |list: &[String], name: &str| list.iter().any(|one| one == name);
        let is_block = |(number, token): (usize, &Token)| match &token.kind {
            TokenKind::Open { name, .. }
            | TokenKind::Close { name }
            | TokenKind::Empty { name } => {
                let stands_alone = !has_text[parents[opened_by[number]]];
                names(&tags.splitting, name)
                    || stands_alone && !tags.no_outline && !names(&tags.non_splitting, name)
            }
            TokenKind::Text | TokenKind::Other => false,
        };
        Self { tags, is_block: tokens.iter().enumerate().map(is_block).collect() }
    }
}

impl XmlElements<'_> {
    fn is_ignored(&self, name: &str) -> bool {
        self.tags.ignore.iter().any(|one| one == name)
    }
}

impl Elements for XmlElements<'_> {
    fn open(&self, token: usize, name: &str, keep: bool) -> Place {
        let is_inline = self.is_inline(token, name);
        let is_placeholder = self.is_ignored(name);
        match keep || is_placeholder {
            true => Place::Opaque { is_inline, is_placeholder },
            false if is_inline => Place::Inline,
            false => Place::Block,
        }
    }

    fn empty(&self, token: usize, name: &str) -> Place {
        match (self.is_inline(token, name), self.is_ignored(name)) {
            (is_inline, true) => Place::Opaque { is_inline, is_placeholder: true },
            (true, false) => Place::Point,
            (false, false) => Place::Block,
        }
    }

    fn is_inline(&self, token: usize, _: &str) -> bool {
        !self.is_block[token]
    }

    fn is_void(&self, _: &str) -> bool {
        false
    }

    fn may_be_in_word(&self, _: &str) -> bool {
        true
    }
}

/// Reads `xml`, whatever it is: every byte is in exactly one token. A `<` that begins no tag is
/// text.
pub(crate) fn read(xml: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut text = 0;
    let mut at = 0;
    while let Some(found) = xml[at..].find('<') {
        let start = at + found;
        let Some((kind, length)) = tag(&xml[start..]) else {
            at = start + 1;
            continue;
        };
        if text < start {
            tokens.push(Token { kind: TokenKind::Text, raw: text..start });
        }
        at = start + length;
        text = at;
        tokens.push(Token { kind, raw: start..at });
    }
    if text < xml.len() {
        tokens.push(Token { kind: TokenKind::Text, raw: text..xml.len() });
    }
    tokens
}

/// The tag, comment or section at the beginning of `xml`, and its length.
fn tag(xml: &str) -> Option<(TokenKind, usize)> {
    let until =
        |mark: &str, from: usize| xml.get(from..)?.find(mark).map(|at| from + at + mark.len());
    let other = |end: usize| (TokenKind::Other, end);
    if xml.starts_with("<!--") {
        return until("-->", 4).map(other);
    }
    if xml.starts_with("<![CDATA[") {
        return until("]]>", 9).map(other);
    }
    if xml.starts_with("<?") {
        return until("?>", 2).map(other);
    }
    if xml.starts_with("<!") {
        return end_of(xml, true).map(other);
    }
    if let Some(rest) = xml.strip_prefix("</") {
        let name = name(rest)?.to_owned();
        return until(">", 2 + name.len()).map(|end| (TokenKind::Close { name }, end));
    }
    let name = name(&xml[1..])?.to_owned();
    let end = end_of(xml, false)?;
    let attributes = &xml[1 + name.len()..end - 1];
    let kind = match attributes.ends_with('/') {
        true => TokenKind::Empty { name },
        false => TokenKind::Open { name, translate: says(attributes) },
    };
    Some((kind, end))
}

/// Where a tag ends: behind the first `>` that is in no quotes, nor in brackets where there may be
/// some.
fn end_of(xml: &str, has_brackets: bool) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0usize;
    for (at, byte) in xml.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') if has_brackets => depth += 1,
            (None, b']') => depth = depth.saturating_sub(1),
            (None, b'<') if at > 0 && !has_brackets => return None,
            (None, b'>') if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The name at the beginning of `xml`, if there is one.
fn name(xml: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    let length = xml.find(|c| !is_part(c)).unwrap_or(xml.len());
    let starts = xml.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':'));
    starts.then(|| &xml[..length])
}

/// Whether the author of an element wants it translated, if that is said.
fn says(attributes: &str) -> Option<bool> {
    let after = attributes.split("translate").nth(1)?.trim_start();
    let value = after.strip_prefix('=')?.trim_start();
    let is =
        |word: &str| value.strip_prefix(['"', '\'']).is_some_and(|value| value.starts_with(word));
    match (is("no"), is("yes")) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Format, Session};

    fn translate(xml: &str, tags: Tags, model: impl Fn(&str) -> String) -> String {
        let (source, target) = ("en".to_owned(), "de".to_owned());
        let options = Options { source, target, format: Format::Xml, tags, ..Options::default() };
        let mut session = Session::new(xml, &options);
        for _ in 0..10 {
            let answers: Vec<[String; 1]> =
                session.segments().iter().map(|text| [model(text)]).collect();
            session.accept(&answers);
        }
        session.finish(0).texts.swap_remove(0)
    }

    fn sentences(xml: &str, tags: Tags) -> Vec<String> {
        let options = Options {
            source: "en".into(),
            target: "de".into(),
            format: Format::Xml,
            tags,
            ..Options::default()
        };
        let document = document(xml, &options);
        crate::Document::sentences(&document).iter().map(|s| s.text.clone()).collect()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_element_with_text_beside_it_is_in_a_sentence() {
        let xml = "<doc><title>A big house</title><par>The <b>red</b> house is big</par></doc>";
        assert_eq!(sentences(xml, Tags::default()), ["A big house", "The red house is big"]);
        let flat = Tags { no_outline: true, ..Tags::default() };
        assert_eq!(sentences(xml, flat).len(), 1);
        let tags = Tags { no_outline: true, splitting: list(&["par"]), ..Tags::default() };
        assert_eq!(sentences(xml, tags), ["A big house", "The red house is big"]);
        let tags = Tags { splitting: list(&["b"]), ..Tags::default() };
        assert_eq!(sentences(xml, tags), ["A big house", "The", "red", "house is big"]);
        let tags = Tags { non_splitting: list(&["title", "par"]), ..Tags::default() };
        assert_eq!(sentences(xml, tags).len(), 1);
    }

    #[test]
    fn what_is_ignored_comes_back_as_it_is() {
        let tags = || Tags { ignore: list(&["x", "keep"]), ..Tags::default() };
        let xml = "Delete <x id=\"12\"></x> files in <keep>Some Folder</keep> now";
        let translated = translate(xml, tags(), |text| text.to_uppercase());
        assert!(translated.contains("DELETE <x id=\"12\"></x> FILES"), "{translated}");
        assert!(translated.contains("<keep>Some Folder</keep>"), "{translated}");
        assert!(translated.contains("DELETE"), "{translated}");
        let xml = "<p translate=\"no\">Some text</p><p>More text &amp; more</p><br/>";
        let translated = translate(xml, tags(), |text| text.to_uppercase());
        assert_eq!(translated, "<p translate=\"no\">Some text</p><p>MORE TEXT &amp; MORE</p><br/>");
    }

    #[test]
    fn names_differ_by_case_and_sections_are_kept() {
        let xml = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e \"x>\">]><a>One<!-- > --> two</a><![CDATA[ < no > ]]>";
        let kinds: Vec<&str> = read(xml).into_iter().map(|token| &xml[token.raw]).collect();
        assert_eq!(
            kinds,
            [
                "<?xml version='1.0'?>",
                "<!DOCTYPE a [<!ENTITY e \"x>\">]>",
                "<a>",
                "One",
                "<!-- > -->",
                " two",
                "</a>",
                "<![CDATA[ < no > ]]>"
            ]
        );
        assert!(check(xml).is_ok());
        for bad in ["<a>", "<a></A>", "</a>", "<a><b></a></b>"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check("a < b, R&D, <a x='<'/>").is_ok());
    }

    #[test]
    fn a_hard_space_has_no_name_in_xml() {
        let translated = translate("<a>One two</a>", Tags::default(), |_| "Ein\u{a0}zwei".into());
        assert_eq!(translated, "<a>Ein\u{a0}zwei</a>");
    }

    proptest! {
        #[test]
        fn tokens_are_the_document(
            xml in "(<|>|</|/>|&amp;|&|<a>|</a>|<b x='>'>|</b>|<c/>|<!--|-->|<\\?|\\?>|<!\\[CDATA\\[|\\]\\]>|<!D \\[|\\]|\"|'| |é|字|x|\\PC){0,40}"
        ) {
            let raw: String = read(&xml).into_iter().map(|token| &xml[token.raw]).collect();
            prop_assert_eq!(&raw, &xml);
            prop_assert_eq!(translate(&xml, Tags::default(), str::to_owned), xml);
        }
    }
}
