//! PowerPoint: slides, speaker notes, diagrams and charts.

use super::{Members, read_members};
use crate::{
    Result,
    package::Package,
    runs::{self, Grammar},
};

const GRAMMAR: Grammar = Grammar {
    paragraphs: &["p"],
    paragraph_settings: "pPr",
    ignored: &["lang", "altLang", "dirty", "err", "noProof", "smtClean"],
    says_preserve: false,
};

/// The texts of a package.
pub(crate) fn read(package: &Package) -> Result<Members> {
    let is_text = |name: &str| {
        let folders = ["ppt/slides/", "ppt/notesSlides/"];
        name.ends_with(".xml")
            && folders
                .iter()
                .any(|folder| name.strip_prefix(folder).is_some_and(|name| !name.contains('/')))
    };
    let mut members =
        read_members(package, "PowerPoint", is_text, |xml| runs::part(xml, &GRAMMAR))?;
    members.extend(drawings(package, "PowerPoint", "ppt/")?);
    Ok(members)
}

/// The charts and diagrams of an Office package, below `folder`.
pub(crate) fn drawings(package: &Package, format: &'static str, folder: &str) -> Result<Members> {
    let is_text = |name: &str| {
        let Some(name) = name.strip_prefix(folder) else { return false };
        let starts = ["charts/chart", "diagrams/data", "diagrams/drawing", "drawings/drawing"];
        name.ends_with(".xml") && starts.iter().any(|start| name.starts_with(start))
    };
    read_members(package, format, is_text, |xml| runs::part(xml, &GRAMMAR))
}
