//! Small matrix products for a head: a strip of four rows times a matrix that stays in the cache.

use super::super::columns::Columns;
use super::super::math::fma;
use super::super::simd::AVX512;

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
pub(super) fn add_product<const ISA: u8>(
    a: Strip<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
) {
    let mut column = 0;
    if ISA == AVX512 {
        while column + 2 * UNIT <= b.columns {
            add_tile::<ISA, { 2 * UNIT }>(a, b, column, c, stride);
            column += 2 * UNIT;
        }
    }
    while column < b.columns {
        add_tile::<ISA, UNIT>(a, b, column, c, stride);
        column += UNIT;
    }
}

/// The columns `column..column + W` of the product, held in registers.
#[inline(always)]
fn add_tile<const ISA: u8, const W: usize>(
    a: Strip<'_>,
    b: Matrix<'_>,
    column: usize,
    c: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0.0f32; W]; STRIP];
    for (r, sums) in sums.iter_mut().enumerate() {
        sums.copy_from_slice(&c[r * stride + column..][..W]);
    }
    for k in 0..b.inner {
        let b: &[f32; W] = b.data[k * b.stride + column..][..W].as_array().expect("W floats");
        for r in 0..STRIP {
            let x = a.data[r * a.row + k * a.column];
            for j in 0..W {
                sums[r][j] = fma::<ISA>(x, b[j], sums[r][j]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        c[r * stride + column..][..W].copy_from_slice(sums);
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
