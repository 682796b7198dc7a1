//! Resources of .NET (`.resx`), and plurals of Apple (`.stringsdict`).

use crate::{
    Result, Settings,
    flow::{self, Element, Grammar},
    part::Part,
    xml::Xml,
};

/// The texts of a `.resx` file.
pub(crate) fn read(source: &str, settings: &Settings) -> Result<Part> {
    let xml = Xml::read(source, "resx", &settings.limits)?;
    Ok(Part::new(source, flow::blocks(&xml, Grammar::new(element, false))))
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    let has = |name| xml.attribute(number, name).is_some();
    match xml.name(number) {
        "root" => Element::Other,
        "data" => {
            let name = xml.attribute(number, "name").unwrap_or_default();
            match has("type") || has("mimetype") || name.starts_with(">>") {
                true => Element::Skip,
                false => Element::Other,
            }
        }
        "value" => Element::Block,
        _ => Element::Skip,
    }
}

/// The texts of a `.stringsdict` file: those for each plural form.
pub(crate) fn read_stringsdict(source: &str, settings: &Settings) -> Result<Part> {
    let xml = Xml::read(source, "stringsdict", &settings.limits)?;
    Ok(Part::new(source, flow::blocks(&xml, Grammar::new(plural, false))))
}

fn plural(xml: &Xml<'_>, number: usize) -> Element {
    match xml.name(number) {
        "string" => {
            let key = (0..number).rev().find(|&before| xml.begins(before));
            let key = key.map(|key| xml.text(xml.inside(key))).unwrap_or_default();
            match matches!(key.trim(), "zero" | "one" | "two" | "few" | "many" | "other") {
                true => Element::Block,
                false => Element::Skip,
            }
        }
        "key" => Element::Skip,
        _ => Element::Other,
    }
}
