//! Changes a model directory, so that readers see it as it was or as it will be.

mod history;

use std::{
    collections::BTreeMap,
    fs::TryLockError,
    path::{Path, PathBuf},
};

use candle::{DType, Tensor};
use fs_err as fs;

use super::{Files, REGISTER, sha256_of, to_bytes, to_json, write_whole};
use crate::{
    Error, Result,
    register::{ExpertEntry, Register},
};

/// A model directory, locked against other writers.
///
/// Files of experts are written first, under names that hold their hash; then one rename replaces
/// the register. Dropped before [`Edit::commit`], it leaves at most files that no register names.
#[derive(Debug)]
pub struct Edit {
    folder: PathBuf,
    register: Register,
    _lock: fs::File,
}

impl Edit {
    /// Locks `folder` and reads its register.
    ///
    /// # Errors
    /// Fails when another process holds the lock, or when there is no model.
    pub fn open(folder: &Path) -> Result<Self> {
        let register = Files::Folder(folder.into()).register()?;
        let lock = fs::File::create(folder.join(".lock"))?;
        match lock.file().try_lock() {
            Ok(()) => Ok(Self { folder: folder.into(), register, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let reason =
                    "another command changes this model: wait until it is done, or stop it";
                Err(Error::Model { path: folder.into(), reason: reason.into() })
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of the model.
    pub fn files(&self) -> Files {
        Files::Folder(self.folder.clone())
    }

    /// The register as it was read.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Writes the file of an expert, with its weights in `dtype`, and notes it in `entry`.
    pub fn write_expert(
        &self,
        entry: &mut ExpertEntry,
        tensors: &BTreeMap<String, Tensor>,
        dtype: DType,
    ) -> Result<()> {
        let stored = |(name, value): (&String, &Tensor)| {
            // Integer tensors, such as those of quantised weights, stay as they are.
            let value = match value.dtype().is_float() {
                true => value.to_dtype(dtype)?,
                false => value.clone(),
            };
            Ok((name.clone(), value))
        };
        let stored = tensors.iter().map(stored).collect::<Result<BTreeMap<_, _>>>()?;
        let content = to_bytes(&stored)?;
        entry.sha256 = sha256_of(&content);
        entry.file = format!("experts/{}.{}.safetensors", entry.name, &entry.sha256[..12]);
        fs::create_dir_all(self.folder.join("experts"))?;
        write_whole(&self.folder.join(&entry.file), &content)
    }

    /// Writes the file of `old` once more under the name of `entry`, and notes it there.
    pub fn copy_expert(&self, entry: &mut ExpertEntry, old: &ExpertEntry) -> Result<()> {
        let content = self.files().read_checked(&old.file, &old.sha256)?;
        entry.file = format!("experts/{}.{}.safetensors", entry.name, &entry.sha256[..12]);
        write_whole(&self.folder.join(&entry.file), &content)
    }

    /// Removes files that were written and are not wanted after all: those that `register` names
    /// and the model's own does not.
    pub fn discard(&self, register: &Register) -> Result<()> {
        self.remove_files(register, &self.register, None)
    }

    /// Replaces the register, and takes the files away that it names no more; [`Edit::undo`] brings
    /// both back.
    pub fn commit(self, register: &Register) -> Result<()> {
        register.check().map_err(Error::Invalid)?;
        let change = self.remember()?;
        write_whole(&self.folder.join(REGISTER), &to_json(register)?)?;
        self.remove_files(&self.register, register, Some(&change))
    }

    /// Removes what `of` names and `kept` does not, with folders that are empty then; or puts it into
    /// the folder of a change.
    fn remove_files(&self, of: &Register, kept: &Register, change: Option<&Path>) -> Result<()> {
        let kept: Vec<&str> = kept.file_names().collect();
        for file in of.file_names().filter(|file| !kept.contains(file)) {
            let path = self.folder.join(file);
            match change {
                Some(change) => history::put_away(&self.folder, file, change)?,
                None => fs::remove_file(&path).or_else(gone)?,
            }
            let folder = path.parent().filter(|_| file.starts_with("catalogues/"));
            folder.map(fs::remove_dir); // while other files are in it, it stays
        }
        Ok(())
    }
}

/// What is not there need not be removed.
fn gone(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}
