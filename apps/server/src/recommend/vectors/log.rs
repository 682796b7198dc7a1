//! How many vectors there are, and which changed last.

use std::collections::{HashMap, VecDeque};

use super::Vectors;

/// Changes that are remembered: who knows the vectors of a time before must read all.
const REMEMBERED: usize = 200_000;

/// What happened to the vectors of the items.
#[derive(Debug, Default)]
pub(crate) struct VectorLog {
    /// By path and length.
    counts: HashMap<(Box<str>, usize), usize>,
    /// Numbers of items, each after so many changes of the items.
    changed: VecDeque<(u64, u32)>,
    /// Changes after this one are all there.
    complete_from: u64,
}

impl VectorLog {
    /// An empty log that begins after the change `at`.
    pub(crate) fn from_change(at: u64) -> Self {
        Self { complete_from: at, ..Self::default() }
    }

    /// Counts `vectors` in, or with `sign` −1 out.
    pub(crate) fn count(&mut self, vectors: &Vectors, sign: isize) {
        for (path, vector) in vectors.iter() {
            let key = (path.into(), vector.len());
            let count = self.counts.entry(key).or_default();
            *count = count.saturating_add_signed(sign);
        }
        if sign < 0 {
            self.counts.retain(|_, count| *count > 0);
        }
    }

    /// Notes that the item `number` had the change `change`.
    pub(crate) fn note(&mut self, change: u64, number: u32) {
        self.changed.push_back((change, number));
        if self.changed.len() > REMEMBERED
            && let Some((gone, _)) = self.changed.pop_front()
        {
            self.complete_from = gone;
        }
    }

    /// How many vectors of `len` numbers there are at `path`.
    pub(crate) fn of(&self, path: &str, len: usize) -> usize {
        self.counts.get(&(path.into(), len)).copied().unwrap_or(0)
    }

    /// Numbers of items that changed after `at`; none if that is too long ago to say.
    pub(crate) fn since(&self, at: u64) -> Option<impl Iterator<Item = u32> + '_> {
        let first = self.changed.partition_point(|(change, _)| *change <= at);
        (at >= self.complete_from).then(|| self.changed.range(first..).map(|(_, number)| *number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::of, *};

    #[test]
    fn vectors_are_counted_and_the_last_changes_are_known() {
        let mut log = VectorLog::from_change(10);
        let vectors = of(&json!({ "a": [1, 2], "b": [1, 2, 3] }));
        log.count(&vectors, 1);
        log.count(&vectors, 1);
        log.count(&vectors, -1);
        assert_eq!((log.of("a", 2), log.of("b", 3), log.of("a", 3)), (1, 1, 0));
        log.note(11, 5);
        log.note(12, 6);
        let since = |log: &VectorLog, at| log.since(at).map(Iterator::collect::<Vec<_>>);
        assert_eq!(since(&log, 10), Some(vec![5, 6]));
        assert_eq!(since(&log, 11), Some(vec![6]));
        assert_eq!(since(&log, 9), None, "the log begins later");
        (0..REMEMBERED as u64).for_each(|change| log.note(20 + change, 7));
        assert_eq!(since(&log, 11), None, "the log forgets what is long ago");
    }
}
