//! Resources of Android: `strings.xml`, with plurals and arrays.

use crate::{
    Result, Settings,
    flow::{self, Element, Grammar},
    part::Part,
    xml::Xml,
};

const GRAMMAR: Grammar = Grammar {
    element,
    collapse: true,
    escape,
    unescape,
    escape_section,
    unescape_section,
    has_values: true,
};

/// The strings that may be translated.
pub(crate) fn read(source: &str, settings: &Settings) -> Result<Part> {
    let xml = Xml::read(source, "Android", &settings.limits)?;
    Ok(Part::new(source, flow::blocks(&xml, GRAMMAR)))
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    if xml.attribute(number, "translatable").is_some_and(|value| value == "false") {
        return Element::Skip;
    }
    match xml.name(number) {
        "string" | "item" => Element::Block,
        "resources" | "plurals" | "string-array" => Element::Other,
        "xliff:g" => Element::Word,
        "b" | "i" | "u" | "a" | "big" | "small" | "sup" | "sub" | "strike" | "tt" | "font"
        | "annotation" | "em" | "strong" | "cite" | "dfn" => Element::Inline,
        "br" => Element::Break,
        _ => Element::Skip,
    }
}

/// What a backslash and the letter behind it stand for; quotation marks only keep white space.
fn unescape(text: &str) -> Option<(String, usize)> {
    let mut chars = text.chars();
    match chars.next()? {
        '"' => Some((String::new(), 1)),
        '\\' => {
            let c = chars.next()?;
            let length = 1 + c.len_utf8();
            Some(match c {
                'n' => ("\n".into(), length),
                't' => ("\t".into(), length),
                'u' => {
                    let hex = text.get(2..6)?;
                    (u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?.into(), 6)
                }
                c => (c.into(), length),
            })
        }
        _ => None,
    }
}

/// As [`unescape`]; quotation marks are those of tags of HTML.
fn unescape_section(text: &str) -> Option<(String, usize)> {
    if text.starts_with('"') { None } else { unescape(text) }
}

fn escape(text: &str) -> String {
    escape_backslashes(&crate::xml::escape(text))
}

fn escape_section(text: &str) -> String {
    escape_backslashes(&flow::escape_section(text))
}

fn escape_backslashes(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"");
    let escaped = escaped.replace('\n', "\\n").replace('\t', "\\t");
    match escaped.starts_with(['@', '?']) {
        true => format!("\\{escaped}"),
        false => escaped,
    }
}
