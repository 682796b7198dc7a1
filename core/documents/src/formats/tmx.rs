//! TMX: units that have no variant in the target language get one.

use super::inline::inline;
use crate::{
    Error, Result, Settings,
    block::Edit,
    flow::{self, Element, Grammar},
    part::Part,
    xml::{TokenKind, Xml},
};

const GRAMMAR: Grammar = Grammar { has_values: true, ..Grammar::new(element, false) };

/// The segments without a translation into the target language.
pub(crate) fn read(source: &str, settings: &Settings) -> Result<Part> {
    if settings.target.is_empty() {
        return Err(Error::Settings("a TMX file needs the language to translate into".into()));
    }
    let xml = Xml::read(source, "TMX", &settings.limits)?;
    let is = |number: usize, name: &str| xml.begins(number) && xml.local(number) == name;
    let numbers = || 0..xml.tokens.len();
    let header = numbers().find(|&number| is(number, "header"));
    let original = header.and_then(|header| xml.attribute(header, "srclang"));
    let mut blocks = Vec::new();
    for unit in numbers().filter(|&number| is(number, "tu")) {
        let variants: Vec<(usize, String)> = xml
            .named(unit, "tuv")
            .into_iter()
            .map(|variant| {
                let language = xml.attribute(variant, "xml:lang");
                let language = language.or_else(|| xml.attribute(variant, "lang"));
                (variant, language.unwrap_or_default().into_owned())
            })
            .collect();
        if variants.iter().any(|(_, language)| is_language(language, &settings.target)) {
            continue;
        }
        let own = xml.attribute(unit, "srclang").or(original.clone()).unwrap_or_default();
        let source = variants.iter().find(|(_, language)| is_language(language, &own));
        let Some((variant, _)) = source.or(variants.first()) else { continue };
        let Some(&segment) = xml.named(*variant, "seg").first() else { continue };
        let raw = xml.element(*variant);
        // The new variant is written as the old one, with another language and another segment.
        let attribute = xml.attribute_at(*variant, "xml:lang");
        let Some(code) = attribute.or_else(|| xml.attribute_at(*variant, "lang")) else { continue };
        let inside = xml.element(segment);
        let inside = xml.tokens[segment].raw.end.min(inside.end)..match xml.tokens[segment].kind {
            TokenKind::Start => xml.tokens[xml.tokens[segment].end].raw.start,
            _ => continue,
        };
        let before = variant.checked_sub(1).map(|before| &xml.tokens[before]);
        let blank = before.filter(|token| token.kind == TokenKind::Text);
        let blank = blank.map_or("", |token| &xml.source[token.raw.clone()]);
        let begin = [
            blank,
            &xml.source[raw.start..code.start],
            &settings.target,
            &xml.source[code.end..inside.start],
        ];
        let end = xml.source[inside.end..raw.end].to_owned();
        let place = raw.end..raw.end;
        let edits = vec![
            Edit::literal(place.clone(), begin.concat()),
            Edit::block(place.clone()),
            Edit::literal(place, end),
        ];
        blocks.extend(flow::element(&xml, segment, GRAMMAR).finish_elsewhere(edits));
    }
    Ok(Part::new(source, blocks))
}

/// Whether two codes name the same language, as `de-AT` and `de`.
fn is_language(code: &str, other: &str) -> bool {
    let base = |code: &str| code.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    !code.is_empty() && base(code) == base(other)
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    match xml.local(number) {
        "hi" => Element::Inline,
        "ph" | "bpt" | "ept" => inline(xml, number),
        _ => Element::Point,
    }
}
