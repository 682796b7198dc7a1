//! Better translations that users offered, and what the keeper of the server thinks of them.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Store,
    clock::time_of,
    engine::{Changed, FORGOTTEN},
};

/// The largest suggestion, in bytes of JSON.
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
    /// The domain whose translation it is meant to better; none is the general one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whether it may be learned from.
    #[serde(default, skip_serializing_if = "Status::is_pending")]
    pub status: Status,
    /// When it came, in microseconds since 1970; the store sets it.
    #[serde(default)]
    pub at: u64,
}

/// What the keeper of the server decided about a suggestion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has looked at it yet.
    #[default]
    Pending,
    /// It is right.
    Approved,
    /// It is wrong: nothing learns from it.
    Rejected,
}

impl Status {
    fn is_pending(&self) -> bool {
        *self == Self::Pending
    }
}

impl Suggestion {
    /// A suggestion that is not stored yet.
    pub fn new(
        q: impl Into<String>,
        s: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        let (domain, status, at) = Default::default();
        let (source, target) = (source.into(), target.into());
        Self { q: q.into(), s: s.into(), source, target, domain, status, at }
    }
}

/// Hashes of the suggestions that are stored, so that none is stored twice; read at the first use.
#[derive(Debug, Default)]
pub(crate) struct Known {
    hashes: Mutex<Option<Hashes>>,
    hasher: RandomState,
}

/// The hashes, with what others stored up to a position of the log of changes.
#[derive(Debug)]
struct Hashes {
    set: HashSet<u64>,
    position: i64,
    at: Instant,
}

impl Known {
    fn hash(&self, suggestion: &Suggestion) -> u64 {
        let Suggestion { q, s, source, target, domain, .. } = suggestion;
        self.hasher.hash_one((q, s, source, target, domain))
    }
}

impl Store {
    /// Adds a suggestion, unless it is stored already; returns whether it is new. When this returns it is
    /// on disk. Blocks.
    pub fn suggest(&self, suggestion: &Suggestion) -> Result<bool> {
        let known = &self.inner.known;
        let hash = known.hash(suggestion);
        let mut is_added = false;
        let written = self.inner.suggestions.alone(|| {
            is_added = {
                let mut hashes = known.hashes.lock().unwrap_or_else(PoisonError::into_inner);
                self.know(&mut hashes)?.insert(hash)
            };
            if !is_added {
                return Ok(());
            }
            let mut at = self.inner.clock.tick();
            while self.is_shared() && self.inner.suggestions.contains(at.to_be_bytes())? {
                at = self.inner.clock.tick(); // another process had one in the same microsecond
            }
            self.put_suggestion(&Suggestion { at, ..suggestion.clone() })?;
            self.inner.committer.commit()
        });
        if written.is_err() && is_added {
            self.forget(hash);
        }
        written.map(|()| is_added)
    }

    /// The hashes of all that is stored.
    fn know<'a>(&self, hashes: &'a mut Option<Hashes>) -> Result<&'a mut HashSet<u64>> {
        let (tree, known) = (&self.inner.suggestions, &self.inner.known);
        let at = Instant::now();
        if let Some(seen) = hashes.as_mut().filter(|seen| at - seen.at < FORGOTTEN) {
            let changes = tree.changes(seen.position)?;
            let is_added = |changed: &Changed| changed.new.is_some();
            if !changes.is_cleared && changes.rows.values().all(is_added) {
                let keys: Vec<Vec<u8>> = changes.rows.into_keys().collect();
                for value in tree.get_many(&keys)?.into_iter().flatten() {
                    seen.set.extend(read(&value).ok().map(|suggestion| known.hash(&suggestion)));
                }
                (seen.position, seen.at) = (changes.position, at);
            } else {
                *hashes = None; // what was removed is known by its hash alone
            }
        } else if self.is_shared() {
            *hashes = None;
        }
        let seen = match hashes.take() {
            Some(seen) => seen,
            None => {
                let position = tree.position()?;
                let all = self.suggestions().filter_map(Result::ok);
                Hashes { set: all.map(|one| known.hash(&one)).collect(), position, at }
            }
        };
        Ok(&mut hashes.insert(seen).set)
    }

    /// Takes in what other processes stored, if the hashes were asked for.
    pub(crate) fn take_in_suggestions(&self) -> Result<()> {
        self.inner.database.snapshot(|| {
            let hashes = &self.inner.known.hashes;
            let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
            match hashes.is_some() {
                true => self.know(&mut hashes).map(drop),
                false => Ok(()),
            }
        })
    }

    /// Decides about the suggestion that came at `at`, and returns it; none is stored under another time.
    pub fn judge_suggestion(&self, at: u64, status: Status) -> Result<Option<Suggestion>> {
        self.inner.suggestions.alone(|| {
            let value = self.inner.suggestions.get(at.to_be_bytes())?;
            let Some(value) = value else { return Ok(None) };
            let suggestion = Suggestion { at, status, ..read(&value)? };
            self.put_suggestion(&suggestion)?;
            self.inner.committer.commit()?;
            Ok(Some(suggestion))
        })
    }

    /// Forgets the suggestion that came at `at`; returns whether there was one.
    pub fn remove_suggestion(&self, at: u64) -> Result<bool> {
        let Some(value) = self.inner.suggestions.get(at.to_be_bytes())? else { return Ok(false) };
        self.inner.suggestions.remove(at.to_be_bytes())?;
        if let Ok(suggestion) = read(&value) {
            self.forget(self.inner.known.hash(&suggestion));
        }
        self.inner.committer.commit()?;
        Ok(true)
    }

    fn forget(&self, hash: u64) {
        let mut hashes = self.inner.known.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hashes) = hashes.as_mut() {
            hashes.set.remove(&hash);
        }
    }

    /// All suggestions, oldest first.
    pub fn suggestions(&self) -> impl Iterator<Item = Result<Suggestion>> + use<> {
        self.inner.suggestions.iter().map(|row| {
            let (key, value) = row?;
            let mut suggestion = read(&value)?;
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
        self.inner.suggestions.insert(suggestion.at.to_be_bytes(), value)
    }
}

fn read(value: &[u8]) -> Result<Suggestion> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("a suggestion: {error}")))
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

    #[test]
    fn a_suggestion_is_stored_once_and_can_come_again_when_it_was_removed() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let row = Suggestion::new("Hello", "Servus", "en", "de");
        let legal = Suggestion { domain: Some("law".into()), ..row.clone() };
        for is_new in [true, false] {
            let store = Store::open(dir.path())?;
            assert_eq!(store.suggest(&row)?, is_new);
            assert!(!store.suggest(&row)?);
            assert_eq!(store.suggest(&legal)?, is_new);
        }
        let store = Store::open(dir.path())?;
        let stored: Vec<Suggestion> = store.suggestions().collect::<Result<_>>()?;
        assert_eq!(stored.len(), 2);
        assert!(store.remove_suggestion(stored[0].at)?);
        assert!(!store.remove_suggestion(stored[0].at)?);
        assert!(store.suggest(&row)? && !store.suggest(&legal)?);
        Ok(())
    }

    #[test]
    fn decisions_last() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        store.suggest(&Suggestion::new("Hello", "Servus", "en", "de"))?;
        let at = store.suggestions().next().expect("it was stored")?.at;
        assert_eq!(store.judge_suggestion(at + 1, Status::Approved)?, None);
        let judged = store.judge_suggestion(at, Status::Approved)?.expect("it is stored");
        assert_eq!((judged.q.as_str(), judged.status, judged.at), ("Hello", Status::Approved, at));
        drop(store);
        let stored: Vec<Suggestion> =
            Store::open(dir.path())?.suggestions().collect::<Result<_>>()?;
        assert_eq!(stored, [judged]);
        Ok(())
    }
}
