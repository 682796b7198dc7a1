//! The kernels in plain Rust: for other machines, for Miri, and as what the fast ones are tested against.

use std::ops::Range;

use super::{
    block::Block,
    layout::{BLOCK, Operand, PANEL, Packing, ROW_STRIDE, TILE_ROWS},
};

/// Computes `block` into `c`.
///
/// # Safety
/// As [`Block::run`].
#[expect(unsafe_code, reason = "tiles of one matrix are written by several threads")]
pub(super) unsafe fn block(block: &Block<'_>, c: *mut f32, c_stride: usize) {
    // SAFETY: the caller's promise.
    unsafe { rows::<false>(block, c, c_stride) }
}

/// The same code, compiled for AVX2 and with fused multiply-add.
///
/// # Safety
/// As [`Block::run`]; the machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "tiles of one matrix are written by several threads")]
pub(super) unsafe fn block_avx2(block: &Block<'_>, c: *mut f32, c_stride: usize) {
    // SAFETY: the caller's promise.
    unsafe { rows::<true>(block, c, c_stride) }
}

/// Walks over panels, then rows: a panel stays in the first-level cache.
#[inline(always)]
#[expect(unsafe_code, reason = "tiles of one matrix are written by several threads")]
unsafe fn rows<const FUSED: bool>(block: &Block<'_>, c: *mut f32, c_stride: usize) {
    for start in (0..block.columns).step_by(PANEL) {
        let width = PANEL.min(block.columns - start);
        let panel = &block.b[start / PANEL * block.panel_stride..][..block.words * PANEL];
        for i in 0..block.rows {
            // SAFETY: row `i` has `columns` elements of its own, says the caller.
            let row = unsafe { std::slice::from_raw_parts_mut(c.add(i * c_stride + start), width) };
            let mut sums = [0.0; PANEL];
            if block.load {
                sums[..width].copy_from_slice(row);
            }
            let (first, step) = block.row_start(i);
            let words = block.a[first..].iter().step_by(step);
            match block.packing {
                Packing::F32 => sum_f32::<FUSED>(words, panel, &mut sums),
                Packing::Bf16 => sum_bf16::<FUSED>(words, panel, &mut sums),
                Packing::Int8 => sum_int8(words, panel, &mut sums),
            }
            row.copy_from_slice(&sums[..width]);
            if let Some(finish) = &block.finish {
                finish.apply(row, i, start);
            }
        }
    }
}

#[inline(always)]
fn sum_f32<'a, const FUSED: bool>(
    words: impl Iterator<Item = &'a u32>,
    panel: &[u32],
    sums: &mut [f32; PANEL],
) {
    let mut totals = *sums;
    for (word, columns) in words.zip(panel.as_chunks::<PANEL>().0) {
        let a = f32::from_bits(*word);
        for (total, b) in totals.iter_mut().zip(columns) {
            *total = multiply_add::<FUSED>(a, f32::from_bits(*b), *total);
        }
    }
    *sums = totals;
}

#[inline(always)]
fn sum_bf16<'a, const FUSED: bool>(
    words: impl Iterator<Item = &'a u32>,
    panel: &[u32],
    sums: &mut [f32; PANEL],
) {
    let low = |word: u32| f32::from_bits(word << 16);
    let high = |word: u32| f32::from_bits(word & 0xffff_0000);
    let mut totals = *sums;
    for (&a, columns) in words.zip(panel.as_chunks::<PANEL>().0) {
        for (total, &b) in totals.iter_mut().zip(columns) {
            let even = multiply_add::<FUSED>(low(a), low(b), *total);
            *total = multiply_add::<FUSED>(high(a), high(b), even);
        }
    }
    *sums = totals;
}

/// The left operand's bytes are unsigned, the right one's signed; the sums are whole numbers, kept as their bits.
#[inline(always)]
fn sum_int8<'a>(words: impl Iterator<Item = &'a u32>, panel: &[u32], sums: &mut [f32; PANEL]) {
    let mut totals = sums.map(|sum| sum.to_bits() as i32);
    for (&a, columns) in words.zip(panel.as_chunks::<PANEL>().0) {
        for (total, &b) in totals.iter_mut().zip(columns) {
            for shift in [0, 8, 16, 24] {
                let product = ((a >> shift) & 0xff) as i32 * i32::from((b >> shift) as i8);
                *total = total.wrapping_add(product);
            }
        }
    }
    *sums = totals.map(|total| f32::from_bits(total as u32));
}

/// Fused only where it is an instruction: elsewhere it is a slow library call.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, sum: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { a * b + sum }
}

/// See [`super::block::pack_left`].
pub(super) fn pack_left(
    packing: Packing,
    a: &Operand<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    for word in 0..packing.words(k.len()) {
        let steps = steps(packing, word, k.clone());
        for (i, row) in rows.clone().enumerate() {
            let run = i / TILE_ROWS * TILE_ROWS * BLOCK;
            let (place, values) = match a {
                Operand::KInner(source) => {
                    (i * ROW_STRIDE + word, steps.map(|k| k.map_or(0.0, |k| source.row(row)[k])))
                }
                Operand::KOuter(source) => (
                    run + word * TILE_ROWS + i % TILE_ROWS,
                    steps.map(|k| k.map_or(0.0, |k| source.row(k)[row])),
                ),
            };
            into[place] = join(packing, values);
        }
    }
}

/// See [`super::block::pack_right`].
pub(super) fn pack_right(
    packing: Packing,
    b: &Operand<'_>,
    columns: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    let words = packing.words(k.len());
    for (panel, start) in columns.clone().step_by(PANEL).enumerate() {
        let panel = &mut into[panel * words * PANEL..][..words * PANEL];
        for (word, places) in panel.chunks_exact_mut(PANEL).enumerate() {
            let steps = steps(packing, word, k.clone());
            for (column, place) in (start..).zip(places) {
                let values = match b {
                    _ if column >= columns.end => [0.0; 2],
                    Operand::KInner(source) => {
                        steps.map(|k| k.map_or(0.0, |k| source.row(column)[k]))
                    }
                    Operand::KOuter(source) => {
                        steps.map(|k| k.map_or(0.0, |k| source.row(k)[column]))
                    }
                };
                *place = join(packing, values);
            }
        }
    }
}

/// The steps of the sum that go into a word: none past the end, nor a second one in `f32`.
fn steps(packing: Packing, word: usize, k: Range<usize>) -> [Option<usize>; 2] {
    let first = k.start + word * packing.per_word();
    let second = (packing == Packing::Bf16 && first + 1 < k.end).then_some(first + 1);
    [Some(first), second]
}

fn join(packing: Packing, [first, second]: [f32; 2]) -> u32 {
    match packing {
        Packing::F32 => first.to_bits(),
        Packing::Bf16 => {
            let bits = |x| u32::from(half::bf16::from_f32(x).to_bits());
            bits(first) | bits(second) << 16
        }
        Packing::Int8 => unreachable!("whole numbers are packed with their scales"),
    }
}
