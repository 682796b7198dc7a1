//! Features of many things: a short list of ids for each.

use crate::{ops::Lookup, params::Param};

/// Lists of feature ids, one for each item or user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bags {
    /// End of each list in `ids`.
    ends: Vec<usize>,
    ids: Vec<u32>,
}

impl Bags {
    /// Adds a list.
    pub fn push(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.ends.push(self.ids.len());
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// List `i`.
    pub fn get(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.ids[start..self.ends[i]]
    }

    /// The greatest id of all lists.
    pub fn max_id(&self) -> Option<usize> {
        self.ids.iter().max().map(|&id| id as usize)
    }

    /// Adds to row `i` the sum of the rows of `table` that list `i` names, divided by the root of
    /// their number, so that long lists are not longer vectors.
    pub(crate) fn lookup(&self, table: &Param) -> Lookup {
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        for i in 0..self.len() {
            let count = self.get(i).len();
            rows.resize(rows.len() + count, i as u32);
            weights.resize(weights.len() + count, (count as f32).powf(-0.5));
        }
        Lookup { table: table.clone(), rows, ids: self.ids.clone(), weights }
    }
}

impl<'a> FromIterator<&'a [u32]> for Bags {
    fn from_iter<I: IntoIterator<Item = &'a [u32]>>(lists: I) -> Self {
        let mut bags = Self::default();
        lists.into_iter().for_each(|list| bags.push(list));
        bags
    }
}
