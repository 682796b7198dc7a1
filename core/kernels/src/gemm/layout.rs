//! How operands lie in memory once packed.
//!
//! The unit is the **word** of 32 bits: one `f32`, or along `K` two neighbours in bfloat16, or four
//! in int8. All else is the same for all three, so only packing and one instruction tell them
//! apart.
//!
//! - The left operand (`A`, rows of the result) is read one word at a time and broadcast. One block
//!   of `K` lies as rows of [`ROW_STRIDE`] words (`Layout::Rows`), or as runs of [`TILE_ROWS`] rows
//!   with `K` outermost (`Layout::Columns`).
//! - The right operand (`B`, columns of the result) lies in **panels** of [`PANEL`] columns: for
//!   each word of `K`, the words of the panel's columns side by side. Missing columns and an odd
//!   last `K` are zeros.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Columns of a panel: two AVX-512 registers.
pub(crate) const PANEL: usize = 32;
/// Rows of a full register tile; 12 rows of two registers use 24 of the 32 as sums.
pub(crate) const TILE_ROWS: usize = 12;
/// Words of `K` in one block: a block of a panel (32 KiB) stays in the first-level cache.
pub(crate) const BLOCK: usize = 256;
/// Distance of two rows of a packed left operand; an odd number of cache lines, so that rows spread
/// over all sets.
pub(crate) const ROW_STRIDE: usize = BLOCK + 16;

/// The numbers that are multiplied; sums and results are `f32` in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Operands rounded to the nearest bfloat16 (ties to even): twice the speed, 8 bits of
    /// mantissa.
    Bf16,
}

/// The numbers that packed weights are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Single precision, 4 bytes a weight.
    #[default]
    F32,
    /// bfloat16, 2 bytes.
    Bf16,
    /// int8, up to ±127, with a scale for each row of weights; activations are rounded
    /// likewise when they are multiplied, and the sums are exact.
    Int8,
}

impl From<Precision> for Packing {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

impl Packing {
    /// This packing, or bfloat16 for rows of `k` numbers that are too long for sums of int8 products.
    #[must_use]
    pub fn for_width(self, k: usize) -> Self {
        match self {
            Self::Int8 if k > super::panels::LONGEST => Self::Bf16,
            other => other,
        }
    }

    /// Bytes of a weight.
    pub fn bytes(self) -> usize {
        4 / self.per_word()
    }

    /// Elements along `K` in one word.
    pub(crate) fn per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }

    /// Words that `k` elements take.
    pub(crate) fn words(self, k: usize) -> usize {
        k.div_ceil(self.per_word())
    }
}

/// How the left operand lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Row by row, [`ROW_STRIDE`] apart.
    Rows,
    /// [`TILE_ROWS`] rows side by side for each word of `K`; a run of them takes `BLOCK ·
    /// TILE_ROWS` words.
    Columns,
}

impl Layout {
    /// Words that one block of `K` takes for this many rows.
    pub(crate) fn block_words(self, rows: usize) -> usize {
        match self {
            Self::Rows => rows * ROW_STRIDE,
            Self::Columns => rows.div_ceil(TILE_ROWS) * TILE_ROWS * BLOCK,
        }
    }
}

/// A matrix of `f32` rows, all or a selection of them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    data: &'a [f32],
    width: usize,
    index: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    /// All rows of `data`.
    pub(crate) fn new(data: &'a [f32], width: usize) -> Self {
        Self { data, width, index: None }
    }

    /// The rows of `data` that `index` names, in its order.
    pub(crate) fn gather(data: &'a [f32], width: usize, index: &'a [u32]) -> Self {
        Self { data, width, index: Some(index) }
    }

    /// Row `i`.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [f32] {
        let i = self.index.map_or(i, |index| index[i] as usize);
        &self.data[i * self.width..][..self.width]
    }

    /// Row `i`, if there is one.
    #[inline(always)]
    pub(crate) fn get(&self, i: usize) -> Option<&'a [f32]> {
        let i = match self.index {
            None => i,
            Some(index) => *index.get(i)? as usize,
        };
        self.data.get(i * self.width..(i + 1) * self.width)
    }

    /// The elements from the beginning of the first row to the end of the last, of rows that follow each
    /// other in memory.
    pub(crate) fn run(&self, rows: &Range<usize>) -> Option<&'a [f32]> {
        let width = self.width;
        self.index.is_none().then(|| &self.data[rows.start * width..rows.end * width])
    }

    /// Elements from a row to the one `rows` after it, where rows are not selected.
    pub(crate) fn distance(&self, rows: usize) -> usize {
        self.width * rows
    }
}

/// A matrix operand: which of its two sides is summed over.
#[derive(Clone, Copy)]
pub(crate) enum Operand<'a> {
    /// `(outer, K)`: a row for each row (of the left operand) or column (of the right one) of the
    /// result.
    KInner(Rows<'a>),
    /// `(K, outer)`: a row for each step of the sum.
    KOuter(Rows<'a>),
}

impl Operand<'_> {
    /// What is read while the panel before it is multiplied, at step `k` of the sum: the packing of a
    /// panel fetches the first half of the next one, this is in the second.
    pub(super) fn ahead(&self, panel: &Range<usize>, k: usize) -> Option<*const f32> {
        let Self::KInner(rows) = self else { return None };
        let second_half = rows.get(panel.end + PANEL / 2)?.as_ptr();
        Some(second_half.wrapping_add(k * PANEL / 2))
    }

    /// How this lies when packed as a left operand.
    pub(crate) fn layout(&self) -> Layout {
        match self {
            Self::KInner(_) => Layout::Rows,
            Self::KOuter(_) => Layout::Columns,
        }
    }
}
