//! The best of some scores, in an order that leaves nothing to chance.

/// The best `count` of `candidates` by `score`, best first; of equal ones the earlier first.
pub(super) fn best(
    candidates: impl IntoIterator<Item = u32>,
    count: usize,
    score: impl Fn(u32) -> f32,
) -> Vec<u32> {
    let mut order: Vec<u32> = candidates.into_iter().collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_keep_their_order() {
        let scores = [1.0, 3.0, 2.0, 3.0, 0.0];
        assert_eq!(best(0..5, 3, |i| scores[i as usize]), [1, 3, 2]);
        assert_eq!(best([3, 1], 1, |i| scores[i as usize]), [3]);
    }
}
