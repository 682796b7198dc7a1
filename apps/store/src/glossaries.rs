//! Glossaries: terms and their translations, each owned by a key.
//!
//! The tree `glossaries` has a row for each, keyed by owner and identifier; the tree `terms` one for
//! each term, keyed by identifier, pair and term, so that a large glossary is no large row.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Store,
    table::{Table, Written},
};

/// Glossaries of an owner at most.
const MAX_GLOSSARIES: usize = 1000;

/// Bytes of the terms of a dictionary at most.
const MAX_BYTES: usize = 10 << 20;

/// Characters of a name at most.
const MAX_NAME: usize = 1024;

/// A glossary without its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredGlossary {
    /// Its identifier, a UUID.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was made, in microseconds since 1970.
    pub created: u64,
    /// When its terms last changed, in microseconds since 1970.
    pub changed: u64,
    /// Its pairs of languages.
    pub dictionaries: Vec<Dictionary>,
}

/// The terms of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dictionary {
    /// Code of the language of the terms.
    pub source: String,
    /// Code of the language of their translations.
    pub target: String,
    /// How many terms there are.
    pub entries: usize,
}

/// Terms to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDictionary {
    /// Code of the language of the terms.
    pub source: String,
    /// Code of the language of their translations.
    pub target: String,
    /// The terms and their translations.
    pub entries: Vec<(String, String)>,
}

impl StoredGlossary {
    /// The dictionary from `source` into `target`.
    pub fn dictionary(&self, source: &str, target: &str) -> Option<&Dictionary> {
        self.dictionaries.iter().find(|one| one.source == source && one.target == target)
    }
}

impl Store {
    /// Makes a glossary; when this returns it is on disk. Blocks.
    ///
    /// # Errors
    /// Fails when there is no name, when a pair is there twice, or when there is too much of anything.
    pub fn create_glossary(
        &self,
        owner: &str,
        name: &str,
        dictionaries: &[NewDictionary],
    ) -> Result<StoredGlossary> {
        self.alone(|| self.create_glossary_alone(owner, name, dictionaries))
    }

    fn create_glossary_alone(
        &self,
        owner: &str,
        name: &str,
        dictionaries: &[NewDictionary],
    ) -> Result<StoredGlossary> {
        if self.glossaries(owner)?.len() >= MAX_GLOSSARIES {
            return Err(Error::Invalid(format!(
                "there are {MAX_GLOSSARIES} glossaries already; remove one first"
            )));
        }
        let created = now();
        let (id, name) = (uuid(), checked_name(name)?);
        let mut glossary =
            StoredGlossary { id, name, created, changed: created, dictionaries: Vec::new() };
        let mut rows = Vec::new();
        for new in dictionaries {
            if glossary.dictionary(&new.source, &new.target).is_some() {
                let (source, target) = (&new.source, &new.target);
                return Err(Error::Invalid(format!(
                    "the pair {source} to {target} is there twice"
                )));
            }
            rows.extend(rows_of(&glossary.id, new)?);
            glossary.dictionaries.push(described(new));
        }
        Table::open(self, "terms").apply(rows)?;
        self.put_glossary(owner, &glossary)?;
        Ok(glossary)
    }

    /// Lets `work` read and change glossaries while no other process does.
    fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        Table::open(self, "glossaries").alone(work)
    }

    /// The glossaries of `owner`, oldest first.
    pub fn glossaries(&self, owner: &str) -> Result<Vec<StoredGlossary>> {
        let rows = Table::open(self, "glossaries").prefixed(&key(owner, ""));
        let mut all: Vec<StoredGlossary> = rows.map(|row| parse(&row?.1)).collect::<Result<_>>()?;
        all.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(all)
    }

    /// The glossary of `owner` with this identifier.
    pub fn glossary(&self, owner: &str, id: &str) -> Result<Option<StoredGlossary>> {
        let found = Table::open(self, "glossaries").get(&key(owner, id))?;
        found.map(|value| parse(&value)).transpose()
    }

    /// Gives a glossary another name. Blocks.
    pub fn rename_glossary(&self, owner: &str, id: &str, name: &str) -> Result<bool> {
        self.alone(|| self.rename_glossary_alone(owner, id, name))
    }

    fn rename_glossary_alone(&self, owner: &str, id: &str, name: &str) -> Result<bool> {
        let Some(mut glossary) = self.glossary(owner, id)? else { return Ok(false) };
        glossary.name = checked_name(name)?;
        self.put_glossary(owner, &glossary)?;
        Ok(true)
    }

    /// Writes the terms of a pair: in place of those that were there, or besides them. Blocks.
    pub fn put_dictionary(
        &self,
        owner: &str,
        id: &str,
        new: &NewDictionary,
        replace: bool,
    ) -> Result<Option<StoredGlossary>> {
        self.alone(|| self.put_dictionary_alone(owner, id, new, replace))
    }

    fn put_dictionary_alone(
        &self,
        owner: &str,
        id: &str,
        new: &NewDictionary,
        replace: bool,
    ) -> Result<Option<StoredGlossary>> {
        let Some(mut glossary) = self.glossary(owner, id)? else { return Ok(None) };
        let mut rows = rows_of(id, new)?;
        let old = self.glossary_entries(id, &new.source, &new.target)?;
        let mut all = new.clone();
        let is_new = |term: &str| !new.entries.iter().any(|(known, _)| known == term);
        if replace {
            let gone = old.iter().filter(|(term, _)| is_new(term));
            rows.extend(gone.map(|(term, _)| (term_key(id, &new.source, &new.target, term), None)));
        } else {
            all.entries.extend(old.into_iter().filter(|(term, _)| is_new(term)));
            checked_size(&all)?;
        }
        Table::open(self, "terms").apply(rows)?;
        glossary
            .dictionaries
            .retain(|one| (&one.source, &one.target) != (&new.source, &new.target));
        glossary.dictionaries.push(described(&all));
        glossary.changed = now().max(glossary.changed + 1);
        self.put_glossary(owner, &glossary)?;
        Ok(Some(glossary))
    }

    /// Removes the terms of a pair, and says whether there were any. Blocks.
    pub fn remove_dictionary(
        &self,
        owner: &str,
        id: &str,
        source: &str,
        target: &str,
    ) -> Result<bool> {
        self.alone(|| self.remove_dictionary_alone(owner, id, source, target))
    }

    fn remove_dictionary_alone(
        &self,
        owner: &str,
        id: &str,
        source: &str,
        target: &str,
    ) -> Result<bool> {
        let Some(mut glossary) = self.glossary(owner, id)? else { return Ok(false) };
        if glossary.dictionary(source, target).is_none() {
            return Ok(false);
        }
        self.remove_terms(id, source, target)?;
        glossary.dictionaries.retain(|one| one.source != source || one.target != target);
        glossary.changed = now().max(glossary.changed + 1);
        self.put_glossary(owner, &glossary)?;
        Ok(true)
    }

    /// Removes a glossary, and says whether it was there. Blocks.
    pub fn remove_glossary(&self, owner: &str, id: &str) -> Result<bool> {
        self.alone(|| self.remove_glossary_alone(owner, id))
    }

    fn remove_glossary_alone(&self, owner: &str, id: &str) -> Result<bool> {
        let Some(glossary) = self.glossary(owner, id)? else { return Ok(false) };
        Table::open(self, "glossaries").apply(vec![(key(owner, id), None)])?;
        for Dictionary { source, target, .. } in &glossary.dictionaries {
            self.remove_terms(id, source, target)?;
        }
        self.inner.committer.commit()?;
        Ok(true)
    }

    /// The terms of a glossary for one direction, sorted.
    pub fn glossary_entries(
        &self,
        id: &str,
        source: &str,
        target: &str,
    ) -> Result<Vec<(String, String)>> {
        let prefix = term_key(id, source, target, "");
        let rows = Table::open(self, "terms").prefixed(&prefix);
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| Error::corrupt("a term is no text"))
        };
        let entry = |row: Result<crate::engine::Row>| {
            let (key, value) = row?;
            Ok((text(&key[prefix.len()..])?, text(&value)?))
        };
        rows.map(entry).collect()
    }

    fn remove_terms(&self, id: &str, source: &str, target: &str) -> Result<()> {
        let old = self.glossary_entries(id, source, target)?;
        let gone = old.iter().map(|(term, _)| (term_key(id, source, target, term), None));
        Table::open(self, "terms").apply(gone.collect())
    }

    fn put_glossary(&self, owner: &str, glossary: &StoredGlossary) -> Result<()> {
        let value = serde_json::to_vec(glossary).expect("strings and numbers are JSON");
        let row = (key(owner, &glossary.id), Some(value));
        Table::open(self, "glossaries").apply(vec![row])?;
        self.inner.committer.commit()
    }
}

/// The rows of new terms.
fn rows_of(id: &str, new: &NewDictionary) -> Result<Vec<Written>> {
    checked_size(new)?;
    if new.entries.is_empty() {
        return Err(Error::Invalid("a glossary has at least one term".into()));
    }
    let row = |(term, translation): &(String, String)| {
        (term_key(id, &new.source, &new.target, term), Some(translation.clone().into_bytes()))
    };
    Ok(new.entries.iter().map(row).collect())
}

fn checked_size(new: &NewDictionary) -> Result<()> {
    let size: usize = new.entries.iter().map(|(a, b)| a.len() + b.len() + 2).sum();
    match size <= MAX_BYTES {
        true => Ok(()),
        false => Err(Error::TooLarge { size, limit: MAX_BYTES }),
    }
}

fn checked_name(name: &str) -> Result<String> {
    match name.trim() {
        "" => Err(Error::Invalid("a glossary has a name".into())),
        name if name.chars().count() > MAX_NAME => {
            Err(Error::Invalid(format!("a glossary's name has {MAX_NAME} characters at most")))
        }
        name => Ok(name.to_owned()),
    }
}

fn described(new: &NewDictionary) -> Dictionary {
    let (source, target) = (new.source.clone(), new.target.clone());
    Dictionary { source, target, entries: new.entries.len() }
}

pub(crate) fn key(owner: &str, id: &str) -> Vec<u8> {
    format!("{owner}\0{id}").into_bytes()
}

pub(crate) fn term_key(id: &str, source: &str, target: &str, term: &str) -> Vec<u8> {
    format!("{id}\0{source}\0{target}\0{term}").into_bytes()
}

fn parse(value: &[u8]) -> Result<StoredGlossary> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("a glossary: {error}")))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A random UUID.
fn uuid() -> String {
    let random = rand::random::<u128>();
    let versioned = random & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary(source: &str, target: &str, entries: &[(&str, &str)]) -> NewDictionary {
        NewDictionary {
            source: source.into(),
            target: target.into(),
            entries: entries.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
        }
    }

    #[test]
    fn a_glossary_lives_through_a_restart_and_belongs_to_its_owner() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let both = [
            dictionary("en", "de", &[("b", "2"), ("a", "1")]),
            dictionary("en", "fr", &[("a", "x")]),
        ];
        let made = store.create_glossary("me", " Law ", &both)?;
        drop(store);
        let store = Store::open(dir.path())?;
        assert_eq!(store.glossaries("me")?, std::slice::from_ref(&made));
        assert_eq!((made.name.as_str(), made.dictionaries.len()), ("Law", 2));
        assert_eq!(store.glossaries("m")?, []);
        assert_eq!(store.glossary("you", &made.id)?, None);
        let entries = store.glossary_entries(&made.id, "en", "de")?;
        assert_eq!(entries, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert!(!store.remove_glossary("you", &made.id)?);
        assert!(store.remove_glossary("me", &made.id)?);
        assert_eq!(store.glossary_entries(&made.id, "en", "de")?, []);
        Ok(())
    }

    #[test]
    fn a_dictionary_is_merged_replaced_and_removed() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let made = store.create_glossary("", "g", &[dictionary("en", "de", &[("a", "1")])])?;
        let more = dictionary("en", "de", &[("a", "2"), ("b", "3")]);
        let changed = store.put_dictionary("", &made.id, &more, false)?.expect("it is there");
        assert!(changed.changed > made.changed);
        assert_eq!(changed.dictionary("en", "de").map(|one| one.entries), Some(2));
        let other = dictionary("en", "de", &[("c", "4")]);
        store.put_dictionary("", &made.id, &other, true)?;
        assert_eq!(store.glossary_entries(&made.id, "en", "de")?, [("c".into(), "4".into())]);
        assert!(store.rename_glossary("", &made.id, "new")?);
        assert!(store.remove_dictionary("", &made.id, "en", "de")?);
        assert!(!store.remove_dictionary("", &made.id, "en", "de")?);
        assert_eq!(store.glossary("", &made.id)?.map(|one| one.name), Some("new".into()));
        Ok(())
    }

    #[test]
    fn what_is_too_much_or_nothing_is_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let twice = [dictionary("en", "de", &[("a", "1")]), dictionary("en", "de", &[("b", "1")])];
        assert!(store.create_glossary("", "g", &twice).is_err());
        assert!(store.create_glossary("", " ", &twice[..1]).is_err());
        assert!(store.create_glossary("", "g", &[dictionary("en", "de", &[])]).is_err());
        let long = "x".repeat(1 << 20);
        let large: Vec<(String, String)> =
            (0..11).map(|i| (format!("{i}"), long.clone())).collect();
        let large = NewDictionary { source: "en".into(), target: "de".into(), entries: large };
        let result = store.create_glossary("", "g", &[large]);
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
        assert_eq!(store.glossaries("")?, []);
        Ok(())
    }
}
