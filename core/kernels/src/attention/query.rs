//! One query of one head: its scores over all keys, and the sum of the values that they weigh.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};
use std::ops::Range;

use super::super::columns::Columns;
use super::super::math::{dot, fma, fold};
#[cfg(target_arch = "x86_64")]
use super::super::simd::AVX512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::super::simd::FUSED;
use super::super::simd::LANES;
use super::vector::Vector;

/// `scores[j] = scale · q·keys[j]`, where the head takes the columns `head` of both; in the order of
/// [`dot`].
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) fn score<const ISA: u8>(
    q: &[f32],
    keys: Columns<'_>,
    head: &Range<usize>,
    scale: f32,
    scores: &mut [f32],
) {
    let q = &q[head.clone()];
    if !q.len().is_multiple_of(LANES) {
        for (j, score) in scores.iter_mut().enumerate() {
            *score = scale * dot::<ISA>(q, &keys.row(j)[head.clone()]);
        }
        return;
    }
    for (j, score) in scores.iter_mut().enumerate() {
        let key = &keys.row(j)[head.clone()];
        // SAFETY: `ISA` is what `level` has found: AVX-512 F, or AVX2 and FMA, or nothing in
        // particular.
        let lanes = unsafe {
            match ISA {
                #[cfg(target_arch = "x86_64")]
                AVX512 => products::<__m512, 1>(q, key),
                #[cfg(target_arch = "x86_64")]
                FUSED => products::<__m256, 2>(q, key),
                #[cfg(target_arch = "aarch64")]
                FUSED => products::<float32x4_t, 4>(q, key),
                _ => products::<[f32; 16], 1>(q, key),
            }
        };
        *score = scale * fold(lanes);
    }
}

/// `out += Σⱼ probs[j] · values[j]` over the columns `head`, in the order of `j`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) fn weigh<const ISA: u8>(
    probs: &[f32],
    values: Columns<'_>,
    head: &Range<usize>,
    out: &mut [f32],
) {
    let out = &mut out[head.clone()];
    if !out.len().is_multiple_of(LANES) {
        for (j, p) in probs.iter().enumerate() {
            for (y, v) in out.iter_mut().zip(&values.row(j)[head.clone()]) {
                *y = fma::<ISA>(*p, *v, *y);
            }
        }
        return;
    }
    // SAFETY: as above.
    unsafe {
        match ISA {
            #[cfg(target_arch = "x86_64")]
            AVX512 => sums::<__m512, 4>(probs, values, head, out),
            #[cfg(target_arch = "x86_64")]
            FUSED => sums::<__m256, 4>(probs, values, head, out),
            #[cfg(target_arch = "aarch64")]
            FUSED => sums::<float32x4_t, 4>(probs, values, head, out),
            _ => sums::<[f32; 16], 1>(probs, values, head, out),
        }
    }
}

/// Products of `xs` and `ys`, whole chunks of [`LANES`], added up in `R` registers.
///
/// # Safety
/// The machine has the registers `V`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
unsafe fn products<V: Vector, const R: usize>(xs: &[f32], ys: &[f32]) -> [f32; LANES] {
    // SAFETY: the caller vouches for the registers; loads and stores check their slices.
    unsafe {
        let mut sums = [V::splat(0.0); R];
        for (x, y) in xs.chunks_exact(LANES).zip(ys.chunks_exact(LANES)) {
            for (r, sum) in sums.iter_mut().enumerate() {
                let (x, y) = (V::load(&x[r * V::WIDTH..]), V::load(&y[r * V::WIDTH..]));
                *sum = x.mul_add(y, *sum);
            }
        }
        let mut lanes = [0.0; LANES];
        for (r, sum) in sums.iter().enumerate() {
            sum.store(&mut lanes[r * V::WIDTH..]);
        }
        lanes
    }
}

/// Goes over the columns, `W` registers at a time, then one at a time.
///
/// # Safety
/// The machine has the registers `V`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
unsafe fn sums<V: Vector, const W: usize>(
    probs: &[f32],
    values: Columns<'_>,
    head: &Range<usize>,
    out: &mut [f32],
) {
    let mut column = 0;
    while column + W * V::WIDTH <= out.len() {
        let out = &mut out[column..];
        // SAFETY: the caller vouches for the registers.
        unsafe { sum::<V, W>(probs, values, head.start + column, out) };
        column += W * V::WIDTH;
    }
    while column < out.len() {
        let out = &mut out[column..];
        // SAFETY: the caller vouches for the registers.
        unsafe { sum::<V, 1>(probs, values, head.start + column, out) };
        column += V::WIDTH;
    }
}

/// The columns of the values from `column` on, as many as fill `W` registers.
///
/// # Safety
/// The machine has the registers `V`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
unsafe fn sum<V: Vector, const W: usize>(
    probs: &[f32],
    values: Columns<'_>,
    column: usize,
    out: &mut [f32],
) {
    // SAFETY: the caller vouches for the registers; loads and stores check their slices.
    unsafe {
        let mut sums = [V::splat(0.0); W];
        for (w, sum) in sums.iter_mut().enumerate() {
            *sum = V::load(&out[w * V::WIDTH..]);
        }
        for (j, p) in probs.iter().enumerate() {
            let (p, row) = (V::splat(*p), &values.row(j)[column..][..W * V::WIDTH]);
            for (w, sum) in sums.iter_mut().enumerate() {
                *sum = p.mul_add(V::load(&row[w * V::WIDTH..]), *sum);
            }
        }
        for (w, sum) in sums.iter().enumerate() {
            sum.store(&mut out[w * V::WIDTH..]);
        }
    }
}
