//! Word: the document, its headers and footers, notes and comments.

use super::{Members, read_members, relations};
use crate::{
    Result,
    package::Package,
    runs::{self, Grammar},
};

const GRAMMAR: Grammar = Grammar {
    paragraphs: &["p"],
    paragraph_settings: "pPr",
    ignored: &["lang", "noProof", "webHidden"],
    skipped: &[],
    says_preserve: true,
};

/// The name of the member with the document itself, which the package says, or which is the usual one.
pub(crate) fn body(package: &Package) -> Result<Option<String>> {
    let said = relations(package, "")?.into_iter().find(|(kind, _)| kind == "officeDocument");
    let said = said.map(|(_, target)| target).filter(|target| target.starts_with("word/"));
    let has = |name: &String| package.names().any(|own| own == name);
    let numbered = || package.names().find(|name| is_numbered(name, "document")).map(str::to_owned);
    Ok(said.filter(has).or_else(numbered))
}

/// Whether a member has a name such as `word/header2.xml`.
fn is_numbered(name: &str, stem: &str) -> bool {
    let number = name.strip_prefix("word/").and_then(|name| name.strip_prefix(stem));
    let number = number.and_then(|rest| rest.strip_suffix(".xml"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The texts of a package.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let body = body(package)?;
    let is_text = |name: &str| {
        let others = ["word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"];
        body.as_deref() == Some(name)
            || others.contains(&name)
            || ["document", "header", "footer"].iter().any(|stem| is_numbered(name, stem))
    };
    let mut members = read_members(package, "Word", is_text, |xml| runs::part(xml, &GRAMMAR))?;
    members.extend(super::pptx::drawings(package, "Word", "word/")?);
    Ok(members)
}
