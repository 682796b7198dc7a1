//! XLIFF 1.2 and 2.0: segments that have no translation get one; what a model says is marked for review.

use super::inline::inline;
use crate::{
    Result, Settings,
    block::{Block, Edit, When},
    flow::{self, Element, Grammar},
    part::Part,
    xml::{TokenKind, Xml},
};

const GRAMMAR: Grammar = Grammar { has_values: true, ..Grammar::new(element, false) };

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
    /// The edit that names the language of the translations; all blocks share it.
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
        if let Some(at) = self.xml.attribute_at(number, beside) {
            let at = at.end + 1;
            let add = || Edit::literal(at..at, format!(" {name}=\"{}\"", self.target));
            self.language = match self.xml.attribute_at(number, name) {
                _ if self.target.is_empty() => None,
                None => Some(add()),
                // A file that somebody began to translate into another language stays one of it.
                Some(at) if !is_same(&self.xml.source[at.clone()], self.target) => {
                    (!self.has_targets(number)).then(|| Edit::literal(at, self.target))
                }
                Some(_) => None,
            };
        }
    }

    /// Whether a translation stands in the element `number`.
    fn has_targets(&self, number: usize) -> bool {
        let xml = self.xml;
        let is_target = |child: &usize| xml.begins(*child) && xml.local(*child) == "target";
        let mut targets = xml.inside(number).filter(is_target);
        targets.any(|target| !xml.text(xml.inside(target)).trim().is_empty())
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
        let (at, before) = match target {
            Some(target) => (xml.element(target), ""),
            None => {
                let end = xml.element(text).end;
                (end..end, indentation(xml, source))
            }
        };
        let begin = |state: State| {
            let tag = match target {
                Some(target) => &xml.source[xml.tokens[target].raw.clone()],
                None => &format!("<{prefix}target>"),
            };
            let has_state = target.and_then(|target| {
                let start = xml.tokens[target].raw.start;
                let at = xml.attribute_at(target, "state")?;
                Some(at.start - start..at.end - start)
            });
            let begin = state.begin(tag, has_state, is_first_version);
            Edit::literal(at.clone(), format!("{before}{begin}"))
        };
        let mut edits = vec![begin(State::Machine).when(When::Machine)];
        edits.push(begin(State::Confirmed).when(When::Confirmed));
        edits.push(Edit::block(at.end..at.end));
        edits.push(Edit::literal(at.end..at.end, format!("</{prefix}target>")));
        edits.extend(self.language.clone());
        if !is_first_version {
            edits.push(self.segment_state(number).when(When::Confirmed));
        }
        if let Some(block) = builder.finish_elsewhere(edits) {
            self.blocks.push(block);
        }
    }

    /// The edit that says of a segment of XLIFF 2 that it is translated.
    fn segment_state(&self, number: usize) -> Edit {
        let raw = self.xml.tokens[number].raw.clone();
        match self.xml.attribute_at(number, "state") {
            Some(at) => Edit::literal(at, State::CONFIRMED),
            None => {
                let end = raw.start + 1 + self.xml.name(number).len();
                Edit::literal(end..end, format!(" state=\"{}\"", State::CONFIRMED))
            }
        }
    }
}

/// What is said of a translation.
#[derive(Debug, Clone, Copy)]
enum State {
    Machine,
    Confirmed,
}

impl State {
    const CONFIRMED: &str = "translated";

    /// The tag that begins a translation: `tag`, whose value of `state` is at `has_state`. Only version
    /// 1.2 has the state there.
    fn begin(
        self,
        tag: &str,
        has_state: Option<std::ops::Range<usize>>,
        is_first_version: bool,
    ) -> String {
        let tag = tag.trim_end_matches(['>', '/', ' ']);
        let (state, qualifier) = match self {
            Self::Machine => ("needs-review-translation", ""),
            Self::Confirmed => (Self::CONFIRMED, " state-qualifier=\"exact-match\""),
        };
        let qualifier = if tag.contains("state-qualifier") { "" } else { qualifier };
        match has_state {
            _ if !is_first_version => format!("{tag}>"),
            Some(at) => format!("{}{state}{}{qualifier}>", &tag[..at.start], &tag[at.end..]),
            None => format!("{tag} state=\"{state}\"{qualifier}>"),
        }
    }
}

/// Whether two codes name the same language.
fn is_same(code: &str, other: &str) -> bool {
    let base = |code: &str| code.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    base(code) == base(other)
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
        "ph" | "it" | "bpt" | "ept" | "x" | "sc" | "ec" => inline(xml, number),
        _ => Element::Point,
    }
}
