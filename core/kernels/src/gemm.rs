//! The general matrix product that every other kernel is made of.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | precision, and how packed operands lie in memory |
//! | [`block`] | the product of packed operands; epilogue; choice of the instruction set |
//! | [`panels`], [`quantise`] | weights packed once; int8 with scales |
//! | `avx512`, `pack_avx512` | for machines with AVX-512 |
//! | `avx2` | for machines without AVX-512 |
//! | `portable` | plain Rust, and the packing for AVX2 |
//!
//! Two walks cover all shapes. With many rows the right operand is packed once, for all threads,
//! and each task takes a stripe of rows; with few rows it is the other way round. A caller that has
//! many products at once gives parts of them to its own tasks. None of this changes the order of a
//! sum.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod integers;
mod layout;
mod out;
#[cfg(target_arch = "x86_64")]
mod pack_avx512;
mod panels;
mod portable;
mod quantise;

use std::ops::Range;

pub use block::Epilogue;
pub(crate) use integers::IntegerRows;
pub(crate) use layout::{Operand, Rows};
pub use layout::{Packing, Precision};
pub(crate) use out::Out;
pub(crate) use panels::Panels;

use block::{Block, Quantised, pack_left, pack_right};
use layout::{BLOCK, Layout, PANEL, TILE_ROWS};

use super::{parallel, scratch::Scratch};

/// Rows of a stripe: their block of `K` stays in the second-level cache.
const STRIPE: usize = 8 * TILE_ROWS;
/// Up to this many rows the left operand is packed as a whole, and tasks take runs of columns.
const FEW_ROWS: usize = 384;
/// Up to this many rows a part of a product waits for its weights rather than for its sums.
const FEWER_ROWS: usize = 2 * TILE_ROWS;
/// Panels of a run of columns.
const RUN: usize = 4;

/// A product to compute: `(M, K)` times `(K, N)`.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) packing: Packing,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Operand<'a>,
    pub(crate) b: Right<'a>,
}

/// A right operand.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    /// To be packed.
    Plain(Operand<'a>),
    /// Packed already, in the packing of the product.
    Packed(&'a Panels),
}

/// A part of a result.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// Packed rows of a left operand, over one block of `K`.
#[derive(Clone, Copy)]
struct LeftWords<'a> {
    words: &'a [u32],
    rows: usize,
}

/// Packed panels of a right operand, from one block of `K` on.
#[derive(Clone, Copy)]
struct RightWords<'a> {
    words: &'a [u32],
    /// Words from one panel to the next.
    stride: usize,
}

impl<'a> From<Operand<'a>> for Right<'a> {
    fn from(operand: Operand<'a>) -> Self {
        Self::Plain(operand)
    }
}

impl<'a> Product<'a> {
    /// The product of `a` and packed weights.
    pub(crate) fn packed(m: usize, a: Operand<'a>, b: &'a Panels) -> Self {
        Self { packing: b.packing, m, n: b.n, k: b.k, a, b: Right::Packed(b) }
    }

    /// Computes `c`, `(M, N)`.
    pub(crate) fn run(&self, c: &mut [f32], epilogue: &Epilogue<'_>) {
        assert_eq!(c.len(), self.m * self.n, "`c` holds the product");
        if c.is_empty() {
            return;
        }
        let c = Out::new(c, self.n);
        match &self.b {
            Right::Packed(_) => self.by_parts(c, epilogue),
            Right::Plain(b) if self.m <= FEW_ROWS && self.m < 2 * self.n => {
                self.by_columns(b, c, epilogue);
            }
            Right::Plain(b) => self.by_rows(b, c, epilogue),
        }
    }

    /// Packed weights: tasks take a stripe of rows and a run of columns.
    fn by_parts(&self, c: Out, epilogue: &Epilogue<'_>) {
        let stripes = self.m.div_ceil(STRIPE);
        // Each run of columns packs the rows again, so they are as long as leaves work for all threads.
        let wanted = 8 * rayon::current_num_threads();
        let mut run = self.n.next_multiple_of(PANEL);
        while run > PANEL * RUN && stripes * self.n.div_ceil(run) < wanted {
            run = (run / 2).next_multiple_of(PANEL);
        }
        let runs = self.n.div_ceil(run);
        let integers = self.prepare();
        // With few rows the time goes into reading the weights.
        let work = self.work() + 8 * self.n * self.packing.words(self.k);
        parallel::for_each(stripes * runs, work, |task| {
            let (row, column) = (task / runs * STRIPE, task % runs * run);
            let rows = row..(row + STRIPE).min(self.m);
            let columns = column..(column + run).min(self.n);
            // SAFETY: each task has a part of its own.
            #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
            unsafe {
                self.run_part(Part { rows, columns }, (c, integers.as_ref()), epilogue, |_| ());
            }
        });
    }

    /// The left operand of an int8 product, packed for all of its parts.
    pub(crate) fn prepare(&self) -> Option<IntegerRows> {
        (self.packing == Packing::Int8).then(|| IntegerRows::new(&self.a, 0..self.m, self.k))
    }

    fn by_columns(&self, b: &Operand<'_>, c: Out, epilogue: &Epilogue<'_>) {
        let block_words = self.a.layout().block_words(self.m);
        let blocks: Vec<_> = self.blocks().map(|words| self.steps(&words)).collect();
        let mut left = Scratch::words(blocks.len() * block_words);
        parallel::for_each_chunk(left.get_mut(), block_words, self.m * self.k, |i, into| {
            pack_left(self.packing, &self.a, 0..self.m, blocks[i].clone(), into);
        });
        let left = left.get();

        let run = PANEL * RUN.min(self.n.div_ceil(PANEL * 2 * rayon::current_num_threads()).max(1));
        parallel::for_each(self.n.div_ceil(run), self.work(), |task| {
            let columns = task * run..(task * run + run).min(self.n);
            // SAFETY: the columns are this task's own.
            #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
            unsafe {
                self.panel_by_panel(b, left, Part { rows: 0..self.m, columns }, c, epilogue);
            }
        });
    }

    /// Computes a part of `c` for rows that are packed already, `left`, panel by panel: each is packed, from
    /// weights that are read in the order in which they lie, and multiplied while a cache holds it and
    /// the next one is fetched.
    ///
    /// # Safety
    /// As [`Self::run_part`].
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    unsafe fn panel_by_panel(
        &self,
        b: &Operand<'_>,
        left: &[u32],
        part: Part,
        c: Out,
        epilogue: &Epilogue<'_>,
    ) {
        let Part { rows, columns } = part;
        let block_words = self.a.layout().block_words(rows.len());
        let run = match b {
            Operand::KInner(_) => PANEL,
            Operand::KOuter(_) => RUN * PANEL, // rows are read across: not in pieces too short
        };
        let stride = self.packing.words(self.k) * PANEL;
        let mut right = Scratch::words(run.min(columns.len()).div_ceil(PANEL) * stride);
        let right = right.get_mut();
        for start in columns.clone().step_by(run) {
            let part = start..(start + run).min(columns.end);
            pack_right(self.packing, b, part.clone(), 0..self.k, right);
            for (left, words) in left.chunks_exact(block_words).zip(self.blocks()) {
                let right = RightWords { words: &right[words.start * PANEL..], stride };
                let left = LeftWords { words: left, rows: rows.len() };
                let block = Block {
                    ahead: b.ahead(&part, self.steps(&words).start),
                    ..self.block(left, right, &words, part.clone(), epilogue, None)
                };
                // SAFETY: the caller's promise.
                unsafe { block.run(c.at(rows.start, start), c.stride) };
            }
        }
    }

    fn by_rows(&self, b: &Operand<'_>, c: Out, epilogue: &Epilogue<'_>) {
        let panel_stride = self.packing.words(self.k) * PANEL;
        let mut right = Scratch::words(self.n.div_ceil(PANEL) * panel_stride);
        let run = RUN * panel_stride;
        parallel::for_each_chunk(right.get_mut(), run, self.n * self.k, |i, into| {
            let columns = i * RUN * PANEL..((i + 1) * RUN * PANEL).min(self.n);
            pack_right(self.packing, b, columns, 0..self.k, into);
        });
        let right = right.get();

        parallel::for_each(self.m.div_ceil(STRIPE), self.work(), |task| {
            let rows = task * STRIPE..(task * STRIPE + STRIPE).min(self.m);
            let mut left = Scratch::words(self.a.layout().block_words(rows.len()));
            let left = left.get_mut();
            for words in self.blocks() {
                let steps = self.steps(&words);
                pack_left(self.packing, &self.a, rows.clone(), steps, left);
                let words_of = |panels| RightWords { words: panels, stride: panel_stride };
                let right = words_of(&right[words.start * PANEL..]);
                let left = LeftWords { words: left, rows: rows.len() };
                let block = self.block(left, right, &words, 0..self.n, epilogue, None);
                // SAFETY: the rows are this task's own.
                #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
                unsafe {
                    block.run(c.at(rows.start, 0), c.stride);
                }
            }
        });
    }

    /// Computes one part of the product into the same part of `c`, on this thread, and tells `done`
    /// of each run of rows as soon as it is finished; in int8 given what [`Self::prepare`] made.
    ///
    /// # Safety
    /// `c` is the `(M, N)` result, whose part no one else uses meanwhile.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    pub(crate) unsafe fn run_part(
        &self,
        part: Part,
        (c, integers): (Out, Option<&IntegerRows>),
        epilogue: &Epilogue<'_>,
        mut done: impl FnMut(Range<usize>),
    ) {
        let Part { rows, columns } = part;
        if let Right::Plain(b @ Operand::KInner(_)) = &self.b
            && (1..=FEWER_ROWS).contains(&rows.len())
        {
            let block_words = self.a.layout().block_words(rows.len());
            let mut left = Scratch::words(self.blocks().count() * block_words);
            for (into, words) in left.get_mut().chunks_exact_mut(block_words).zip(self.blocks()) {
                let steps = self.steps(&words);
                pack_left(self.packing, &self.a, rows.clone(), steps, into);
            }
            let part = Part { rows: rows.clone(), columns };
            // SAFETY: the caller's promise.
            unsafe { self.panel_by_panel(b, left.get(), part, c, epilogue) };
            return done(rows);
        }
        let packing = self.packing;
        let words = packing.words(self.k);
        let floats = if packing == Packing::Int8 { 0 } else { STRIPE.min(rows.len()) };
        let mut left = Scratch::words(self.a.layout().block_words(floats));
        let mut right = Scratch::words(match self.b {
            Right::Plain(_) => columns.len().div_ceil(PANEL) * PANEL * BLOCK.min(words),
            Right::Packed(_) => 0,
        });
        let (left, right) = (left.get_mut(), right.get_mut());
        assert!(packing != Packing::Int8 || !epilogue.accumulate, "int8 sums start from zero");

        for block_words in self.blocks() {
            let steps = self.steps(&block_words);
            if let Right::Plain(b) = &self.b {
                pack_right(packing, b, columns.clone(), steps.clone(), right);
            }
            for start in rows.clone().step_by(STRIPE) {
                let stripe = start..(start + STRIPE).min(rows.end);
                let (left, scales): (&[u32], &[f32]) = match integers {
                    Some(integers) => integers.block(block_words.start, &stripe),
                    None => {
                        pack_left(packing, &self.a, stripe.clone(), steps.clone(), left);
                        (&*left, &[])
                    }
                };
                let (right, quantised) = match self.b {
                    Right::Plain(_) => {
                        let stride = block_words.len() * PANEL;
                        (RightWords { words: &*right, stride }, None)
                    }
                    Right::Packed(b) => {
                        let (panels, stride) = b.panels_from(columns.start);
                        let words = &panels[block_words.start * PANEL..];
                        (RightWords { words, stride }, b.quantised(columns.start, scales))
                    }
                };
                let left = LeftWords { words: left, rows: stripe.len() };
                let part = columns.clone();
                let block = Block {
                    past_caches: self.is_outer()
                        && !epilogue.accumulate
                        && c.is_on_lines(columns.start),
                    ..self.block(left, right, &block_words, part, epilogue, quantised)
                };
                // SAFETY: the caller's promise.
                unsafe { block.run(c.at(start, columns.start), c.stride) };
                if block_words.end == words {
                    done(stripe);
                }
            }
        }
    }

    /// The blocks of `K`, in words; one that is empty when `K` is 0, because the epilogue is still
    /// due.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let words = self.packing.words(self.k);
        (0..words.max(1)).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(words))
    }

    /// The steps of the sum in a block of words.
    fn steps(&self, words: &Range<usize>) -> Range<usize> {
        let per_word = self.packing.per_word();
        words.start * per_word..(words.end * per_word).min(self.k)
    }

    /// The packed rows `left` times the packed columns `right`.
    fn block<'b>(
        &self,
        left: LeftWords<'b>,
        right: RightWords<'b>,
        words: &Range<usize>,
        columns: Range<usize>,
        epilogue: &Epilogue<'b>,
        quantised: Option<Quantised<'b>>,
    ) -> Block<'b> {
        let last = words.end == self.packing.words(self.k);
        Block {
            packing: self.packing,
            a: left.words,
            layout: self.a.layout(),
            rows: left.rows,
            b: right.words,
            panel_stride: right.stride,
            words: words.len(),
            ahead: None,
            past_caches: false,
            columns: columns.len(),
            load: epilogue.accumulate || words.start > 0,
            finish: last.then(|| epilogue.finish(columns.start, quantised)).flatten(),
        }
    }

    /// Whether this is a large gradient of few rows, which is not summed over blocks of `K` and will not
    /// be read before the caches have forgotten it.
    fn is_outer(&self) -> bool {
        const LARGE: usize = 1 << 18; // 1 MiB
        let few = self.packing.words(self.k) <= BLOCK;
        few && self.m * self.n >= LARGE && self.a.layout() == Layout::Columns
    }

    fn work(&self) -> usize {
        2 * self.m * self.n * self.k
    }
}
