//! The translation memory: texts with the translations that people accepted, each owned by a key.
//!
//! The tree `memory` has a row for each text, keyed by owner, pair and a hash of the text. What is
//! like a text is found by an index in memory, which is made of the rows when it is first asked for.

mod index;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::index::{Candidate, Index};
use crate::{Error, Result, Store, engine::FORGOTTEN, table::Table};

/// Bytes of a text and its translation at most.
const MAX_UNIT: usize = 64 << 10;

/// Units of an owner and a pair at most.
const MAX_UNITS: usize = 5_000_000;

/// Rows that are written at once.
const BATCH: usize = 10_000;

/// A text and its translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUnit {
    /// The text.
    #[serde(rename = "s")]
    pub source: String,
    /// Its translation.
    #[serde(rename = "t")]
    pub target: String,
    /// When it came, in seconds since 1970.
    #[serde(default)]
    pub at: u64,
}

/// A unit that is like what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryMatch {
    /// The text.
    pub source: String,
    /// Its translation.
    pub target: String,
    /// How much of it is the same, in percent; 100 is all of it.
    pub score: u8,
}

/// The units of one owner in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryOf<'a> {
    /// Whose they are: a fingerprint of a key, or nothing.
    pub owner: &'a str,
    /// Code of the language of the texts.
    pub source: &'a str,
    /// Code of the language of their translations.
    pub target: &'a str,
}

/// The indexes that were made so far, by the prefix of their rows.
#[derive(Debug, Default)]
pub(crate) struct Indexes(Mutex<HashMap<Vec<u8>, Arc<RwLock<Index>>>>);

impl Store {
    /// Remembers units; a text that was there gets the new translation. When this returns they are on
    /// disk. Blocks.
    ///
    /// # Errors
    /// Fails when a unit is empty or too large, or when there are too many.
    pub fn remember(&self, of: MemoryOf<'_>, units: &[(String, String)]) -> Result<usize> {
        let table = Table::open(self, "memory");
        let index = self.ready_index(of);
        for chunk in units.chunks(BATCH) {
            let mut rows = Vec::with_capacity(chunk.len());
            let mut added = Vec::new();
            let known = match &index {
                Some(_) => {
                    let key = |(source, _): &(String, String)| of.key(&hash(source.trim()));
                    table.get_many(&chunk.iter().map(key).collect::<Vec<_>>())?
                }
                None => Vec::new(),
            };
            for (place, (source, target)) in chunk.iter().enumerate() {
                let (source, target) = (source.trim(), target.trim());
                check_unit(source, target)?;
                let hash = hash(source);
                if known.get(place).is_some_and(Option::is_none) {
                    added.push((hash, source));
                }
                let unit = MemoryUnit { source: source.into(), target: target.into(), at: now() };
                let value = serde_json::to_vec(&unit).expect("strings and numbers are JSON");
                rows.push((of.key(&hash), Some(value)));
            }
            table.apply(rows)?;
            if let Some(index) = &index {
                let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
                if index.len() + added.len() > MAX_UNITS {
                    return Err(Error::Invalid(format!(
                        "a memory has {MAX_UNITS} units at most; remove some first"
                    )));
                }
                for (hash, source) in added {
                    index.add(hash, source);
                }
            }
        }
        self.inner.committer.commit()?;
        Ok(units.len())
    }

    /// The translation that is remembered for exactly this text.
    pub fn recall_exact(&self, of: MemoryOf<'_>, text: &str) -> Result<Option<String>> {
        let text = text.trim();
        let found = Table::open(self, "memory").get(&of.key(&hash(text)))?;
        let unit = found.map(|value| parse(&value)).transpose()?;
        Ok(unit.filter(|unit| unit.source == text).map(|unit| unit.target))
    }

    /// The units that are like `text` by `threshold` percent or more, best first, `limit` at most.
    ///
    /// The first call for an owner and a pair reads all their rows. Blocks.
    pub fn recall(
        &self,
        of: MemoryOf<'_>,
        text: &str,
        threshold: u8,
        limit: usize,
    ) -> Result<Vec<MemoryMatch>> {
        let text = text.trim();
        let index = self.index(of)?;
        let candidates = {
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            index.candidates(text, threshold)
        };
        let table = Table::open(self, "memory");
        let scorer = index::Scorer::new(text);
        let mut matches = Vec::new();
        let order = |a: &MemoryMatch, b: &MemoryMatch| {
            b.score.cmp(&a.score).then_with(|| a.source.cmp(&b.source))
        };
        for Candidate { bound, hash } in candidates {
            // The best come first, so when the last that counts is better than what can come, that is all.
            matches.sort_by(order);
            matches.dedup(); // a text that came while the index was made is in it twice
            if matches.get(limit.saturating_sub(1)).is_some_and(|last| last.score > bound) {
                break;
            }
            let Some(value) = table.get(&of.key(&hash))? else { continue };
            let MemoryUnit { source, target, .. } = parse(&value)?;
            if let Some(score) = scorer.score(&source, threshold) {
                matches.push(MemoryMatch { source, target, score });
            }
        }
        matches.sort_by(order);
        matches.dedup();
        matches.truncate(limit);
        Ok(matches)
    }

    /// All units of one direction.
    pub fn memory_units(
        &self,
        of: MemoryOf<'_>,
    ) -> Result<impl Iterator<Item = Result<MemoryUnit>> + use<>> {
        let rows = Table::open(self, "memory").prefixed(&of.key(&[]));
        Ok(rows.map(|row| parse(&row?.1)))
    }

    /// The pairs of languages of an owner, with how many units each has.
    pub fn memory_counts(&self, owner: &str) -> Result<Vec<(String, String, usize)>> {
        let prefix = format!("{owner}\0").into_bytes();
        let mut counts: Vec<(String, String, usize)> = Vec::new();
        for row in Table::open(self, "memory").prefixed(&prefix) {
            let (key, _) = row?;
            let mut parts = key[prefix.len()..].splitn(3, |byte| *byte == 0);
            let mut part =
                || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
            let (source, target) = (part(), part());
            match counts.last_mut() {
                Some((a, b, count)) if *a == source && *b == target => *count += 1,
                _ => counts.push((source, target, 1)),
            }
        }
        Ok(counts)
    }

    /// Forgets the unit of one text, and says whether it was there. Blocks.
    pub fn forget_unit(&self, of: MemoryOf<'_>, text: &str) -> Result<bool> {
        let table = Table::open(self, "memory");
        let key = of.key(&hash(text.trim()));
        let was_there = table.get(&key)?.is_some();
        table.apply(vec![(key, None)])?;
        self.inner.committer.commit()?;
        Ok(was_there)
    }

    /// Forgets all units of one direction, and says how many there were. Blocks.
    pub fn forget_all(&self, of: MemoryOf<'_>) -> Result<usize> {
        let table = Table::open(self, "memory");
        let mut count = 0;
        let mut keys = table.prefixed(&of.key(&[])).map(|row| row.map(|(key, _)| key));
        loop {
            let batch = keys.by_ref().take(BATCH).collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            count += batch.len();
            table.apply(batch.into_iter().map(|key| (key, None)).collect())?;
        }
        self.inner.committer.commit()?;
        self.forget_index(of);
        Ok(count)
    }

    /// Forgets the index of one direction: it is made again when it is asked for.
    pub(crate) fn forget_index(&self, of: MemoryOf<'_>) {
        let mut indexes = self.inner.indexes.0.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.remove(&of.key(&[]));
    }

    /// The index of one direction, if it was made.
    fn ready_index(&self, of: MemoryOf<'_>) -> Option<Arc<RwLock<Index>>> {
        let indexes = self.inner.indexes.0.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.get(&of.key(&[])).cloned()
    }

    /// The index of one direction, which is made if it was not.
    fn index(&self, of: MemoryOf<'_>) -> Result<Arc<RwLock<Index>>> {
        let (ready, is_new) = {
            let mut all = self.inner.indexes.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = !all.contains_key(&of.key(&[]));
            (Arc::clone(all.entry(of.key(&[])).or_default()), is_new)
        };
        if is_new {
            // Whoever comes meanwhile waits for this lock.
            let mut index = ready.write().unwrap_or_else(PoisonError::into_inner);
            let table = Table::open(self, "memory");
            let read = table.snapshot(|| {
                index.followed = Some((table.position()?, Instant::now()));
                for unit in self.memory_units(of)? {
                    let unit = unit?;
                    index.add(hash(&unit.source), &unit.source);
                }
                Ok(())
            });
            if read.is_err() {
                self.forget_index(of); // half of it would be taken for all
            }
            read?;
        }
        Ok(ready)
    }

    /// Takes into the indexes what other processes added.
    pub(crate) fn take_in_units(&self) -> Result<()> {
        let ready: Vec<(Vec<u8>, Arc<RwLock<Index>>)> = {
            let indexes = self.inner.indexes.0.lock().unwrap_or_else(PoisonError::into_inner);
            indexes.iter().map(|(prefix, index)| (prefix.clone(), Arc::clone(index))).collect()
        };
        let table = Table::open(self, "memory");
        for (prefix, index) in ready {
            let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let known = index.followed.filter(|(_, at)| now - *at < FORGOTTEN);
            let changes = known.map(|(position, _)| table.changes(position)).transpose()?;
            let Some(changes) = changes.filter(|changes| !changes.is_cleared) else {
                let mut indexes =
                    self.inner.indexes.0.lock().unwrap_or_else(PoisonError::into_inner);
                indexes.remove(&prefix); // it is made again when it is asked for
                continue;
            };
            let added = changes.rows.into_iter().filter(|(key, changed)| {
                key.starts_with(&prefix) && changed.old.is_none() && changed.new.is_some()
            });
            let keys: Vec<Vec<u8>> = added.map(|(key, _)| key).collect();
            for chunk in keys.chunks(BATCH) {
                for value in table.get_many(chunk)?.into_iter().flatten() {
                    let unit = parse(&value)?;
                    index.add(hash(&unit.source), &unit.source);
                }
            }
            index.followed = Some((changes.position, now));
        }
        Ok(())
    }
}

impl MemoryOf<'_> {
    pub(crate) fn key(&self, hash: &[u8]) -> Vec<u8> {
        let Self { owner, source, target } = self;
        let mut key = format!("{owner}\0{source}\0{target}\0").into_bytes();
        key.extend_from_slice(hash);
        key
    }
}

fn check_unit(source: &str, target: &str) -> Result<()> {
    if source.is_empty() || target.is_empty() {
        return Err(Error::Invalid("a unit has a text and a translation".into()));
    }
    let size = source.len() + target.len();
    match size <= MAX_UNIT {
        true => Ok(()),
        false => Err(Error::TooLarge { size, limit: MAX_UNIT }),
    }
}

/// What a text is known by.
pub(crate) fn hash(text: &str) -> index::Hash {
    let digest = Sha256::digest(text);
    let mut hash = index::Hash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

fn parse(value: &[u8]) -> Result<MemoryUnit> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("a unit: {error}")))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: MemoryOf<'_> = MemoryOf { owner: "", source: "en", target: "de" };

    fn units(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn what_is_alike_is_found_with_its_score() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        store.remember(
            ENGLISH,
            &units(&[
                ("The contract ends on the first of May.", "Der Vertrag endet am ersten Mai."),
                (
                    "The contract begins on the first of June.",
                    "Der Vertrag beginnt am ersten Juni.",
                ),
                ("Print", "Drucken"),
            ]),
        )?;
        let text = "The contract ends on the first of June.";
        let found = store.recall(ENGLISH, text, 70, 5)?;
        let scores: Vec<(u8, &str)> =
            found.iter().map(|one| (one.score, one.target.as_str())).collect();
        assert_eq!(
            scores,
            [(90, "Der Vertrag beginnt am ersten Juni."), (89, "Der Vertrag endet am ersten Mai."),]
        );
        assert_eq!(store.recall(ENGLISH, text, 90, 5)?.len(), 1);
        assert_eq!(store.recall(ENGLISH, "Pint", 70, 5)?[0].score, 80);
        assert_eq!(store.recall(MemoryOf { owner: "x", ..ENGLISH }, text, 0, 5)?, []);
        Ok(())
    }

    #[test]
    fn what_is_added_later_is_found_at_once_and_after_a_restart() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        assert_eq!(store.recall(ENGLISH, "Good morning", 50, 5)?, []);
        store.remember(ENGLISH, &units(&[(" Good morning ", "Guten Tag")]))?;
        store.remember(ENGLISH, &units(&[("Good morning", "Guten Morgen")]))?;
        assert_eq!(store.recall_exact(ENGLISH, "Good morning")?.as_deref(), Some("Guten Morgen"));
        drop(store);
        let store = Store::open(dir.path())?;
        let found = store.recall(ENGLISH, "Good morning", 100, 5)?;
        assert_eq!((found.len(), found[0].score), (1, 100));
        assert_eq!(store.memory_counts("")?, [("en".into(), "de".into(), 1)]);
        assert!(store.forget_unit(ENGLISH, "Good morning")?);
        assert_eq!(store.recall(ENGLISH, "Good morning", 50, 5)?, []);
        store.remember(ENGLISH, &units(&[("a b", "c"), ("d e", "f")]))?;
        assert_eq!(store.forget_all(ENGLISH)?, 2);
        assert_eq!(store.recall_exact(ENGLISH, "a b")?, None);
        Ok(())
    }

    #[test]
    fn empty_and_huge_units_are_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        assert!(store.remember(ENGLISH, &units(&[("a", " ")])).is_err());
        let long = "x".repeat(MAX_UNIT);
        assert!(store.remember(ENGLISH, &units(&[("a", &long)])).is_err());
        assert_eq!(store.memory_counts("")?, []);
        Ok(())
    }
}
