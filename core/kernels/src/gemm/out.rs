//! Where the results of a product go.

use std::ops::Range;

/// A matrix that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(crate) struct Out {
    start: *mut f32,
    pub(super) stride: usize,
}

impl Out {
    /// Shares `matrix`, whose rows are `stride` long, for as long as the caller holds it borrowed.
    pub(crate) fn new(matrix: &mut [f32], stride: usize) -> Self {
        Self { start: matrix.as_mut_ptr(), stride }
    }

    /// The matrix from its element `offset` on, with rows of `stride`.
    pub(crate) fn part(self, offset: usize, stride: usize) -> Self {
        Self { start: self.start.wrapping_add(offset), stride }
    }

    /// Whether this column of every row begins a cache line; so do those a whole panel further on.
    pub(super) fn is_on_lines(self, column: usize) -> bool {
        const LINE: usize = 64;
        self.at(0, column).addr().is_multiple_of(LINE) && (4 * self.stride).is_multiple_of(LINE)
    }

    /// Some columns of a row.
    ///
    /// # Safety
    /// They lie in the matrix that was shared, which is still borrowed, and no one else uses them
    /// meanwhile.
    #[expect(unsafe_code, reason = "tasks write disjoint parts of one matrix")]
    pub(crate) unsafe fn row<'a>(self, row: usize, columns: Range<usize>) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(row, columns.start), columns.len()) }
    }

    pub(super) fn at(self, row: usize, column: usize) -> *mut f32 {
        self.start.wrapping_add(row * self.stride + column)
    }
}

// SAFETY: tasks write disjoint parts, and the matrix outlives the loop over them.
#[expect(unsafe_code, reason = "a pointer that tasks share")]
unsafe impl Send for Out {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer that tasks share")]
unsafe impl Sync for Out {}
