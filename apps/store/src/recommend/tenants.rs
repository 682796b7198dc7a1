//! Who has users, items and feedback of its own in a store.

use super::Tenant;
use crate::{Error, Result, Store};

/// The tenant that is always there.
pub const DEFAULT_TENANT: &str = "default";

/// What the names of trees start with.
pub(crate) const TREE: &str = "recommend:";

impl Store {
    /// The tenant `name`; the default one is made when it is not there.
    pub fn tenant(&self, name: &str) -> Result<Tenant> {
        if name != DEFAULT_TENANT && !self.has_tenant(name)? {
            return Err(Error::UnknownTenant(name.into()));
        }
        let mut open = self.inner.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(tenant) = open.get(name) {
            return Ok(tenant.clone());
        }
        let tree = self.inner.database.tree(&format!("{TREE}{name}"));
        let tenant = Tenant::new(name, tree, self.inner.committer.clone());
        open.insert(name.into(), tenant.clone());
        Ok(tenant)
    }

    /// Makes the tenant `name` if it is not there, and says whether it was not. Blocks.
    pub fn create_tenant(&self, name: &str) -> Result<bool> {
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        if !(1..=64).contains(&name.len()) || !name.chars().all(is_plain) {
            return Err(Error::Invalid(format!(
                "`{name}` is no name of a tenant; take up to 64 lower-case letters, digits, `-` and `_`"
            )));
        }
        self.alone_with_keys(|| {
            if name == DEFAULT_TENANT || self.has_tenant(name)? {
                return Ok(false);
            }
            self.inner.tenants.insert(name, [])?;
            self.inner.committer.commit()?;
            Ok(true)
        })
    }

    /// Removes the tenant `name` with everything in it and its keys, and says whether it was
    /// there; the default one is only emptied. Blocks.
    pub fn remove_tenant(&self, name: &str) -> Result<bool> {
        self.alone_with_keys(|| self.remove_tenant_alone(name))
    }

    fn remove_tenant_alone(&self, name: &str) -> Result<bool> {
        let was = name == DEFAULT_TENANT || self.has_tenant(name)?;
        if was {
            if self.has_tenant_keys(DEFAULT_TENANT) {
                self.close_default()?;
            }
            self.tenant(name)?.tree.clear()?;
            for key in self.keys() {
                let key = key?;
                if key.tenant.as_deref() == Some(name) {
                    self.inner.keys.remove(&key.sha256)?;
                }
            }
            self.inner.tenants.remove(name)?;
            self.count_tenant_keys()?;
            self.inner.committer.commit()?;
        }
        Ok(was)
    }

    /// Names of all tenants, the default one first.
    pub fn tenants(&self) -> Result<Vec<String>> {
        let mut names = vec![DEFAULT_TENANT.to_owned()];
        for row in self.inner.tenants.iter() {
            let name = String::from_utf8(row?.0);
            names.push(name.map_err(|_| Error::corrupt("the name of a tenant is not text"))?);
        }
        Ok(names)
    }

    pub(crate) fn has_tenant(&self, name: &str) -> Result<bool> {
        self.inner.tenants.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, KeyLimits};

    #[test]
    fn tenants_do_not_see_each_other() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        assert!(store.create_tenant("shop")? && !store.create_tenant("shop")?);
        let item = Item { item_id: "a".into(), ..Item::default() };
        store.tenant("shop")?.put_items(&[item])?;
        assert_eq!(store.tenant(DEFAULT_TENANT)?.item("a")?, None);
        assert_eq!(store.tenants()?, ["default", "shop"]);

        let key = store.create_key(Some("shop"), KeyLimits::default())?;
        assert!(store.remove_tenant("shop")? && !store.remove_tenant("shop")?);
        assert_eq!(store.api_key(&key)?, None);
        store.create_tenant("shop")?;
        assert_eq!(store.tenant("shop")?.items("").count(), 0);
        Ok(())
    }

    #[test]
    fn names_that_are_no_names_are_refused() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path())?;
        for name in ["", "A", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(matches!(store.create_tenant(name), Err(Error::Invalid(_))), "{name}");
        }
        assert!(matches!(store.tenant("nobody"), Err(Error::UnknownTenant(_))));
        Ok(())
    }
}
