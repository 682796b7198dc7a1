//! Fluent: messages, their attributes and their variants; placeables are carried.

use std::ops::Range;

use dragoman_text::Role;
use fluent_syntax::{
    ast::{Entry, Expression, Pattern, PatternElement},
    parser,
};

use crate::{
    Error, Result, Settings,
    block::{Block, Builder},
    part::Part,
};

/// The patterns of a file.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    let resource = parser::parse(source).map_err(|(_, errors)| {
        let reason = errors.first().map_or_else(String::new, ToString::to_string);
        Error::broken("Fluent", reason)
    })?;
    let mut walk = Walk { source, blocks: Vec::new() };
    for entry in &resource.body {
        let (value, attributes) = match entry {
            Entry::Message(message) => (message.value.as_ref(), &message.attributes),
            Entry::Term(term) => (Some(&term.value), &term.attributes),
            _ => continue,
        };
        for pattern in value.into_iter().chain(attributes.iter().map(|found| &found.value)) {
            walk.pattern(pattern);
        }
    }
    Ok(Part::new(source, walk.blocks))
}

struct Walk<'a> {
    source: &'a str,
    blocks: Vec<Block>,
}

impl Walk<'_> {
    /// Adds a pattern, and those of the variants in it.
    fn pattern(&mut self, pattern: &Pattern<&str>) {
        let source = self.source;
        let mut builder = Builder::new(source, escape, false);
        let mut end: Option<usize> = None;
        for (number, element) in pattern.elements.iter().enumerate() {
            match element {
                PatternElement::TextElement { value } => {
                    let raw = self.place(value);
                    if let Some(end) = end {
                        self.between(end..raw.start, &mut builder);
                    }
                    self.text(raw.clone(), &mut builder);
                    end = Some(raw.end);
                }
                PatternElement::Placeable { expression } => {
                    if let Expression::Select { variants, .. } = expression {
                        variants.iter().for_each(|variant| self.pattern(&variant.value));
                        // The sentence around a choice cannot be translated without it.
                        if pattern.elements.len() > 1 {
                            return;
                        }
                    }
                    let next = pattern.elements.get(number + 1);
                    if end.is_none() && next.is_none() {
                        return; // nothing but a placeable
                    }
                    if end.is_none() {
                        let Some(PatternElement::TextElement { value }) = next else { return };
                        let stop = self.place(value).start;
                        let Some(start) = opening(&source[..stop]) else { return };
                        self.between(start..stop, &mut builder);
                        end = Some(stop);
                    } else if next.is_none() {
                        let start = end.unwrap_or(0);
                        let Some(length) = closing(&source[start..]) else { return };
                        self.between(start..start + length, &mut builder);
                    }
                }
            }
        }
        self.blocks.extend(builder.finish());
    }

    /// Where a slice of the source stands in it.
    fn place(&self, value: &str) -> Range<usize> {
        let start = value.as_ptr() as usize - self.source.as_ptr() as usize;
        start..start + value.len()
    }

    /// A line end within a pattern is a space, as its indentation is none of the text.
    fn text(&self, raw: Range<usize>, builder: &mut Builder<'_>) {
        let text = &self.source[raw.clone()];
        let body = text.trim_end_matches(['\n', '\r']);
        builder.plain(raw.start..raw.start + body.len(), 0);
        if body.len() < text.len() {
            builder.text("\n", raw.start + body.len()..raw.end, 0);
        }
    }

    /// Placeables between two texts, or indentation.
    fn between(&self, raw: Range<usize>, builder: &mut Builder<'_>) {
        let text = &self.source[raw.clone()];
        if text.is_empty() {
            return;
        }
        match text.trim().is_empty() {
            true => builder.mark(Role::Point, raw, None),
            false => builder.seen(text.trim(), raw, None),
        }
    }
}

/// Where the placeables begin that end `text`.
fn opening(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut start = None;
    for (at, c) in text.char_indices().rev() {
        match c {
            '}' => depth += 1,
            '{' => {
                depth -= 1;
                if depth == 0 {
                    start = Some(at);
                }
            }
            c if depth == 0 && !c.is_whitespace() => break,
            '\n' if depth == 0 => break,
            _ => {}
        }
    }
    start
}

/// Where the placeable ends that begins `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Braces begin placeables, so as text they are written in one.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '{' => out.push_str("{\"{\"}"),
            '}' => out.push_str("{\"}\"}"),
            c => out.push(c),
        }
    }
    out
}
