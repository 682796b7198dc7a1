//! Lines that go on make a paragraph.

use std::collections::{HashMap, HashSet};

use super::{columns::Placed, lines::Line};

/// How much more than the usual distance of lines is a new paragraph.
const DISTANCE: f32 = 1.3;

/// A difference in size that is another kind of text.
const SIZE: f32 = 0.12;

/// A paragraph, or a row of a table with tabs between its cells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paragraph {
    pub(super) text: String,
    /// The size of its letters, in points.
    pub(super) size: f32,
    /// How deep a heading it is, from 1; 0 for text.
    pub(super) heading: u8,
}

/// The lines of a page in the order of reading.
#[derive(Debug)]
pub(super) struct PageLines {
    pub(super) lines: Vec<Placed>,
    /// Whether they are turned, beside more text that is not: that goes on around them.
    pub(super) is_aside: bool,
}

/// A line that was read, its page, and its paragraph.
struct Last {
    page: usize,
    placed: Placed,
    paragraph: usize,
}

/// The paragraphs of all pages.
pub(super) fn of_pages(pages: Vec<PageLines>) -> Vec<Paragraph> {
    let words = words(&pages);
    let leading = usual_leading(&pages);
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let (mut last_aside, mut last_of_body): (Option<Last>, Option<Last>) = (None, None);
    for (page, PageLines { lines, is_aside }) in pages.into_iter().enumerate() {
        let last = if is_aside { &mut last_aside } else { &mut last_of_body };
        for placed in lines {
            let open = last.as_ref().filter(|last| {
                let is_next = last.page == page && is_below(&last.placed, &placed);
                goes_on(&last.placed, &placed, is_next.then_some(leading))
            });
            let paragraph = match open.map(|last| last.paragraph) {
                Some(open) => {
                    append(&mut paragraphs[open].text, &placed.line.text, &words);
                    open
                }
                None => {
                    let Line { text, size, .. } = placed.line.clone();
                    paragraphs.push(Paragraph { text, size, heading: 0 });
                    paragraphs.len() - 1
                }
            };
            *last = Some(Last { page, placed, paragraph });
        }
    }
    mark_headings(&mut paragraphs);
    paragraphs
}

/// Whether `next` stands below `last`, and not in the column beside it.
fn is_below(last: &Placed, next: &Placed) -> bool {
    let is_beside = last.column.1 <= next.column.0 || next.column.1 <= last.column.0;
    last.line.y < next.line.y && !is_beside
}

/// The distance of lines that is most common, in sizes of their font.
fn usual_leading(pages: &[PageLines]) -> f32 {
    let mut counts: HashMap<i32, usize> = HashMap::new();
    for pair in pages.iter().flat_map(|page| page.lines.windows(2)) {
        let (a, b) = (&pair[0].line, &pair[1].line);
        let distance = (b.y - a.y) / a.size.max(0.1);
        if pair[0].column == pair[1].column && (0.8..2.5).contains(&distance) {
            *counts.entry((distance * 20.0).round() as i32).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(distance, count)| (*count, -distance));
    most.map_or(1.2, |(distance, _)| distance as f32 / 20.0)
}

/// Whether the paragraph of `last` goes on in `next`, which is the next line of the column where the
/// usual `leading` is given, and else begins another column or page.
fn goes_on(last: &Placed, next: &Placed, leading: Option<f32>) -> bool {
    let (a, b) = (&last.line, &next.line);
    let is_table = a.text.contains('\t') || b.text.contains('\t');
    if is_table || (a.size - b.size).abs() > SIZE * a.size || is_item(b) {
        return false;
    }
    let width = (last.column.1 - last.column.0).max(1.0);
    let is_short = last.column.1 - a.end > 0.2 * width;
    let Some(leading) = leading else {
        let starts_small = b.text.chars().next().is_some_and(char::is_lowercase);
        return starts_small || !is_short && !ends_sentence(&a.text);
    };
    let is_apart = b.y - a.y > DISTANCE * leading * a.size.max(b.size);
    let is_indented = b.x - next.column.0 > 0.8 * b.size && a.x - last.column.0 < 0.4 * a.size;
    let is_end = is_short && ends_sentence(&a.text);
    !(is_apart || is_indented || is_end)
}

/// Whether a line begins an item of a list.
fn is_item(line: &Line) -> bool {
    let first = line.text.split(' ').next().unwrap_or_default();
    let number = first.trim_end_matches(['.', ')']);
    let is_number = number.len() < first.len() && number.len() <= 3;
    first.len() < line.text.len()
        && (is_number && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty()
            || first.chars().all(|c| "•◦▪■●○–—‣⁃*-\u{f0b7}\u{f0a7}".contains(c)))
}

fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '”', '»', ')', '\'', '’']);
    text.ends_with(['.', '!', '?', ':', '…', '。'])
}

/// Adds a line to a paragraph; a word that is parted at the end of the line is whole again.
fn append(text: &mut String, line: &str, words: &HashSet<String>) {
    let hyphen = text.chars().next_back().filter(|c| matches!(c, '-' | '\u{ad}' | '\u{2010}'));
    let starts_small = line.chars().next().is_some_and(char::is_lowercase);
    let before = text.chars().rev().nth(1).is_some_and(char::is_alphabetic);
    match hyphen {
        Some(hyphen) if before && starts_small => {
            let head = text.rsplit(' ').next().unwrap_or_default().trim_end_matches(hyphen);
            let tail = line.split(' ').next().unwrap_or_default();
            let parted = bare(&format!("{head}-{tail}"));
            let whole = bare(&format!("{head}{tail}"));
            // `well-known` keeps its hyphen where the document writes it so elsewhere.
            let keeps = hyphen != '\u{ad}' && words.contains(&parted) && !words.contains(&whole);
            if !keeps {
                text.truncate(text.len() - hyphen.len_utf8());
            }
            text.push_str(line);
        }
        Some(hyphen) if before && hyphen != '\u{ad}' => text.push_str(line),
        _ => {
            text.push(' ');
            text.push_str(line);
        }
    }
}

/// The words of all lines but those that a line end may part.
fn words(pages: &[PageLines]) -> HashSet<String> {
    let lines = pages.iter().flat_map(|page| &page.lines);
    let inner = |placed: &Placed| {
        let words: Vec<String> = placed.line.text.split_whitespace().map(bare).collect();
        words.get(1..words.len().saturating_sub(1)).unwrap_or_default().to_vec()
    };
    lines.flat_map(inner).collect()
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

/// Says which paragraphs are headings: short ones in larger letters than most of the text.
fn mark_headings(paragraphs: &mut [Paragraph]) {
    let mut sizes: HashMap<i32, usize> = HashMap::new();
    for paragraph in paragraphs.iter() {
        let size = (2.0 * paragraph.size).round() as i32;
        *sizes.entry(size).or_default() += paragraph.text.len();
    }
    let most = sizes.into_iter().max_by_key(|(size, letters)| (*letters, *size));
    let body = most.map_or(12.0, |(size, _)| size as f32 / 2.0);
    for paragraph in paragraphs {
        let is_short = paragraph.text.chars().count() <= 200;
        paragraph.heading = match paragraph.size / body.max(0.1) {
            share if share >= 1.5 && is_short => 1,
            share if share >= 1.15 && is_short => 2,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a column of 300 points, 12 apart.
    fn page(lines: &[(&str, f32)]) -> PageLines {
        let line = |(number, (text, end)): (usize, &(&str, f32))| Placed {
            line: Line {
                text: (*text).to_owned(),
                x: 0.0,
                end: *end,
                y: 12.0 * number as f32,
                size: 10.0,
                ..Line::default()
            },
            column: (0.0, 300.0),
        };
        PageLines { lines: lines.iter().enumerate().map(line).collect(), is_aside: false }
    }

    fn texts(pages: Vec<PageLines>) -> Vec<String> {
        of_pages(pages).into_iter().map(|paragraph| paragraph.text).collect()
    }

    #[test]
    fn words_that_a_line_end_parts_are_whole() {
        let lines = [
            ("The commit-", 300.0),
            ("tee is well-", 300.0),
            ("known, and a well-known one in E-", 300.0),
            ("Mail.", 40.0),
            ("• one", 300.0),
            ("• two", 300.0),
        ];
        let expected =
            ["The committee is well-known, and a well-known one in E-Mail.", "• one", "• two"];
        assert_eq!(texts(vec![page(&lines)]), expected);
    }

    #[test]
    fn a_paragraph_goes_on_across_pages_and_ends_at_a_short_line() {
        let first = page(&[("One sentence here.", 100.0), ("Another that goes", 300.0)]);
        let second = page(&[("on there.", 80.0), ("A third.", 80.0)]);
        let expected = ["One sentence here.", "Another that goes on there.", "A third."];
        assert_eq!(texts(vec![first, second]), expected);
    }

    #[test]
    fn a_paragraph_goes_on_around_text_that_is_turned() {
        let first = page(&[("One that goes", 300.0)]);
        let aside = PageLines { is_aside: true, ..page(&[("From the margin", 300.0)]) };
        let second = page(&[("on there.", 80.0)]);
        assert_eq!(
            texts(vec![first, aside, second]),
            ["One that goes on there.", "From the margin"]
        );
    }
}
