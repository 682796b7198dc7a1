//! Inline elements of XLIFF and TMX that stand for what another format has in the text: a value, a tag, or
//! one half of a pair of tags.

use crate::{
    flow::{Element, original},
    xml::{TokenKind, Xml},
};

/// Attributes that say what kind of thing an element stands for.
const KINDS: &[&str] = &["ctype", "type", "subType"];

/// What the element `number` is in its sentence.
pub(super) fn inline(xml: &Xml<'_>, number: usize) -> Element {
    let original = original(xml, number);
    let is_tag = original.starts_with(['<', '\\']);
    let name = xml.local(number);
    let id = xml.attribute(number, "id").unwrap_or_default();
    let has_kind = |known: &[&str]| {
        let kind = |name: &&str| xml.attribute(number, name);
        KINDS.iter().filter_map(kind).any(|kind| known.contains(&kind.trim_start_matches("xlf:")))
    };
    match name {
        "bpt" | "ept" if !is_tag && !original.is_empty() => Element::Word,
        "bpt" | "sc" => Element::Begin,
        "ept" | "ec" => Element::End,
        "it" if !is_tag && !original.is_empty() => Element::Word,
        "it" => Element::Point,
        // As Angular writes them.
        _ if id.starts_with("START_") => Element::Begin,
        _ if id.starts_with("CLOSE_") => Element::End,
        _ if has_kind(&["lb", "pb"]) || id == "LINE_BREAK" => Element::Break,
        _ if is_tag || has_kind(TAGS) || has_x_kind(xml, number) => Element::Point,
        _ if original.is_empty() && touches_word(xml, number) => Element::Point,
        _ => Element::Word,
    }
}

/// Kinds of elements that stand for markup, not for a value.
const TAGS: &[&str] = &["image", "link", "fmt", "bold", "italic", "underlined", "b", "i", "u"];

/// Whether it stands for a tag that XLIFF has no name for: `x-b`.
fn has_x_kind(xml: &Xml<'_>, number: usize) -> bool {
    xml.attribute(number, "ctype").is_some_and(|kind| kind.starts_with("x-"))
}

/// Whether letters stand beside the element without a space: a value is a word of its own.
fn touches_word(xml: &Xml<'_>, number: usize) -> bool {
    let text = |number: Option<usize>| {
        let token = xml.tokens.get(number?)?;
        (token.kind == TokenKind::Text).then(|| &xml.source[token.raw.clone()])
    };
    let before = text(number.checked_sub(1));
    let behind = text(Some(xml.tokens[number].end + 1));
    before.is_some_and(|text| text.ends_with(char::is_alphanumeric))
        || behind.is_some_and(|text| text.starts_with(char::is_alphanumeric))
}
