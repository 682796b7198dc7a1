//! PDF: the text of its pages as paragraphs, in the order of reading, and a simple document of them.
//!
//! A PDF says where each letter stands, and nothing of words, lines or paragraphs. Letters on a line
//! make words (`lines`), columns are read one after the other (`columns`), and lines that go on make a
//! paragraph (`paragraphs`). Text that is turned sideways is read as if the page were turned. Pictures, tables as such, and where things stand on the page are lost.

mod glyphs;
mod lines;
mod columns;
mod paragraphs;
mod written;

use self::{
    glyphs::{Page, Sheet},
    paragraphs::{PageLines, Paragraph},
};
use crate::{Error, Kind, Limits, Result};

/// How messages call the format.
const FORMAT: &str = "PDF";

/// Letters that a page has at least on average, or else it is taken for a picture.
const MIN_LETTERS: usize = 4;

/// A document of the kind `output` with the text of the PDF `bytes`: Word, or HTML.
pub(crate) fn converted(bytes: Vec<u8>, output: Kind, limits: &Limits) -> Result<Vec<u8>> {
    let paragraphs = read(bytes, limits)?;
    match output {
        Kind::Html => Ok(written::html(&paragraphs).into_bytes()),
        _ => written::docx(&paragraphs),
    }
}

fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<Paragraph>> {
    let pages = glyphs::read(bytes, limits)?;
    let count = |of: fn(&Page) -> usize| pages.iter().map(of).sum::<usize>();
    let (known, unknown) = (count(Page::letters), count(|page| page.unknown));
    if unknown > known {
        let reason = "its fonts do not say which letters they have; print it to a new PDF, or run text \
                      recognition on it, as by `ocrmypdf --force-ocr`";
        return Err(Error::broken(FORMAT, reason));
    }
    if pages.is_empty() {
        return Err(Error::broken(FORMAT, "it has no pages"));
    }
    if known < MIN_LETTERS * pages.len() {
        let reason = match pages.iter().any(|page| page.is_drawn_on) {
            true => {
                "its pages are pictures without text; run text recognition on it first, as by `ocrmypdf`"
            }
            false => "there is no text on its pages",
        };
        return Err(Error::broken(FORMAT, reason));
    }
    let is_aside: Vec<bool> = pages.iter().flat_map(sheets).map(|(_, is_aside)| is_aside).collect();
    let sheets = pages.iter().flat_map(sheets);
    let lines = sheets.map(|(sheet, _)| (sheet.height, lines::of_sheet(sheet))).collect();
    let lines = lines::without_running_heads(lines).into_iter().map(columns::in_order);
    let pages = lines.zip(is_aside).map(|(lines, is_aside)| PageLines { lines, is_aside });
    Ok(paragraphs::of_pages(pages.collect()))
}

/// The sheets of a page that have letters: that with the most, and those that stand aside.
fn sheets(page: &Page) -> impl Iterator<Item = (&Sheet, bool)> {
    let most = page.sheets.iter().map(|sheet| sheet.glyphs.len()).max().unwrap_or(0);
    let mut sheets: Vec<(&Sheet, bool)> = page
        .sheets
        .iter()
        .filter(|sheet| !sheet.glyphs.is_empty())
        .map(|sheet| (sheet, sheet.glyphs.len() < most))
        .collect();
    sheets.sort_by_key(|(_, is_aside)| *is_aside);
    sheets.into_iter()
}
