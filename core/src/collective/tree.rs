//! Sums whose order depends on nothing but the number of terms.

/// The sum of vectors of one length, two neighbours at a time: `((a + b) + (c + d)) + …`.
///
/// Where the terms are split among ranks in runs of a power of two, the sums of the ranks' sums are
/// the same additions: the result has the same bits at any number of ranks that is a power of two.
/// For `n` terms at most `log₂ n + 1` vectors are held.
#[derive(Debug, Default)]
pub struct TreeSum {
    /// Sums of `2^level` terms, of falling level.
    sums: Vec<(u32, Vec<f32>)>,
}

impl TreeSum {
    /// Adds the next term.
    ///
    /// # Panics
    /// If its length is not that of the others.
    pub fn push(&mut self, term: Vec<f32>) {
        let (mut level, mut sum) = (0, term);
        while let Some((_, left)) = self.sums.pop_if(|(of, _)| *of == level) {
            sum = add(left, &sum);
            level += 1;
        }
        self.sums.push((level, sum));
    }

    /// The sum of all terms; none if there were none.
    pub fn finish(mut self) -> Option<Vec<f32>> {
        let (_, mut sum) = self.sums.pop()?;
        while let Some((_, left)) = self.sums.pop() {
            sum = add(left, &sum);
        }
        Some(sum)
    }

    /// The sum of `terms`.
    pub fn of(terms: impl IntoIterator<Item = Vec<f32>>) -> Option<Vec<f32>> {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.push(term));
        sum.finish()
    }
}

fn add(mut left: Vec<f32>, right: &[f32]) -> Vec<f32> {
    assert_eq!(left.len(), right.len(), "terms are of one length");
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_added_first() {
        // In float32, 1e8 + 3 is 1e8: only sums of neighbours keep the small terms.
        let terms = [1e8, -1e8, 3.0, 4.0, 5.0].map(|term| vec![term]);
        assert_eq!(TreeSum::of(terms), Some(vec![12.0]));
        assert_eq!(TreeSum::of([]), None);
    }

    proptest! {
        #[test]
        fn ranks_change_no_bit(
            terms in prop::collection::vec(-1e6f32..1e6, 16),
            log_ranks in 0u32..5,
        ) {
            let of = |terms: &[f32]| TreeSum::of(terms.iter().map(|&term| vec![term]));
            let per_rank = 16 >> log_ranks;
            let sums = terms.chunks(per_rank).filter_map(of);
            prop_assert_eq!(TreeSum::of(sums), of(&terms));
        }
    }
}
