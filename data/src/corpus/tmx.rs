//! Translation Memory eXchange: `<tu>` units, each with a `<tuv>` per language.
//!
//! Inline tags are dropped; so is the native code inside `<bpt>`, `<ept>`, `<it>`, `<ph>` and
//! `<ut>`, which is formatting and not text. A `<ph>` stands for something between words, such as a
//! line break, and parts them. White space is one blank, as files are indented as they please.

use std::io::{self, BufRead, Read};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    Line, Pair,
    input::{self, Input, LONGEST_LINE},
};
use crate::{Result, lang::base_code};

pub(super) fn lines(
    input: Input,
    source: String,
    target: String,
) -> impl Iterator<Item = Result<Line>> + Send {
    let counted = LineCounter { reader: input.into_reader(), number: 1, of_unit: 0 };
    let mut reader = Reader::from_reader(counted);
    reader.config_mut().check_end_names = false;
    let mut units = Units { reader, languages: [source, target], done: false };
    std::iter::from_fn(move || units.next().transpose())
}

/// The units of a file being read.
struct Units {
    reader: Reader<LineCounter>,
    languages: [String; 2],
    done: bool,
}

/// What has been seen of a unit; its line is 0 until it starts.
#[derive(Default)]
struct Unit {
    line: usize,
    texts: [Option<String>; 2],
    side: Option<usize>,
    segment: Option<String>,
    native: usize,
}

impl Units {
    fn next(&mut self) -> Result<Option<Line>> {
        let mut unit = Unit::default();
        let mut buffer = Vec::new();
        while !self.done {
            buffer.clear();
            let position = self.reader.buffer_position();
            let event = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(quick_xml::Error::Io(error)) => {
                    self.done = true;
                    return Err(io::Error::new(error.kind(), error.to_string()).into());
                }
                Err(error) => {
                    // A parser that lost its place would only invent pairs.
                    let lost = matches!(error, quick_xml::Error::Syntax(_));
                    self.done = lost || self.reader.buffer_position() == position;
                    return Ok(Some(self.fault(format!("not well-formed XML: {error}"))));
                }
            };
            match event {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "tu" => {
                        self.reader.get_mut().of_unit = 0;
                        unit = Unit { line: self.reader.get_ref().number, ..Unit::default() };
                    }
                    "tuv" => unit.side = self.side(&tag),
                    "seg" => unit.segment = Some(String::new()),
                    name if is_native(name) => {
                        unit.part_words(name);
                        unit.native += 1;
                    }
                    _ => {}
                },
                Event::End(tag) => match tag.local_name().as_ref() {
                    "tu" if unit.line > 0 => return Ok(Some(unit.finish(&self.languages))),
                    "seg" => unit.end_segment(),
                    name if is_native(name) => unit.native = unit.native.saturating_sub(1),
                    _ => {}
                },
                Event::Text(text) => unit.push(&text),
                Event::CData(text) => unit.push(&text),
                Event::GeneralRef(name) => {
                    let resolved = match name.resolve_char_ref() {
                        Ok(Some(c)) => c.to_string(),
                        _ => quick_xml::escape::resolve_predefined_entity(&name)
                            .map_or_else(|| format!("&{};", &*name), str::to_owned),
                    };
                    unit.push(&resolved);
                }
                Event::Empty(tag) => match tag.local_name().as_ref() {
                    "seg" => {
                        unit.segment = Some(String::new());
                        unit.end_segment();
                    }
                    name => unit.part_words(name),
                },
                Event::Eof => self.done = true,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Which of the two languages a `<tuv>` is in.
    fn side(&self, tag: &BytesStart<'_>) -> Option<usize> {
        let language = tag.attributes().flatten().find_map(|attribute| {
            matches!(attribute.key.as_ref(), "xml:lang" | "lang")
                .then(|| base_code(&attribute.value))
        })?;
        self.languages.iter().position(|wanted| base_code(wanted) == language)
    }

    fn fault(&self, reason: String) -> Line {
        Line { number: self.reader.get_ref().number, pair: Err(reason) }
    }
}

impl Unit {
    fn push(&mut self, text: &str) {
        if let (Some(segment), 0) = (&mut self.segment, self.native) {
            segment.push_str(text);
        }
    }

    /// A placeholder stands where there may be no blank.
    fn part_words(&mut self, name: &str) {
        if name == "ph" {
            self.push(" ");
        }
    }

    fn end_segment(&mut self) {
        if let (Some(side), Some(segment)) = (self.side, self.segment.take()) {
            let words: Vec<&str> = segment.split_whitespace().collect();
            self.texts[side].get_or_insert(words.join(" "));
        }
    }

    fn finish(self, languages: &[String; 2]) -> Line {
        let pair = match self.texts {
            [Some(source), Some(target)] => Ok(Pair { source, target, set: None }),
            [source, _] => {
                let missing = &languages[usize::from(source.is_some())];
                Err(format!("the unit has no `{missing}` segment"))
            }
        };
        Line { number: self.line, pair }
    }
}

fn is_native(name: &str) -> bool {
    matches!(name, "bpt" | "ept" | "it" | "ph" | "ut")
}

/// Counts the lines that pass through a reader, and the bytes of a unit.
struct LineCounter {
    reader: Box<dyn BufRead + Send>,
    number: usize,
    /// Bytes since the unit began.
    of_unit: usize,
}

impl Read for LineCounter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for LineCounter {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.of_unit > LONGEST_LINE {
            true => Err(input::too_long(format!("the unit before line {}", self.number + 1))),
            false => self.reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(available) = self.reader.fill_buf() {
            let passed = &available[..amount.min(available.len())];
            self.number += passed.iter().filter(|&&byte| byte == b'\n').count();
        }
        self.of_unit += amount;
        self.reader.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result};

    use crate::corpus::Corpus;

    #[test]
    fn white_space_is_one_blank_and_a_placeholder_parts_words() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tmx");
        let unit = |english: &str, german: &str| {
            let side = |code, text| format!("<tuv xml:lang='{code}'><seg>{text}</seg></tuv>");
            format!("<tu>{}{}</tu>\n", side("en", english), side("de", german))
        };
        let units = [
            unit("\n  Close\n\tthe   door. ", "Schließen Sie\r\n die Tür."),
            unit("left<ph x='1'>&lt;br/&gt;</ph>right", "links<ph/>rechts"),
            unit("over<bpt i='1'>&lt;b&gt;</bpt>look<ept i='1'/>ed", "über<hi>sehen</hi>"),
        ];
        fs_err::write(&path, format!("<tmx><body>{}</body></tmx>", units.concat()))?;
        let mut texts = Vec::new();
        for line in Corpus::from_name(&path)?.lines()? {
            let pair = line?.pair.map_err(anyhow::Error::msg)?;
            texts.push(format!("{} = {}", pair.source, pair.target));
        }
        assert_eq!(
            texts,
            [
                "Close the door. = Schließen Sie die Tür.",
                "left right = links rechts",
                "overlooked = übersehen"
            ]
        );
        Ok(())
    }

    #[test]
    fn a_unit_that_would_fill_the_memory_ends_the_reading() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("en-de.tmx");
        let text = "a".repeat(super::LONGEST_LINE + (1 << 20));
        fs_err::write(&path, format!("<tmx><body>\n<tu><tuv xml:lang='en'><seg>{text}"))?;
        let lines = Corpus::from_name(&path)?.lines()?.collect::<crate::Result<Vec<_>>>();
        let error = lines.err().context("must be refused")?.to_string();
        assert!(error.contains("en-de.tmx") && error.contains("longer than 4 MiB"), "{error}");
        Ok(())
    }
}
