//! Finds many keys in a sorted tree by walking along it.

use super::{Row, Rows};
use crate::Result;

/// Rows that are stepped over before the next key is sought from the root.
const MAX_STEPS: usize = 8;

/// The values of `keys` in a tree whose rows from a key on `seek` reads.
///
/// The row at which a search ends says more than whether its key is there: nothing lies before it. So keys
/// that ascend towards it need no search, and new users or new items need one for all.
pub(super) fn find_all(
    keys: &[Vec<u8>],
    seek: impl Fn(&[u8]) -> Result<Rows>,
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut values = Vec::with_capacity(keys.len());
    let mut reached: Option<Reached> = None;
    let mut last: &[u8] = &[];
    for key in keys {
        let known = reached.take().filter(|_| last <= key.as_slice());
        let known = known.map(|reached| reached.advance(key)).transpose()?.flatten();
        let now = match known {
            Some(reached) => reached,
            None => Reached::of(seek(key)?)?,
        };
        values.push(now.next.as_ref().filter(|row| row.0 == *key).map(|row| row.1.clone()));
        (reached, last) = (Some(now), key);
    }
    Ok(values)
}

/// A place in a tree, from the last key that was looked for.
struct Reached {
    /// The first row that is not before that key; none at the end of the tree.
    next: Option<Row>,
    /// Those behind it.
    rest: Rows,
}

impl Reached {
    fn of(mut rest: Rows) -> Result<Self> {
        Ok(Self { next: rest.next().transpose()?, rest })
    }

    /// The place from `key` on; none if it is far.
    fn advance(mut self, key: &[u8]) -> Result<Option<Self>> {
        for _ in 0..MAX_STEPS {
            if self.next.as_ref().is_none_or(|row| row.0.as_slice() >= key) {
                return Ok(Some(self));
            }
            self.next = self.rest.next().transpose()?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_key_is_found_or_not_in_whatever_order(
            rows in prop::collection::btree_map(prop::collection::vec(0u8..4, 0..5), any::<u8>(), 0..60),
            mut keys in prop::collection::vec(prop::collection::vec(0u8..4, 0..5), 0..60),
            is_sorted: bool,
        ) {
            if is_sorted {
                keys.sort();
            }
            let map: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().map(|(key, value)| (key, vec![value])).collect();
            let seek = |from: &[u8]| -> Result<Rows> {
                let rows: Vec<_> = map.range(from.to_vec()..).map(|(k, v)| Ok((k.clone(), v.clone()))).collect();
                Ok(Box::new(rows.into_iter()))
            };
            let found = find_all(&keys, seek).expect("a map has no errors");
            let expected: Vec<Option<Vec<u8>>> = keys.iter().map(|key| map.get(key).cloned()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
