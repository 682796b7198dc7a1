//! Some columns of a row-major matrix, such as the queries of a fused projection `(N, 3D)`.

use std::marker::PhantomData;
use std::ops::Range;

/// Columns `start..start + width` of a matrix with rows of `stride` floats.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    data: &'a [f32],
    stride: usize,
    start: usize,
    width: usize,
}

impl<'a> Columns<'a> {
    /// All columns of `data`, `(N, width)`.
    pub fn new(data: &'a [f32], width: usize) -> Self {
        Self::narrow(data, width, 0..width)
    }

    /// The columns `range` of `data`, `(N, stride)`.
    ///
    /// # Panics
    /// If `data` is not a number of whole rows, or `range` leaves the row.
    pub fn narrow(data: &'a [f32], stride: usize, range: Range<usize>) -> Self {
        check(data.len(), stride);
        assert!(range.start <= range.end && range.end <= stride, "columns {range:?} of {stride}");
        Self { data, stride, start: range.start, width: range.len() }
    }

    /// Splits `data`, `(N, Σ widths)`, into neighbouring columns.
    pub fn split<const P: usize>(data: &'a [f32], widths: [usize; P]) -> [Self; P] {
        let stride = widths.iter().sum();
        let mut start = 0;
        widths.map(|width| {
            start += width;
            Self::narrow(data, stride, start - width..start)
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.data.len().checked_div(self.stride).unwrap_or(0)
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The same columns of the rows `range`.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn row_range(&self, range: Range<usize>) -> Self {
        let data = &self.data[range.start * self.stride..range.end * self.stride];
        Self { data, ..*self }
    }

    /// Row `row`, `(width,)`.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride + self.start..][..self.width]
    }
}

/// [`Columns`] to write to. Threads may write to different rows and columns of it at once.
#[derive(Debug)]
pub struct ColumnsMut<'a> {
    data: *mut f32,
    rows: usize,
    stride: usize,
    start: usize,
    width: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "threads write to different elements of one matrix")]
// SAFETY: stands for a `&mut [f32]`, which is `Send`.
unsafe impl Send for ColumnsMut<'_> {}
#[expect(unsafe_code, reason = "threads write to different elements of one matrix")]
// SAFETY: a shared reference gives access through `slice` alone, whose contract excludes overlap.
unsafe impl Sync for ColumnsMut<'_> {}

impl<'a> ColumnsMut<'a> {
    /// All columns of `data`, `(N, width)`.
    ///
    /// # Panics
    /// If `data` is not a number of whole rows.
    pub fn new(data: &'a mut [f32], width: usize) -> Self {
        let [all] = Self::split(data, [width]);
        all
    }

    /// Splits `data`, `(N, Σ widths)`, into neighbouring columns that can be written side by side.
    ///
    /// # Panics
    /// If `data` is not a number of whole rows.
    pub fn split<const P: usize>(data: &'a mut [f32], widths: [usize; P]) -> [Self; P] {
        let stride = widths.iter().sum();
        check(data.len(), stride);
        let rows = data.len().checked_div(stride).unwrap_or(0);
        let data = data.as_mut_ptr();
        let mut start = 0;
        widths.map(|width| {
            start += width;
            Self { data, rows, stride, start: start - width, width, lifetime: PhantomData }
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The columns `range` of row `row`.
    ///
    /// # Safety
    /// No other slice of these elements may be alive.
    #[expect(unsafe_code, clippy::mut_from_ref, reason = "threads write to different elements")]
    #[inline(always)]
    pub(super) unsafe fn slice(&self, row: usize, range: Range<usize>) -> &mut [f32] {
        assert!(row < self.rows && range.end <= self.width, "row {row}, columns {range:?}");
        let first = row * self.stride + self.start + range.start;
        // SAFETY: inside the matrix by the assertion and the check in `split`, whose parts do not
        // overlap; the caller vouches that no one else holds these elements.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(first), range.len()) }
    }
}

fn check(len: usize, stride: usize) {
    let whole = if stride == 0 { len == 0 } else { len.is_multiple_of(stride) };
    assert!(whole, "{len} floats are not whole rows of {stride}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the accessor under test")]
    fn parts_do_not_overlap() {
        let mut data = [0.0; 8];
        let [left, right] = ColumnsMut::split(&mut data, [1, 3]);
        assert_eq!((left.rows(), left.width(), right.rows(), right.width()), (2, 1, 2, 3));
        for row in 0..2 {
            // SAFETY: each slice is dropped before the next one.
            unsafe { left.slice(row, 0..1) }.fill(1.0);
            // SAFETY: as above.
            unsafe { right.slice(row, 1..3) }.fill(2.0);
        }
        assert_eq!(data, [1.0, 0.0, 2.0, 2.0, 1.0, 0.0, 2.0, 2.0]);
        let [left, right] = Columns::split(&data, [1, 3]);
        assert_eq!((left.row(1), right.row(1)), (&data[4..5], &data[5..8]));
    }

    #[test]
    #[should_panic(expected = "7 floats are not whole rows of 4")]
    fn whole_rows_only() {
        let _ = Columns::new(&[0.0; 7], 4);
    }

    #[test]
    fn nothing_is_fine() {
        assert_eq!(Columns::new(&[], 0).rows(), 0);
        assert_eq!(ColumnsMut::new(&mut [], 4).rows(), 0);
    }
}
