//! Glossaries and translation memories in a snapshot.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::{Counts, Row, write_row};
use crate::{
    Error, MemoryUnit, Result, Store, StoredGlossary,
    glossaries::{key, term_key},
    memory::{MemoryOf, hash},
    table::Table,
};

/// A glossary with its owner.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnedGlossary {
    owner: String,
    #[serde(flatten)]
    glossary: StoredGlossary,
}

/// A term of a glossary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Term {
    glossary: String,
    source: String,
    target: String,
    term: String,
    translation: String,
}

/// A unit of a memory, with its owner and its languages.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnedUnit {
    owner: String,
    source: String,
    target: String,
    q: String,
    s: String,
    #[serde(default)]
    at: u64,
}

/// The parts of a key that zero bytes part.
fn parts<const N: usize>(key: &[u8]) -> Result<[String; N]> {
    let mut parts = key.splitn(N, |byte| *byte == 0);
    let part = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
    let found: Vec<String> = std::iter::from_fn(part).collect();
    found.try_into().map_err(|_| Error::corrupt("a key has too few parts"))
}

impl Store {
    /// Writes glossaries, their terms and the memory.
    pub(super) fn export_words(&self, writer: &mut impl Write, counts: &mut Counts) -> Result<()> {
        for row in Table::open(self, "glossaries").all() {
            let (key, value) = row?;
            let [owner, _] = parts(&key)?;
            let glossary = serde_json::from_slice(&value)
                .map_err(|error| Error::corrupt(format!("a glossary: {error}")))?;
            write_row(writer, &Row::Glossary(OwnedGlossary { owner, glossary }))?;
            counts.glossaries += 1;
        }
        for row in Table::open(self, "terms").all() {
            let (key, value) = row?;
            let [glossary, source, target, term] = parts(&key)?;
            let translation = String::from_utf8_lossy(&value).into_owned();
            let term = Term { glossary, source, target, term, translation };
            write_row(writer, &Row::Term(term))?;
        }
        for row in Table::open(self, "memory").all() {
            let (key, value) = row?;
            let [owner, source, target, _] = parts(&key)?;
            let MemoryUnit { source: q, target: s, at } = serde_json::from_slice(&value)
                .map_err(|error| Error::corrupt(format!("a unit: {error}")))?;
            write_row(writer, &Row::Unit(OwnedUnit { owner, source, target, q, s, at }))?;
            counts.units += 1;
        }
        Ok(())
    }

    /// Writes a glossary as a snapshot has it, uncommitted.
    pub(super) fn import_glossary(&self, row: OwnedGlossary) -> Result<()> {
        let OwnedGlossary { owner, glossary } = row;
        let value = serde_json::to_vec(&glossary).expect("strings and numbers are JSON");
        Table::open(self, "glossaries").apply(vec![(key(&owner, &glossary.id), Some(value))])
    }

    /// Writes a term, uncommitted.
    pub(super) fn import_term(&self, row: Term) -> Result<()> {
        let Term { glossary, source, target, term, translation } = row;
        let key = term_key(&glossary, &source, &target, &term);
        Table::open(self, "terms").apply(vec![(key, Some(translation.into_bytes()))])
    }

    /// Writes a unit, uncommitted. An index that is in memory already does not know of it.
    pub(super) fn import_unit(&self, row: OwnedUnit) -> Result<()> {
        let OwnedUnit { owner, source, target, q, s, at } = row;
        let of = MemoryOf { owner: &owner, source: &source, target: &target };
        let key = of.key(&hash(&q));
        let unit = MemoryUnit { source: q, target: s, at };
        let value = serde_json::to_vec(&unit).expect("strings and numbers are JSON");
        self.forget_index(of);
        Table::open(self, "memory").apply(vec![(key, Some(value))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewDictionary;

    #[test]
    fn glossaries_and_memory_are_in_a_snapshot() -> anyhow::Result<()> {
        let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (from, to) = (Store::open(from.path())?, Store::open(to.path())?);
        let entries = vec![("a b".to_owned(), "c\td".to_owned()), ("é".into(), "f".into())];
        let new = NewDictionary { source: "en".into(), target: "de".into(), entries };
        let made = from.create_glossary("me", "law", std::slice::from_ref(&new))?;
        let of = MemoryOf { owner: "me", source: "en", target: "de" };
        from.remember(of, &[("Good morning".into(), "Guten Morgen".into())])?;
        let mut exported = Vec::new();
        let counts = from.export(&mut exported)?;
        assert_eq!((counts.glossaries, counts.units), (1, 1));
        assert_eq!(to.recall(of, "Good mornings", 50, 1)?, []);
        for _ in 0..2 {
            assert_eq!(to.import(exported.as_slice())?, counts);
            assert_eq!(to.glossaries("me")?, std::slice::from_ref(&made));
            assert_eq!(to.glossary_entries(&made.id, "en", "de")?, new.entries);
            assert_eq!(to.recall(of, "Good mornings", 50, 1)?.len(), 1);
        }
        Ok(())
    }
}
