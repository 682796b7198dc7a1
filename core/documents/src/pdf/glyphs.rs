//! The letters of the pages, with their places.
//!
//! `hayro-interpret` runs the programs that pages are. It bounds how deep they nest, and not how long
//! they run, so the device here ends a page that takes too long by unwinding out of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, TransformExt,
    font::{Glyph as Drawn, GlyphRun},
    hayro_cmap::BfString,
    hayro_syntax::{LoadPdfError, Pdf},
    interpret_page,
    kurbo::{Affine, BezPath, Point, Rect},
};

use super::FORMAT;
use crate::{Error, Limits, Result};

/// A letter, or a few that are drawn as one. Points, from the top left corner of its sheet.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub(super) text: String,
    pub(super) x: f32,
    /// Where it ends.
    pub(super) end: f32,
    /// Where its line stands.
    pub(super) y: f32,
    /// The size of its font.
    pub(super) size: f32,
}

/// What stands on a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The letters that are upright, and those that are turned to the left, to the right, and around.
    pub(super) sheets: [Sheet; 4],
    /// Letters of which nobody knows what they are.
    pub(super) unknown: usize,
    /// Whether there are pictures or drawings.
    pub(super) is_drawn_on: bool,
}

/// The letters of a page that are turned alike, as one sees them who turns the page so that they are upright.
#[derive(Debug, Default, Clone)]
pub(super) struct Sheet {
    pub(super) height: f32,
    pub(super) glyphs: Vec<Glyph>,
}

impl Page {
    /// An empty page, and how each of its sheets is turned.
    fn new(width: f32, height: f32) -> (Self, [Affine; 4]) {
        let sheet = |height| Sheet { height, glyphs: Vec::new() };
        let sheets = [sheet(height), sheet(width), sheet(width), sheet(height)];
        let (width, height) = (f64::from(width), f64::from(height));
        let turns = [
            Affine::IDENTITY,
            Affine::new([0.0, 1.0, -1.0, 0.0, height, 0.0]),
            Affine::new([0.0, -1.0, 1.0, 0.0, 0.0, width]),
            Affine::new([-1.0, 0.0, 0.0, -1.0, width, height]),
        ];
        (Self { sheets, ..Self::default() }, turns)
    }

    /// Letters on it.
    pub(super) fn letters(&self) -> usize {
        self.sheets.iter().map(|sheet| sheet.glyphs.len()).sum()
    }
}

/// Why a page was not read to its end.
enum Stop {
    Late,
    Long,
}

/// Reads the letters of all pages of `bytes`.
pub(super) fn read(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<Page>> {
    // Whatever a broken file makes the interpreter do, it is no more than an error.
    let work = AssertUnwindSafe(|| read_pages(bytes, limits));
    catch_unwind(work).unwrap_or_else(|reason| {
        Err(match reason.downcast_ref::<Stop>() {
            Some(Stop::Late) => {
                let seconds = limits.seconds;
                Error::unsafe_file(
                    FORMAT,
                    format_args!("reading it takes longer than {seconds} seconds"),
                )
            }
            Some(Stop::Long) => Error::TooLarge { what: "characters of text", limit: limits.chars },
            None => Error::broken(FORMAT, "its pages cannot be interpreted"),
        })
    })
}

fn read_pages(bytes: Vec<u8>, limits: &Limits) -> Result<Vec<Page>> {
    let start = bytes.iter().take(1024).position(|byte| *byte == b'%').unwrap_or(0);
    if !bytes[start..].starts_with(b"%PDF") {
        return Err(Error::broken(FORMAT, "it does not begin as one"));
    }
    if is_cut_off(&bytes) {
        return Err(Error::broken(FORMAT, "it is cut off: the end of the file is missing"));
    }
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Error::Encrypted { format: FORMAT },
        LoadPdfError::Invalid => Error::broken(FORMAT, "it is damaged"),
    })?;
    let pages = pdf.pages();
    if pages.len() > limits.pages {
        return Err(Error::TooLarge { what: "pages", limit: limits.pages });
    }
    let deadline = Instant::now() + Duration::from_secs(limits.seconds);
    let cache = InterpreterCache::new();
    let mut read: Vec<Page> = Vec::with_capacity(pages.len());
    let mut left = limits.chars;
    for page in pages.iter() {
        let (width, height) = page.render_dimensions();
        let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let to_page = page.initial_transform(true).to_kurbo();
        let settings = InterpreterSettings::default();
        let mut context = Context::new(to_page, bounds, &cache, pdf.xref(), settings);
        let (page_read, turns) = Page::new(width, height);
        let mut reader = Reader { page: page_read, turns, bounds, deadline, left };
        interpret_page(page, &mut context, &mut reader);
        left = reader.left;
        read.push(reader.page);
    }
    Ok(read)
}

/// Whether an object is the last thing in a file: what says where the objects are comes behind them all.
///
/// Readers repair such a file, and leave out the pages that are missing.
fn is_cut_off(bytes: &[u8]) -> bool {
    let last = |word: &[u8]| bytes.windows(word.len()).rposition(|window| window == word);
    let end = last(b"startxref").max(last(b"trailer")).max(last(b"%%EOF"));
    end < last(b"endobj")
}

/// Takes the letters that are drawn.
struct Reader {
    page: Page,
    /// What each sheet of the page makes of a place on it.
    turns: [Affine; 4],
    bounds: Rect,
    deadline: Instant,
    /// Letters that may still come.
    left: usize,
}

impl Reader {
    fn check(&self) {
        if Instant::now() > self.deadline {
            resume_unwind(Box::new(Stop::Late));
        }
    }

    fn take(&mut self, drawn: &Drawn<'_>, transform: Affine) {
        let text = match drawn.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(text)) => text,
            None => {
                self.page.unknown += 1;
                return;
            }
        };
        let advance = match drawn {
            Drawn::Outline(glyph) => glyph.advance_width(),
            Drawn::Type3(glyph) => glyph.advance_width(),
        };
        if !self.bounds.contains(transform * Point::ZERO) {
            return; // nobody sees it
        }
        let advance = f64::from(advance.unwrap_or(500.0));
        let placed = |turn: &Affine| upright(*turn * transform, advance);
        let Some((sheet, (origin, end, size))) =
            self.turns.iter().enumerate().find_map(|(i, turn)| Some((i, placed(turn)?)))
        else {
            return; // watermarks, and what is mirrored
        };
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => resume_unwind(Box::new(Stop::Long)),
        }
        self.page.sheets[sheet].glyphs.push(Glyph {
            text: without_ligatures(&text),
            x: origin.x as f32,
            end: end.x as f32,
            y: origin.y as f32,
            size: size as f32,
        });
    }
}

/// Where a letter begins and ends, and its size, if it is upright.
fn upright(transform: Affine, advance: f64) -> Option<(Point, Point, f64)> {
    let origin = transform * Point::ZERO;
    let up = transform * Point::new(0.0, 1000.0) - origin;
    let end = transform * Point::new(advance, 0.0);
    let size = up.hypot();
    let is_upright = up.x.abs() < 0.3 * size && up.y < 0.0 && end.x > origin.x - 0.01;
    (is_upright && (0.5..2000.0).contains(&size)).then_some((origin, end, size))
}

/// `text` with letters in place of ligatures, and without what nobody sees.
fn without_ligatures(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => out.push_str("st"),
            '\u{a0}' | '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

impl Device<'_> for Reader {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {
        self.page.is_drawn_on = true;
        self.check();
    }

    fn push_clip_path(&mut self, _: &ClipPath) {
        self.check();
    }

    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {
        self.check();
    }

    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        self.check();
        for glyph in run.glyphs() {
            self.take(glyph, props.transform * glyph.transform());
        }
    }

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.page.is_drawn_on = true;
        self.check();
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
