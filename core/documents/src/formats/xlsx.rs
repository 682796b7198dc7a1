//! Excel: cells that hold text, comments, and what stands in drawings and charts.

mod heads;

use self::heads::Heads;
use super::Members;
use crate::{
    Result,
    package::Package,
    runs::{self, Grammar},
    xml::Xml,
};

const GRAMMAR: Grammar = Grammar {
    paragraphs: &["si", "is", "text"],
    paragraph_settings: "",
    ignored: &[],
    skipped: &[],
    says_preserve: true,
};

/// The texts of a package.
///
/// The heads of tables stay: Excel calls a workbook damaged whose cells differ from the names of
/// the columns, which formulas use.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let heads = Heads::read(package)?;
    let is_text = |name: &&str| {
        let starts = [heads::STRINGS, heads::SHEETS, "xl/comments"];
        name.ends_with(".xml") && starts.iter().any(|start| name.starts_with(start))
    };
    let mut members = Members::new();
    for name in package.names().filter(is_text) {
        let Some(source) = package.text(name)? else { continue };
        let xml = Xml::read(&source, "Excel", package.limits())?;
        let mut part = runs::part(&xml, &GRAMMAR);
        heads.keep(name, &xml, &mut part);
        members.push((name.to_owned(), part));
    }
    members.extend(super::pptx::drawings(package, "Excel", "xl/")?);
    Ok(members)
}
