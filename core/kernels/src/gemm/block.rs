//! The inner product of packed operands, and the choice of the instruction set that computes it.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, pack_avx512};
use super::{
    layout::{BLOCK, Layout, Operand, PANEL, Packing, ROW_STRIDE, TILE_ROWS},
    portable,
};
use crate::{
    activation::{self, Activation},
    simd,
};

/// What happens to each sum before it is a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to every row: `(N,)`.
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Option<Activation>,
    /// Starts the sums from what `c` holds, instead of from zero.
    pub accumulate: bool,
}

impl<'a> Epilogue<'a> {
    /// The product alone.
    pub const NONE: Epilogue<'static> =
        Epilogue { bias: None, activation: None, accumulate: false };
    /// Adds the product to `c`.
    pub const ACCUMULATE: Epilogue<'static> =
        Epilogue { bias: None, activation: None, accumulate: true };

    /// The part that is applied to columns from `start` on.
    pub(super) fn finish(
        &self,
        start: usize,
        quantised: Option<Quantised<'a>>,
    ) -> Option<Finish<'a>> {
        let bias = self.bias.map(|bias| &bias[start..]);
        (bias.is_some() || self.activation.is_some() || quantised.is_some()).then_some(Finish {
            quantised,
            bias,
            activation: self.activation,
        })
    }
}

/// What turns sums of int8 products into results.
#[derive(Clone, Copy)]
pub(super) struct Quantised<'a> {
    /// Of each row of the block.
    pub(super) row_scales: &'a [f32],
    /// Of each column.
    pub(super) column_scales: &'a [f32],
    /// What the offset of the left operand adds to the sums of each column.
    pub(super) excess: &'a [i32],
}

/// The last step of an [`Epilogue`], on one run of columns.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    quantised: Option<Quantised<'a>>,
    bias: Option<&'a [f32]>,
    activation: Option<Activation>,
}

impl Finish<'_> {
    /// Finishes the `columns` of one row of the block, from column `start` on.
    #[inline(always)]
    pub(super) fn apply(&self, columns: &mut [f32], row: usize, start: usize) {
        if let Some(quantised) = &self.quantised {
            let scale = quantised.row_scales[row];
            let scales = quantised.column_scales[start..].iter();
            let each = columns.iter_mut().zip(scales).zip(&quantised.excess[start..]);
            for ((x, column_scale), excess) in each {
                let sum = (x.to_bits() as i32).wrapping_sub(*excess);
                *x = sum as f32 * (scale * column_scale);
            }
        }
        if let Some(bias) = self.bias {
            columns.iter_mut().zip(&bias[start..]).for_each(|(x, b)| *x += b);
        }
        if let Some(activation) = self.activation {
            activation::apply(activation, columns);
        }
    }
}

/// A block of packed rows times a run of panels, over one block of `K`.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) packing: Packing,
    /// The left operand's block of `K`, `layout.block_words(rows)` words.
    pub(super) a: &'a [u32],
    pub(super) layout: Layout,
    pub(super) rows: usize,
    /// The right operand from the first word of this block of `K` in the first panel on.
    pub(super) b: &'a [u32],
    /// Words from one panel to the next.
    pub(super) panel_stride: usize,
    /// Words of this block of `K`, at most [`BLOCK`].
    pub(super) words: usize,
    /// Columns of the result, up to 32 for each panel.
    pub(super) columns: usize,
    /// What is packed later, to be fetched meanwhile: half a panel's rows, one after the other.
    pub(super) ahead: Option<*const f32>,
    /// Whether the sums start from what the result holds (in int8, the bits of integers).
    pub(super) load: bool,
    /// Whether the result is written around the caches, where an instruction set can: the caller has made sure
    /// that its rows begin on cache lines, and that nothing is read of it soon.
    pub(super) past_caches: bool,
    /// Applied to the sums when this is the last block of `K`.
    pub(super) finish: Option<Finish<'a>>,
}

impl Block<'_> {
    /// Computes the block into the rows of `c`, `c_stride` apart.
    ///
    /// # Safety
    /// `c` points to `rows` rows of at least `columns` elements, `c_stride` apart, that no one else
    /// uses meanwhile.
    #[expect(unsafe_code, reason = "tiles of one matrix are written by several threads")]
    pub(super) unsafe fn run(&self, c: *mut f32, c_stride: usize) {
        let panels = self.columns.div_ceil(PANEL);
        assert!(self.words <= BLOCK && self.a.len() >= self.layout.block_words(self.rows));
        assert!(self.b.len() >= (panels.max(1) - 1) * self.panel_stride + self.words * PANEL);
        // SAFETY: the machine has the level, the lengths were checked; the rest is the caller's promise.
        unsafe {
            match simd::level() {
                #[cfg(target_arch = "x86_64")]
                simd::AVX512 => avx512::block(self, c, c_stride),
                #[cfg(target_arch = "x86_64")]
                simd::FUSED => avx2::block(self, c, c_stride),
                _ => portable::block(self, c, c_stride),
            }
        }
    }

    /// The word of row `i` at step 0, and the distance from one step to the next.
    pub(super) fn row_start(&self, i: usize) -> (usize, usize) {
        match self.layout {
            Layout::Rows => (i * ROW_STRIDE, 1),
            Layout::Columns => (i / TILE_ROWS * TILE_ROWS * BLOCK + i % TILE_ROWS, TILE_ROWS),
        }
    }
}

/// Packs `rows` of the left operand, elements `k` of the sum (one block at most), into `into`.
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) fn pack_left(
    packing: Packing,
    a: &Operand<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    assert!(into.len() >= a.layout().block_words(rows.len()));
    assert!(packing.words(k.len()) <= BLOCK);
    match simd::level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the level, and the length was checked.
        simd::AVX512 => unsafe { pack_avx512::pack_left(packing, a, rows, k, into) },
        _ => portable::pack_left(packing, a, rows, k, into),
    }
}

/// Packs the panels of `columns` of the right operand, elements `k` of the sum (from a whole word
/// on), into `into`.
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) fn pack_right(
    packing: Packing,
    b: &Operand<'_>,
    columns: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    assert!(into.len() >= columns.len().div_ceil(PANEL) * PANEL * packing.words(k.len()));
    match simd::level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the level, and the length was checked.
        simd::AVX512 => unsafe { pack_avx512::pack_right(packing, b, columns, k, into) },
        _ => portable::pack_right(packing, b, columns, k, into),
    }
}
