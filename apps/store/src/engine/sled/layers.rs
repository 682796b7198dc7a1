//! A tree: rows as they were written, and perhaps blocks beneath them that an import filled.
//!
//! Blocks never change. What is written later stands above them and hides the row of the same key. A value above
//! blocks begins with a byte of one, so that the empty value can say that the row is gone.

use std::cmp::Ordering;

use super::{
    super::{Row, Rows},
    blocks::Blocks,
};
use crate::Result;

/// What a value above blocks begins with.
const VALUE: u8 = 1;

/// One tree.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub(super) rows: sled::Tree,
    pub(super) blocks: Option<Blocks>,
}

impl Layers {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let above = self.rows.get(key)?;
        match (&self.blocks, above) {
            (Some(_), Some(value)) => Ok(value.split_first().map(|(_, value)| value.to_vec())),
            (Some(blocks), None) => blocks.get(key),
            (None, above) => Ok(above.map(|value| value.to_vec())),
        }
    }

    pub(super) fn range(&self, from: Vec<u8>, to: Option<Vec<u8>>) -> Result<Rows> {
        let above = match &to {
            Some(to) if *to <= from => return Ok(Box::new(std::iter::empty())),
            Some(to) => self.rows.range(from.clone()..to.clone()),
            None => self.rows.range(from.clone()..),
        };
        let above = Box::new(above.map(|row| {
            let (key, value) = row?;
            Ok((key.to_vec(), value.to_vec()))
        }));
        let Some(blocks) = &self.blocks else { return Ok(above) };
        let below = blocks.range(from, to)?;
        Ok(Box::new(Merged { above: Ends::of(above), below: Ends::of(below) }))
    }

    /// Changes rows, all or none.
    pub(super) fn apply(&self, rows: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<()> {
        if let [(key, value)] = rows {
            match self.above(key, value.as_deref())? {
                Some(value) => drop(self.rows.insert(key, value)?),
                None => drop(self.rows.remove(key)?),
            }
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in rows {
            match self.above(key, value.as_deref())? {
                Some(value) => batch.insert(key.as_slice(), value),
                None => batch.remove(key.as_slice()),
            }
        }
        Ok(self.rows.apply_batch(batch)?)
    }

    /// What stands above the blocks where the value of `key` becomes `value`; none where nothing has to.
    fn above(&self, key: &[u8], value: Option<&[u8]>) -> Result<Option<sled::IVec>> {
        Ok(match (&self.blocks, value) {
            (None, value) => value.map(sled::IVec::from),
            (Some(_), Some(value)) => Some([&[VALUE], value].concat().into()),
            (Some(blocks), None) => blocks.get(key)?.map(|_| sled::IVec::default()),
        })
    }
}

/// The rows of both, read from both ends.
struct Merged {
    above: Ends,
    below: Ends,
}

/// Rows of one layer, and the next of either end where it has been looked at.
struct Ends {
    rows: Rows,
    first: Option<Result<Row>>,
    last: Option<Result<Row>>,
}

impl Ends {
    fn of(rows: Rows) -> Self {
        Self { rows, first: None, last: None }
    }

    /// The next row of one end.
    fn next(&mut self, is_back: bool) -> &mut Option<Result<Row>> {
        let Self { rows, first, last } = self;
        if is_back {
            *last = last.take().or_else(|| rows.next_back()).or_else(|| first.take());
            last
        } else {
            *first = first.take().or_else(|| rows.next()).or_else(|| last.take());
            first
        }
    }
}

impl Merged {
    fn step(&mut self, is_back: bool) -> Option<Result<Row>> {
        loop {
            let (above, below) = (self.above.next(is_back), self.below.next(is_back));
            let order = match (&*above, &*below) {
                (Some(Ok(above)), Some(Ok(below))) if is_back => below.0.cmp(&above.0),
                (Some(Ok(above)), Some(Ok(below))) => above.0.cmp(&below.0),
                (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => Ordering::Greater,
                (Some(_) | None, _) => Ordering::Less,
            };
            let below = if order.is_lt() { None } else { below.take() };
            if order.is_gt() {
                return below;
            }
            match above.take() {
                Some(Ok((key, mut value))) if !value.is_empty() => {
                    value.remove(0);
                    return Some(Ok((key, value)));
                }
                Some(Ok(_)) => {} // gone, and the row that it hides as well
                end => return end,
            }
        }
    }
}

impl Iterator for Merged {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl DoubleEndedIterator for Merged {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..4, 0..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn layers_are_one_sorted_map(
            loaded in prop::collection::btree_map(bytes(), bytes(), 0..40),
            changes in prop::collection::vec(
                prop::collection::vec((bytes(), prop::option::of(bytes())), 1..4), 0..12),
            ends in prop::collection::vec(any::<bool>(), 60),
            (from, to) in (bytes(), prop::option::of(bytes())),
        ) {
            let db = sled::Config::new().temporary(true).open().expect("a folder for tests");
            let tree = |name| db.open_tree(name).expect("a tree");
            let blocks = Blocks::new(tree("blocks"));
            blocks.fill(&mut loaded.clone().into_iter().map(Ok)).expect("they ascend");
            let layers = Layers { rows: tree("rows"), blocks: Some(blocks) };
            let mut map: Map = loaded;
            for rows in changes {
                layers.apply(&rows).expect("it can be written");
                for (key, value) in rows {
                    match value {
                        Some(value) => drop(map.insert(key, value)),
                        None => drop(map.remove(&key)),
                    }
                }
            }
            for key in map.keys().chain([&from]) {
                prop_assert_eq!(layers.get(key).expect("it is whole"), map.get(key).cloned());
            }
            let is_in = |key: &Vec<u8>| *key >= from && to.as_ref().is_none_or(|to| key < to);
            let mut expected: Vec<Row> = map.into_iter().filter(|(key, _)| is_in(key)).collect();
            let mut rows = layers.range(from.clone(), to.clone()).expect("it is whole");
            for is_back in ends {
                let (found, expected) = match is_back {
                    true => (rows.next_back(), expected.pop()),
                    false => (rows.next(), (!expected.is_empty()).then(|| expected.remove(0))),
                };
                prop_assert_eq!(found.transpose().expect("it is whole"), expected);
            }
        }
    }
}
