//! n-grams packed into integers: comparing two is one instruction, and no hash is needed.

use std::collections::HashMap;

/// Bits of one item, enough for every Unicode scalar value; six fit into a `u128`.
const ITEM_BITS: u32 = 21;
/// The longest n-gram that packs.
const MAX_ORDER: usize = (u128::BITS / ITEM_BITS) as usize;

/// Packs every n-gram of `items`, in order; `items` are below 2²¹ and `n` is at most six.
pub(super) fn ngrams(items: &[u32], n: usize) -> Vec<u128> {
    debug_assert!((1..=MAX_ORDER).contains(&n));
    items.windows(n).map(pack).collect()
}

/// Counts the n-grams that two lists share, each as often as it is in both (clipped counts).
pub(super) fn shared(mut left: Vec<u128>, mut right: Vec<u128>) -> u64 {
    left.sort_unstable();
    right.sort_unstable();
    let (mut matches, mut rest) = (0, right.as_slice());
    for ngram in left {
        let smaller = rest.iter().take_while(|&&other| other < ngram).count();
        rest = &rest[smaller..];
        if rest.first() == Some(&ngram) {
            matches += 1;
            rest = &rest[1..];
        }
    }
    matches
}

/// Gives the words of two sentences small numbers, equal words the same one.
pub(super) fn number<'a>(
    left: impl Iterator<Item = &'a str>,
    right: impl Iterator<Item = &'a str>,
) -> (Vec<u32>, Vec<u32>) {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut assign = |word| {
        let next = numbers.len() as u32;
        *numbers.entry(word).or_insert(next)
    };
    (left.map(&mut assign).collect(), right.map(&mut assign).collect())
}

fn pack(items: &[u32]) -> u128 {
    items.iter().fold(0, |packed, &item| packed << ITEM_BITS | u128::from(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_ngram_matches_as_often_as_the_other_side_has_it() {
        let (left, right) = number("a a a b".split(' '), "a a c b".split(' '));
        assert_eq!(shared(ngrams(&left, 1), ngrams(&right, 1)), 3);
        assert_eq!(shared(ngrams(&left, 2), ngrams(&right, 2)), 1);
        assert_eq!(shared(ngrams(&left, 4), ngrams(&right, 4)), 0);
        assert_eq!(ngrams(&left, 5), []);
    }

    #[test]
    fn six_of_the_largest_characters_do_not_run_into_each_other() {
        let last = char::MAX as u32;
        let packed = ngrams(&[last, 0, 0, 0, 0, 0, last], 6);
        assert_eq!(packed, [u128::from(last) << 105, u128::from(last)]);
    }
}
