//! Excel: cells that hold text, comments, and what stands in drawings and charts.

use super::{Members, read_members};
use crate::{
    Result,
    package::Package,
    part::Part,
    runs::{self, Grammar},
    xml::Xml,
};

const GRAMMAR: Grammar = Grammar {
    paragraphs: &["si", "is", "text"],
    paragraph_settings: "",
    ignored: &[],
    says_preserve: true,
};

/// The texts of a package.
///
/// The heads of tables stay: Excel calls a workbook damaged whose cells differ from the names of
/// the columns, which formulas use.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let heads = heads(package)?;
    let is_text = |name: &str| {
        let starts = ["xl/sharedStrings", "xl/worksheets/sheet", "xl/comments"];
        name.ends_with(".xml") && starts.iter().any(|start| name.starts_with(start))
    };
    let part = |xml: &Xml<'_>| {
        let mut part: Part = runs::part(xml, &GRAMMAR);
        part.blocks.retain(|block| !heads.contains(&block.text));
        part
    };
    let mut members = read_members(package, "Excel", is_text, part)?;
    members.extend(super::pptx::drawings(package, "Excel", "xl/")?);
    Ok(members)
}

/// The names of the columns of all tables.
fn heads(package: &Package) -> Result<Vec<String>> {
    let mut heads = Vec::new();
    let names: Vec<&str> = package.names().filter(|name| name.starts_with("xl/tables/")).collect();
    for name in names {
        let Some(source) = package.text(name)? else { continue };
        let xml = Xml::read(&source, "Excel", package.limits())?;
        let columns = (0..xml.tokens.len())
            .filter(|&number| xml.begins(number) && xml.local(number) == "tableColumn");
        heads
            .extend(columns.filter_map(|number| Some(xml.attribute(number, "name")?.into_owned())));
    }
    Ok(heads)
}
