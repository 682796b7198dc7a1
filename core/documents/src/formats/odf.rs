//! OpenDocument: texts, presentations and tables of LibreOffice.

use std::{borrow::Cow, collections::HashMap};

use dragoman_text::Role;

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
    let mut part = Part::new(xml.source, flow::blocks(xml, GRAMMAR));
    part.blocks.extend(values(xml));
    part.blocks.sort_by_key(|block| block.edits.first().map(|edit| edit.at.start));
    let scripts = scripts(xml);
    if !scripts.is_empty() {
        part.blocks.iter_mut().for_each(|block| name_scripts(block, xml.source, &scripts));
    }
    part
}

/// The styles that set text above or below the line, each with the name of HTML for it.
fn scripts<'a>(xml: &Xml<'a>) -> HashMap<Cow<'a, str>, &'static str> {
    let mut scripts = HashMap::new();
    for number in 0..xml.tokens.len() {
        if !xml.begins(number) || xml.name(number) != "style:style" {
            continue;
        }
        let properties = xml.named(number, "text-properties");
        let position = properties.first().and_then(|&at| xml.attribute(at, "style:text-position"));
        let script = match position.as_deref().and_then(|value| value.split(' ').next()) {
            Some("super") => "sup",
            Some("sub") => "sub",
            Some(shift) if shift.starts_with('-') => "sub",
            Some(shift) if shift.ends_with('%') && !shift.starts_with('0') => "sup",
            _ => continue,
        };
        scripts.extend(xml.attribute(number, "style:name").map(|name| (name, script)));
    }
    scripts
}

/// Calls spans in `block` that are set above or below the line what HTML calls them.
fn name_scripts(block: &mut Block, source: &str, scripts: &HashMap<Cow<'_, str>, &'static str>) {
    let partners = dragoman_text::sentence::partners(block.marks.len(), |i| &block.marks[i].role);
    for (i, partner) in partners.into_iter().enumerate() {
        let Some(j) = partner.filter(|&j| j > i) else { continue };
        let tag = &source[block.atoms[block.marks[i].atoms.start].raw.clone()];
        let style =
            tag.split_once("text:style-name=").and_then(|(_, rest)| rest.split(['"', '\'']).nth(1));
        if let Some(script) = style.and_then(|style| scripts.get(style)) {
            block.marks[i].role = Role::Open((*script).to_owned());
            block.marks[j].role = Role::Close((*script).to_owned());
        }
    }
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

/// The texts that cells say in an attribute, too: programs read that, and not what stands in the cell.
fn values(xml: &Xml<'_>) -> Vec<Block> {
    let is_cell = |&number: &usize| {
        let names = ["table:table-cell", "table:covered-table-cell"];
        xml.begins(number) && names.contains(&xml.name(number)) && !is_computed(xml, number)
    };
    let values = (0..xml.tokens.len()).filter(is_cell);
    values
        .filter_map(|number| xml.attribute_at(number, "office:string-value"))
        .filter_map(|at| super::attribute(xml.source, at))
        .collect()
}

/// Whether a cell holds a number, a date or the result of a formula.
fn is_computed(xml: &Xml<'_>, number: usize) -> bool {
    let kind = xml.attribute(number, "office:value-type");
    kind.is_some_and(|kind| kind != "string") || xml.attribute(number, "table:formula").is_some()
}
