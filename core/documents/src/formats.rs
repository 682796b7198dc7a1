//! The formats: what is text in each of them.

pub(crate) mod android;
pub(crate) mod csv;
pub(crate) mod docx;
pub(crate) mod epub;
pub(crate) mod fluent;
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

use crate::{Result, package::Package, part::Part, xml::Xml};

/// The texts of a package: the name of each member, and its parts.
pub(crate) type Members = Vec<(String, Part)>;

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
