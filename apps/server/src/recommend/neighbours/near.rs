//! The items that the users of an item liked too.

use std::{cell::RefCell, sync::Arc};

use super::KEPT;
use crate::recommend::item_index::ItemIndex;

/// How the vote of an item's neighbours falls with the number of its users: by this power.
const VOTE: f32 = -0.7;

thread_local! {
    /// A counter for each item, 0 between two uses: counting is most of the work of a list whose items are new.
    static COUNTS: RefCell<Vec<u16>> = const { RefCell::new(Vec::new()) };
}

/// Neighbours of an item.
#[derive(Debug, PartialEq)]
pub(crate) struct Near {
    /// Users of the item that were looked at.
    users: usize,
    /// Items by number, with how many of these users liked them, in no order.
    pub(crate) counts: Vec<(u32, u16)>,
}

impl Near {
    /// Counts the items of the users' `tastes` without the item `own` itself.
    pub(super) fn new(tastes: &[Arc<Vec<u32>>], own: Option<u32>, items: &ItemIndex) -> Self {
        let mut counts = counted(tastes.iter().flat_map(|taste| taste.iter().copied()));
        counts.retain(|(number, _)| Some(*number) != own);
        if counts.len() > KEPT {
            keep(&mut counts, items);
        }
        Self { users: tastes.len(), counts }
    }

    /// What one count of a neighbour is worth beside those of other items.
    pub(crate) fn vote(&self) -> f32 {
        (self.users.max(1) as f32).powf(VOTE)
    }

    /// The neighbours by the cosine of their users.
    pub(crate) fn cosines(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        // Of the others only those users are known who touched this item too: their share of the
        // users looked at, damped for pairs that met once.
        let all = self.users as f32;
        let cosine = move |count: f32| count / (all * (count + 1.0)).sqrt();
        self.counts.iter().map(move |&(number, count)| (number, cosine(f32::from(count))))
    }
}

/// Keeps the greatest of `counts`, [`KEPT`] at most. Those that are equal to the next one are kept by their identifiers,
/// or not at all where enough others are: most are of one user, and to compare identifiers is slow.
fn keep(counts: &mut Vec<(u32, u16)>, items: &ItemIndex) {
    let (_, &mut (_, next), _) = counts.select_nth_unstable_by(KEPT, |a, b| b.1.cmp(&a.1));
    let (mut kept, mut equal): (Vec<_>, Vec<_>) =
        counts.iter().filter(|one| one.1 >= next).partition(|one| one.1 > next);
    if kept.len() < KEPT / 2 {
        let left = KEPT - kept.len();
        let by_id = |a: &(u32, u16), b: &(u32, u16)| items.entry(a.0).id.cmp(&items.entry(b.0).id);
        equal.select_nth_unstable_by(left - 1, by_id);
        kept.extend(&equal[..left]);
    }
    *counts = kept;
}

/// How often each of `numbers` comes.
pub(super) fn counted(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u16)> {
    COUNTS.with_borrow_mut(|counts| {
        let mut met = Vec::new();
        for number in numbers {
            let place = number as usize;
            if place >= counts.len() {
                counts.resize((place + 1).next_power_of_two().max(1024), 0);
            }
            if counts[place] == 0 {
                met.push(number);
            }
            counts[place] += 1; // by at most 300 users
        }
        met.into_iter()
            .map(|number| (number, std::mem::take(&mut counts[number as usize])))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use dragoman_store::Item;

    use super::*;

    fn items(count: usize) -> ItemIndex {
        let mut items = ItemIndex::new(1.0);
        for i in 0..count {
            items.put(&Item { item_id: format!("{i:03}"), ..Item::default() });
        }
        items
    }

    fn near(tastes: &[&[u32]], own: Option<u32>) -> Near {
        let tastes: Vec<_> = tastes.iter().map(|taste| Arc::new(taste.to_vec())).collect();
        let mut near = Near::new(&tastes, own, &items(300));
        near.counts.sort_unstable();
        near
    }

    #[test]
    fn items_are_counted_and_the_counters_are_left_empty() {
        let tastes: [&[u32]; 3] = [&[0, 2, 1], &[0, 2], &[3, 0]];
        assert_eq!(near(&tastes, Some(0)).counts, [(1, 1), (2, 2), (3, 1)]);
        assert_eq!(near(&tastes, Some(0)), near(&tastes, Some(0)));
        assert_eq!(near(&tastes, Some(0)).cosines().nth(1), Some((2, 2.0 / 3.0)));
        assert_eq!(near(&[], None).cosines().count(), 0);
    }

    #[test]
    fn the_greatest_counts_are_kept() {
        let all: Vec<u32> = (0..300).rev().collect();
        let twice = |n: u32| near(&[&all, &(300 - n..300).collect::<Vec<_>>()], None);
        // Few are counted twice: the first of the others come along. Many: none does.
        let few = twice(30);
        assert_eq!(
            (few.counts.len(), few.counts[0], few.counts[69], few.counts[70]),
            (KEPT, (0, 1), (69, 1), (270, 2))
        );
        let many = twice(80);
        assert_eq!((many.counts.len(), many.counts[0]), (80, (220, 2)));
    }
}
