//! How many tokens an expert takes, and which are dropped when more want to visit it.

use serde::{Deserialize, Serialize};

use crate::kernels::visits::Visits;

/// How many of `n` tokens each of `E` experts takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// All that come.
    Dropless,
    /// `⌊factor · ⌈n / E⌉⌋`, at least one. (fairseq's 2 for top-2 and 1 for top-1 are such factors.)
    Factor(f64),
    /// This many, whatever `n` (Hugging Face's `expert_capacity`).
    Tokens(usize),
    /// `⌈fraction · n⌉` (fairseq's `--moe-eval-capacity-token-fraction`).
    Fraction(f64),
}

/// Which tokens count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of a batch: a sentence may then depend on its neighbours.
    Batch,
    /// Those of one sentence.
    Sentence,
}

impl Capacity {
    /// The number of tokens for `tokens` and `num_experts`.
    pub fn of(self, tokens: usize, num_experts: usize) -> usize {
        match self {
            Self::Dropless => usize::MAX,
            Self::Factor(factor) => {
                let share = tokens.div_ceil(num_experts.max(1));
                ((factor * share as f64) as usize).max(1)
            }
            Self::Tokens(count) => count,
            Self::Fraction(fraction) => (fraction * tokens as f64).ceil() as usize,
        }
    }

    /// Says what is wrong with the field called `name`, if nothing could ever visit.
    pub fn check(self, name: &str) -> Result<(), String> {
        let is_usable = |value: f64| value > 0.0 && value.is_finite();
        match self {
            Self::Tokens(0) => {
                Err(format!("{name} of 0 tokens drops everything: give a number above 0"))
            }
            Self::Factor(value) | Self::Fraction(value) if !is_usable(value) => {
                Err(format!("{name} {value} must be a number above 0"))
            }
            _ => Ok(()),
        }
    }
}

/// How much there is room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Visits that one expert takes.
    pub(super) capacity: usize,
    pub(super) num_experts: usize,
}

/// Drops from `chosen` `(N, S)` what does not fit: first choices are served before second ones,
/// and for each choice the rows in the order of `rows`.
pub(super) fn drop_overflow(chosen: &mut [u32], slots: usize, rows: &[usize], room: Room) {
    let mut taken = vec![0; room.num_experts];
    for slot in 0..slots {
        for &row in rows {
            let expert = &mut chosen[row * slots + slot];
            if *expert == Visits::NONE {
                continue;
            }
            let taken = &mut taken[*expert as usize];
            match *taken < room.capacity {
                true => *taken += 1,
                false => *expert = Visits::NONE,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: u32 = Visits::NONE;

    #[test]
    fn capacities_are_those_of_the_papers() {
        assert_eq!(Capacity::Factor(2.0).of(33, 8), 10); // fairseq: 2 * ceil(33 / 8)
        assert_eq!(Capacity::Factor(1.25).of(64, 8), 10); // Switch: 64 / 8 * 1.25
        assert_eq!(Capacity::Factor(0.1).of(8, 8), 1);
        assert_eq!(Capacity::Fraction(0.25).of(33, 8), 9);
        assert_eq!(Capacity::Fraction(0.1).of(30, 8), 3);
        assert_eq!(Capacity::Tokens(2).of(33, 8), 2);
        assert_eq!(Capacity::Dropless.of(33, 8), usize::MAX);
    }

    #[test]
    fn first_choices_go_before_second_ones() {
        let mut chosen = [0, 1, 1, 0, 1, 0];
        drop_overflow(&mut chosen, 2, &[0, 1, 2], Room { capacity: 2, num_experts: 2 });
        assert_eq!(chosen, [0, NONE, 1, 0, 1, NONE]);
        let mut chosen = [0, 0, 0];
        drop_overflow(&mut chosen, 1, &[2, 0, 1], Room { capacity: 2, num_experts: 1 });
        assert_eq!(chosen, [0, NONE, 0]);
    }

    proptest! {
        #[test]
        fn no_expert_takes_more_than_its_capacity(
            chosen in prop::collection::vec(prop_oneof![0u32..5, Just(NONE)], 0..80),
            capacity in 0usize..12,
        ) {
            let rows: Vec<usize> = (0..chosen.len() / 2).collect();
            let mut kept = chosen[..rows.len() * 2].to_vec();
            drop_overflow(&mut kept, 2, &rows, Room { capacity, num_experts: 5 });
            for expert in 0..5 {
                let count = |of: &[u32]| of.iter().filter(|&&e| e == expert).count();
                let wanted = count(&chosen[..rows.len() * 2]);
                prop_assert_eq!(count(&kept), wanted.min(capacity));
            }
        }
    }
}
