//! What a sentence adds to a corpus score.

use std::{iter::Sum, ops::AddAssign};

/// Room for the metric with the most counts: chrF++ keeps three for each of eight orders.
pub(super) const WIDTH: usize = 24;

/// Counts of n-grams of one sentence, or of many together; only their metric knows the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts(pub(super) [u64; WIDTH]);

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }
}

impl<'a> Sum<&'a Self> for Counts {
    fn sum<I: Iterator<Item = &'a Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }
}
