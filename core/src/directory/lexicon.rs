//! The file of the words of a model's lexicon.

use fs_err as fs;

use super::{Edit, Files, sha256_of, write_whole};
use crate::{Error, Result, lexicon::Lexicon, register::Register};

/// What the name of the file starts with; the rest of it is a hash, so that an older one stays until
/// nothing names it.
const START: &str = "lexicon.";

/// How hard it is compressed: it is written once.
const LEVEL: i32 = 19;

impl Files {
    /// The lexicon of the model of `register`, if it has one.
    ///
    /// # Errors
    /// Fails when the file is missing or damaged.
    pub fn lexicon(&self, register: &Register) -> Result<Option<Lexicon>> {
        let Some((name, sha256)) = register.files.iter().find(|(name, _)| name.starts_with(START))
        else {
            return Ok(None);
        };
        let content = self.read_checked(name, sha256)?;
        let text =
            zstd::decode_all(&content[..]).map_err(|error| self.error(name, error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| self.error(name, error.to_string()))?;
        Lexicon::from_text(&text).map(Some).map_err(|reason| self.error(name, reason))
    }
}

impl Edit {
    /// Writes `lexicon` and commits it in place of the one that the model had; `None` takes that away.
    ///
    /// # Errors
    /// Fails when the folder cannot be written.
    pub fn commit_lexicon(self, lexicon: Option<&Lexicon>) -> Result<()> {
        let mut register = self.register().clone();
        register.files.retain(|name, _| !name.starts_with(START));
        if let Some(lexicon) = lexicon {
            let content =
                zstd::encode_all(lexicon.to_text().as_bytes(), LEVEL).map_err(Error::Io)?;
            let sha256 = sha256_of(&content);
            let name = format!("{START}{}.tsv.zst", &sha256[..12]);
            register.files.insert(name.clone(), sha256);
            fs::create_dir_all(self.folder())?;
            write_whole(&self.folder().join(name), &content)?;
        }
        self.commit(&register)
    }
}
