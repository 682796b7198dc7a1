//! PDF: the text of its pages as paragraphs, in the order of reading, and a simple document of them.
//!
//! A PDF says where each letter stands, and nothing of words, lines or paragraphs. Letters on a line
//! make words (`lines`), columns are read one after the other (`columns`), and lines that go on make a
//! paragraph (`paragraphs`). Pictures, tables as such, and where things stand on the page are lost.

mod glyphs;
mod lines;
mod columns;
mod paragraphs;
mod written;

use self::{glyphs::Page, paragraphs::Paragraph};
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
    let (known, unknown) = (count(|page| page.glyphs.len()), count(|page| page.unknown));
    if unknown > known {
        let reason = "its fonts do not say which letters they have; print it to a new PDF, or run text \
                      recognition on it, as by `ocrmypdf --force-ocr`";
        return Err(Error::broken(FORMAT, reason));
    }
    if known < MIN_LETTERS * pages.len().max(1) {
        let reason = "its pages are pictures without text; run text recognition on it first, as by \
                      `ocrmypdf`";
        return Err(Error::broken(FORMAT, reason));
    }
    let pages: Vec<_> = pages.iter().map(|page| (page.height, lines::of_page(page))).collect();
    let pages = lines::without_running_heads(pages);
    let in_order = pages.into_iter().map(columns::in_order).collect();
    Ok(paragraphs::of_pages(in_order))
}
