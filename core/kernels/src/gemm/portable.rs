//! The kernels in plain Rust: for other machines, for Miri, and as what the fast ones are tested
//! against.

use std::ops::Range;

use super::{
    block::Block,
    layout::{BLOCK, Operand, PANEL, Packing, ROW_STRIDE, Rows, TILE_ROWS},
};
use crate::simd::simd;

/// Computes `block` into `c`: panels, then rows, so that a panel stays in the first-level cache.
///
/// # Safety
/// As [`Block::run`].
#[expect(unsafe_code, reason = "tiles of one matrix are written by several threads")]
pub(super) unsafe fn block(block: &Block<'_>, c: *mut f32, c_stride: usize) {
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
            let each = words.zip(panel.as_chunks::<PANEL>().0);
            match block.packing {
                Packing::F32 => each.for_each(|(a, b)| add_f32(&mut sums, *a, b)),
                Packing::Bf16 => each.for_each(|(a, b)| add_bf16(&mut sums, *a, b)),
                Packing::Int8 => each.for_each(|(a, b)| add_int8(&mut sums, *a, b)),
            }
            row.copy_from_slice(&sums[..width]);
            if let Some(finish) = &block.finish {
                finish.apply(row, i, start);
            }
        }
    }
}

#[inline(always)]
fn add_f32(sums: &mut [f32; PANEL], a: u32, columns: &[u32; PANEL]) {
    for (sum, b) in sums.iter_mut().zip(columns) {
        *sum += f32::from_bits(a) * f32::from_bits(*b);
    }
}

#[inline(always)]
fn add_bf16(sums: &mut [f32; PANEL], a: u32, columns: &[u32; PANEL]) {
    let low = |word: u32| f32::from_bits(word << 16);
    let high = |word: u32| f32::from_bits(word & 0xffff_0000);
    for (sum, &b) in sums.iter_mut().zip(columns) {
        *sum += low(a) * low(b);
        *sum += high(a) * high(b);
    }
}

/// The left operand's bytes are unsigned, the right one's signed; the sums are integers, kept
/// as their bits.
#[inline(always)]
fn add_int8(sums: &mut [f32; PANEL], a: u32, columns: &[u32; PANEL]) {
    for (sum, &b) in sums.iter_mut().zip(columns) {
        let mut total = sum.to_bits() as i32;
        for shift in [0, 8, 16, 24] {
            let product = ((a >> shift) & 0xff) as i32 * i32::from((b >> shift) as i8);
            total = total.wrapping_add(product);
        }
        *sum = f32::from_bits(total as u32);
    }
}

/// See [`super::block::pack_left`].
pub(super) fn pack_left(
    packing: Packing,
    a: &Operand<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    into: &mut [u32],
) {
    match a {
        Operand::KInner(source) => {
            for (row, words) in rows.zip(into.chunks_mut(ROW_STRIDE)) {
                pack_row(packing, &source.row(row)[k.clone()], words);
            }
        }
        Operand::KOuter(source) if packing == Packing::F32 => {
            let run = BLOCK * TILE_ROWS;
            copy_columns::<TILE_ROWS>(source, &rows, &k, into, run);
        }
        Operand::KOuter(source) => {
            for word in 0..packing.words(k.len()) {
                let [first, second] = rows_of(packing, source, word, &k, &rows);
                for start in (0..rows.len()).step_by(TILE_ROWS) {
                    let part = start..(start + TILE_ROWS).min(rows.len());
                    let place = &mut into[start * BLOCK + word * TILE_ROWS..][..part.len()];
                    join_rows(packing, &first[part.clone()], part_of(second, part), place);
                }
            }
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
    into[..columns.len().div_ceil(PANEL) * PANEL * words].fill(0);
    match b {
        Operand::KInner(source) => {
            let mut packed = vec![0; words];
            for (i, column) in columns.enumerate() {
                pack_row(packing, &source.row(column)[k.clone()], &mut packed);
                let panel = &mut into[i / PANEL * PANEL * words..];
                let places = panel.iter_mut().skip(i % PANEL).step_by(PANEL);
                places.zip(&packed).for_each(|(place, word)| *place = *word);
            }
        }
        Operand::KOuter(source) if packing == Packing::F32 => {
            copy_columns::<PANEL>(source, &columns, &k, into, PANEL * words);
        }
        Operand::KOuter(source) => {
            for word in 0..words {
                let [first, second] = rows_of(packing, source, word, &k, &columns);
                for start in (0..columns.len()).step_by(PANEL) {
                    let part = start..(start + PANEL).min(columns.len());
                    let place = &mut into[start * words + word * PANEL..][..part.len()];
                    join_rows(packing, &first[part.clone()], part_of(second, part), place);
                }
            }
        }
    }
}

/// Copies the columns `part` of the rows `k`, `WIDTH` at a time: each of these runs lies in one piece, `run`
/// words from one to the next.
///
/// The runs lie a multiple of 4 KiB apart, which is one set of the first-level cache: a few rows in
/// turn fill whole lines before they are pushed out.
fn copy_columns<const WIDTH: usize>(
    source: &Rows<'_>,
    part: &Range<usize>,
    k: &Range<usize>,
    into: &mut [u32],
    run: usize,
) {
    const ROWS: usize = 8;
    for rows in k.clone().step_by(ROWS) {
        let rows = rows..(rows + ROWS).min(k.end);
        for (columns, into) in part.clone().step_by(WIDTH).zip(into.chunks_mut(run)) {
            let columns = columns..(columns + WIDTH).min(part.end);
            let into = into[(rows.start - k.start) * WIDTH..].chunks_mut(WIDTH);
            for (row, into) in rows.clone().zip(into) {
                let from = &source.row(row)[columns.clone()];
                match (from.as_array::<WIDTH>(), into.as_mut_array::<WIDTH>()) {
                    // Of a length that the compiler knows: no call.
                    (Some(from), Some(into)) => *into = from.map(f32::to_bits),
                    _ => into.iter_mut().zip(from).for_each(|(word, x)| *word = x.to_bits()),
                }
            }
        }
    }
}

/// The parts of the rows that a word joins; the second is empty past the end, and in `f32`.
fn rows_of<'a>(
    packing: Packing,
    source: &Rows<'a>,
    word: usize,
    k: &Range<usize>,
    part: &Range<usize>,
) -> [&'a [f32]; 2] {
    let first = k.start + word * packing.per_word();
    let second = packing == Packing::Bf16 && first + 1 < k.end;
    let second = if second { &source.row(first + 1)[part.clone()] } else { &[] };
    [&source.row(first)[part.clone()], second]
}

fn part_of(row: &[f32], part: Range<usize>) -> &[f32] {
    row.get(part).unwrap_or_default()
}

simd! {
    /// Packs neighbours of one row.
    fn pack_row(packing: Packing, row: &[f32], words: &mut [u32]) {
        match packing {
            Packing::F32 => words.iter_mut().zip(row).for_each(|(word, x)| *word = x.to_bits()),
            Packing::Bf16 => {
                let (pairs, rest) = row.as_chunks::<2>();
                for (word, [low, high]) in words.iter_mut().zip(pairs) {
                    *word = bf16(*low) | bf16(*high) << 16;
                }
                if let [last] = rest {
                    words[pairs.len()] = bf16(*last);
                }
            }
            Packing::Int8 => unreachable!("int8 operands are packed with their scales"),
        }
    }
}

simd! {
    /// Packs two rows, or one, side by side.
    fn join_rows(packing: Packing, first: &[f32], second: &[f32], words: &mut [u32]) {
        match packing {
            Packing::F32 => words.iter_mut().zip(first).for_each(|(word, x)| *word = x.to_bits()),
            Packing::Bf16 if second.is_empty() => {
                words.iter_mut().zip(first).for_each(|(word, x)| *word = bf16(*x));
            }
            Packing::Bf16 => {
                for ((word, low), high) in words.iter_mut().zip(first).zip(second) {
                    *word = bf16(*low) | bf16(*high) << 16;
                }
            }
            Packing::Int8 => unreachable!("int8 operands are packed with their scales"),
        }
    }
}

/// The bits of the nearest bfloat16, ties to even.
#[inline(always)]
fn bf16(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_is_rounded_as_the_half_crate_does() {
        let odd = [0.0, -0.0, 1.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, 1e-40];
        let near = (0..200_000u32).map(|i| f32::from_bits(0x3f80_0000 + 77 * i));
        for x in odd.into_iter().chain(near) {
            assert_eq!(bf16(x), u32::from(half::bf16::from_f32(x).to_bits()), "{x:e}");
        }
        assert!(half::bf16::from_bits(bf16(f32::NAN) as u16).is_nan());
    }
}
