//! Gettext: messages that have no translation get one; what a model says is marked fuzzy.

use std::ops::Range;

use crate::{
    Error, Result, Settings,
    block::{Builder, Edit, Finish, When},
    part::Part,
};

/// A message while it is read.
#[derive(Debug, Default)]
struct Message {
    /// Where its first field begins.
    start: usize,
    /// The end of the line of its flags, and those.
    flags: Option<(usize, String)>,
    fields: Vec<Field>,
}

/// A field: its keyword, and its strings without quotation marks.
#[derive(Debug)]
struct Field {
    keyword: String,
    strings: Vec<Range<usize>>,
}

impl Field {
    fn is_empty(&self) -> bool {
        self.strings.iter().all(Range::is_empty)
    }

    /// From the first quotation mark to the last.
    fn raw(&self) -> Range<usize> {
        let first = self.strings.first().map_or(0, |string| string.start - 1);
        first..self.strings.last().map_or(first, |string| string.end + 1)
    }
}

/// The messages without a translation.
pub(crate) fn read(source: &str, _: &Settings) -> Result<Part> {
    let mut blocks = Vec::new();
    let mut message = Message::default();
    let mut at = 0;
    for (number, line) in source.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        let text = line.trim();
        let broken = || Error::broken("PO", format_args!("line {} makes no sense", number + 1));
        if let Some(comment) = text.strip_prefix('#') {
            if message.has_translation() {
                message.finish(source, &mut blocks);
            }
            if let Some(flags) = comment.strip_prefix(',') {
                message.flags = Some((start + line.trim_end().len(), flags.to_owned()));
            }
            continue;
        }
        if text.is_empty() {
            continue;
        }
        let quote = text.find('"').ok_or_else(broken)?;
        let keyword = text[..quote].trim();
        let begin = start + (line.len() - line.trim_start().len()) + quote + 1;
        let end = start + line.trim_end().len() - 1;
        if end < begin || !text.ends_with('"') {
            return Err(broken());
        }
        match keyword {
            "" => {
                let field = message.fields.last_mut().ok_or_else(broken)?;
                field.strings.push(begin..end);
            }
            "msgctxt" | "msgid" | "msgid_plural" => {
                if message.has_translation() {
                    message.finish(source, &mut blocks);
                }
                message.push(keyword, start, begin..end);
            }
            _ if keyword.starts_with("msgstr") => message.push(keyword, start, begin..end),
            _ => return Err(broken()),
        }
    }
    message.finish(source, &mut blocks);
    Ok(Part::new(source, blocks))
}

impl Message {
    fn push(&mut self, keyword: &str, start: usize, string: Range<usize>) {
        if self.fields.is_empty() {
            self.start = start;
        }
        self.fields.push(Field { keyword: keyword.to_owned(), strings: vec![string] });
    }

    fn has_translation(&self) -> bool {
        self.fields.iter().any(|field| field.keyword.starts_with("msgstr"))
    }

    /// Adds a block for each form that is missing; another message begins.
    fn finish(&mut self, source: &str, blocks: &mut Vec<crate::block::Block>) {
        let message = std::mem::take(self);
        let named = |name: &str| message.fields.iter().find(|field| field.keyword == name);
        let Some(id) = named("msgid").filter(|id| !id.is_empty()) else { return };
        let fuzzy = message.fuzzy();
        for field in message.fields.iter().filter(|field| field.keyword.starts_with("msgstr")) {
            if !field.is_empty() {
                continue;
            }
            let is_first = matches!(field.keyword.as_str(), "msgstr" | "msgstr[0]");
            let original = if is_first { id } else { named("msgid_plural").unwrap_or(id) };
            let mut builder = Builder::new(source, super::json::escape, false);
            for string in &original.strings {
                builder.escaped(string.clone(), super::json::unescape);
            }
            let mut edits = vec![Edit::block(field.raw())];
            edits.extend(fuzzy.clone());
            if let Some(mut block) = builder.finish_elsewhere(edits) {
                block.finish = Finish::Call(quoted);
                blocks.push(block);
            }
        }
    }

    /// The edit that marks the message fuzzy, unless it is; all forms of the message share it.
    fn fuzzy(&self) -> Option<Edit> {
        let (at, text) = match &self.flags {
            Some((_, flags)) if flags.split(',').any(|flag| flag.trim() == "fuzzy") => return None,
            Some((end, _)) => (*end, ", fuzzy".to_owned()),
            None => (self.start, "#, fuzzy\n".to_owned()),
        };
        Some(Edit::literal(at..at, text).when(When::Machine))
    }
}

/// A string as Gettext writes it: a line for each line of the text.
fn quoted(text: String) -> String {
    let lines: Vec<&str> = text.split_inclusive("\\n").collect();
    match lines.len() {
        0 | 1 => format!("\"{text}\""),
        _ => {
            let lines: Vec<String> = lines.iter().map(|line| format!("\"{line}\"")).collect();
            format!("\"\"\n{}", lines.join("\n"))
        }
    }
}
