//! The kernels in AVX2 with FMA, for the many machines without AVX-512: tiles of three rows (two,
//! where words must be taken apart) times one panel of four registers.

#![expect(unsafe_code, reason = "AVX2 intrinsics on packed operands")]

use std::arch::x86_64::*;

use super::{
    block::Block,
    layout::{Layout, PANEL, Packing, ROW_STRIDE, TILE_ROWS},
};

/// Columns in one register.
const LANES: usize = 8;
/// Registers of a panel.
const PARTS: usize = PANEL / LANES;

/// [`Packing`] as a constant parameter.
const F32: u8 = 0;
const BF16: u8 = 1;
const INT8: u8 = 2;

/// Computes `block` into `c`.
///
/// # Safety
/// As [`Block::run`], whose lengths were checked.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn block(block: &Block<'_>, c: *mut f32, c_stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match (block.packing, block.layout) {
            (Packing::F32, Layout::Rows) => walk::<ROW_STRIDE, 1, F32>(block, c, c_stride),
            (Packing::Bf16, Layout::Rows) => walk::<ROW_STRIDE, 1, BF16>(block, c, c_stride),
            (Packing::Int8, Layout::Rows) => walk::<ROW_STRIDE, 1, INT8>(block, c, c_stride),
            (Packing::F32, Layout::Columns) => walk::<1, TILE_ROWS, F32>(block, c, c_stride),
            (Packing::Bf16, Layout::Columns) => walk::<1, TILE_ROWS, BF16>(block, c, c_stride),
            (Packing::Int8, Layout::Columns) => unreachable!("int8 operands are packed by rows"),
        }
    }
}

/// Walks over panels, then rows: a panel stays in the first-level cache.
#[target_feature(enable = "avx2,fma")]
unsafe fn walk<const ROW: usize, const STEP: usize, const KIND: u8>(
    block: &Block<'_>,
    c: *mut f32,
    c_stride: usize,
) {
    // Both divide the runs of rows that a left operand in columns has.
    let tallest = if KIND == F32 { 3 } else { 2 };
    for panel in 0..block.columns.div_ceil(PANEL) {
        let mut row = 0;
        while row < block.rows {
            let height = tallest.min(block.rows - row);
            // SAFETY: the tile lies within the block, whose lengths were checked.
            unsafe {
                let c = c.add(row * c_stride + panel * PANEL);
                match height {
                    1 => tile::<1, ROW, STEP, KIND>(block, row, panel, c, c_stride),
                    2 => tile::<2, ROW, STEP, KIND>(block, row, panel, c, c_stride),
                    _ => tile::<3, ROW, STEP, KIND>(block, row, panel, c, c_stride),
                }
            }
            row += height;
        }
    }
}

/// `R` rows times one panel.
#[expect(clippy::needless_range_loop, reason = "constant trip counts, unrolled into registers")]
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize, const ROW: usize, const STEP: usize, const KIND: u8>(
    block: &Block<'_>,
    row: usize,
    panel: usize,
    c: *mut f32,
    c_stride: usize,
) {
    let start = panel * PANEL;
    let columns = (block.columns - start).min(PANEL);
    let whole = columns == PANEL;
    // SAFETY: the columns of a row are this tile's own, says the caller.
    let result = |r: usize| unsafe { std::slice::from_raw_parts_mut(c.add(r * c_stride), columns) };

    let mut sums = [[_mm256_setzero_ps(); PARTS]; R];
    if block.load {
        for r in 0..R {
            let mut copy = [0.0; PANEL];
            let from = match whole {
                true => result(r).as_ptr(),
                false => {
                    copy[..columns].copy_from_slice(result(r));
                    copy.as_ptr()
                }
            };
            for part in 0..PARTS {
                // SAFETY: a register of the row, or of its copy.
                sums[r][part] = unsafe { _mm256_loadu_ps(from.add(part * LANES)) };
            }
        }
    }

    let mut a = block.a[block.row_start(row).0..].as_ptr();
    let mut b = block.b[panel * block.panel_stride..].as_ptr();
    for _ in 0..block.words {
        let mut words = [_mm256_setzero_si256(); R];
        for r in 0..R {
            // SAFETY: this word of a row that the block holds.
            words[r] = _mm256_set1_epi32(unsafe { *a.wrapping_add(r * ROW) } as i32);
        }
        for part in 0..PARTS {
            let place = b.wrapping_add(part * LANES);
            if part.is_multiple_of(2) {
                _mm_prefetch::<_MM_HINT_T0>(place.wrapping_add(16 * PANEL).cast());
            }
            // SAFETY: this word of a panel that the block holds.
            let columns = unsafe { _mm256_loadu_si256(place.cast()) };
            for r in 0..R {
                sums[r][part] = multiply_add::<KIND>(sums[r][part], words[r], columns);
            }
        }
        a = a.wrapping_add(STEP);
        b = b.wrapping_add(PANEL);
    }

    for r in 0..R {
        let mut copy = [0.0; PANEL];
        let result = result(r);
        let into = if whole { result.as_mut_ptr() } else { copy.as_mut_ptr() };
        for part in 0..PARTS {
            // SAFETY: a register of the row, or of its copy.
            unsafe { _mm256_storeu_ps(into.add(part * LANES), sums[r][part]) };
        }
        if !whole {
            result.copy_from_slice(&copy[..columns]);
        }
        if let Some(finish) = &block.finish {
            finish.apply(result, row + r, start);
        }
    }
}

/// `sum + a·b` in every lane: of the word's one, two or four parts.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn multiply_add<const KIND: u8>(sum: __m256, a: __m256i, b: __m256i) -> __m256 {
    match KIND {
        F32 => _mm256_fmadd_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), sum),
        BF16 => {
            let sum = _mm256_fmadd_ps(low_half(a), low_half(b), sum);
            _mm256_fmadd_ps(high_half(a), high_half(b), sum)
        }
        _ => {
            // Bytes as numbers of 16 bits, whose products are added in pairs: exact, unlike
            // `vpmaddubsw`.
            let (a_even, a_odd) =
                (_mm256_and_si256(a, _mm256_set1_epi16(0xff)), _mm256_srli_epi16::<8>(a));
            let b_even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b));
            let b_odd = _mm256_srai_epi16::<8>(b);
            let products = _mm256_add_epi32(
                _mm256_madd_epi16(a_even, b_even),
                _mm256_madd_epi16(a_odd, b_odd),
            );
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), products))
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn low_half(word: __m256i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(word))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn high_half(word: __m256i) -> __m256 {
    _mm256_castsi256_ps(_mm256_and_si256(word, _mm256_set1_epi32(0xffff_0000_u32 as i32)))
}
