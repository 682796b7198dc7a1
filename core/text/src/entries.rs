//! Entries of a glossary as files have them: TSV, CSV and TBX.

use std::collections::HashMap;

use crate::{
    html::tokens::TokenKind,
    letters::base,
    references::{escape_xml, unescape},
    xml,
};

/// Bytes of a term at most.
pub const MAX_TERM_BYTES: usize = 1024;

/// A term and its translation.
pub type Entry = (String, String);

/// Why entries are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntries {
    /// What is wrong, and where.
    pub reason: String,
}

impl std::fmt::Display for BadEntries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for BadEntries {}

fn bad(reason: impl Into<String>) -> BadEntries {
    BadEntries { reason: reason.into() }
}

/// Reads lines of a term, a tab, and its translation.
///
/// # Errors
/// Fails at a line that is none, at a term that is no term, and at one that is there twice.
pub fn parse_tsv(text: &str) -> Result<Vec<Entry>, BadEntries> {
    let mut rows = Vec::new();
    let mut position = 0;
    for (number, line) in text.split('\n').enumerate() {
        let row = line.strip_suffix('\r').unwrap_or(line);
        if !row.trim().is_empty() {
            let mut fields = row.split('\t');
            let (term, translation) = (fields.next().unwrap_or_default(), fields.next());
            let translation = translation.ok_or_else(|| {
                bad(format!("line {} has no tab between a term and its translation", number + 1))
            })?;
            if fields.next().is_some_and(|more| !more.trim().is_empty()) {
                return Err(bad(format!("line {} has more than two columns", number + 1)));
            }
            rows.push((position, (term.trim().to_owned(), translation.trim().to_owned())));
        }
        position += line.chars().count() + 1;
    }
    checked(rows)
}

/// Reads rows of a term and its translation, with quotes where they have commas or quotes in them.
/// A third and fourth column, which DeepL has for languages, are not read.
///
/// # Errors
/// Fails as [`parse_tsv`] does.
pub fn parse_csv(text: &str) -> Result<Vec<Entry>, BadEntries> {
    let mut rows = Vec::new();
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut is_quoted, mut start, mut number) = (false, 0, 1);
    let mut chars = text.chars().enumerate().peekable();
    let mut end_row = |fields: &mut Vec<String>, at: usize, number: usize| {
        let row = std::mem::take(fields);
        match row.as_slice() {
            [one] if one.trim().is_empty() => Ok(()),
            [_] => Err(bad(format!("row {number} has no translation"))),
            [term, translation, ..] => {
                rows.push((at, (term.trim().to_owned(), translation.trim().to_owned())));
                Ok(())
            }
            [] => Ok(()),
        }
    };
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                is_quoted = true;
            }
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            '\n' if !is_quoted => {
                fields.push(std::mem::take(&mut field));
                end_row(&mut fields, start, number)?;
                start = at + 1;
                number += 1;
            }
            c => field.push(c),
        }
    }
    if is_quoted {
        return Err(bad(format!("row {number} has a quote that does not end")));
    }
    fields.push(field);
    end_row(&mut fields, start, number)?;
    checked(rows)
}

/// Reads the terms of `source` and their translations into `target` from TBX: of each entry the
/// first term in either language.
///
/// # Errors
/// Fails at what is not well formed, and as [`parse_tsv`] does.
pub fn parse_tbx(text: &str, source: &str, target: &str) -> Result<Vec<Entry>, BadEntries> {
    xml::check(text).map_err(|error| bad(error.to_string()))?;
    let (mut rows, mut terms) = (Vec::new(), [None, None]);
    let (mut side, mut term): (Option<usize>, Option<String>) = (None, None);
    for token in xml::read(text) {
        let raw = &text[token.raw.clone()];
        match &token.kind {
            TokenKind::Open { name, .. } => match name.as_str() {
                "termEntry" | "conceptEntry" => terms = [None, None],
                "langSet" | "langSec" => {
                    let language = language_of(raw).unwrap_or_default();
                    side = [source, target].iter().position(|one| same_language(one, &language));
                }
                "term" => term = Some(String::new()),
                _ => {}
            },
            TokenKind::Text => {
                if let Some(term) = &mut term {
                    term.push_str(&unescape(raw));
                }
            }
            TokenKind::Close { name } => match name.as_str() {
                "term" => {
                    if let (Some(side), Some(term)) = (side, term.take()) {
                        terms[side].get_or_insert(term.trim().to_owned());
                    }
                }
                "langSet" | "langSec" => side = None,
                "termEntry" | "conceptEntry" => {
                    if let [Some(a), Some(b)] = std::mem::take(&mut terms) {
                        rows.push((token.raw.start, (a, b)));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    let mut seen = HashMap::new();
    rows.retain(|(_, (term, _)): &(usize, Entry)| seen.insert(term.clone(), ()).is_none());
    checked(rows)
}

/// Writes entries as TSV.
pub fn to_tsv(entries: &[Entry]) -> String {
    let lines: Vec<String> = entries.iter().map(|(a, b)| format!("{a}\t{b}")).collect();
    lines.join("\n")
}

/// Writes entries as TBX.
pub fn to_tbx(entries: &[Entry], source: &str, target: &str) -> String {
    let mut tbx = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tbx type=\"TBX-Basic\" style=\"dca\" \
         xmlns=\"urn:iso:std:iso:30042:ed-2\">\n<text><body>\n",
    );
    let section = |language: &str, term: &str| {
        let term = escape_xml(term);
        format!("<langSec xml:lang=\"{language}\"><termSec><term>{term}</term></termSec></langSec>")
    };
    for (number, (term, translation)) in entries.iter().enumerate() {
        let (a, b) = (section(source, term), section(target, translation));
        tbx.push_str(&format!("<conceptEntry id=\"c{}\">{a}{b}</conceptEntry>\n", number + 1));
    }
    tbx.push_str("</body></text>\n</tbx>\n");
    tbx
}

/// The language that a tag of TBX names.
fn language_of(tag: &str) -> Option<String> {
    let value = tag.split("lang").nth(2).or_else(|| tag.split("lang").nth(1))?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

fn same_language(a: &str, b: &str) -> bool {
    base(a).to_lowercase() == base(b).to_lowercase()
}

/// Checks rows, each with the place where it begins, in characters.
fn checked(rows: Vec<(usize, Entry)>) -> Result<Vec<Entry>, BadEntries> {
    let mut first: HashMap<&str, (usize, usize)> = HashMap::new();
    for (index, (position, (term, translation))) in rows.iter().enumerate() {
        for (what, text) in [("Key", term), ("Value", translation)] {
            let place = format!("{what} with the index {index} (starting at position {position})");
            if text.is_empty() {
                return Err(bad(format!("{place} is empty")));
            }
            if text.len() > MAX_TERM_BYTES {
                return Err(bad(format!("{place} is longer than {MAX_TERM_BYTES} bytes")));
            }
            if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
                return Err(bad(format!("{place} has a control character")));
            }
        }
        if let Some((other, at)) = first.insert(term, (index, *position)) {
            return Err(bad(format!(
                "Key with the index {index} (starting at position {position}) duplicates key with \
                 the index {other} (starting at position {at})"
            )));
        }
    }
    Ok(rows.into_iter().map(|(_, entry)| entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(&str, &str)]) -> Vec<Entry> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn the_formats_say_the_same() -> Result<(), BadEntries> {
        let expected = entries(&[("a, \"b\"", "c & d"), ("é", "f")]);
        assert_eq!(parse_tsv("a, \"b\"\tc & d\r\n\n é \t f \n")?, expected);
        assert_eq!(parse_csv("\"a, \"\"b\"\"\",c & d,en,de\né,f\n")?, expected);
        assert_eq!(parse_tsv(&to_tsv(&expected))?, expected);
        assert_eq!(parse_tbx(&to_tbx(&expected, "en", "de"), "en", "de")?, expected);
        let old = "<martif><termEntry><langSet xml:lang='en-US'><tig><term>x</term></tig></langSet>\
                   <langSet lang=\"de\"><tig><term>y</term></tig></langSet></termEntry></martif>";
        assert_eq!(parse_tbx(old, "en", "de")?, entries(&[("x", "y")]));
        Ok(())
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let reason =
            |text: &str| parse_tsv(text).map_err(|error| error.reason).expect_err("it is bad");
        assert_eq!(
            reason("a\tb\na\tc"),
            "Key with the index 1 (starting at position 4) duplicates key with the index 0 \
             (starting at position 0)"
        );
        assert_eq!(reason("a"), "line 1 has no tab between a term and its translation");
        assert_eq!(reason("a\t"), "Value with the index 0 (starting at position 0) is empty");
        assert!(reason(&format!("{}\tb", "x".repeat(1025))).contains("longer than 1024"));
        assert!(reason("a\u{7}\tb").contains("control character"));
        assert!(parse_csv("\"a,b").is_err() && parse_csv("a").is_err());
        assert!(parse_tbx("<a>", "en", "de").is_err());
    }
}
