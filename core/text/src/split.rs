//! Cuts a text into sentences and what stands between them, so that nothing is lost.
//!
//! Joined again, the segments are the text: blank lines, indentation, list marks and line ends of
//! every kind come back as they were, and only sentences go to the model.

mod sentences;

use crate::options::Splitting;

/// The longest sentence that [`split`] returns, in characters.
pub const MAX_SENTENCE_CHARS: usize = 400;

/// Stands, in a text to split, for all but the first byte of a word whose length does not count: an
/// address of a thousand letters is one word to a model.
pub(crate) const FILLER: char = '\u{7f}';

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Something to translate: has a letter, and no white space at its ends.
    Sentence(&'a str),
    /// Something to keep as it is: white space, numbers, emoji, list marks.
    Verbatim(&'a str),
}

impl<'a> Segment<'a> {
    /// The piece as it stands in the text.
    pub fn as_str(&self) -> &'a str {
        match *self {
            Self::Sentence(text) | Self::Verbatim(text) => text,
        }
    }
}

/// Whether `text` holds anything to translate.
pub fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// Splits `text`, written in `language`, into segments that give it back when joined.
///
/// A line end always ends a sentence. A sentence longer than [`MAX_SENTENCE_CHARS`] is cut at a
/// clause mark, else at a space, else between two characters.
///
/// ```
/// use dragoman_text::split::{Segment::*, split};
///
/// let segments = split("Ask Dr. Who.  Then go!\n", "en");
/// assert_eq!(
///     segments,
///     [Sentence("Ask Dr. Who."), Verbatim("  "), Sentence("Then go!"), Verbatim("\n")]
/// );
/// ```
pub fn split<'a>(text: &'a str, language: &str) -> Vec<Segment<'a>> {
    split_at(text, language, Splitting::Sentences)
}

/// Splits `text` as [`split`] does, or at the ends of lines alone.
pub fn split_at<'a>(text: &'a str, language: &str, splitting: Splitting) -> Vec<Segment<'a>> {
    let mut pieces = Pieces { text, ranges: Vec::new(), splitting };
    let mut start = 0;
    for line in text.split_inclusive(is_line_end) {
        pieces.line(start, line, language);
        start += line.len();
    }
    pieces.into_segments()
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Consecutive pieces of a text, as their ends and whether they are sentences.
struct Pieces<'a> {
    text: &'a str,
    ranges: Vec<(usize, bool)>,
    splitting: Splitting,
}

impl<'a> Pieces<'a> {
    fn line(&mut self, start: usize, line: &'a str, language: &str) {
        let body = line.trim_start();
        let body = &body[list_mark(body)..];
        let mut at = start + line.len() - body.len();
        self.verbatim(at);
        let sentences = match self.splitting {
            Splitting::Sentences => sentences::split_line(body, language),
            Splitting::Lines => sentences::cut_line(body),
        };
        for sentence in sentences {
            let trimmed = sentence.trim_start();
            let lead = sentence.len() - trimmed.len();
            let trimmed = trimmed.trim_end();
            if has_letters(trimmed) {
                self.verbatim(at + lead);
                self.ranges.push((at + lead + trimmed.len(), true));
            }
            at += sentence.len();
            self.verbatim(at);
        }
    }

    /// Keeps everything up to `end`.
    fn verbatim(&mut self, end: usize) {
        match self.ranges.last_mut() {
            Some((last, _)) if *last == end => {}
            Some((last, false)) => *last = end,
            None if end == 0 => {}
            _ => self.ranges.push((end, false)),
        }
    }

    fn into_segments(self) -> Vec<Segment<'a>> {
        let mut start = 0;
        let segment = |(end, is_sentence)| {
            let piece = &self.text[start..end];
            start = end;
            if is_sentence { Segment::Sentence(piece) } else { Segment::Verbatim(piece) }
        };
        self.ranges.into_iter().map(segment).collect()
    }
}

/// Length of what opens a list item, a heading, a quotation or a line of dialogue.
fn list_mark(line: &str) -> usize {
    let mark = |c: char| matches!(c, '-' | '*' | '•' | '·' | '–' | '—' | '>' | '#' | '+' | '‣');
    let rest = line.trim_start_matches(|c: char| mark(c) || (c.is_whitespace() && !is_line_end(c)));
    let opened = line.starts_with(mark) && line[..line.len() - rest.len()].ends_with(' ');
    if opened { line.len() - rest.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sentences<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
        let sentence = |segment| match segment {
            Segment::Sentence(text) => Some(text),
            Segment::Verbatim(_) => None,
        };
        split(text, language).into_iter().filter_map(sentence).collect()
    }

    fn joined(text: &str, language: &str) -> String {
        split(text, language).iter().map(Segment::as_str).collect()
    }

    #[test]
    fn layout_is_kept_outside_of_sentences() {
        let text = "  First.\r\n\r\n\t- second line\r\n3. Third\n\n\n> quoted\u{2028}end ";
        assert_eq!(sentences(text, "en"), ["First.", "second line", "Third", "quoted", "end"]);
        assert_eq!(joined(text, "en"), text);
    }

    #[test]
    fn abbreviations_and_numbers_do_not_end_sentences() {
        let cases: &[(&str, &[&str])] = &[
            ("en", &["Mr. Smith met Dr. Jones.", "They left at 3.5 km, e.g. Paris."]),
            ("en", &["J. R. R. Tolkien wrote it.", "See No. 5 Downing Street."]),
            ("en", &["Apples, pears etc. are fruit.", "Buy some."]),
            ("en", &["“Really?” he asked.", "Yahoo! is a name."]),
            ("de", &["Das gilt z. B. Am Montag nicht.", "Am 3. Oktober ist frei."]),
            ("de", &["Das war 1999.", "Danach kam Prof. Dr. Müller."]),
            ("fr", &["Prenez p. ex. Paris.", "Mme. Dupont et M. Martin viennent."]),
            ("es", &["EE. UU. firmó el acuerdo.", "Viaja a EE. UU. en mayo."]),
            ("en", &["At 9 a.m. we start.", "On 3.4. we meet."]),
            ("nl", &["Bijv. appels.", "Kom a.u.b. binnen."]),
            ("de", &["Im 19. Jh. war das so."]),
            ("es", &["La Sra. Pérez llegó.", "El Sr. Gómez también."]),
            ("nl", &["Dhr. De Vries belde.", "Mevr. Jansen niet."]),
            ("it", &["Il sig. Rossi parte.", "Anche la dott. Bianchi."]),
        ];
        for (language, expected) in cases {
            let text = expected.join(" ");
            assert_eq!(sentences(&text, language), *expected, "{text}");
        }
    }

    #[test]
    fn a_quotation_ends_with_its_mark() {
        let cases: &[(&str, &[&str])] = &[
            ("fr", &["Il a dit : « Venez ! »", "Elle partit."]),
            ("fr", &["« Non ! » cria-t-elle."]),
            ("fr", &["« Venez.", "Partez. »", "« Non. »", "Elle rit."]),
            ("de", &["Er rief: »Ja!«", "»Nein!«", "Sie ging."]),
            ("en", &["He said: \" Come! \"", "\"Why?\"", "She left."]),
        ];
        for (language, expected) in cases {
            let text = expected.join(" ");
            assert_eq!(sentences(&text, language), *expected, "{text}");
        }
    }

    #[test]
    fn nothing_without_letters_is_a_sentence() {
        for text in ["", "  ", "🙂🙂", "12:30 – 14:00", "...\n!?", "1. 2. 3."] {
            assert!(sentences(text, "en").is_empty(), "{text}");
            assert_eq!(joined(text, "en"), text);
        }
        assert_eq!(sentences("Well. 🙂", "en"), ["Well."]);
    }

    #[test]
    fn a_megabyte_without_a_full_stop_is_cut() {
        for unit in ["word ", "word, and other words ", "x", "é", "5. a", "字", "a.", "🏳️‍🌈a"]
        {
            let text = unit.repeat((1 << 20) / unit.len());
            let segments = split(&text, "de");
            assert!(segments.iter().all(|s| s.as_str().chars().count() <= MAX_SENTENCE_CHARS));
            assert_eq!(segments.iter().map(Segment::as_str).collect::<String>(), text);
        }
    }

    #[test]
    fn a_long_sentence_is_cut_at_its_clauses() {
        let text = "one two three four, ".repeat(40);
        assert!(sentences(&text, "en").iter().all(|sentence| sentence.ends_with("four,")));
    }

    proptest! {
        #[test]
        fn segments_give_the_text_back(text in "\\PC{0,200}", language in "en|de|fr|xx") {
            prop_assert_eq!(joined(&text, &language), text);
        }

        #[test]
        fn segments_of_prose_give_the_text_back(text in "([a-zA-ZÄß.,!?'\"()0-9 \t\r\n-]|Mr\\. |z\\. B\\. ){0,120}") {
            prop_assert_eq!(joined(&text, "de"), text.clone());
            for segment in split(&text, "de") {
                if let Segment::Sentence(sentence) = segment {
                    prop_assert!(has_letters(sentence));
                    prop_assert_eq!(sentence.trim(), sentence);
                }
                prop_assert!(!segment.as_str().is_empty());
            }
        }
    }
}
