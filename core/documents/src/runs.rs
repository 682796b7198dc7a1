//! Blocks of XML whose paragraphs are made of runs: Word, PowerPoint, Excel.
//!
//! Runs next to each other in the same format become one, so that a word which the editor cut is
//! whole again. Where a paragraph is rewritten its runs are written anew; the formats, and all that
//! stands in runs or between them, are the bytes of the source.

use std::ops::Range;

use dragoman_text::Role;

use crate::{
    block::{Block, Builder, Edit},
    part::{Markup, Part, RunFormat},
    xml::{TokenKind, Xml},
};

/// The longest result of a field that counts as a word of its sentence, in bytes.
const MAX_FIELD: usize = 60;

/// How a format calls its elements, by their names without prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grammar {
    /// Hold runs.
    pub(crate) paragraphs: &'static [&'static str],
    /// Settings at the beginning of a paragraph.
    pub(crate) paragraph_settings: &'static str,
    /// Settings of a run that do not change how it looks: elements, and attributes.
    pub(crate) ignored: &'static [&'static str],
    /// Nobody looks into these.
    pub(crate) skipped: &'static [&'static str],
    /// Whether the text element says that its spaces count.
    pub(crate) says_preserve: bool,
}

/// Elements of Word around runs.
const WRAPPERS: &[&str] = &["hyperlink", "ins", "moveTo", "smartTag", "bdo", "dir", "customXml"];

/// Elements with text that was deleted, or moved elsewhere.
const DELETED: &[&str] = &["del", "moveFrom"];

/// Fields whose result is text of its own, not a word that is computed.
const TEXT_FIELDS: &[&str] = &["HYPERLINK", "TOC", "QUOTE", "INDEX"];

/// Content controls that offer a choice or a computed value.
const CHOICES: &[&str] =
    &["dropDownList", "comboBox", "date", "checkbox", "picture", "bibliography"];

/// The part with the paragraphs of `xml`.
pub(crate) fn part(xml: &Xml<'_>, grammar: &Grammar) -> Part {
    let mut walk = Walk { xml, grammar, blocks: Vec::new(), formats: Vec::new() };
    walk.structure(0..xml.tokens.len());
    let formats = walk.formats.into_iter().map(|(_, format)| format).collect();
    let markup = Markup { formats };
    Part { source: xml.source.to_owned(), blocks: walk.blocks, markup }
}

struct Walk<'x, 'a> {
    xml: &'x Xml<'a>,
    grammar: &'x Grammar,
    blocks: Vec<Block>,
    /// What tells each format from others, and how it is written.
    formats: Vec<(String, RunFormat)>,
}

/// A field whose end was not seen yet.
struct Field {
    /// The atom and the place in the text where it begins.
    first: usize,
    start: usize,
    instruction: String,
    /// The name of its mark, when its result is text of its own.
    open: Option<String>,
}

/// A paragraph while it is read.
struct Paragraph<'a> {
    builder: Builder<'a>,
    fields: Vec<Field>,
}

impl<'a> Walk<'_, 'a> {
    fn structure(&mut self, tokens: Range<usize>) {
        for number in self.xml.children(tokens) {
            if !self.xml.begins(number) {
                continue;
            }
            match self.xml.local(number) {
                local if self.grammar.paragraphs.contains(&local) => self.paragraph(number),
                local if self.grammar.skipped.contains(&local) => {}
                _ => self.structure(self.xml.inside(number)),
            }
        }
    }

    fn paragraph(&mut self, number: usize) {
        let xml = self.xml;
        let mut inside = xml.inside(number);
        if inside.is_empty() {
            return;
        }
        for child in xml.children(inside.clone()) {
            let is_settings =
                xml.begins(child) && xml.local(child) == self.grammar.paragraph_settings;
            let is_blank = xml.tokens[child].kind == TokenKind::Text;
            if !is_settings && !is_blank {
                break;
            }
            inside.start = xml.tokens[child].end.max(child) + 1;
        }
        if inside.is_empty() {
            return;
        }
        let builder = Builder::new(xml.source, crate::xml::escape, false);
        let mut paragraph = Paragraph { builder, fields: Vec::new() };
        self.between_runs(inside.clone(), &mut paragraph);
        let raw = xml.tokens[inside.start].raw.start..xml.tokens[inside.end].raw.start;
        let edits = vec![Edit::block(raw)];
        self.blocks.extend(paragraph.builder.finish_elsewhere(edits));
    }

    /// Adds what stands in a paragraph, or in a wrapper within it.
    fn between_runs(&mut self, tokens: Range<usize>, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        for number in xml.children(tokens) {
            let token = &xml.tokens[number];
            let raw = token.raw.clone();
            if !xml.begins(number) {
                match token.kind {
                    TokenKind::Text => {} // white space between elements
                    _ => paragraph.builder.mark(Role::Point, raw, None),
                }
                continue;
            }
            let element = xml.element(number);
            match xml.local(number) {
                "r" => self.run(number, paragraph),
                "t" | "v" => {
                    let markup = self.text_markup(xml.name(number));
                    let format = self.format(xml.name(number).to_owned(), markup);
                    self.text(number, format, paragraph);
                }
                "br" => paragraph.builder.cut("\n", element, None),
                "fld" | "oMath" | "oMathPara" => {
                    paragraph.builder.seen(xml.text(xml.inside(number)).trim(), element, None);
                }
                "fldSimple" => self.simple_field(number, paragraph),
                "sdt" => self.control(number, paragraph),
                "proofErr" => paragraph.builder.hidden(element),
                local if WRAPPERS.contains(&local) => {
                    self.wrapper(number, xml.inside(number), paragraph);
                }
                local if DELETED.contains(&local) => {
                    paragraph.builder.mark(Role::Point, element, None);
                }
                _ => self.kept(number, None, paragraph),
            }
        }
    }

    /// Markup around the runs of `inside`.
    fn wrapper(&mut self, number: usize, inside: Range<usize>, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        let element = xml.element(number);
        if inside.is_empty() {
            return paragraph.builder.mark(Role::Point, element, None);
        }
        let name = format!("{} {number}", xml.name(number));
        let start = element.start..xml.tokens[inside.start].raw.start;
        let end = xml.tokens[inside.end].raw.start..element.end;
        paragraph.builder.mark(Role::Open(name.clone()), start, None);
        self.between_runs(inside, paragraph);
        paragraph.builder.mark(Role::Close(name), end, None);
    }

    /// A content control: what it holds, or a word when it offers a choice.
    fn control(&mut self, number: usize, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        let settings = xml.named(number, "sdtPr").first().copied();
        let choice = |child: &usize| xml.begins(*child) && CHOICES.contains(&xml.local(*child));
        let is_choice = settings.is_some_and(|at| xml.children(xml.inside(at)).iter().any(choice));
        match xml.named(number, "sdtContent").first() {
            Some(&content) if !is_choice => self.wrapper(number, xml.inside(content), paragraph),
            _ => {
                let text = xml.text(xml.inside(number));
                paragraph.builder.seen(text.trim(), xml.element(number), None);
            }
        }
    }

    fn simple_field(&mut self, number: usize, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        let prefix = xml.name(number).trim_end_matches("fldSimple");
        let instruction = xml.attribute(number, &format!("{prefix}instr")).unwrap_or_default();
        match is_text_field(&instruction) {
            true => self.wrapper(number, xml.inside(number), paragraph),
            false => {
                let text = xml.text(xml.inside(number));
                paragraph.builder.seen(text.trim(), xml.element(number), None);
            }
        }
    }

    /// An element that is kept, with paragraphs in it perhaps, as a text box has.
    fn kept(&mut self, number: usize, run: Option<usize>, paragraph: &mut Paragraph<'a>) {
        self.structure(self.xml.inside(number));
        paragraph.builder.mark(Role::Point, self.xml.element(number), run);
    }

    fn run(&mut self, number: usize, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        let format = self.run_format(number);
        for child in xml.children(xml.inside(number)) {
            if !xml.begins(child) {
                continue;
            }
            let element = xml.element(child);
            let builder = &mut paragraph.builder;
            match xml.local(child) {
                "rPr" | "lastRenderedPageBreak" => {}
                "t" => self.text(child, format, paragraph),
                "tab" | "ptab" => builder.cut("\t", element, Some(format)),
                "br" | "cr" => builder.cut("\n", element, Some(format)),
                "noBreakHyphen" => builder.text("\u{2011}", element, format),
                "softHyphen" => builder.text("\u{ad}", element, format),
                "fldChar" => self.field(child, format, paragraph),
                "instrText" => {
                    if let Some(field) = paragraph.fields.last_mut() {
                        field.instruction.push_str(&xml.text(xml.inside(child)));
                    }
                    builder.mark(Role::Point, element, Some(format));
                }
                _ => self.kept(child, Some(format), paragraph),
            }
        }
    }

    /// Adds the characters of a text element.
    fn text(&mut self, number: usize, format: usize, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        for child in xml.inside(number) {
            let raw = xml.tokens[child].raw.clone();
            match xml.tokens[child].kind {
                TokenKind::Text => paragraph.builder.plain(raw, format),
                TokenKind::Reference | TokenKind::CData => {
                    paragraph.builder.text(&xml.token_text(child), raw, format);
                }
                _ => {}
            }
        }
    }

    /// A part of a field: its beginning, the beginning of its result, or its end.
    fn field(&mut self, number: usize, format: usize, paragraph: &mut Paragraph<'a>) {
        let xml = self.xml;
        let Paragraph { builder, fields } = paragraph;
        let element = xml.element(number);
        let prefix = xml.name(number).trim_end_matches("fldChar");
        let kind = xml.attribute(number, &format!("{prefix}fldCharType")).unwrap_or_default();
        if kind == "begin" {
            let (first, start) = (builder.count(), builder.end());
            fields.push(Field { first, start, instruction: String::new(), open: None });
        }
        match (&*kind, fields.last_mut()) {
            ("separate", Some(field)) if is_text_field(&field.instruction) => {
                builder.mark(Role::Point, element, Some(format));
                let name = format!("field {number}");
                builder.join(field.first, field.start, Role::Open(name.clone()));
                field.open = Some(name);
            }
            ("end", Some(_)) => {
                let field = fields.pop().expect("it was looked at");
                let role = field.open.clone().map_or(Role::Point, Role::Close);
                builder.mark(role, element, Some(format));
                let length = builder.end() - field.start;
                if field.open.is_none() && length <= MAX_FIELD {
                    let role = if length == 0 { Role::Point } else { Role::Noun };
                    builder.join(field.first, field.start, role);
                }
            }
            _ => builder.mark(Role::Point, element, Some(format)),
        }
    }

    /// The number of the format of a run.
    fn run_format(&mut self, number: usize) -> usize {
        let xml = self.xml;
        let settings = xml.named(number, "rPr").first().copied();
        let name = xml.name(number);
        let key = format!("{name} {}", settings.map(|at| self.key(at)).unwrap_or_default());
        let settings = settings.map_or("", |at| &xml.source[xml.element(at)]);
        let format = RunFormat {
            begin: format!("<{name}>{settings}"),
            end: format!("</{name}>"),
            ..self.text_markup(&format!("{}t", name.trim_end_matches('r')))
        };
        self.format(key, format)
    }

    /// A format without a run, whose text element is called `tag`.
    fn text_markup(&self, tag: &str) -> RunFormat {
        let preserve = if self.grammar.says_preserve { " xml:space=\"preserve\"" } else { "" };
        RunFormat {
            begin_text: format!("<{tag}{preserve}>"),
            end_text: format!("</{tag}>"),
            ..RunFormat::default()
        }
    }

    fn format(&mut self, key: String, format: RunFormat) -> usize {
        match self.formats.iter().position(|(known, _)| *known == key) {
            Some(number) => number,
            None => {
                self.formats.push((key, format));
                self.formats.len() - 1
            }
        }
    }

    /// What in the settings of a run says how it looks.
    fn key(&self, settings: usize) -> String {
        let xml = self.xml;
        let mut key = String::new();
        let tag = &xml.source[xml.tokens[settings].raw.clone()];
        for attribute in tag.split_ascii_whitespace().skip(1) {
            let name = attribute.split('=').next().unwrap_or_default();
            if !self.grammar.ignored.contains(&name) {
                key.push_str(attribute.trim_end_matches(['>', '/']));
                key.push(' ');
            }
        }
        for child in xml.children(xml.inside(settings)) {
            if xml.begins(child) && !self.grammar.ignored.contains(&xml.local(child)) {
                key.push_str(&xml.source[xml.element(child)]);
            }
        }
        key
    }
}

/// Whether the result of a field with this instruction is text of its own.
fn is_text_field(instruction: &str) -> bool {
    let name = instruction.split_whitespace().next().unwrap_or_default();
    TEXT_FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known))
}
