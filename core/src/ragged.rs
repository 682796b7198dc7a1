//! Sentences of different lengths in one matrix.

use candle::{Device, Tensor};

use crate::Result;

/// Where the rows of each sentence lie in a matrix `(N, D)`.
///
/// On the CPU the sentences stand one after another and nothing is padding: nothing is computed
/// in vain, and no sentence can see its neighbours. On a GPU all have the same stride, so that
/// attention is one batched product; the rows in between are computed and ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged {
    offsets: Vec<usize>,
    lengths: Vec<usize>,
}

impl Ragged {
    /// Sentences one after another.
    pub fn contiguous(lengths: &[usize]) -> Self {
        let mut offsets = vec![0; lengths.len() + 1];
        for (i, length) in lengths.iter().enumerate() {
            offsets[i + 1] = offsets[i] + length;
        }
        Self { offsets, lengths: lengths.to_vec() }
    }

    /// Sentences with the stride of the longest.
    pub fn padded(lengths: &[usize]) -> Self {
        let stride = lengths.iter().copied().max().unwrap_or(0);
        let offsets = (0..=lengths.len()).map(|i| i * stride).collect();
        Self { offsets, lengths: lengths.to_vec() }
    }

    /// Number of sentences, `B`.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no sentence.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Number of rows, `N`, those in between included.
    pub fn rows(&self) -> usize {
        self.offsets[self.lengths.len()]
    }

    /// First row of every sentence, and the number of rows at last: `B + 1` values.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Rows of every sentence.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Whether rows lie between sentences that belong to none.
    pub fn is_padded(&self) -> bool {
        (0..self.len()).any(|i| self.offsets[i] + self.lengths[i] != self.offsets[i + 1])
    }

    /// Position of every row in its sentence, counting on in between.
    pub fn positions(&self) -> Vec<u32> {
        self.offsets.windows(2).flat_map(|pair| 0..(pair[1] - pair[0]) as u32).collect()
    }

    /// One value per sentence, repeated for its rows.
    pub fn spread<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let repeat = |(pair, value): (&[usize], &T)| vec![*value; pair[1] - pair[0]];
        self.offsets.windows(2).zip(values).flat_map(repeat).collect()
    }

    /// The stride, if all sentences have the same.
    pub(crate) fn stride(&self) -> Option<usize> {
        let mut strides = self.offsets.windows(2).map(|pair| pair[1] - pair[0]);
        let first = strides.next()?;
        strides.all(|stride| stride == first).then_some(first)
    }

    /// Rows to gather for the layout `(B, T)`, and those to gather to come back; none if the
    /// sentences have one stride already. Rows that belong to no sentence repeat row 0.
    pub(crate) fn to_rectangle(&self, device: &Device) -> Result<Option<(Tensor, Tensor)>> {
        if self.stride().is_some() {
            return Ok(None);
        }
        let stride = self.lengths.iter().copied().max().unwrap_or(0);
        let mut there = vec![0u32; self.len() * stride];
        let mut back = vec![0u32; self.rows()];
        for (i, &length) in self.lengths.iter().enumerate() {
            for t in 0..length {
                there[i * stride + t] = (self.offsets[i] + t) as u32;
                back[self.offsets[i] + t] = (i * stride + t) as u32;
            }
        }
        let (n, m) = (there.len(), back.len());
        Ok(Some((Tensor::from_vec(there, n, device)?, Tensor::from_vec(back, m, device)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stand_one_after_another() {
        let ragged = Ragged::contiguous(&[2, 0, 3]);
        assert_eq!(ragged.offsets(), [0, 2, 2, 5]);
        assert_eq!(ragged.positions(), [0, 1, 0, 1, 2]);
        assert_eq!(ragged.spread(&['a', 'b', 'c']), ['a', 'a', 'c', 'c', 'c']);
        assert!(!ragged.is_padded());
    }

    #[test]
    fn padded_sentences_have_one_stride() {
        let ragged = Ragged::padded(&[2, 3]);
        assert_eq!(ragged.offsets(), [0, 3, 6]);
        assert_eq!((ragged.rows(), ragged.stride()), (6, Some(3)));
        assert!(ragged.is_padded());
    }
}
