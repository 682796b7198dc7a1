//! OpenDocument: texts, presentations and tables of LibreOffice.

use super::{Members, read_members};
use crate::{
    Error, Result,
    flow::{self, Element, Grammar},
    package::Package,
    part::Part,
    xml::Xml,
};

const GRAMMAR: Grammar = Grammar::new(element, true);

/// The texts of a package.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let format = "OpenDocument";
    if let Some(manifest) = package.text("META-INF/manifest.xml")?
        && manifest.contains("encryption-data")
    {
        return Err(Error::Encrypted { format });
    }
    let is_text = |name: &str| {
        matches!(name.rsplit('/').next(), Some("content.xml" | "styles.xml"))
            && !name.starts_with("META-INF")
    };
    read_members(package, format, is_text, part)
}

/// The text of one XML file.
pub(crate) fn part(xml: &Xml<'_>) -> Part {
    Part::new(xml.source, flow::blocks(xml, GRAMMAR))
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    match xml.name(number) {
        "text:p" | "text:h" => Element::Block,
        "text:span" | "text:a" | "text:meta" => Element::Inline,
        "text:line-break" | "text:tab" => Element::Break,
        "text:s" => {
            let count = xml.attribute(number, "text:c").and_then(|count| count.parse().ok());
            Element::Spaces(count.unwrap_or(1))
        }
        "text:note" | "office:annotation" | "draw:frame" => Element::Point,
        "text:tracked-changes" | "office:scripts" | "office:settings" => Element::Skip,
        "table:table-cell" if is_computed(xml, number) => Element::Skip,
        _ => Element::Other,
    }
}

/// Whether a cell holds a number, a date or the result of a formula.
fn is_computed(xml: &Xml<'_>, number: usize) -> bool {
    let kind = xml.attribute(number, "office:value-type");
    kind.is_some_and(|kind| kind != "string") || xml.attribute(number, "table:formula").is_some()
}
