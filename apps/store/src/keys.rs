//! API keys and what each may do.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result, Store};

/// What a key allows; `None` means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLimits {
    /// Requests a minute, in place of the limit per address.
    #[serde(default)]
    pub req_limit: Option<u32>,
    /// Characters a text, in place of the server's limit.
    #[serde(default)]
    pub char_limit: Option<usize>,
}

/// A key as the store knows it: the key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// SHA-256 of the key, in hex.
    pub sha256: String,
    /// What it allows.
    #[serde(flatten)]
    pub limits: KeyLimits,
}

impl Store {
    /// Makes a new random key; this is the only time it is shown. Blocks.
    pub fn create_key(&self, limits: KeyLimits) -> Result<String> {
        let key: String = (0..4).map(|_| format!("{:08x}", rand::random::<u32>())).collect();
        self.put_key(&key, limits)?;
        Ok(key)
    }

    /// Adds or changes `key`; when this returns it is on disk. Blocks.
    pub fn put_key(&self, key: &str, limits: KeyLimits) -> Result<()> {
        self.put_hashed_key(&ApiKey { sha256: fingerprint(key), limits })?;
        self.inner.committer.commit()
    }

    /// What `key` allows, or `None` for a key that nobody gave out.
    pub fn key_limits(&self, key: &str) -> Result<Option<KeyLimits>> {
        let Some(value) = self.inner.keys.get(fingerprint(key))? else { return Ok(None) };
        parse(&value).map(|key| Some(key.limits))
    }

    /// Removes the key with this text or this SHA-256, and says whether it was there. Blocks.
    pub fn remove_key(&self, key: &str) -> Result<bool> {
        let by_text = self.inner.keys.remove(fingerprint(key))?;
        let by_hash = self.inner.keys.remove(key)?;
        self.inner.committer.commit()?;
        Ok(by_text.is_some() || by_hash.is_some())
    }

    /// All keys, in the order of their hashes.
    pub fn keys(&self) -> impl Iterator<Item = Result<ApiKey>> + use<> {
        self.inner.keys.iter().map(|row| parse(&row?.1))
    }

    /// Writes `key`, uncommitted.
    pub(crate) fn put_hashed_key(&self, key: &ApiKey) -> Result<()> {
        let value = serde_json::to_vec(key).expect("strings and numbers are JSON");
        self.inner.keys.insert(&key.sha256, value)?;
        Ok(())
    }
}

fn parse(value: &[u8]) -> Result<ApiKey> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("a key: {error}")))
}

fn fingerprint(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_limits_until_it_is_removed() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        let limits = KeyLimits { req_limit: Some(5), char_limit: None };
        let key = store.create_key(limits.clone())?;
        store.put_key("mine", KeyLimits::default())?;
        assert_ne!(key, store.create_key(KeyLimits::default())?);

        assert_eq!(store.key_limits(&key)?, Some(limits));
        assert_eq!(store.key_limits("mine")?, Some(KeyLimits::default()));
        assert_eq!(store.key_limits("yours")?, None);
        assert_eq!(store.keys().count(), 3);

        assert!(store.remove_key(&key)?);
        assert!(!store.remove_key(&key)?);
        assert_eq!(store.key_limits(&key)?, None);
        Ok(())
    }
}
