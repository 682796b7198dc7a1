//! API keys and what each may do.

use std::sync::{PoisonError, atomic::Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{DEFAULT_TENANT, Error, Result, Store};

/// Where `meta` says that the default tenant has had keys.
pub(crate) const CLOSED: &str = "closed:default";

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
    /// The tenant of recommendation that it opens; without one it is a key of translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What it allows.
    #[serde(flatten)]
    pub limits: KeyLimits,
}

impl Store {
    /// Makes a new random key of a tenant, or of translation; this is the only time it is shown. Blocks.
    pub fn create_key(&self, tenant: Option<&str>, limits: KeyLimits) -> Result<String> {
        self.alone_with_keys(|| {
            if let Some(name) = tenant {
                self.tenant(name)?; // it has to be there
            }
            let key: String = (0..4).map(|_| format!("{:08x}", rand::random::<u32>())).collect();
            let tenant = tenant.map(str::to_owned);
            self.put_hashed_key(&ApiKey { sha256: fingerprint(&key), tenant, limits })?;
            self.inner.committer.commit()?;
            Ok(key)
        })
    }

    /// What is known of `key`, or `None` for an unknown key.
    pub fn api_key(&self, key: &str) -> Result<Option<ApiKey>> {
        self.inner.keys.get(fingerprint(key))?.map(|value| parse(&value)).transpose()
    }

    /// What `key` allows in translation, or `None` for a key that is not one of translation.
    pub fn key_limits(&self, key: &str) -> Result<Option<KeyLimits>> {
        let key = self.api_key(key)?.filter(|key| key.tenant.is_none());
        Ok(key.map(|key| key.limits))
    }

    /// Whether there are keys for `tenant`; until then everyone is let in.
    pub fn has_tenant_keys(&self, tenant: &str) -> bool {
        let keys = self.inner.tenant_keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.contains(tenant)
    }

    /// Whether `tenant` answers no one without a key: once it had keys, it stays so.
    ///
    /// Only the default tenant can be open, and only until its first key is made. There is nothing to
    /// close where there is no tenant of that name.
    pub fn is_closed(&self, tenant: &str) -> bool {
        if tenant != DEFAULT_TENANT {
            return self.has_tenant(tenant).unwrap_or(true);
        }
        self.inner.is_default_closed.load(Ordering::Relaxed) || self.has_tenant_keys(tenant)
    }

    /// Lets the default tenant answer everybody again, and says whether it was closed; as long as it
    /// has keys it cannot. Blocks.
    pub fn reopen_default(&self) -> Result<bool> {
        self.alone_with_keys(|| self.reopen_default_alone())
    }

    fn reopen_default_alone(&self) -> Result<bool> {
        self.count_tenant_keys()?;
        if self.has_tenant_keys(DEFAULT_TENANT) {
            return Err(Error::Invalid(format!(
                "the tenant `{DEFAULT_TENANT}` has keys; remove them first"
            )));
        }
        let was = self.is_closed(DEFAULT_TENANT);
        self.inner.meta.remove(CLOSED)?;
        self.inner.committer.commit()?;
        self.inner.is_default_closed.store(false, Ordering::Relaxed);
        Ok(was)
    }

    /// Removes the key with this text or this SHA-256, and says whether it was there. Blocks.
    ///
    /// Without its last key, a tenant stays closed.
    pub fn remove_key(&self, key: &str) -> Result<bool> {
        self.alone_with_keys(|| self.remove_key_alone(key))
    }

    fn remove_key_alone(&self, key: &str) -> Result<bool> {
        self.count_tenant_keys()?;
        if self.has_tenant_keys(DEFAULT_TENANT) {
            self.close_default()?;
        }
        let mut was = false;
        for name in [fingerprint(key).as_str(), key] {
            was |= self.inner.keys.contains(name)?;
            self.inner.keys.remove(name)?;
        }
        self.count_tenant_keys()?;
        self.inner.committer.commit()?;
        Ok(was)
    }

    /// All keys, in the order of their hashes.
    pub fn keys(&self) -> impl Iterator<Item = Result<ApiKey>> + use<> {
        self.inner.keys.iter().map(|row| parse(&row?.1))
    }

    /// Writes `key`, uncommitted.
    pub(crate) fn put_hashed_key(&self, key: &ApiKey) -> Result<()> {
        let value = serde_json::to_vec(key).expect("strings and numbers are JSON");
        self.inner.keys.insert(&key.sha256, value)?;
        if let Some(tenant) = &key.tenant {
            let mut keys = self.inner.tenant_keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.insert(tenant.clone());
        }
        Ok(())
    }

    /// Notes that the default tenant has had keys, uncommitted.
    pub(crate) fn close_default(&self) -> Result<()> {
        self.inner.meta.insert(CLOSED, [1])?;
        self.inner.is_default_closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Finds out which tenants have keys, and whether the default one has had some.
    pub(crate) fn count_tenant_keys(&self) -> Result<()> {
        // Locked first: of two threads the one that sees more is the last.
        let mut keys = self.inner.tenant_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<ApiKey> = self.keys().collect::<Result<_>>()?;
        *keys = found.into_iter().filter_map(|key| key.tenant).collect();
        if self.is_shared() {
            let is_closed = self.inner.meta.contains(CLOSED)?;
            self.inner.is_default_closed.store(is_closed, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets `work` change keys and tenants while no other process does, and learns what came of it.
    pub(crate) fn alone_with_keys<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = self.inner.keys.alone(work);
        // Also after a failure: `work` may have noted what is undone now.
        let counted = if self.is_shared() { self.count_tenant_keys() } else { Ok(()) };
        done.and_then(|done| counted.map(|()| done))
    }
}

fn parse(value: &[u8]) -> Result<ApiKey> {
    serde_json::from_slice(value).map_err(|error| Error::corrupt(format!("a key: {error}")))
}

/// The fingerprint of a key: its SHA-256 in hex.
pub fn fingerprint(key: &str) -> String {
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
        let key = store.create_key(None, limits.clone())?;
        let mine = store.create_key(None, KeyLimits::default())?;
        assert_ne!(key, mine);

        assert_eq!(store.key_limits(&key)?, Some(limits));
        assert_eq!(store.key_limits(&mine)?, Some(KeyLimits::default()));
        assert_eq!(store.key_limits("yours")?, None);
        assert_eq!(store.keys().count(), 2);

        assert!(store.remove_key(&key)?);
        assert!(!store.remove_key(&key)?);
        assert_eq!(store.key_limits(&key)?, None);
        Ok(())
    }

    #[test]
    fn a_key_of_a_tenant_opens_nothing_else() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        assert!(!store.has_tenant_keys("default"));
        let key = store.create_key(Some("default"), KeyLimits::default())?;
        assert!(store.has_tenant_keys("default") && !store.has_tenant_keys("shop"));
        assert_eq!(store.key_limits(&key)?, None);
        let found = store.api_key(&key)?.and_then(|key| key.tenant);
        assert_eq!(found.as_deref(), Some("default"));
        assert!(store.create_key(Some("nobody"), KeyLimits::default()).is_err());
        store.remove_key(&key)?;
        assert!(!store.has_tenant_keys("default"));
        Ok(())
    }

    #[test]
    fn a_tenant_that_lost_its_last_key_stays_closed() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        assert!(!store.is_closed("default") && !store.is_closed("shop"));
        store.create_tenant("shop")?;
        assert!(store.is_closed("shop"), "before its first key as well");
        let of_translation = store.create_key(None, KeyLimits::default())?;
        store.remove_key(&of_translation)?;
        assert!(!store.is_closed("default"), "it has never had a key");
        let key = store.create_key(Some("default"), KeyLimits::default())?;
        assert!(store.is_closed("default"));
        store.remove_key(&key)?;
        assert!(store.is_closed("default"));
        drop(store);
        let store = Store::open(dir.path())?;
        assert!(store.is_closed("default"), "after a restart as well");

        let key = store.create_key(Some("default"), KeyLimits::default())?;
        assert!(store.reopen_default().is_err(), "it has a key");
        store.remove_key(&key)?;
        assert!(store.reopen_default()? && !store.reopen_default()?);
        drop(store);
        assert!(!Store::open(dir.path())?.is_closed("default"), "for good");
        Ok(())
    }
}
