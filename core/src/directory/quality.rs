//! The file that says how a model estimates the quality of its translations.

use fs_err as fs;

use super::{Edit, Files, sha256_of, to_json, write_whole};
use crate::{Result, quality::Calibration, register::Register};

/// What the name of the file starts with; the rest of it is a hash, so that an older one stays until
/// nothing names it.
const START: &str = "quality.";

impl Files {
    /// How the model of `register` estimates the quality of its translations, if it does.
    ///
    /// # Errors
    /// Fails when the file is missing or damaged.
    pub fn calibration(&self, register: &Register) -> Result<Option<Calibration>> {
        let Some((name, sha256)) = register.files.iter().find(|(name, _)| name.starts_with(START))
        else {
            return Ok(None);
        };
        let content = self.read_checked(name, sha256)?;
        let calibration = serde_json::from_slice(&content);
        calibration.map(Some).map_err(|error| self.error(name, error.to_string()))
    }
}

impl Edit {
    /// Writes `calibration` and commits it in place of the one that the model had.
    pub fn commit_calibration(self, calibration: &Calibration) -> Result<()> {
        let content = to_json(calibration)?;
        let sha256 = sha256_of(&content);
        let name = format!("{START}{}.json", &sha256[..12]);
        let mut register = self.register().clone();
        register.files.retain(|name, _| !name.starts_with(START));
        register.files.insert(name.clone(), sha256);
        fs::create_dir_all(self.folder())?;
        write_whole(&self.folder().join(name), &content)?;
        self.commit(&register)
    }
}
