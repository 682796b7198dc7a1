//! The left operand in int8, packed once for all tasks of a product.

use std::ops::Range;

use super::{
    layout::{BLOCK, Operand, Packing, ROW_STRIDE},
    quantise,
};
use crate::{parallel, scratch::Scratch};

/// Rows that are packed together.
const CHUNK: usize = 32;

/// Rows as whole numbers with a scale each: one block of `K` after another, in each of them row by row.
pub(crate) struct IntegerRows {
    words: Scratch,
    scales: Scratch,
    /// The first of the rows.
    first: usize,
    /// Rows of a block, those that only fill it up included.
    padded: usize,
}

impl IntegerRows {
    /// Packs `rows` of `a`, with `k` numbers each.
    pub(super) fn new(a: &Operand<'_>, rows: Range<usize>, k: usize) -> Self {
        let (first, count) = (rows.start, rows.len());
        let padded = count.next_multiple_of(CHUNK);
        let work = 2 * count * k;
        let mut scales = Scratch::words(count);
        parallel::for_each_chunk(scales.floats_mut(), CHUNK, work, |i, into| {
            let start = first + i * CHUNK;
            quantise::scales(a, start..start + into.len(), into);
        });
        let blocks = Packing::Int8.words(k).div_ceil(BLOCK).max(1);
        let mut words = Scratch::words(blocks * padded * ROW_STRIDE);
        let (of_rows, chunks) = (scales.floats(), padded / CHUNK);
        parallel::for_each_chunk(words.get_mut(), CHUNK * ROW_STRIDE, work, |i, into| {
            let (block, chunk) = (i / chunks, i % chunks);
            let part = chunk * CHUNK..((chunk + 1) * CHUNK).min(count);
            let per_block = BLOCK * Packing::Int8.per_word();
            let steps = block * per_block..((block + 1) * per_block).min(k);
            let scales = &of_rows[part.clone()];
            quantise::pack_left(a, first + part.start..first + part.end, steps, scales, into);
        });
        Self { words, scales, first, padded }
    }

    /// The words of `rows` in the block that begins at word `start` of `K`, and their scales.
    pub(super) fn block(&self, start: usize, rows: &Range<usize>) -> (&[u32], &[f32]) {
        let rows = rows.start - self.first..rows.end - self.first;
        let begin = (start / BLOCK * self.padded + rows.start) * ROW_STRIDE;
        let words = &self.words.get()[begin..begin + rows.len() * ROW_STRIDE];
        (words, &self.scales.floats()[rows])
    }
}
