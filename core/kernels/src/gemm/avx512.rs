//! The kernels in AVX-512: register tiles of 12 × 32 sums, fed by one broadcast word and two panel
//! registers a step.
//!
//! With few rows a tile spans several panels instead, so that there are always enough independent
//! sums to hide the latency of the multiply-add. A sum runs over `K` in one register, in order,
//! whatever the shape of its tile.

#![expect(unsafe_code, reason = "AVX-512 intrinsics on packed operands")]

use std::arch::x86_64::*;

use super::{
    block::Block,
    layout::{Layout, PANEL, Packing, ROW_STRIDE, TILE_ROWS},
};

/// Columns in one register.
const LANES: usize = 16;

/// [`Packing`] as a constant parameter.
const F32: u8 = 0;
const BF16: u8 = 1;
const INT8: u8 = 2;

/// How far ahead the panels of a tile are fetched, in words (6 KiB): with few rows, time goes by in
/// waiting for them.
const AHEAD: usize = 48 * PANEL;

/// Computes `block` into `c`.
///
/// # Safety
/// As [`Block::run`], whose lengths were checked.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
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
    if block.past_caches {
        _mm_sfence(); // such stores are not ordered with what tells others that they are done
    }
}

/// Walks over panels, then rows: a panel stays in the first-level cache.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn walk<const ROW: usize, const STEP: usize, const KIND: u8>(
    block: &Block<'_>,
    c: *mut f32,
    c_stride: usize,
) {
    let panels = block.columns.div_ceil(PANEL);
    let mut panel = 0;
    while panel < panels {
        let run = match (block.rows, panels - panel) {
            (..=3, 4..) => 4,
            (..=6, 2..) => 2,
            _ => 1,
        };
        let mut row = 0;
        while row < block.rows {
            let height = tile_height(block, row);
            let a = block.a[block.row_start(row).0..].as_ptr();
            // SAFETY: the tile lies within the block, whose lengths were checked.
            unsafe {
                let at = Tile { a, row, panel, c: c.add(row * c_stride + panel * PANEL), c_stride };
                match run {
                    1 => tall::<ROW, STEP, KIND>(block, &at, height),
                    2 => medium::<ROW, STEP, KIND>(block, &at, height),
                    _ => flat::<ROW, STEP, KIND>(block, &at, height),
                }
            }
            row += height;
        }
        panel += run;
    }
}

/// Rows of the tile that starts at `row`: full runs of columns, or about equal parts of rows.
fn tile_height(block: &Block<'_>, row: usize) -> usize {
    match block.layout {
        Layout::Columns => TILE_ROWS.min(block.rows - row),
        Layout::Rows => {
            let left = block.rows - row;
            left.div_ceil(left.div_ceil(TILE_ROWS))
        }
    }
}

/// Where a tile lies.
struct Tile {
    a: *const u32,
    row: usize,
    panel: usize,
    c: *mut f32,
    c_stride: usize,
}

macro_rules! by_height {
    ($(#[$doc:meta])* $name:ident, $panels:literal, $($height:literal)*) => {
        $(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
        unsafe fn $name<const ROW: usize, const STEP: usize, const KIND: u8>(
            block: &Block<'_>,
            at: &Tile,
            height: usize,
        ) {
            // SAFETY: the caller's promise.
            unsafe {
                match height {
                    $($height => tile::<$height, $panels, ROW, STEP, KIND>(block, at),)*
                    _ => unreachable!("a tile is no higher than its kernels"),
                }
            }
        }
    };
}

by_height!(/// Tiles of one panel.
    tall, 1, 1 2 3 4 5 6 7 8 9 10 11 12);
by_height!(/// Tiles of two panels.
    medium, 2, 1 2 3 4 5 6);
by_height!(/// Tiles of four panels.
    flat, 4, 1 2 3);

/// `R` rows times `P` panels.
#[expect(clippy::needless_range_loop, reason = "constant trip counts, unrolled into registers")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
unsafe fn tile<
    const R: usize,
    const P: usize,
    const ROW: usize,
    const STEP: usize,
    const KIND: u8,
>(
    block: &Block<'_>,
    at: &Tile,
) {
    let start = at.panel * PANEL;
    let columns = (block.columns - start).min(P * PANEL);
    let whole = columns == P * PANEL;
    let mask = |p: usize, half: usize| lanes(columns.saturating_sub(p * PANEL + half * LANES));
    let place = |r: usize, p: usize, half: usize| {
        at.c.wrapping_add(r * at.c_stride + p * PANEL + half * LANES)
    };

    let mut sums = [[[_mm512_setzero_ps(); 2]; P]; R];
    if block.load {
        for r in 0..R {
            for p in 0..P {
                for half in 0..2 {
                    // SAFETY: masked to the columns of the result.
                    sums[r][p][half] =
                        unsafe { _mm512_maskz_loadu_ps(mask(p, half), place(r, p, half)) };
                }
            }
        }
    }
    let past_caches = whole && STEP != 1 && block.past_caches;
    for r in if past_caches { 0..0 } else { R..2 * R } {
        // The tile below comes next; its old values would otherwise be waited for.
        _mm_prefetch::<_MM_HINT_T0>(place(r, 0, 0).cast());
        _mm_prefetch::<_MM_HINT_T0>(place(r, 0, 1).cast());
    }

    let mut a = at.a;
    let mut b = block.b.as_ptr().wrapping_add(at.panel * block.panel_stride);
    let (ahead, stride) = match block.ahead {
        // Each step takes up one number of sixteen rows, or two.
        Some(rows) if KIND == BF16 => (rows.cast(), 2 * LANES),
        Some(rows) => (rows.cast(), LANES),
        None => (b.wrapping_add(AHEAD / P), PANEL),
    };
    for step in 0..block.words {
        let ahead = ahead.wrapping_add(step * stride);
        let mut panels = [[_mm512_setzero_si512(); 2]; P];
        for p in 0..P {
            for half in 0..2 {
                let offset = p * block.panel_stride + half * LANES;
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(offset).cast());
                let place = b.wrapping_add(offset);
                // SAFETY: this word of a panel that the block holds.
                panels[p][half] = unsafe { _mm512_loadu_si512(place.cast()) };
            }
        }
        for r in 0..R {
            // SAFETY: this word of a row that the block holds.
            let word = _mm512_set1_epi32(unsafe { *a.wrapping_add(r * ROW) } as i32);
            for p in 0..P {
                for half in 0..2 {
                    sums[r][p][half] =
                        multiply_add::<KIND>(sums[r][p][half], word, panels[p][half]);
                }
            }
        }
        a = a.wrapping_add(STEP);
        b = b.wrapping_add(PANEL);
    }

    for r in 0..R {
        for p in 0..P {
            for half in 0..2 {
                // SAFETY: masked to the columns of the result.
                unsafe {
                    if past_caches {
                        _mm512_stream_ps(place(r, p, half), sums[r][p][half]);
                    } else if whole {
                        _mm512_storeu_ps(place(r, p, half), sums[r][p][half]);
                    } else {
                        _mm512_mask_storeu_ps(place(r, p, half), mask(p, half), sums[r][p][half]);
                    }
                }
            }
        }
    }
    if let Some(finish) = &block.finish {
        for r in 0..R {
            // SAFETY: the row's columns, just written, are this tile's own.
            let row = unsafe { std::slice::from_raw_parts_mut(place(r, 0, 0), columns) };
            finish.apply(row, at.row + r, start);
        }
    }
}

/// A mask of the first `count` lanes.
#[inline(always)]
fn lanes(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// `sum + a·b` in every lane: of the word's one, two or four parts.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx512vnni")]
fn multiply_add<const KIND: u8>(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
    match KIND {
        F32 => _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum),
        BF16 => {
            // SAFETY: both types are 512 plain bits.
            let halves = |word| unsafe { std::mem::transmute::<__m512i, __m512bh>(word) };
            _mm512_dpbf16_ps(sum, halves(a), halves(b))
        }
        _ => _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), a, b)),
    }
}
