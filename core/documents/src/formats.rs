//! The formats: what is text in each of them.

pub(crate) mod android;
pub(crate) mod csv;
pub(crate) mod docx;
pub(crate) mod epub;
pub(crate) mod fluent;
pub(crate) mod inline;
pub(crate) mod json;
pub(crate) mod odf;
pub(crate) mod po;
pub(crate) mod pptx;
pub(crate) mod properties;
pub(crate) mod resx;
pub(crate) mod strings;
pub(crate) mod subtitles;
pub(crate) mod tmx;
pub(crate) mod xliff;
pub(crate) mod xlsx;
pub(crate) mod yaml;

use std::ops::Range;

use crate::{
    Result,
    block::{Block, Builder},
    package::Package,
    part::Part,
    xml::{Xml, unescape},
};

/// The texts of a package: the name of each member, and its parts.
pub(crate) type Members = Vec<(String, Part)>;

/// The value of an attribute, which stands at `at`, as a text of its own.
fn attribute(source: &str, at: Range<usize>) -> Option<Block> {
    let escape =
        |text: &str| crate::xml::escape(text).replace('"', "&quot;").replace('\'', "&#39;");
    let mut builder = Builder::new(source, escape, false);
    builder.escaped(at, |text| {
        let end = text.find(';').filter(|end| text.starts_with('&') && *end < 12)?;
        Some((unescape(&text[..=end]).into_owned(), end + 1))
    });
    builder.finish()
}

/// What a member of a package of Office is related to: the last word of the type of each relation, and the
/// name of the other member.
fn relations(package: &Package, name: &str) -> Result<Vec<(String, String)>> {
    let (folder, own) = name.rsplit_once('/').unwrap_or(("", name));
    let list = match folder {
        "" => format!("_rels/{own}.rels"),
        folder => format!("{folder}/_rels/{own}.rels"),
    };
    let Some(source) = package.text(&list)? else { return Ok(Vec::new()) };
    let xml = Xml::read(&source, "Office", package.limits())?;
    let relation = |number: usize| {
        let kind = xml.attribute(number, "Type")?;
        let target = xml.attribute(number, "Target")?;
        Some((kind.rsplit('/').next()?.to_owned(), resolved(folder, &target)))
    };
    let numbers = (0..xml.tokens.len()).filter(|&number| xml.begins(number));
    Ok(numbers.filter_map(relation).collect())
}

/// The name of the member that `target` is, seen from `folder`.
fn resolved(folder: &str, target: &str) -> String {
    let mut path: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

/// Reads the members whose names `is_text` accepts, by `part`.
fn read_members(
    package: &Package,
    format: &'static str,
    is_text: impl Fn(&str) -> bool,
    part: impl Fn(&Xml<'_>) -> Part,
) -> Result<Members> {
    let mut members = Vec::new();
    for name in package.names().filter(|name| is_text(name)) {
        let Some(source) = package.text(name)? else { continue };
        let part = part(&Xml::read(&source, format, package.limits())?);
        members.push((name.to_owned(), part));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn targets_are_seen_from_their_folder() {
        assert_eq!(resolved("xl/worksheets", "../tables/table1.xml"), "xl/tables/table1.xml");
        assert_eq!(resolved("xl/worksheets", "/xl/tables/table1.xml"), "xl/tables/table1.xml");
        assert_eq!(resolved("", "word/document.xml"), "word/document.xml");
        assert_eq!(resolved("a", "../../../b"), "b");
    }
}
