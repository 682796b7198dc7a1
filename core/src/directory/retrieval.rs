//! Opens the retrieval experts of a model.

use std::{collections::BTreeMap, sync::Arc};

use memmap2::Mmap;

use super::Files;
use crate::{
    Error, Result,
    register::{ExpertKind, Register},
    retrieval::{Datastore, Retrieval, Section, section::Bytes},
};

/// What the names of a detector's weights start with.
pub(super) const DETECTOR: &str = "detector.";

impl Files {
    /// The retrieval experts that `register` names. Their files are mapped into memory, and their sums
    /// are checked where the model is loaded.
    ///
    /// # Errors
    /// Fails when a file is missing or damaged, or was made with another model.
    pub fn retrieval(&self, register: &Register) -> Result<Retrieval> {
        let mut datastores = Vec::new();
        for (i, expert) in register.domain_experts().enumerate() {
            if expert.kind != ExpertKind::Retrieval {
                continue;
            }
            if expert.base.as_ref() != Some(&register.shared_sha256) {
                let reason = format!(
                    "`{}` holds states of another model; add it again with `dragoman expert add`",
                    expert.name
                );
                return Err(self.error(&expert.file, reason));
            }
            let config = self.translation_config()?;
            let bytes = Arc::new(self.mapped(&expert.file)?);
            let mut sections = BTreeMap::new();
            for name in &expert.routes {
                let route = register.routes.iter().position(|route| route.name == *name);
                let Some(route) = route else { continue };
                let section = Section::parse(&bytes, name, config.d_model, config.vocab_size);
                let section = section.map_err(|reason| self.error(&expert.file, reason))?;
                sections.insert(route as u32, section);
            }
            datastores.push(Datastore::new(expert.name.clone(), 1 << i, sections));
        }
        Ok(Retrieval::new(datastores))
    }

    /// The file `name`, mapped into memory where it is on disk.
    fn mapped(&self, name: &str) -> Result<Bytes> {
        match self {
            Self::Folder(folder) => {
                let file = fs_err::File::open(folder.join(name))?;
                // SAFETY: files of experts are written once, under another name, and renamed when they
                // are complete; nothing in the suite changes them afterwards.
                #[expect(unsafe_code, reason = "entries are read where they are, not copied")]
                let map = unsafe { Mmap::map(file.file()) };
                map.map(Bytes::Map).map_err(Error::Io)
            }
            Self::Embedded(files) => match files.iter().find(|(path, _)| *path == name) {
                Some((_, content)) => Ok(Bytes::Static(content)),
                None => Err(self.missing(name)),
            },
        }
    }
}
