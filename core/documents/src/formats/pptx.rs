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
    skipped: &[],
    says_preserve: false,
};

/// In a chart, a point of what it shows is text if the cell is.
const CHART: Grammar =
    Grammar { paragraphs: &["p", "pt"], skipped: &["numCache", "numLit"], ..GRAMMAR };

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
    let starts = |name: &str, starts: &[&str]| {
        let name = name.strip_prefix(folder).filter(|name| name.ends_with(".xml"));
        name.is_some_and(|name| starts.iter().any(|start| name.starts_with(start)))
    };
    let is_drawing =
        |name: &str| starts(name, &["diagrams/data", "diagrams/drawing", "drawings/drawing"]);
    let is_chart = |name: &str| starts(name, &["charts/chart"]);
    let mut members = read_members(package, format, is_drawing, |xml| runs::part(xml, &GRAMMAR))?;
    members.extend(read_members(package, format, is_chart, |xml| runs::part(xml, &CHART))?);
    Ok(members)
}
