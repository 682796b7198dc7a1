//! Small helpers for the files of checkpoints.

use std::{io::Read, path::Path};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The content of the file at `path`, unpacked if it is packed with gzip.
pub(crate) fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let content = fs_err::read(path)?;
    if !content.starts_with(&[0x1F, 0x8B]) {
        return Ok(content);
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(&content[..])
        .read_to_end(&mut unpacked)
        .map_err(|error| Error::file(path, format!("is no gzip file: {error}")))?;
    Ok(unpacked)
}

/// The JSON in the file at `path`.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs_err::read(path)?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::file(path, format!("is not what is expected there: {error}")))
}
