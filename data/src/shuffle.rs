//! A shuffled order that costs neither time to start nor memory: a Feistel network over indices.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROUNDS: usize = 6;

/// A permutation of `0..len`, given by a seed and a stream number.
#[derive(Debug, Clone)]
pub struct Shuffle {
    len: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Shuffle {
    /// Creates the permutation number `stream` of `0..len`.
    pub fn new(len: u64, seed: u64, stream: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self {
            len,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| rng.random()),
        }
    }

    /// The index at `position`, both below `len`.
    pub fn get(&self, position: u64) -> u64 {
        debug_assert!(position < self.len);
        // The network permutes up to 4·len numbers; walking its cycle leads back below `len`.
        let mut index = self.scramble(position);
        while index >= self.len {
            index = self.scramble(index);
        }
        index
    }

    fn scramble(&self, index: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (index >> self.half_bits, index & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

/// Mixes the bits of a number (the finalizer of SplitMix64).
fn mix(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_index_comes_once(len in 1u64..2000, seed: u64, stream: u64) {
            let shuffle = Shuffle::new(len, seed, stream);
            let mut indices: Vec<u64> = (0..len).map(|position| shuffle.get(position)).collect();
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn streams_differ_and_leave_little_in_place() {
        let order =
            |stream| (0..1000).map(|i| Shuffle::new(1000, 7, stream).get(i)).collect::<Vec<_>>();
        let (first, second) = (order(0), order(1));
        assert_ne!(first, second);
        let in_place = (0..).zip(&first).filter(|&(i, &index)| i == index).count();
        assert!(in_place < 10, "{in_place} of 1000 stayed in place");
    }
}
