//! EPUB: the chapters and the table of contents.

use super::{Members, read_members};
use crate::{
    Error, Result,
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
    read_members(package, format, is_text, |xml| Part::new(xml.source, flow::blocks(xml, GRAMMAR)))
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    let is_kept = |number| {
        let class = xml.attribute(number, "class").unwrap_or_default();
        xml.attribute(number, "translate").is_some_and(|value| value == "no")
            || class.split_whitespace().any(|class| class == "notranslate")
    };
    match xml.local(number) {
        _ if is_kept(number) => Element::Word,
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
