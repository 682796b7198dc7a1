//! Who met what: histories without order or repeats, from both sides.

use rayon::prelude::*;

use super::Event;

/// The distinct items of every user, and the users of every item; all ascending.
pub(super) struct Sets {
    of_user: Vec<Vec<u32>>,
    of_item: Vec<Vec<u32>>,
}

impl Sets {
    /// Reads histories over a catalogue of `num_items`; of a longer one the last `longest` distinct
    /// items count, since the work grows with the square.
    pub(super) fn new<H: AsRef<[Event]>>(
        histories: &[H],
        num_items: usize,
        longest: usize,
    ) -> Self {
        let mut of_item = vec![Vec::new(); num_items];
        let mut of_user = Vec::with_capacity(histories.len());
        for (user, history) in histories.iter().enumerate() {
            let mut met = std::collections::HashSet::new();
            let latest = history.as_ref().iter().rev().map(|event| event.item);
            let distinct = latest.filter(|&item| (item as usize) < num_items && met.insert(item));
            let mut items: Vec<u32> = distinct.take(longest).collect();
            items.sort_unstable();
            items.iter().for_each(|&item| of_item[item as usize].push(user as u32));
            of_user.push(items);
        }
        Self { of_user, of_item }
    }

    /// Users who met `item`.
    pub(super) fn count(&self, item: usize) -> usize {
        self.of_item[item].len()
    }

    /// Writes into `row` how many users met both `item` and each other item.
    pub(super) fn together(&self, item: usize, row: &mut [f32]) {
        row.fill(0.0);
        for &user in &self.of_item[item] {
            for &other in &self.of_user[user as usize] {
                row[other as usize] += 1.0;
            }
        }
    }

    /// Makes something of each item's row of [`Self::together`], in parallel.
    pub(super) fn rows<T: Send>(&self, make: impl Fn(usize, &[f32]) -> T + Sync + Send) -> Vec<T> {
        let num_items = self.of_item.len();
        let row = || vec![0.0; num_items];
        (0..num_items)
            .into_par_iter()
            .map_init(row, |row, item| {
                self.together(item, row);
                make(item, row)
            })
            .collect()
    }
}
