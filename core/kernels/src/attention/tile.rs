//! Small matrix products for a head: a strip of four rows times a matrix that stays in the cache.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::float32x4_t;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::super::columns::Columns;
#[cfg(target_arch = "x86_64")]
use super::super::simd::AVX512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::super::simd::FUSED;
use super::vector::Vector;

/// Rows of a strip.
pub(super) const STRIP: usize = 4;
/// Columns come in multiples of this.
pub(super) const UNIT: usize = 16;

/// A strip of a matrix `(STRIP, K)`, or of one that is stored transposed.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    pub(super) data: &'a [f32],
    /// Floats from one row to the next.
    pub(super) row: usize,
    /// Floats from one column to the next.
    pub(super) column: usize,
}

/// The right-hand matrix `(inner, columns)`, rows `stride` floats apart.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) inner: usize,
    /// A multiple of [`UNIT`].
    pub(super) columns: usize,
}

/// `c += a·b`, rows of `c` `stride` floats apart; each element sums over `inner` in order.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
pub(super) fn add_product<const ISA: u8>(
    a: Strip<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
) {
    // SAFETY: `ISA` is what `level` has found: AVX-512 F, or AVX2 and FMA, or nothing in particular.
    unsafe {
        match ISA {
            #[cfg(target_arch = "x86_64")]
            AVX512 => add_tiles::<__m512, 2>(a, b, c, stride),
            #[cfg(target_arch = "x86_64")]
            FUSED => add_tiles::<__m256, 2>(a, b, c, stride),
            #[cfg(target_arch = "aarch64")]
            FUSED => add_tiles::<float32x4_t, 4>(a, b, c, stride),
            _ => add_tiles::<[f32; 16], 1>(a, b, c, stride),
        }
    }
}

/// Goes over the columns, `W` registers at a time, then one at a time.
///
/// # Safety
/// The machine has the registers `V`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
unsafe fn add_tiles<V: Vector, const W: usize>(
    a: Strip<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
) {
    let mut column = 0;
    while column + W * V::WIDTH <= b.columns {
        // SAFETY: the caller vouches for the registers.
        unsafe { add_tile::<V, W>(a, b, column, c, stride) };
        column += W * V::WIDTH;
    }
    while column < b.columns {
        // SAFETY: the caller vouches for the registers.
        unsafe { add_tile::<V, 1>(a, b, column, c, stride) };
        column += V::WIDTH;
    }
}

/// The columns from `column` on, as many as fill `W` registers.
///
/// # Safety
/// The machine has the registers `V`.
#[inline(always)]
#[expect(unsafe_code, reason = "the instruction set is known only at run time")]
unsafe fn add_tile<V: Vector, const W: usize>(
    a: Strip<'_>,
    b: Matrix<'_>,
    column: usize,
    c: &mut [f32],
    stride: usize,
) {
    // SAFETY: the caller vouches for the registers; loads and stores check their slices.
    unsafe {
        let mut sums = [[V::splat(0.0); W]; STRIP];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (w, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(&c[r * stride + column + w * V::WIDTH..]);
            }
        }
        for k in 0..b.inner {
            let row = &b.data[k * b.stride + column..][..W * V::WIDTH];
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = V::splat(a.data[r * a.row + k * a.column]);
                for (w, sum) in sums.iter_mut().enumerate() {
                    *sum = x.mul_add(V::load(&row[w * V::WIDTH..]), *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (w, sum) in sums.iter().enumerate() {
                sum.store(&mut c[r * stride + column + w * V::WIDTH..]);
            }
        }
    }
}

/// Copies the columns `range` of `rows`, times `factor`, into rows of `stride` floats, zeros behind.
#[inline(always)]
pub(super) fn gather(
    from: Columns<'_>,
    rows: std::ops::Range<usize>,
    head: std::ops::Range<usize>,
    factor: f32,
    to: &mut [f32],
    stride: usize,
) {
    for (row, to) in rows.zip(to.chunks_exact_mut(stride)) {
        let (to, rest) = to.split_at_mut(head.len());
        for (y, x) in to.iter_mut().zip(&from.row(row)[head.clone()]) {
            *y = x * factor;
        }
        rest.fill(0.0);
    }
}

/// Copies the columns `head` of `rows` transposed: `to[d·stride + j] = from[rows[j]][head[d]]`.
#[inline(always)]
pub(super) fn gather_transposed(
    from: Columns<'_>,
    rows: std::ops::Range<usize>,
    head: std::ops::Range<usize>,
    to: &mut [f32],
    stride: usize,
) {
    let count = rows.len();
    for (j, row) in rows.enumerate() {
        for (d, x) in from.row(row)[head.clone()].iter().enumerate() {
            to[d * stride + j] = *x;
        }
    }
    for row in to.chunks_exact_mut(stride).take(head.len()) {
        row[count..].fill(0.0);
    }
}

/// Makes `buffer` hold `len` floats, whatever they are.
#[inline(always)]
pub(super) fn reserve(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
