//! The general matrix product that every other kernel is made of.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | precision, and how packed operands lie in memory |
//! | [`block`] | the product of packed operands; epilogue; choice of variant |
//! | `avx512`, `pack_avx512` | the fast variant |
//! | `portable` | plain Rust, also compiled for AVX2 |
//!
//! Two walks cover all shapes. With many rows the right operand is packed once, for all threads, and each task takes a
//! stripe of rows; with few rows it is the other way round. A caller that has many products at once gives parts of them
//! to its own tasks. None of this changes the order of a sum.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod layout;
#[cfg(target_arch = "x86_64")]
mod pack_avx512;
mod portable;

use std::ops::Range;

pub use block::Epilogue;
pub use layout::Precision;
pub(crate) use layout::{Operand, Rows};

use block::{Block, pack_left, pack_right};
use layout::{BLOCK, PANEL, TILE_ROWS};

use super::{
    cpu::{self, Variant},
    parallel,
    scratch::Scratch,
};

/// Rows of a stripe: their block of `K` stays in the second-level cache.
const STRIPE: usize = 8 * TILE_ROWS;
/// Up to this many rows the left operand is packed as a whole, and tasks take runs of columns.
const FEW_ROWS: usize = 384;
/// Panels of a run of columns.
const RUN: usize = 4;

/// A product to compute: `(M, K)` times `(K, N)`.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) precision: Precision,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Operand<'a>,
    pub(crate) b: Operand<'a>,
}

impl Product<'_> {
    /// Computes `c`, `(M, N)`.
    pub(crate) fn run(&self, c: &mut [f32], epilogue: &Epilogue<'_>) {
        self.run_as(cpu::variant(), c, epilogue);
    }

    /// Computes `c` with the given variant, which this machine must be able to run.
    pub(crate) fn run_as(&self, variant: Variant, c: &mut [f32], epilogue: &Epilogue<'_>) {
        assert_eq!(c.len(), self.m * self.n, "`c` holds the product");
        if c.is_empty() {
            return;
        }
        let c = Out::new(c, self.n);
        if self.m <= FEW_ROWS && self.m < 2 * self.n {
            self.by_columns(variant, c, epilogue);
        } else {
            self.by_rows(variant, c, epilogue);
        }
    }

    fn by_columns(&self, variant: Variant, c: Out, epilogue: &Epilogue<'_>) {
        let block_words = self.a.layout().block_words(self.m);
        let blocks: Vec<_> = self.blocks().collect();
        let mut left = Scratch::words(blocks.len() * block_words);
        parallel::for_each_chunk(left.get_mut(), block_words, self.m * self.k, |i, into| {
            pack_left(variant, self.precision, &self.a, 0..self.m, self.steps(&blocks[i]), into);
        });
        let left = left.get();

        let run = PANEL * RUN.min(self.n.div_ceil(PANEL * 2 * rayon::current_num_threads()).max(1));
        parallel::for_each(self.n.div_ceil(run), self.work(), |task| {
            let columns = task * run..(task * run + run).min(self.n);
            let panel_stride = self.precision.words(self.k) * PANEL;
            let mut right = Scratch::words(columns.len().div_ceil(PANEL) * panel_stride);
            let right = right.get_mut();
            pack_right(variant, self.precision, &self.b, columns.clone(), 0..self.k, right);
            for (a, words) in left.chunks_exact(block_words).zip(&blocks) {
                let right = (&right[words.start * PANEL..], panel_stride);
                let block = self.block((a, self.m), right, words, columns.clone(), epilogue);
                // SAFETY: the columns are this task's own; the variant is the caller's promise.
                #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
                unsafe {
                    block.run(variant, c.at(0, columns.start), c.stride);
                }
            }
        });
    }

    fn by_rows(&self, variant: Variant, c: Out, epilogue: &Epilogue<'_>) {
        let panel_stride = self.precision.words(self.k) * PANEL;
        let mut right = Scratch::words(self.n.div_ceil(PANEL) * panel_stride);
        let run = RUN * panel_stride;
        parallel::for_each_chunk(right.get_mut(), run, self.n * self.k, |i, into| {
            let columns = i * RUN * PANEL..((i + 1) * RUN * PANEL).min(self.n);
            pack_right(variant, self.precision, &self.b, columns, 0..self.k, into);
        });
        let right = right.get();

        parallel::for_each(self.m.div_ceil(STRIPE), self.work(), |task| {
            let rows = task * STRIPE..(task * STRIPE + STRIPE).min(self.m);
            let mut left = Scratch::words(self.a.layout().block_words(rows.len()));
            let left = left.get_mut();
            for words in self.blocks() {
                let steps = self.steps(&words);
                pack_left(variant, self.precision, &self.a, rows.clone(), steps, left);
                let right = (&right[words.start * PANEL..], panel_stride);
                let block = self.block((left, rows.len()), right, &words, 0..self.n, epilogue);
                // SAFETY: the rows are this task's own; the variant is the caller's promise.
                #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
                unsafe {
                    block.run(variant, c.at(rows.start, 0), c.stride);
                }
            }
        });
    }

    /// Computes one part of the product into the same part of `c`, on this thread, and tells `done` of each run of rows
    /// as soon as it is finished.
    ///
    /// # Safety
    /// `c` is the `(M, N)` result, whose part no one else uses meanwhile.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    pub(crate) unsafe fn run_part(
        &self,
        (rows, columns): (Range<usize>, Range<usize>),
        c: Out,
        epilogue: &Epilogue<'_>,
        mut done: impl FnMut(Range<usize>),
    ) {
        let (variant, precision) = (cpu::variant(), self.precision);
        let words = precision.words(self.k);
        let panels = columns.len().div_ceil(PANEL);
        let mut right = Scratch::words(panels * PANEL * BLOCK.min(words));
        let mut left = Scratch::words(self.a.layout().block_words(STRIPE.min(rows.len())));
        let (left, right) = (left.get_mut(), right.get_mut());
        for block_words in self.blocks() {
            let steps = self.steps(&block_words);
            pack_right(variant, precision, &self.b, columns.clone(), steps.clone(), right);
            for start in rows.clone().step_by(STRIPE) {
                let stripe = start..(start + STRIPE).min(rows.end);
                pack_left(variant, precision, &self.a, stripe.clone(), steps.clone(), left);
                let right = (&*right, block_words.len() * PANEL);
                let left = (&*left, stripe.len());
                let block = self.block(left, right, &block_words, columns.clone(), epilogue);
                // SAFETY: the caller's promise; the variant is this machine's.
                unsafe { block.run(variant, c.at(start, columns.start), c.stride) };
                if block_words.end == words {
                    done(stripe);
                }
            }
        }
    }

    /// The blocks of `K`, in words; one that is empty when `K` is 0, because the epilogue is still due.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let words = self.precision.words(self.k);
        (0..words.max(1)).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(words))
    }

    /// The steps of the sum in a block of words.
    fn steps(&self, words: &Range<usize>) -> Range<usize> {
        let per_word = self.precision.per_word();
        words.start * per_word..(words.end * per_word).min(self.k)
    }

    /// The packed rows `a` times the packed columns `b`, which are `panel_stride` words a panel.
    fn block<'b>(
        &self,
        (a, rows): (&'b [u32], usize),
        (b, panel_stride): (&'b [u32], usize),
        words: &Range<usize>,
        columns: Range<usize>,
        epilogue: &Epilogue<'b>,
    ) -> Block<'b> {
        let last = words.end == self.precision.words(self.k);
        Block {
            precision: self.precision,
            a,
            layout: self.a.layout(),
            rows,
            b,
            panel_stride,
            words: words.len(),
            columns: columns.len(),
            load: epilogue.accumulate || words.start > 0,
            finish: last.then(|| epilogue.finish(columns.start)).flatten(),
        }
    }

    fn work(&self) -> usize {
        2 * self.m * self.n * self.k
    }
}

/// A matrix that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    start: *mut f32,
    stride: usize,
}

impl Out {
    /// Shares `matrix`, whose rows are `stride` long, for as long as the caller holds it borrowed.
    pub(crate) fn new(matrix: &mut [f32], stride: usize) -> Self {
        Self { start: matrix.as_mut_ptr(), stride }
    }

    /// The matrix from its element `offset` on, with rows of `stride`.
    pub(crate) fn part(self, offset: usize, stride: usize) -> Self {
        Self { start: self.start.wrapping_add(offset), stride }
    }

    /// Some columns of a row.
    ///
    /// # Safety
    /// They lie in the matrix that was shared, which is still borrowed, and no one else uses them meanwhile.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    pub(crate) unsafe fn row<'a>(self, row: usize, columns: Range<usize>) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, columns.start), columns.len()) }
    }

    fn at(self, row: usize, column: usize) -> *mut f32 {
        self.start.wrapping_add(row * self.stride + column)
    }
}

// SAFETY: tasks write disjoint parts, and the matrix outlives the loop over them.
#[expect(unsafe_code, reason = "a pointer that tasks share")]
unsafe impl Send for Out {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer that tasks share")]
unsafe impl Sync for Out {}
