//! EPUB: the chapters, with attributes that readers see, and the table of contents.

use std::ops::Range;

use super::{Members, read_members};
use crate::{
    Error, Result,
    block::Block,
    flow::{self, Element, Grammar},
    package::Package,
    part::Part,
    xml::Xml,
};

const GRAMMAR: Grammar = Grammar::new(element, true);

/// Elements of HTML within a sentence.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "data", "del", "dfn", "em", "font",
    "i", "ins", "label", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u",
];

/// Attributes that readers see or hear.
const PROSE: &[&str] = &["alt", "title", "aria-label"];

/// The texts of a package.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let format = "EPUB";
    if let Some(encryption) = package.text("META-INF/encryption.xml")?
        && encryption.contains("http://www.w3.org/2001/04/xmlenc#aes")
    {
        return Err(Error::Encrypted { format }); // else it only obfuscates fonts
    }
    let is_text = |name: &str| {
        let ends = [".xhtml", ".html", ".htm", ".ncx"];
        let name = name.to_ascii_lowercase();
        ends.iter().any(|end| name.ends_with(end))
    };
    let mut members = read_members(package, format, is_text, part)?;
    for name in package.names().filter(|name| name.ends_with(".opf")) {
        // Nothing of it is translated, but it says what language the book is in.
        if let Some(source) = package.text(name)?.filter(|_| !members.is_empty()) {
            members.push((name.to_owned(), Part::new(&source, Vec::new())));
        }
    }
    Ok(members)
}

fn part(xml: &Xml<'_>) -> Part {
    let mut blocks = flow::blocks(xml, GRAMMAR);
    attributes(xml, 0..xml.tokens.len(), &mut blocks);
    blocks.sort_by_key(|block| block.edits.first().map(|edit| edit.at.start));
    Part::new(xml.source, blocks)
}

/// Adds the attributes of `tokens` that readers see or hear.
fn attributes(xml: &Xml<'_>, tokens: Range<usize>, blocks: &mut Vec<Block>) {
    for number in xml.children(tokens).into_iter().filter(|&number| xml.begins(number)) {
        if element(xml, number) == Element::Skip || is_kept(xml, number) {
            continue;
        }
        for at in PROSE.iter().filter_map(|name| xml.attribute_at(number, name)) {
            blocks.extend(super::attribute(xml.source, at));
        }
        attributes(xml, xml.inside(number), blocks);
    }
}

/// Whether an element is not to be translated.
fn is_kept(xml: &Xml<'_>, number: usize) -> bool {
    let class = xml.attribute(number, "class").unwrap_or_default();
    xml.attribute(number, "translate").is_some_and(|value| value == "no")
        || class.split_whitespace().any(|class| class == "notranslate")
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    match xml.local(number) {
        _ if is_kept(xml, number) => Element::Word,
        "html" | "head" | "ncx" | "navMap" | "navPoint" | "navLabel" | "docTitle" => Element::Other,
        "meta" | "link" | "script" | "style" | "pre" | "textarea" | "template" | "iframe" => {
            Element::Skip
        }
        "svg" | "object" => Element::Skip,
        "br" | "hr" => Element::Break,
        "img" | "input" | "wbr" => Element::Point,
        "code" | "kbd" | "samp" | "var" | "math" => Element::Word,
        name if INLINE.contains(&name) => Element::Inline,
        _ => Element::Block,
    }
}
