//! What a transaction knows of a tree that nobody else changes meanwhile: values that were read, and those
//! that are to be written and not sent yet.

use std::collections::{BTreeMap, HashMap};

/// A value, or none where there is no row.
pub(super) type Value = Option<Vec<u8>>;

/// A key that was written, and what was to be written there before; none if nothing was.
pub(super) type Undo = (Vec<u8>, Option<Value>);

/// Values that are kept of what was read or sent.
const MOST_STORED: usize = 20_000;

/// Rows of one tree.
#[derive(Debug, Default)]
pub(super) struct Known {
    written: BTreeMap<Vec<u8>, Value>,
    stored: HashMap<Vec<u8>, Value>,
}

impl Known {
    /// The value of `key` as it will be; none if it has to be read.
    pub(super) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.written.get(key).or_else(|| self.stored.get(key))
    }

    /// Remembers what was read.
    pub(super) fn learn(&mut self, rows: impl IntoIterator<Item = (Vec<u8>, Value)>) {
        if self.stored.len() > MOST_STORED {
            self.stored.clear();
        }
        self.stored.extend(rows);
    }

    /// Notes rows to be written; of one key the last counts.
    pub(super) fn write(&mut self, rows: &[(Vec<u8>, Value)]) -> Vec<Undo> {
        let undo = |(key, value): &(Vec<u8>, Value)| {
            (key.clone(), self.written.insert(key.clone(), value.clone()))
        };
        rows.iter().map(undo).collect()
    }

    /// Takes back what was noted last.
    pub(super) fn undo(&mut self, (key, before): Undo) {
        match before {
            Some(before) => drop(self.written.insert(key, before)),
            None => drop(self.written.remove(&key)),
        }
    }

    /// Rows that wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.written.len()
    }

    /// What waits to be sent, which is known as stored from now on.
    pub(super) fn take(&mut self) -> (Vec<Vec<u8>>, Vec<Value>) {
        let written = std::mem::take(&mut self.written);
        self.learn(written.iter().map(|(key, value)| (key.clone(), value.clone())));
        written.into_iter().unzip()
    }

    /// Forgets everything: all rows were removed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: Option<&str>) -> (Vec<u8>, Value) {
        (key.into(), value.map(Into::into))
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut known = Known::default();
        known.learn([row("a", Some("0")), row("b", None)]);
        known.write(&[row("a", Some("1"))]);
        let undo = known.write(&[row("a", None), row("c", Some("2")), row("a", Some("3"))]);
        assert_eq!(known.value(b"a"), Some(&Some(b"3".to_vec())));
        undo.into_iter().rev().for_each(|one| known.undo(one));
        assert_eq!(known.value(b"a"), Some(&Some(b"1".to_vec())));
        assert_eq!((known.value(b"b"), known.value(b"c"), known.waiting()), (Some(&None), None, 1));
        assert_eq!(known.take(), (vec![b"a".to_vec()], vec![Some(b"1".to_vec())]));
        assert_eq!((known.value(b"a"), known.waiting()), (Some(&Some(b"1".to_vec())), 0));
    }
}
