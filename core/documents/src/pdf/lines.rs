//! Letters that stand on one line without a wide gap.

use std::collections::HashMap;

use super::glyphs::{Glyph, Sheet};

/// A gap that is a space, and one that two columns have between them, in sizes of the font.
const SPACE: f32 = 0.17;
pub(super) const GAP: f32 = 1.5;

/// A gap that may be that between two columns which stand close together.
const NARROW: f32 = 0.8;

/// The share of a page, at its top and its bottom, in which running heads and page numbers stand.
const MARGIN: f32 = 0.1;

/// A piece of a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) x: f32,
    pub(super) end: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    /// Its wide gaps, from the left.
    pub(super) gaps: Vec<Inner>,
}

/// A wide gap within a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inner {
    pub(super) begin: f32,
    pub(super) end: f32,
    /// Words before it.
    words: usize,
}

impl Line {
    /// What stands before a gap of the line, and what stands behind it.
    pub(super) fn split(&self, gap: Inner) -> (Self, Self) {
        let words: Vec<&str> = self.text.split(' ').collect();
        let (before, behind) = words.split_at(gap.words.min(words.len()));
        let is_before = |other: &&Inner| other.end < gap.end;
        let left = Self {
            text: before.join(" "),
            end: gap.begin,
            gaps: self.gaps.iter().filter(is_before).copied().collect(),
            ..self.clone()
        };
        let rest = self.gaps.iter().filter(|other| other.begin > gap.begin);
        let right = Self {
            text: behind.join(" "),
            x: gap.end,
            gaps: rest.map(|other| Inner { words: other.words - gap.words, ..*other }).collect(),
            ..self.clone()
        };
        (left, right)
    }
}

/// The lines of a sheet, from the top to the bottom, those of one height from the left.
pub(super) fn of_sheet(sheet: &Sheet) -> Vec<Line> {
    let mut glyphs: Vec<&Glyph> = sheet.glyphs.iter().collect();
    glyphs.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut rows: Vec<Vec<&Glyph>> = Vec::new();
    for glyph in glyphs {
        // Raised and lowered signs belong to the line that they stand on.
        let is_same = |row: &Vec<&Glyph>| {
            let last = row[row.len() - 1];
            glyph.y - last.y < 0.25 * glyph.size.max(last.size)
        };
        match rows.last_mut().filter(|row| is_same(row)) {
            Some(row) => row.push(glyph),
            None => rows.push(vec![glyph]),
        }
    }
    rows.into_iter().flat_map(pieces).collect()
}

/// The pieces of a row, between wide gaps.
fn pieces(mut row: Vec<&Glyph>) -> Vec<Line> {
    row.sort_by(|a, b| a.x.total_cmp(&b.x));
    // What is drawn twice to look bold.
    row.dedup_by(|b, a| a.text == b.text && (b.x - a.x).abs() < 0.1 * a.size);
    let mut pieces: Vec<Vec<&Glyph>> = Vec::new();
    let mut end = f32::MIN;
    for glyph in row {
        let is_blank = glyph.text.trim().is_empty();
        match pieces.last_mut().filter(|_| glyph.x - end < GAP * glyph.size) {
            Some(piece) => piece.push(glyph),
            None if is_blank => continue,
            None => pieces.push(vec![glyph]),
        }
        if !is_blank {
            end = glyph.end;
        }
    }
    pieces.into_iter().filter_map(line).collect()
}

fn line(mut piece: Vec<&Glyph>) -> Option<Line> {
    let x = piece.first()?.x;
    let mut sizes: Vec<f32> = piece.iter().map(|glyph| glyph.size).collect();
    sizes.sort_by(f32::total_cmp);
    let size = sizes[sizes.len() / 2];
    let mut heights: Vec<f32> = piece.iter().map(|glyph| glyph.y).collect();
    heights.sort_by(f32::total_cmp);
    let y = heights[heights.len() / 2];
    let is_hebrew_or_arabic = |glyph: &&&Glyph| glyph.text.chars().any(is_right_to_left);
    let letters = piece.iter().filter(|glyph| glyph.text.chars().any(char::is_alphabetic)).count();
    let is_reversed = 2 * piece.iter().filter(is_hebrew_or_arabic).count() > letters;
    if is_reversed {
        piece.reverse();
    }
    let mut text = String::new();
    let mut gaps = Vec::new();
    let mut last: Option<&Glyph> = None;
    let mut inked = x; // where the last letter ends that is no space
    for glyph in &piece {
        let gap = match last {
            Some(last) if is_reversed => last.x - glyph.end,
            Some(last) => glyph.x - last.end,
            None => 0.0,
        };
        if gap > SPACE * size && !text.ends_with(' ') && !glyph.text.starts_with(' ') {
            text.push(' ');
        }
        let is_blank = glyph.text.trim().is_empty();
        if !is_blank && !is_reversed && glyph.x - inked > NARROW * size {
            let words = text.split_whitespace().count();
            gaps.push(Inner { begin: inked, end: glyph.x, words });
        }
        inked = if is_blank { inked } else { glyph.end };
        text.push_str(&glyph.text);
        last = Some(glyph);
    }
    let text = match is_reversed {
        true => with_other_way_round(&text),
        false => text,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let end = piece.iter().map(|glyph| glyph.end).fold(x, f32::max);
    (!words.is_empty()).then(|| Line { text: words.join(" "), x, end, y, size, gaps })
}

/// Whether a letter is written from right to left.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// `text`, whose letters stand from right to left, with its numbers and Latin words in their own order.
fn with_other_way_round(text: &str) -> String {
    let is_other = |word: &str| word.chars().any(|c| c.is_alphanumeric() && !is_right_to_left(c));
    let turn = |word: &str| match is_other(word) {
        true => word.chars().rev().collect::<String>(),
        false => word.to_owned(),
    };
    text.split(' ').map(turn).collect::<Vec<_>>().join(" ")
}

/// The lines of pages, each with its height, without page numbers, and without what stands on several
/// pages in the same place, but for the first time.
pub(super) fn without_running_heads(mut pages: Vec<(f32, Vec<Line>)>) -> Vec<Vec<Line>> {
    let key = |height: f32, line: &Line| {
        let is_in_margin = line.y < MARGIN * height || line.y > (1.0 - MARGIN) * height;
        let bare: String = line.text.chars().filter(|c| !c.is_numeric()).collect();
        is_in_margin.then(|| (bare, (line.y / 3.0).round() as i32))
    };
    let mut counts: HashMap<(String, i32), usize> = HashMap::new();
    for (height, lines) in &pages {
        for key in lines.iter().filter_map(|line| key(*height, line)) {
            *counts.entry(key).or_default() += 1;
        }
    }
    let mut seen: HashMap<(String, i32), bool> = HashMap::new();
    for (height, lines) in &mut pages {
        lines.retain(|line| {
            let Some(key) = key(*height, line) else { return true };
            let is_number =
                !key.0.contains(char::is_alphabetic) && line.text.contains(char::is_numeric);
            let repeats = counts.get(&key).is_some_and(|count| *count > 1);
            !is_number && (!repeats || seen.insert(key, true).is_none())
        });
    }
    pages.into_iter().map(|(_, lines)| lines).collect()
}
