//! Better translations that users offered.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Store, clock::time_of};

/// The largest suggestion, in bytes of JSON: sled keeps larger values in files of their own.
const MAX_BYTES: usize = 64 << 10;

/// A text and how someone would translate it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The text.
    pub q: String,
    /// The suggested translation.
    pub s: String,
    /// Code of the language of `q`, or `auto`.
    pub source: String,
    /// Code of the language of `s`.
    pub target: String,
    /// When it came, in microseconds since 1970; the store sets it.
    #[serde(default)]
    pub at: u64,
}

impl Suggestion {
    /// A suggestion that is not stored yet.
    pub fn new(
        q: impl Into<String>,
        s: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        Self { q: q.into(), s: s.into(), source: source.into(), target: target.into(), at: 0 }
    }
}

impl Store {
    /// Adds a suggestion; when this returns it is on disk. Blocks.
    pub fn suggest(&self, suggestion: &Suggestion) -> Result<()> {
        let at = self.inner.clock.tick();
        self.put_suggestion(&Suggestion { at, ..suggestion.clone() })?;
        self.inner.committer.commit()
    }

    /// All suggestions, oldest first.
    pub fn suggestions(&self) -> impl Iterator<Item = Result<Suggestion>> + use<> {
        self.inner.suggestions.iter().map(|row| {
            let (key, value) = row?;
            let mut suggestion: Suggestion = serde_json::from_slice(&value)
                .map_err(|error| Error::corrupt(format!("a suggestion: {error}")))?;
            suggestion.at = time_of(&key).unwrap_or(suggestion.at);
            Ok(suggestion)
        })
    }

    /// Writes `suggestion` under its own time, uncommitted.
    pub(crate) fn put_suggestion(&self, suggestion: &Suggestion) -> Result<()> {
        let value = serde_json::to_vec(suggestion).expect("strings and numbers are JSON");
        if value.len() > MAX_BYTES {
            return Err(Error::TooLarge { size: value.len(), limit: MAX_BYTES });
        }
        self.inner.suggestions.insert(suggestion.at.to_be_bytes(), value)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_come_back_in_the_order_they_came() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        for run in 0..2 {
            let store = Store::open(dir.path())?;
            for i in 0..20 {
                store.suggest(&Suggestion::new(format!("q{run}.{i}"), "s", "en", "de"))?;
            }
        }
        let store = Store::open(dir.path())?;
        let found: Vec<String> =
            store.suggestions().map(|row| row.map(|row| row.q)).collect::<Result<_>>()?;
        let expected: Vec<String> =
            (0..2).flat_map(|run| (0..20).map(move |i| format!("q{run}.{i}"))).collect();
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn many_writers_share_the_flusher() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        std::thread::scope(|scope| {
            for writer in 0..16 {
                let store = store.clone();
                scope.spawn(move || {
                    for i in 0..10 {
                        let row = Suggestion::new(format!("{writer}.{i}"), "s", "en", "de");
                        store.suggest(&row).expect("the disk is not full");
                    }
                });
            }
        });
        assert_eq!(store.suggestions().count(), 160);
        Ok(())
    }

    #[test]
    fn a_huge_suggestion_is_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let result = store.suggest(&Suggestion::new("x".repeat(MAX_BYTES), "s", "en", "de"));
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
        Ok(())
    }
}
