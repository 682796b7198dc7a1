//! What users who share labels with a user like more often than others do, for users who have done little yet.
//!
//! An item is popular among such users as far as it is popular now, times how much more often they like it:
//! `(nᵢ + k) / (m·qᵢ + k)`, where `nᵢ` of the `m` likes of some users with the label are for the item, `qᵢ` is its share of
//! the likes of some users with any labels, and `k` is [`PRIOR`]: so many likes say that there is no difference (a gamma
//! prior with the mean 1). Likes are compared with likes of the same age: popularity fades, and likes beside it would
//! bring back what was liked long ago.
//!
//! The factors of several labels are multiplied, and of `l` labels each counts by the root of order `√l`: labels of one
//! user often say the same.

use ahash::AHashMap;
use dragoman_store::Result;

use super::{
    Settings, TenantIndex, item_index::ItemIndex, popularity::Popularity, user_labels::LABELS,
};

/// Likes that say that users with a label are like all others.
const PRIOR: f32 = 100.0;

/// How often an item is liked, by its number.
type Counts<'a> = &'a [(u32, u16)];

/// By what the popularity of items is multiplied: 1 for those that are not named.
#[derive(Debug, Default)]
pub(super) struct LabelLifts(AHashMap<u32, f32>);

impl LabelLifts {
    /// The factors for a user with `labels`; none where nobody with one of them likes anything.
    pub(super) fn read(
        index: &TenantIndex,
        settings: &Settings,
        labels: &[String],
        items: &ItemIndex,
    ) -> Result<Option<Self>> {
        let mut likes = Vec::new();
        for label in labels.iter().take(LABELS) {
            let liked = index.liked_by_label(settings, label, items)?;
            if !liked.is_empty() {
                likes.push(liked);
            }
        }
        if likes.is_empty() {
            return Ok(None);
        }
        let all = index.liked_by_labelled(settings, items)?;
        let likes: Vec<Counts<'_>> = likes.iter().map(|liked| liked.as_slice()).collect();
        Ok(Some(Self::of(&likes, &all)))
    }

    /// The factors from the likes of the users of each label and from those of users with any labels.
    fn of(likes: &[Counts<'_>], all: Counts<'_>) -> Self {
        let total =
            |liked: Counts<'_>| liked.iter().map(|(_, count)| f32::from(*count)).sum::<f32>();
        let whole = total(all).max(1.0);
        let mut logs: AHashMap<u32, f32> = AHashMap::with_capacity(all.len());
        let expected: Vec<f32> = likes.iter().map(|liked| total(liked) / whole / PRIOR).collect();
        for &(number, count) in all {
            let log = |expected: &f32| (f32::from(count) * expected).ln_1p();
            logs.insert(number, -expected.iter().map(log).sum::<f32>());
        }
        for &(number, count) in likes.iter().copied().flatten() {
            *logs.entry(number).or_default() += (f32::from(count) / PRIOR).ln_1p();
        }
        let root = (likes.len().max(1) as f32).sqrt();
        Self(logs.into_iter().map(|(number, log)| (number, (log / root).exp())).collect())
    }

    /// The factor of the item `number`.
    pub(super) fn of_item(&self, number: u32) -> f32 {
        self.0.get(&number).copied().unwrap_or(1.0)
    }

    /// Items that are liked more often than by others.
    pub(super) fn lifted(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().filter(|(_, lift)| **lift > 1.0).map(|(number, _)| *number)
    }

    /// The greatest popularity relative to the best that there is after the factors.
    pub(super) fn greatest(&self, popularity: &Popularity) -> f32 {
        let relative = popularity.relative_to_best();
        let lifted = self.0.iter().map(|(number, lift)| relative(*number).exp() * lift);
        let other = popularity.ranked().find(|number| !self.0.contains_key(number));
        lifted.chain(other.map(|number| relative(number).exp())).fold(f32::MIN_POSITIVE, f32::max)
    }

    #[cfg(test)]
    pub(super) fn from_factors(factors: impl IntoIterator<Item = (u32, f32)>) -> Self {
        Self(factors.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;

    use super::*;

    fn close(a: f32, b: f32) {
        assert!((a - b).abs() < 1e-5, "{a} is not {b}");
    }

    #[test]
    fn likes_are_compared_with_those_of_everybody() {
        // Item 0 has a quarter of all likes, and half of those of the label.
        let all: Counts<'_> = &[(0, 100), (1, 300)];
        let label: Counts<'_> = &[(0, 50), (1, 50), (2, 10)];
        let lifts = LabelLifts::of(&[label], all);
        close(lifts.of_item(0), (50.0 + 100.0) / (110.0 * 0.25 + 100.0));
        close(lifts.of_item(1), (50.0 + 100.0) / (110.0 * 0.75 + 100.0));
        close(lifts.of_item(2), (10.0 + 100.0) / 100.0);
        close(lifts.of_item(3), 1.0);
        let mut lifted: Vec<u32> = lifts.lifted().collect();
        lifted.sort_unstable();
        assert_eq!(lifted, [0, 2]);
        // Two labels that say the same count little more than one.
        let both = LabelLifts::of(&[label, label], all);
        close(both.of_item(0), lifts.of_item(0).powf(2f32.sqrt()));
        // Users like everybody change nothing.
        let same = LabelLifts::of(&[all], all);
        assert!([0, 1].into_iter().all(|number| (same.of_item(number) - 1.0).abs() < 1e-5));
    }

    #[test]
    fn the_greatest_popularity_may_be_of_an_item_without_likes() {
        let mut items = ItemIndex::new(1000.0);
        for i in 0..3 {
            let number = items.put(&Item { item_id: i.to_string(), ..Item::default() });
            (0..=i).for_each(|_| items.touch(number, 1.0, 5000));
        }
        let greatest = |factors: &[(u32, f32)]| {
            LabelLifts::from_factors(factors.to_vec()).greatest(items.popularity())
        };
        close(greatest(&[]), 1.0);
        close(greatest(&[(2, 0.5)]), 2.0 / 3.0);
        close(greatest(&[(2, 0.5), (0, 6.0)]), 2.0);
    }
}
