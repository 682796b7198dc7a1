//! Which token visits which expert, sorted by expert.

use std::ops::Range;

/// The visits of a batch: token `t` visits an expert in each of its slots `s`, or none.
///
/// Visits are numbered by expert, then by token, then by slot (a counting sort), so an expert's
/// visits are one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visits {
    num_slots: usize,
    /// First visit of each expert, and the number of visits: `(E + 1,)`.
    starts: Vec<u32>,
    /// `t·S + s` of each visit.
    positions: Vec<u32>,
    /// Token of each visit.
    tokens: Vec<u32>,
    /// Visit at each `t·S + s`, or [`Self::NONE`].
    visits: Vec<u32>,
}

impl Visits {
    /// No expert in this slot.
    pub const NONE: u32 = u32::MAX;

    /// Sorts `experts`, `(N, S)`, in which [`Self::NONE`] stands for no visit.
    ///
    /// # Panics
    /// When `experts` is not `num_tokens · num_slots` long, or names an expert that is not below
    /// `num_experts`.
    pub fn new(experts: &[u32], num_tokens: usize, num_slots: usize, num_experts: usize) -> Self {
        assert_eq!(experts.len(), num_tokens * num_slots, "an expert for each token and slot");
        assert!(experts.len() < Self::NONE as usize, "visits are numbered in 32 bits");
        let mut starts = vec![0u32; num_experts + 1];
        for &expert in experts.iter().filter(|&&expert| expert != Self::NONE) {
            assert!((expert as usize) < num_experts, "expert {expert} of {num_experts}");
            starts[expert as usize + 1] += 1;
        }
        for expert in 0..num_experts {
            starts[expert + 1] += starts[expert];
        }

        let count = starts[num_experts] as usize;
        let mut next = starts.clone();
        let (mut positions, mut tokens) = (vec![0; count], vec![0; count]);
        let mut visits = vec![Self::NONE; experts.len()];
        for (position, &expert) in experts.iter().enumerate() {
            if expert != Self::NONE {
                let visit = next[expert as usize];
                next[expert as usize] += 1;
                positions[visit as usize] = position as u32;
                tokens[visit as usize] = (position / num_slots) as u32;
                visits[position] = visit;
            }
        }
        Self { num_slots, starts, positions, tokens, visits }
    }

    /// Number of visits, at most `N·S`.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no token visits any expert.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// `N`.
    pub fn num_tokens(&self) -> usize {
        self.visits.len().checked_div(self.num_slots).unwrap_or(0)
    }

    /// `S`.
    pub fn num_slots(&self) -> usize {
        self.num_slots
    }

    /// `E`.
    pub fn num_experts(&self) -> usize {
        self.starts.len() - 1
    }

    /// The visits of one expert.
    pub fn of_expert(&self, expert: usize) -> Range<usize> {
        self.starts[expert] as usize..self.starts[expert + 1] as usize
    }

    /// The token of each visit.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Where each visit stands in `(N, S)`.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The visit in each slot of `token`, or [`Self::NONE`]: `(S,)`.
    pub fn of_token(&self, token: usize) -> &[u32] {
        &self.visits[token * self.num_slots..][..self.num_slots]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn visits_are_sorted_by_expert_then_token_then_slot() {
        let none = Visits::NONE;
        let visits = Visits::new(&[2, 0, none, 2, 0, 0], 3, 2, 4);
        assert_eq!(visits.len(), 5);
        let ranges: Vec<_> = (0..4).map(|expert| visits.of_expert(expert)).collect();
        assert_eq!(ranges, [0..3, 3..3, 3..5, 5..5]);
        assert_eq!(visits.tokens(), [0, 2, 2, 0, 1]);
        assert_eq!(visits.positions(), [1, 4, 5, 0, 3]);
        assert_eq!(visits.of_token(1), [none, 4]);
    }

    #[test]
    fn no_tokens_slots_or_experts_make_no_visits() {
        assert!(Visits::new(&[], 0, 2, 3).is_empty());
        assert!(Visits::new(&[], 5, 0, 3).is_empty());
        assert!(Visits::new(&[], 0, 0, 0).is_empty());
    }

    #[test]
    #[should_panic(expected = "expert 3 of 3")]
    fn an_expert_that_is_not_there_is_named() {
        Visits::new(&[3], 1, 1, 3);
    }

    proptest! {
        #[test]
        fn every_slot_is_one_visit_of_its_expert(
            experts in prop::collection::vec(prop_oneof![0u32..7, Just(Visits::NONE)], 0..60),
        ) {
            let (num_slots, num_tokens) = (3, experts.len() / 3);
            let experts = &experts[..num_tokens * num_slots];
            let visits = Visits::new(experts, num_tokens, num_slots, 7);
            prop_assert_eq!(visits.len(), experts.iter().filter(|&&e| e != Visits::NONE).count());
            for (position, &expert) in experts.iter().enumerate() {
                let visit = visits.of_token(position / num_slots)[position % num_slots];
                if expert == Visits::NONE {
                    prop_assert_eq!(visit, Visits::NONE);
                } else {
                    prop_assert!(visits.of_expert(expert as usize).contains(&(visit as usize)));
                    prop_assert_eq!(visits.positions()[visit as usize] as usize, position);
                }
            }
        }
    }
}
