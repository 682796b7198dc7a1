//! Word: the document, its headers and footers, notes and comments.

use super::{Members, read_members};
use crate::{
    Result,
    package::Package,
    runs::{self, Grammar},
};

const GRAMMAR: Grammar = Grammar {
    paragraphs: &["p"],
    paragraph_settings: "pPr",
    ignored: &["lang", "noProof", "webHidden"],
    says_preserve: true,
};

/// The texts of a package.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let is_text = |name: &str| {
        let Some(name) = name.strip_prefix("word/") else { return false };
        let name = name.trim_end_matches(".xml");
        let numbered = |stem: &str| {
            name.strip_prefix(stem).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        };
        matches!(name, "document" | "footnotes" | "endnotes" | "comments")
            || numbered("header")
            || numbered("footer")
            || numbered("document")
    };
    let mut members = read_members(package, "Word", is_text, |xml| runs::part(xml, &GRAMMAR))?;
    members.extend(super::pptx::drawings(package, "Word", "word/")?);
    Ok(members)
}
