//! Plain text, with all that people write in it that is not prose.

use std::ops::Range;

use crate::{
    document::{Document, Item, Rewritten},
    options::{Options, Splitting},
    pieces::{self, Carry, Kind, Piece},
    sentence::{Role, Sentence, Span, trimmed},
    split::{FILLER, Segment, has_letters, split_at},
};

/// A plain text, and the sentences in it.
#[derive(Debug)]
pub struct PlainText {
    text: String,
    sentences: Vec<Sentence>,
    /// Where each sentence stands in the text.
    ranges: Vec<Range<usize>>,
    splitting: Splitting,
}

impl PlainText {
    /// Finds the sentences of `text`, written in `language`.
    pub fn parse(text: &str, language: &str) -> Self {
        Self::with(text, &Options { source: language.to_owned(), ..Options::default() })
    }

    /// Finds the sentences of `text` as `options` say.
    pub fn with(text: &str, options: &Options) -> Self {
        let (language, splitting) = (options.source.as_str(), options.splitting);
        let (sentences, ranges) = (Vec::new(), Vec::new());
        let mut plain = Self { text: text.to_owned(), sentences, ranges, splitting };
        let pieces = pieces::find(text, language);
        let names = columns_of_names(text, &pieces);
        let mut start = 0;
        let mut first = 0;
        let cuts = pieces.iter().enumerate().filter(|(_, piece)| piece.carry == Carry::Cut);
        let cuts: Vec<(usize, Range<usize>)> =
            cuts.map(|(i, piece)| (i, piece.at.clone())).collect();
        for (i, at) in cuts.into_iter().chain([(pieces.len(), text.len()..text.len())]) {
            if !names.contains(&start) {
                plain.add_block(start..at.start, &pieces[first..i], language);
            }
            start = at.end;
            first = i + 1;
        }
        plain
    }

    /// Adds the sentences of a stretch that nothing cuts.
    fn add_block(&mut self, block: Range<usize>, pieces: &[Piece], language: &str) {
        if !has_letters(&self.text[block.clone()]) {
            return;
        }
        let masked = masked(&self.text[block.clone()], block.start, pieces);
        let mut start = block.start;
        for segment in split_at(&masked, language, self.splitting) {
            let range = start..start + segment.as_str().len();
            start = range.end;
            if matches!(segment, Segment::Sentence(_)) {
                self.add_sentence(range, pieces);
            }
        }
    }

    fn add_sentence(&mut self, range: Range<usize>, pieces: &[Piece]) {
        let first = pieces.partition_point(|piece| piece.at.end <= range.start);
        let last = pieces.partition_point(|piece| piece.at.start < range.end);
        let inside = &pieces[first..last.max(first)];
        if inside.iter().any(|p| p.at.start < range.start || p.at.end > range.end) {
            return; // a piece that is too long for a sentence stays, with what touches it
        }
        let role = |i: usize| match &inside[i].carry {
            Carry::Inline(role) => role,
            Carry::Cut => &Role::Point,
        };
        let at = |i: usize| (&inside[i].at, role(i));
        let (range, kept) = trimmed(&self.text, at, inside.len(), range);
        if !has_prose(&self.text, &range, &inside[kept.clone()]) {
            return;
        }
        let span = |i: usize| Span {
            at: inside[i].at.start - range.start..inside[i].at.end - range.start,
            role: role(i).clone(),
        };
        let spans = kept.map(span).collect();
        self.sentences.push(Sentence { text: self.text[range.clone()].to_owned(), spans });
        self.ranges.push(range);
    }
}

/// Bytes of a sign from which on its length does not count.
const LONG_SIGN: usize = 40;

/// The text of a block in which pieces do not look like ends of sentences: words are words, and
/// markup is a closing quotation mark, which may stand behind a full stop.
fn masked(block: &str, start: usize, pieces: &[Piece]) -> String {
    let mut masked = String::with_capacity(block.len());
    for piece in pieces {
        masked.push_str(&block[masked.len()..piece.at.start - start]);
        let mask = match &piece.carry {
            Carry::Inline(Role::Sign) if piece.at.len() < LONG_SIGN => {
                masked.push_str(&block[piece.at.start - start..piece.at.end - start]);
                continue;
            }
            // One letter would be an initial, with which no sentence ends.
            Carry::Inline(role) if role.is_word() && piece.at.len() == 1 => '_',
            Carry::Inline(role) if role.is_word() => 'x',
            Carry::Inline(Role::Open(_)) => '(',
            Carry::Inline(Role::Sign) => '☺',
            _ => '"',
        };
        masked.push(mask);
        let rest = if mask.is_ascii_lowercase() || !mask.is_ascii() { FILLER } else { mask };
        masked.extend(std::iter::repeat_n(rest, piece.at.len() - mask.len_utf8()));
    }
    masked.push_str(&block[masked.len()..]);
    masked
}

/// Whether there are letters in `range` outside of `pieces`.
fn has_prose(text: &str, range: &Range<usize>, pieces: &[Piece]) -> bool {
    let mut at = range.start;
    for piece in pieces {
        if at < piece.at.start && has_letters(&text[at..piece.at.start]) {
            return true;
        }
        at = at.max(piece.at.end);
    }
    at < range.end && has_letters(&text[at..range.end])
}

/// Where columns begin that hold a name: one word, in a row that has a date or a time before it, as
/// logs of chats have.
fn columns_of_names(text: &str, pieces: &[Piece]) -> Vec<usize> {
    let mut names = Vec::new();
    let mut dated = false;
    let mut start = 0;
    for piece in pieces {
        let between = &text[start.min(piece.at.start)..piece.at.start];
        dated &= !between.contains('\n');
        if piece.kind == Kind::Column {
            let cell = between.trim_matches(' ');
            let is_name = !cell.is_empty() && !cell.contains(char::is_whitespace);
            if dated && is_name && text[piece.at.clone()].starts_with('\t') {
                names.push(start);
            }
        }
        dated |= piece.kind == Kind::Date;
        start = piece.at.end;
    }
    names
}

impl Document for PlainText {
    fn sentences(&self) -> &[Sentence] {
        &self.sentences
    }

    fn write(&self, sentences: &[&Rewritten]) -> String {
        let mut out = String::with_capacity(self.text.len() * 5 / 4);
        let mut at = 0;
        for ((sentence, range), rewritten) in self.sentences.iter().zip(&self.ranges).zip(sentences)
        {
            out.push_str(&self.text[at..range.start]);
            at = range.end;
            match rewritten {
                Rewritten::Unchanged => out.push_str(&sentence.text),
                Rewritten::Items(items) => {
                    for item in items {
                        match item {
                            Item::Prose(text) => out.push_str(text),
                            Item::Span(span) => {
                                out.push_str(&sentence.text[sentence.spans[*span].at.clone()]);
                            }
                        }
                    }
                }
            }
        }
        out.push_str(&self.text[at..]);
        out
    }

    fn has_alternatives(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_any_length_is_one_word() {
        let url = format!("https://example.org/{}", "a/".repeat(900));
        let text = format!("Please open {url} before noon.");
        let sentences = PlainText::parse(&text, "en").sentences;
        assert_eq!(sentences.len(), 1);
        assert_eq!(sentences[0].text, text);
        let signs = "😀".repeat(500);
        for text in [format!("{signs} Hello!"), format!("Hello! {signs}"), format!("{signs}Hello!")]
        {
            let sentences = PlainText::parse(&text, "en").sentences;
            assert_eq!(sentences.len(), 1, "{text}");
            assert_eq!(sentences[0].text, "Hello!");
        }
        // Behind it, a sentence ends as always.
        let text = format!("See {url}. Then go.");
        assert_eq!(PlainText::parse(&text, "en").sentences.len(), 2);
    }
}
