//! Glossaries as replies describe them.

use dragoman_store::{Dictionary, StoredGlossary, Timestamp};
use serde::Serialize;

use super::tags::glossary_tag;

/// A glossary of one pair, as version 2 has them.
#[derive(Debug, Serialize)]
pub(super) struct Monolingual {
    glossary_id: String,
    name: String,
    ready: bool,
    source_lang: String,
    target_lang: String,
    creation_time: String,
    entry_count: usize,
}

/// A glossary of several pairs, as version 3 has them.
#[derive(Debug, Serialize)]
pub(super) struct Multilingual {
    glossary_id: String,
    name: String,
    dictionaries: Vec<Described>,
    creation_time: String,
}

/// A dictionary without its entries.
#[derive(Debug, Serialize)]
pub(super) struct Described {
    source_lang: String,
    target_lang: String,
    entry_count: usize,
}

/// A list of glossaries.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    pub(super) glossaries: Vec<T>,
}

impl Monolingual {
    /// `glossary` with its first pair; none without any.
    pub(super) fn of(glossary: &StoredGlossary) -> Option<Self> {
        let Dictionary { source, target, entries } = glossary.dictionaries.first()?;
        Some(Self {
            glossary_id: glossary.id.clone(),
            name: glossary.name.clone(),
            ready: true,
            source_lang: glossary_tag(source),
            target_lang: glossary_tag(target),
            creation_time: time(glossary.created),
            entry_count: *entries,
        })
    }
}

impl From<&StoredGlossary> for Multilingual {
    fn from(glossary: &StoredGlossary) -> Self {
        Self {
            glossary_id: glossary.id.clone(),
            name: glossary.name.clone(),
            dictionaries: glossary.dictionaries.iter().map(Described::from).collect(),
            creation_time: time(glossary.created),
        }
    }
}

impl From<&Dictionary> for Described {
    fn from(dictionary: &Dictionary) -> Self {
        Self {
            source_lang: glossary_tag(&dictionary.source),
            target_lang: glossary_tag(&dictionary.target),
            entry_count: dictionary.entries,
        }
    }
}

/// A time with fractions of a second: clients cannot read one without.
fn time(micros: u64) -> String {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let whole = Timestamp::from_seconds(seconds).to_string();
    let whole = whole.trim_end_matches('Z');
    format!("{whole}.{:03}Z", micros / 1000 % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions() {
        assert_eq!(time(1_628_000_178_329_004), "2021-08-03T14:16:18.329Z");
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
    }
}
