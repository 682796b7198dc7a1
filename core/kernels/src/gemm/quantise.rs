//! Quantisation of rows to int8, up to ±127, with a scale for each row.

use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::pack_avx512;
use super::layout::{Operand, ROW_STRIDE};
use crate::simd::{self, simd};

/// Added to the left operand's numbers, because the instruction takes them unsigned.
pub(super) const OFFSET: i32 = 128;

simd! {
    /// What one stands for in `row`: its largest magnitude becomes 127. NaN when an element is not
    /// finite.
    pub(super) fn scale(row: &[f32]) -> f32 {
        const LANES: usize = 16;
        let mut most = [0.0; LANES];
        let mut odd = [0.0; LANES]; // stays zero as long as all elements are finite
        let (chunks, rest) = row.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let magnitude = chunk[lane].abs();
                most[lane] = if magnitude > most[lane] { magnitude } else { most[lane] };
                odd[lane] += 0.0 * chunk[lane];
            }
        }
        for (lane, x) in rest.iter().enumerate() {
            most[lane] = most[lane].max(x.abs());
            odd[lane] += 0.0 * x;
        }
        let most = most.iter().fold(0.0, |a: f32, b| a.max(*b));
        most / 127.0 + odd.iter().sum::<f32>()
    }
}

/// What numbers are multiplied with to become whole: zero for a row of zeros, or one without a
/// scale.
pub(super) fn inverse(scale: f32) -> f32 {
    // A scale so small that its inverse is infinite belongs to numbers that are as good as zero.
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// Rounds `row · inverse` to integers (ties to even), adds `offset`, and packs four bytes
/// a word; gives the sum of the integers. Missing bytes of the last word are zero.
pub(super) fn pack(row: &[f32], inverse: f32, offset: i32, into: &mut [u32]) -> i32 {
    assert!(into.len() >= row.len().div_ceil(4));
    #[expect(unsafe_code, reason = "the instruction set is known only at run time")]
    match simd::level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the level, and the length was checked.
        simd::AVX512 => unsafe { pack_avx512::pack_integers(row, inverse, offset, into) },
        _ => pack_portable(row, inverse, offset, into),
    }
}

simd! {
    /// [`pack`] on any machine.
    fn pack_portable(row: &[f32], inverse: f32, offset: i32, into: &mut [u32]) -> i32 {
        let (fours, rest) = row.as_chunks::<4>();
        let mut total = 0i32;
        for (word, four) in into.iter_mut().zip(fours) {
            let [a, b, c, d] = four.map(|x| whole(x, inverse));
            total = total.wrapping_add(a + b + c + d);
            *word = byte(a, offset)
                | byte(b, offset) << 8
                | byte(c, offset) << 16
                | byte(d, offset) << 24;
        }
        if !rest.is_empty() {
            let mut word = 0;
            for (i, x) in rest.iter().enumerate() {
                let x = whole(*x, inverse);
                total = total.wrapping_add(x);
                word |= byte(x, offset) << (8 * i);
            }
            into[fours.len()] = word;
        }
        total
    }
}

/// `x · inverse` to the nearest integer: adding 1.5·2²³ leaves it in the last bits.
#[inline(always)]
fn whole(x: f32, inverse: f32) -> i32 {
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * inverse + ROUND;
    (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32).clamp(-127, 127)
}

#[inline(always)]
fn byte(x: i32, offset: i32) -> u32 {
    (x + offset) as u32 & 0xff
}

/// Packs `rows` of the left operand, elements `k` of the sum, with the rows' scales.
pub(super) fn pack_left(
    a: &Operand<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    scales: &[f32],
    into: &mut [u32],
) {
    let Operand::KInner(a) = a else {
        unreachable!("int8 operands are packed by rows");
    };
    for ((row, scale), words) in rows.zip(scales).zip(into.chunks_mut(ROW_STRIDE)) {
        pack(&a.row(row)[k.clone()], inverse(*scale), OFFSET, words);
    }
}

/// The scales of `rows` of the left operand.
pub(super) fn scales(a: &Operand<'_>, rows: Range<usize>, into: &mut [f32]) {
    let Operand::KInner(a) = a else {
        unreachable!("int8 operands are packed by rows");
    };
    for (row, place) in rows.zip(into) {
        *place = scale(a.row(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_becomes_127_and_ties_go_to_even() {
        let row = [-2.0, 1.0, 0.0, 2.5 / 63.5, 3.5 / 63.5];
        let scale = scale(&row);
        assert_eq!(scale, 2.0 / 127.0);
        let mut words = [0; 2];
        let sum = pack(&row, inverse(scale), 0, &mut words);
        assert_eq!(words[0].to_le_bytes().map(|byte| byte as i8), [-127, 64, 0, 2]);
        assert_eq!(words[1], 4);
        assert_eq!(sum, -127 + 64 + 2 + 4);
    }

    #[test]
    fn every_machine_packs_the_same_bytes() {
        for len in [0, 1, 3, 4, 15, 16, 17, 30, 64, 65, 127] {
            let row: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
            let inverse = inverse(scale(&row));
            for offset in [0, OFFSET] {
                let (mut one, mut other) = (vec![7; 40], vec![7; 40]);
                let sum = pack(&row, inverse, offset, &mut one);
                assert_eq!(sum, pack_portable(&row, inverse, offset, &mut other));
                assert_eq!(one, other, "{len} numbers");
            }
        }
    }

    #[test]
    fn what_is_not_finite_shows_in_the_scale() {
        assert!(scale(&[1.0, f32::NAN]).is_nan());
        assert!(scale(&[f32::INFINITY; 20]).is_nan());
        assert_eq!(scale(&[0.0; 20]), 0.0);
        assert_eq!((inverse(0.0), inverse(f32::NAN)), (0.0, 0.0));
    }
}
