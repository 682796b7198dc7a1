//! The best of some scores, in an order that leaves nothing to chance.

use std::cmp::Ordering;

/// Up to so many are kept in order while all go by; more are sorted.
const FEW: usize = 16;

/// The best `count` of `candidates` by `score`, best first; of equal ones the earlier first.
pub(crate) fn best(
    candidates: impl IntoIterator<Item = u32>,
    count: usize,
    score: impl Fn(u32) -> f32,
) -> Vec<u32> {
    if count > FEW {
        let mut order: Vec<u32> = candidates.into_iter().collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        order.truncate(count);
        return order;
    }
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
    for candidate in candidates {
        let own = score(candidate);
        // Most are worse than the last that is kept.
        if best.len() == count && best.last().is_none_or(|last| last.0.total_cmp(&own).is_ge()) {
            continue;
        }
        let place = best.partition_point(|kept| kept.0.total_cmp(&own).is_ge());
        best.insert(place, (own, candidate));
        best.truncate(count);
    }
    best.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The best `count` of `scores` as `torch.topk` chooses them on a CPU, in no particular order.
///
/// Of equal scores at the border it takes those that the `nth_element` of the GNU C++ library
/// leaves in front: a published choice that depends on it is met by doing the same.
pub(crate) fn best_as_torch(scores: &[f32], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    if count < order.len() && count > 0 {
        let compare = |a: &u32, b: &u32| {
            scores[*b as usize].partial_cmp(&scores[*a as usize]).unwrap_or(Ordering::Equal)
        };
        nth_element(&mut order, count - 1, compare);
    }
    order.truncate(count);
    order
}

/// Moves the `nth` element in order to its place, and those before it to the left (introselect).
fn nth_element(xs: &mut [u32], nth: usize, compare: impl Fn(&u32, &u32) -> Ordering) {
    let (mut first, mut last) = (0, xs.len());
    let mut splits = 2 * xs.len().ilog2();
    // Made for the worst, the library falls back to a heap when splits do not help; a sort does
    // as well, but for the order of equals.
    while last - first > 3 && splits > 0 {
        splits -= 1;
        let cut = first + split(&mut xs[first..last], &compare);
        match cut <= nth {
            true => first = cut,
            false => last = cut,
        }
    }
    xs[first..last].sort_by(compare);
}

/// Splits at the median of the second, the middle and the last element, which goes to the front
/// (`__unguarded_partition_pivot`): says where the second part begins.
fn split(xs: &mut [u32], compare: &impl Fn(&u32, &u32) -> Ordering) -> usize {
    let is_before = |a: &u32, b: &u32| compare(a, b).is_lt();
    let (a, b, c) = (1, xs.len() / 2, xs.len() - 1);
    let median = match (is_before(&xs[a], &xs[b]), is_before(&xs[b], &xs[c])) {
        (true, true) => b,
        (true, false) if is_before(&xs[a], &xs[c]) => c,
        (true, false) => a,
        (false, _) if is_before(&xs[a], &xs[c]) => a,
        (false, true) => c,
        (false, false) => b,
    };
    xs.swap(0, median);
    let pivot = xs[0];
    let (mut low, mut high) = (1, xs.len());
    loop {
        while is_before(&xs[low], &pivot) {
            low += 1;
        }
        high -= 1;
        while is_before(&pivot, &xs[high]) {
            high -= 1;
        }
        if low >= high {
            return low;
        }
        xs.swap(low, high);
        low += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_scores_keep_their_order() {
        let scores = [1.0, 3.0, 2.0, 3.0, 0.0];
        assert_eq!(best(0..5, 3, |i| scores[i as usize]), [1, 3, 2]);
        assert_eq!(best([3, 1], 1, |i| scores[i as usize]), [3]);
    }

    /// Expected sets printed by `torch.topk(scores, count, sorted=False)` of torch 2.15.0.
    #[test]
    fn ties_at_the_border_fall_as_in_torch() {
        let best = |scores: &[f32], count: usize| {
            let mut best = best_as_torch(scores, count);
            best.sort_unstable();
            best
        };
        assert_eq!(best(&[0.0, 0.0, 0.16, 0.0, 0.0, -0.04, 0.0, -0.5], 3), [1, 2, 4]);
        assert_eq!(best(&[0.0, 0.0, 0.0, 0.0, -0.32, 0.0, 0.07, -0.56], 3), [0, 3, 6]);
        assert_eq!(best(&[0.0, -0.24, -0.37, 0.0, 0.03, 0.0, -0.21, -0.1], 3), [3, 4, 5]);
        let scores = [
            0.06, 0.05, 0.0, 0.0, -0.55, 0.0, 0.06, 0.0, 0.0, 0.0, -0.56, 0.17, -0.44, -0.23, 0.0,
            0.0,
        ];
        assert_eq!(best(&scores, 4), [0, 1, 6, 11]);
        let score = |i: i32| ((i * 37) % 101 - 96) as f32 / 100.0;
        let scores: Vec<f32> =
            (0..256).map(|i| if (i / 32) % 2 == 1 { 0.0 } else { score(i) }).collect();
        assert_eq!(best(&scores, 8), [19, 30, 90, 96, 98, 131, 170, 221]);
        assert_eq!(best(&[1.0, 2.0], 2), [0, 1]);
        assert_eq!(best(&[1.0, 2.0], 0), [0; 0]);
    }

    proptest! {
        #[test]
        fn few_are_the_first_of_the_sorted_ones(
            scores in prop::collection::vec((-3i32..3).prop_map(|score| score as f32), 0..60),
            count in 0usize..FEW,
        ) {
            let mut sorted: Vec<u32> = (0..scores.len() as u32).collect();
            sorted.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
            sorted.truncate(count);
            prop_assert_eq!(best(0..scores.len() as u32, count, |i| scores[i as usize]), sorted);
        }

        #[test]
        fn torch_takes_the_best_too(
            scores in prop::collection::vec((0i32..6).prop_map(|score| score as f32), 1..80),
            count in 1usize..12,
        ) {
            let count = count.min(scores.len());
            let sorted = |chosen: Vec<u32>| {
                let mut chosen: Vec<f32> = chosen.iter().map(|&i| scores[i as usize]).collect();
                chosen.sort_by(f32::total_cmp);
                chosen
            };
            let ours = best(0..scores.len() as u32, count, |i| scores[i as usize]);
            prop_assert_eq!(sorted(best_as_torch(&scores, count)), sorted(ours));
        }
    }
}
