//! Puts items in order: scores in tiers, boosts, exploration, diversity, and one page of the whole.

use std::{cmp::Ordering, collections::HashMap};

use super::{boost::Weights, caps::Caps, item_index::ItemIndex};

/// The best items among which diversity chooses; fixed, so that pages of one list fit together.
const POOL: usize = 500;

/// Standard deviations between two tiers, where boosts may cross from one to the other.
const BELOW: f32 = 4.0;

/// How an item stands in a list: items of a lower tier come after all of a higher one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) number: u32,
    /// 0 for what was scored for the user, and from 1 on the place of the fallback that it comes from.
    pub(crate) tier: u8,
    pub(crate) score: f32,
}

/// A score in its order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ordered(pub(super) f32);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// How a list is put together from scores.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// What is favoured.
    pub(crate) boost: Option<Weights>,
    /// What is added to the scores of items that are recommended again, in standard deviations.
    pub(crate) decays: HashMap<u32, f32>,
    /// Strength of exploration, in standard deviations of the scores.
    pub(crate) explore: f32,
    /// What exploration depends on beside the item.
    pub(crate) seed: u64,
    /// Weight of being unlike what stands above, 0 to 1.
    pub(crate) diversity: f32,
    /// How many items of a kind the list may hold.
    pub(crate) caps: Caps,
}

impl Order {
    /// Whether a list is in the order of its scores alone, so that its end says nothing about its
    /// beginning.
    pub(crate) fn is_plain(&self) -> bool {
        self.boost.is_none()
            && self.explore == 0.0
            && self.diversity == 0.0
            && self.decays.is_empty()
            && self.caps.is_empty()
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// What comes before.
    pub(crate) offset: usize,
    /// How many at most.
    pub(crate) n: usize,
}

/// Sorts `candidates`, and returns those at `place`.
pub(crate) fn page(
    catalogue: &ItemIndex,
    mut candidates: Vec<Candidate>,
    order: &Order,
    place: Place,
) -> Vec<Candidate> {
    let Place { offset, n } = place;
    if order.boost.is_some() || order.explore > 0.0 || !order.decays.is_empty() {
        shift(catalogue, &mut candidates, order);
    }
    let mut end = offset.saturating_add(n).min(candidates.len());
    let sorted = match order.diversity > 0.0 {
        _ if !order.caps.is_empty() => candidates.len(),
        true => end.max(POOL),
        false => end,
    };
    let by_rank = |a: &Candidate, b: &Candidate| compare(catalogue, a, b);
    if sorted > 0 && sorted < candidates.len() {
        candidates.select_nth_unstable_by(sorted - 1, by_rank);
        candidates.truncate(sorted);
    }
    candidates.sort_unstable_by(by_rank);
    if !order.caps.is_empty() {
        let mut has_place = order.caps.judge(catalogue);
        candidates.retain(|one| has_place(one.number));
        end = end.min(candidates.len());
    }
    lower_tiers(&mut candidates);
    if order.diversity > 0.0 {
        diversify(catalogue, &mut candidates, order.diversity, end.min(POOL));
    }
    candidates.truncate(end);
    candidates.split_off(offset.min(end))
}

/// Tier, score, identifier.
fn compare(catalogue: &ItemIndex, a: &Candidate, b: &Candidate) -> Ordering {
    let by_id = || catalogue.entry(a.number).id.cmp(&catalogue.entry(b.number).id);
    a.tier.cmp(&b.tier).then_with(|| b.score.total_cmp(&a.score)).then_with(by_id)
}

/// Puts each tier on a scale of standard deviations, [`BELOW`] of them under the one above, and
/// adds boosts and noise, which may move an item from tier to tier.
///
/// Gumbel noise makes the order a draw without putting back from the softmax of the scores (Kool
/// and others, 2019); it is a function of seed and item, so that pages fit together.
fn shift(catalogue: &ItemIndex, candidates: &mut [Candidate], order: &Order) {
    let last = candidates.iter().map(|one| one.tier).max().unwrap_or(0);
    for tier in 0..=last {
        let scores = || candidates.iter().filter(|one| one.tier == tier).map(|one| one.score);
        let count = scores().count().max(1);
        let mean = exact_mean(scores(), count);
        let variance = exact_mean(scores().map(|score| (score - mean).powi(2)), count);
        let scale = variance.sqrt().max(1e-9);
        for one in candidates.iter_mut().filter(|one| one.tier == tier) {
            one.score = (one.score - mean) / scale - BELOW * f32::from(tier);
            if let Some(weights) = &order.boost {
                one.score += weights.of(catalogue, one.number);
            }
            one.score += order.decays.get(&one.number).copied().unwrap_or(0.0);
            if order.explore > 0.0 {
                let id = &catalogue.entry(one.number).id;
                one.score += order.explore * gumbel(order.seed, id);
            }
        }
    }
    candidates.iter_mut().for_each(|one| one.tier = 0);
}

/// The mean of `count` numbers, summed as whole units: it does not depend on their order.
fn exact_mean(numbers: impl Iterator<Item = f32>, count: usize) -> f32 {
    const UNIT: f64 = (1u64 << 24) as f64;
    let units: i128 = numbers.map(|number| (f64::from(number) * UNIT) as i128).sum();
    (units as f64 / UNIT / count as f64) as f32
}

/// A Gumbel-distributed number that depends on `seed` and `id` alone.
fn gumbel(seed: u64, id: &str) -> f32 {
    let uniform = (hash(seed, id) >> 11) as f64 / (1u64 << 53) as f64;
    -(-(uniform.max(1e-12)).ln()).max(1e-12).ln() as f32
}

/// A hash that is the same on every machine and in every version: FNV-1a, with its bits mixed.
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Moves each tier below the one before it, so that who sorts a list by its scores changes nothing.
fn lower_tiers(sorted: &mut [Candidate]) {
    let mut above: Option<(u8, f32)> = None;
    let mut offset = 0.0;
    for one in sorted {
        if let Some((tier, lowest)) = above
            && tier != one.tier
        {
            offset = (lowest - 1e-3 - one.score).min(0.0);
        }
        above = Some((one.tier, one.score + offset));
        one.score += offset;
    }
}

/// Reorders the first `count` places by maximal marginal relevance (Carbonell and Goldstein, 1998):
/// at each place the item with the best `(1-d)·relevance - d·likeness to what stands above`.
fn diversify(catalogue: &ItemIndex, sorted: &mut [Candidate], diversity: f32, count: usize) {
    let pool = sorted.len().min(POOL);
    let sorted = &mut sorted[..pool];
    // The place stands for relevance: scores of several tiers have no common scale.
    let relevance: Vec<f32> = (0..pool).map(|place| 1.0 - place as f32 / pool as f32).collect();
    let mut likeness = vec![0f32; pool];
    let mut left: Vec<usize> = (0..pool).collect();
    let mut chosen = Vec::with_capacity(pool);
    while chosen.len() < count && !left.is_empty() {
        let value = |i: usize| (1.0 - diversity) * relevance[i] - diversity * likeness[i];
        let best = (0..left.len())
            .max_by(|&a, &b| value(left[a]).total_cmp(&value(left[b])).then(b.cmp(&a)))
            .expect("the list is not empty");
        let best = left.remove(best);
        for &other in &left {
            let alike = catalogue.likeness(sorted[best].number, sorted[other].number);
            likeness[other] = likeness[other].max(alike);
        }
        chosen.push(best);
    }
    chosen.extend(left);
    let scores: Vec<f32> = sorted.iter().map(|one| one.score).collect();
    let reordered: Vec<Candidate> = chosen.iter().map(|&i| sorted[i]).collect();
    for ((place, one), score) in sorted.iter_mut().zip(reordered).zip(scores) {
        *place = Candidate { score, ..one }; // scores stay those of the places, and so in order
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;
    use proptest::prelude::*;

    use super::*;
    use crate::recommend::boost::Boost;

    /// Items 0, 1, 2, … whose category is their number divided by ten.
    fn catalogue(items: usize) -> ItemIndex {
        let mut catalogue = ItemIndex::new(1.0);
        for i in 0..items {
            catalogue.put(&Item {
                item_id: format!("{i:04}"),
                categories: vec![format!("{}", i / 10)],
                ..Item::default()
            });
        }
        catalogue
    }

    fn candidates(scores: &[(u8, f32)]) -> Vec<Candidate> {
        let one =
            |(i, &(tier, score)): (usize, &(u8, f32))| Candidate { number: i as u32, tier, score };
        scores.iter().enumerate().map(one).collect()
    }

    fn first(n: usize) -> Place {
        Place { offset: 0, n }
    }

    fn numbers(page: &[Candidate]) -> Vec<u32> {
        page.iter().map(|one| one.number).collect()
    }

    #[test]
    fn tiers_come_before_scores_and_identifiers_last() {
        let catalogue = catalogue(5);
        let all = candidates(&[(1, 9.0), (0, 1.0), (0, 2.0), (0, 2.0), (2, 99.0)]);
        let page = page(&catalogue, all, &Order::default(), first(10));
        assert_eq!(numbers(&page), [2, 3, 1, 0, 4]);
        assert!(page.is_sorted_by(|a, b| a.score >= b.score), "{page:?}");
    }

    #[test]
    fn a_boost_moves_what_it_names() -> Result<(), String> {
        let catalogue = catalogue(20);
        let scores: Vec<(u8, f32)> = (0..20).map(|i| (0, 20.0 - i as f32)).collect();
        let boost: Boost = "category:1*100".parse()?;
        let order = Order { boost: Some(boost.weights(&catalogue)), ..Order::default() };
        let found = page(&catalogue, candidates(&scores), &order, first(3));
        assert_eq!(numbers(&found), [10, 11, 12]);
        Ok(())
    }

    #[test]
    fn diversity_mixes_what_is_alike() {
        let catalogue = catalogue(40);
        let scores: Vec<(u8, f32)> = (0..40).map(|i| (0, 40.0 - i as f32)).collect();
        let order = Order { diversity: 0.9, ..Order::default() };
        let found = page(&catalogue, candidates(&scores), &order, first(4));
        assert_eq!(numbers(&found), [0, 10, 20, 30], "one of each category");
    }

    #[test]
    fn exploration_depends_on_the_seed_alone_and_prefers_the_best() {
        let catalogue = catalogue(50);
        let scores: Vec<(u8, f32)> = (0..50).map(|i| (0, 50.0 - i as f32)).collect();
        let draw = |seed| {
            let order = Order { explore: 0.5, seed, ..Order::default() };
            numbers(&page(&catalogue, candidates(&scores), &order, first(10)))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mean = draw(3).iter().sum::<u32>() as f32 / 10.0;
        assert!(mean < 20.0, "the mean place of ten is {mean}, and that of all 24.5");
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_whole_list(
            scores in prop::collection::vec((0u8..3, -5i8..5), 0..60),
            size in 1usize..20,
            (diversity, explore) in (prop::sample::select(vec![0f32, 0.5]), prop::sample::select(vec![0f32, 1.0])),
        ) {
            let catalogue = catalogue(60);
            let scores: Vec<(u8, f32)> = scores.into_iter().map(|(t, s)| (t, f32::from(s))).collect();
            let order = Order { diversity, explore, seed: 7, ..Order::default() };
            let whole = numbers(&page(&catalogue, candidates(&scores), &order, first(100)));
            let mut pages = Vec::new();
            for offset in (0..scores.len()).step_by(size) {
                pages.extend(numbers(&page(&catalogue, candidates(&scores), &order, Place { offset, n: size })));
            }
            prop_assert_eq!(&pages, &whole);
            prop_assert_eq!(whole.len(), scores.len());
        }
    }
}
