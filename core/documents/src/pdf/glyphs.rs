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

/// A letter, or a few that are drawn as one. Points, from the top left corner of the page.
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
    pub(super) height: f32,
    pub(super) glyphs: Vec<Glyph>,
    /// Letters of which nobody knows what they are.
    pub(super) unknown: usize,
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
        let mut reader =
            Reader { page: Page { height, ..Page::default() }, bounds, deadline, left };
        interpret_page(page, &mut context, &mut reader);
        left = reader.left;
        read.push(reader.page);
    }
    Ok(read)
}

/// Takes the letters that are drawn.
struct Reader {
    page: Page,
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
        let origin = transform * Point::ZERO;
        let up = transform * Point::new(0.0, 1000.0) - origin;
        let end = transform * Point::new(f64::from(advance.unwrap_or(500.0)), 0.0);
        let size = up.hypot();
        let is_upright = up.x.abs() < 0.3 * size && up.y < 0.0 && end.x > origin.x - 0.01;
        if !is_upright || !(0.5..2000.0).contains(&size) || !self.bounds.contains(origin) {
            return; // watermarks, and what is written along the margin
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => resume_unwind(Box::new(Stop::Long)),
        }
        self.page.glyphs.push(Glyph {
            text: without_ligatures(&text),
            x: origin.x as f32,
            end: end.x as f32,
            y: origin.y as f32,
            size: size as f32,
        });
    }
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
        self.check();
    }

    fn pop_clip(&mut self) {}

    fn pop_transparency_group(&mut self) {}
}
