//! What an expert of a model that recommends learns from.

use std::path::Path;

use anyhow::bail;
use dragoman_data::interactions::Interactions;

use super::Add;

impl Add {
    /// The log, and what it is called.
    pub(super) fn log(&self) -> anyhow::Result<(String, Interactions)> {
        #[cfg(feature = "server")]
        if let Some(place) = &self.learning.from_store {
            if !self.learning.data.is_empty() {
                bail!("name a log with `--data`, or a store with `--from-store`, not both");
            }
            let key = self.learning.admin_key.as_deref();
            let log = crate::stored::interactions(place, &self.tenant, key)?;
            return Ok((format!("store, tenant {}", self.tenant), log));
        }
        let [path] = self.learning.data.as_slice() else {
            bail!("name one log of interactions with `--data PATH`");
        };
        let (log, faults) = Interactions::load(Path::new(path))?;
        for fault in &faults.first {
            eprintln!("skipped {fault}");
        }
        let name = Path::new(path).file_name().unwrap_or(path.as_ref());
        Ok((name.to_string_lossy().into_owned(), log))
    }

    /// Refuses what means nothing for a model that recommends.
    pub(super) fn refuse_flags_of_translation(&self) -> anyhow::Result<()> {
        let flags = [
            ("--pairs", !self.pairs.is_empty()),
            ("--lora", self.lora.is_some()),
            ("--dry-run", self.learning.dry_run),
            ("--dev", self.learning.dev.is_some()),
            ("--general", !self.learning.general.is_empty()),
        ];
        match flags.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => bail!("`{flag}` is for models that translate"),
            None => Ok(()),
        }
    }
}
