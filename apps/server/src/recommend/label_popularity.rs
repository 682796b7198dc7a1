//! What users who share labels with a user like, for users who have done little yet.
//!
//! The probability that such a user takes the item `i` is estimated from the likes of the users with a label, shrunk
//! towards overall popularity: `(nᵢ + k·pᵢ) / (n + k)`, where `nᵢ` of the `n` likes are for the item, `pᵢ` is the item's
//! share of the popularity of all items, and `k` is [`PRIOR`]: overall popularity counts like so many likes (a Dirichlet
//! prior with the mean `p`). With several labels the estimates are averaged.

use ahash::AHashMap;
use dragoman_store::Result;

use super::{
    Settings, TenantIndex, item_index::ItemIndex, popularity::Popularity, user_labels::LABELS,
};

/// The likes that overall popularity counts for.
const PRIOR: f32 = 50.0;

/// The estimates of all items, in two parts.
#[derive(Debug, Default)]
pub(super) struct LabelPopularity {
    /// By item, the mean of `nᵢ / (n + k)`.
    liked: AHashMap<u32, f32>,
    /// The mean of `k / (n + k)`, by which the share of an item in overall popularity is multiplied.
    prior: f32,
}

impl LabelPopularity {
    /// The estimates for a user with `labels`; none where nobody with one of them likes anything.
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
        let likes: Vec<&[(u32, u16)]> = likes.iter().map(|liked| liked.as_slice()).collect();
        Ok((!likes.is_empty()).then(|| Self::of(&likes)))
    }

    /// The estimates from the likes of the users of each label, by item.
    fn of(likes: &[&[(u32, u16)]]) -> Self {
        let mut estimate = Self::default();
        for liked in likes {
            let all: u32 = liked.iter().map(|(_, count)| u32::from(*count)).sum();
            let share = 1.0 / (all as f32 + PRIOR) / likes.len() as f32;
            estimate.prior += PRIOR * share;
            for &(number, count) in *liked {
                *estimate.liked.entry(number).or_default() += f32::from(count) * share;
            }
        }
        estimate
    }

    /// The two parts on a scale on which the greatest estimate is `most`: what the likes add to each item, and what
    /// popularity relative to the best is multiplied by.
    pub(super) fn scaled(
        mut self,
        popularity: &Popularity,
        most: f32,
    ) -> (AHashMap<u32, f32>, f32) {
        let share = popularity.shares();
        let best = popularity.ranked().next().map_or(0.0, &share);
        let estimate = |(number, liked): (&u32, &f32)| liked + self.prior * share(*number);
        let greatest = self.liked.iter().map(estimate).fold(self.prior * best, f32::max);
        let scale = most / greatest.max(f32::MIN_POSITIVE);
        self.liked.values_mut().for_each(|liked| *liked *= scale);
        (self.liked, self.prior * best * scale)
    }
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;

    use super::*;

    /// Items 0, 1 and 2, the later ones more popular: their shares are 1/6, 2/6 and 3/6.
    fn items() -> ItemIndex {
        let mut items = ItemIndex::new(1000.0);
        for i in 0..3 {
            let number = items.put(&Item { item_id: i.to_string(), ..Item::default() });
            (0..=i).for_each(|_| items.touch(number, 1.0, 5000));
        }
        items
    }

    /// The estimate of an item, made of its parts.
    fn of(estimate: LabelPopularity, items: &ItemIndex, number: u32) -> f32 {
        let relative = items.popularity().relative_to_best();
        let (liked, prior) = estimate.scaled(items.popularity(), 1.0);
        liked.get(&number).copied().unwrap_or(0.0) + prior * relative(number).exp()
    }

    #[test]
    fn estimates_are_shrunk_towards_overall_popularity() {
        let items = items();
        let few: &[(u32, u16)] = &[(0, 1)];
        let many: &[(u32, u16)] = &[(0, 100), (1, 20)];
        let ratio = |likes: &[&[(u32, u16)]], number| {
            of(LabelPopularity::of(likes), &items, number)
                / of(LabelPopularity::of(likes), &items, 2)
        };
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        // (1 + 50/6) / (50·3/6), and (100 + 50/6) / (50·3/6).
        close(ratio(&[few], 0), (1.0 + 50.0 / 6.0) / 25.0);
        close(ratio(&[many], 0), (100.0 + 50.0 / 6.0) / 25.0);
        close(of(LabelPopularity::of(&[many]), &items, 0), 1.0);
        close(of(LabelPopularity::of(&[few]), &items, 2), 1.0);
        // The mean of (1 + 50/6)/51 and (100 + 50/6)/170, relative to that of 25/51 and 25/170.
        let both = [1.0 + 50.0 / 6.0, 100.0 + 50.0 / 6.0];
        close(
            ratio(&[few, many], 0),
            (both[0] / 51.0 + both[1] / 170.0) / (25.0 / 51.0 + 25.0 / 170.0),
        );
    }
}
