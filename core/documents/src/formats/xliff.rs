//! XLIFF 1.2 and 2.0: segments that have no translation get one, marked for review.

use crate::{
    Result, Settings,
    block::{Block, Edit, EditText},
    flow::{self, Element, Grammar},
    part::Part,
    xml::{TokenKind, Xml},
};

const GRAMMAR: Grammar = Grammar::new(element, false);

/// The segments without a translation.
pub(crate) fn read(source: &str, settings: &Settings) -> Result<Part> {
    let xml = Xml::read(source, "XLIFF", &settings.limits)?;
    let mut walk = Walk { xml: &xml, target: &settings.target, language: None, blocks: Vec::new() };
    walk.structure(0..xml.tokens.len(), true);
    Ok(Part::new(source, walk.blocks))
}

struct Walk<'x, 'a> {
    xml: &'x Xml<'a>,
    target: &'x str,
    /// The edit that names the language of the translations, until a block has it.
    language: Option<Edit>,
    blocks: Vec<Block>,
}

impl Walk<'_, '_> {
    fn structure(&mut self, tokens: std::ops::Range<usize>, translate: bool) {
        for number in self.xml.children(tokens) {
            if !self.xml.begins(number) {
                continue;
            }
            let translate = match self.xml.attribute(number, "translate").as_deref() {
                Some("no") => false,
                Some("yes") => true,
                _ => translate,
            };
            match self.xml.local(number) {
                "file" => self.name_language(number, "source-language", "target-language"),
                "xliff" => self.name_language(number, "srcLang", "trgLang"),
                _ => {}
            }
            match self.xml.local(number) {
                "trans-unit" | "segment" if translate => self.unit(number),
                "trans-unit" | "segment" | "alt-trans" | "matches" | "notes" | "header" => {}
                _ => self.structure(self.xml.inside(number), translate),
            }
        }
    }

    /// Prepares to say in a tag what the language of the translations is, if it does not yet.
    fn name_language(&mut self, number: usize, beside: &str, name: &str) {
        let has = |name| self.xml.attribute(number, name).is_some();
        if has(beside) && !has(name) && !self.target.is_empty() {
            let at = self.xml.attribute_at(number, beside).map_or(0, |at| at.end + 1);
            let text = EditText::Literal(format!(" {name}=\"{}\"", self.target));
            self.language = Some(Edit { at: at..at, text });
        }
    }

    fn unit(&mut self, number: usize) {
        let xml = self.xml;
        let child = |name| xml.named(number, name).first().copied();
        let is_approved = xml.attribute(number, "approved").is_some_and(|value| value == "yes");
        let Some(source) = child("source").filter(|_| !is_approved) else { return };
        let target = child("target");
        if target.is_some_and(|at| !xml.text(xml.inside(at)).trim().is_empty()) {
            return; // it has a translation
        }
        let text = child("seg-source").unwrap_or(source);
        let mut builder = flow::element(xml, text, GRAMMAR);
        let prefix = xml.name(source).trim_end_matches("source").to_owned();
        let is_first_version = xml.local(number) == "trans-unit";
        let state = if is_first_version { " state=\"needs-review-translation\"" } else { "" };
        let mut edits = Vec::new();
        let (at, begin) = match target {
            Some(target) => {
                let tag = &xml.source[xml.tokens[target].raw.clone()];
                let tag = tag.trim_end_matches(['>', '/', ' ']);
                let has_state = xml.attribute_at(target, "state");
                let begin = match has_state {
                    Some(at) if is_first_version => {
                        let start = xml.tokens[target].raw.start;
                        let (before, behind) = (at.start - start, at.end - start);
                        format!("{}needs-review-translation{}>", &tag[..before], &tag[behind..])
                    }
                    Some(_) => format!("{tag}>"),
                    None => format!("{tag}{state}>"),
                };
                (xml.element(target), begin)
            }
            None => {
                let end = xml.element(text).end;
                let blank = indentation(xml, source);
                (end..end, format!("{blank}<{prefix}target{state}>"))
            }
        };
        edits.push(Edit { at: at.clone(), text: EditText::Literal(begin) });
        edits.push(Edit { at: at.end..at.end, text: EditText::Block });
        let end = EditText::Literal(format!("</{prefix}target>"));
        edits.push(Edit { at: at.end..at.end, text: end });
        edits.extend(self.language.clone());
        if let Some(block) = builder.finish_elsewhere(edits) {
            self.blocks.push(block);
            self.language = None;
        }
    }
}

/// The white space before an element.
fn indentation<'a>(xml: &Xml<'a>, number: usize) -> &'a str {
    let before = number.checked_sub(1).map(|before| &xml.tokens[before]);
    let blank = before.filter(|token| token.kind == TokenKind::Text);
    blank.map_or("", |token| &xml.source[token.raw.clone()])
}

fn element(xml: &Xml<'_>, number: usize) -> Element {
    let attribute = |name| xml.attribute(number, name).unwrap_or_default();
    match xml.local(number) {
        "mrk" if attribute("mtype") == "protected" || attribute("translate") == "no" => {
            Element::Word
        }
        "g" | "pc" | "mrk" => Element::Inline,
        "ph" | "it" | "bpt" | "ept" | "x" if stands_for_a_word(xml, number) => Element::Word,
        _ => Element::Point,
    }
}

/// Whether a placeholder stands for a value in the sentence, not for a tag.
fn stands_for_a_word(xml: &Xml<'_>, number: usize) -> bool {
    let text = xml.text(xml.inside(number));
    let text = text.trim();
    !text.is_empty() && !text.starts_with(['<', '\\'])
}
