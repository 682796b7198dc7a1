//! What a model was before its last changes, so that they can be undone.
//!
//! `history/000007/` holds the register that a change replaced, and the files that it took away.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{Edit, Files, REGISTER, gone, to_json, write_whole};
use crate::{Error, Result, register::Register};

const HISTORY: &str = "history";
/// Changes that can be undone.
const KEPT: usize = 3;

/// The changes of the model in `folder` that can be undone, oldest first.
fn changes(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let history = folder.join(HISTORY);
    if !history.exists() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    for entry in fs::read_dir(history)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        changes.extend(number.map(|number| (number, path)));
    }
    changes.sort();
    Ok(changes)
}

impl Edit {
    /// Notes the register that is about to be replaced, and returns the folder for what goes with it.
    pub(super) fn remember(&self) -> Result<PathBuf> {
        let changes = changes(&self.folder)?;
        let number = changes.last().map_or(1, |(number, _)| number + 1);
        let path = self.folder.join(HISTORY).join(format!("{number:06}"));
        fs::create_dir_all(&path)?;
        write_whole(&path.join(REGISTER), &to_json(&self.register)?)?;
        let surplus = (changes.len() + 1).saturating_sub(KEPT);
        for (_, old) in changes.into_iter().take(surplus) {
            fs::remove_dir_all(old)?;
        }
        Ok(path)
    }

    /// Puts the register back that the last change replaced, with its files, and returns it.
    ///
    /// # Errors
    /// Fails when there is no change to undo, or when another model has taken the place of this one
    /// since.
    pub fn undo(self) -> Result<Register> {
        let refuse =
            |reason: &str| Error::Model { path: self.folder.clone(), reason: reason.into() };
        let mut changes = changes(&self.folder)?;
        let (path, register) = loop {
            let Some((_, path)) = changes.pop() else {
                return Err(refuse("there is no change to undo"));
            };
            let file = path.join(REGISTER);
            let register = Register::parse(&fs::read_to_string(&file)?, &file)?;
            if register != self.register {
                break (path, register);
            }
            fs::remove_dir_all(path)?; // of a change that did not come to its end
        };
        if register.shared_sha256 != self.register.shared_sha256 {
            return Err(refuse("another model was put here since the last change: it stays"));
        }
        for file in register.file_names() {
            let (from, to) = (path.join(file), self.folder.join(file));
            if !to.exists() && from.exists() {
                fs::create_dir_all(to.parent().unwrap_or(&self.folder))?;
                fs::rename(from, to)?;
            }
        }
        let files = Files::Folder(self.folder.clone());
        for expert in &register.experts {
            files.read_checked(&expert.file, &expert.sha256)?;
        }
        for (file, sha256) in &register.files {
            files.read_checked(file, sha256)?;
        }
        write_whole(&self.folder.join(REGISTER), &to_json(&register)?)?;
        self.remove_files(&self.register, &register, None)?;
        fs::remove_dir_all(path)?;
        Ok(register)
    }
}

/// Moves a file that is wanted no more to the folder of a change.
pub(super) fn put_away(folder: &Path, file: &str, change: &Path) -> std::io::Result<()> {
    let place = change.join(file);
    fs::create_dir_all(place.parent().unwrap_or(change))?;
    fs::rename(folder.join(file), place).or_else(gone)
}
