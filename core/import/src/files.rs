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

/// Space that stays free beside what is written.
const SPARE: u64 = 16 << 20;

/// Refuses to write `bytes` into `folder` if its disk has not so much space left.
pub(crate) fn check_space(folder: &Path, bytes: u64) -> Result<()> {
    let Some(free) = free_space(folder) else { return Ok(()) }; // writing will tell
    if bytes.saturating_add(SPARE) <= free {
        return Ok(());
    }
    let reason = format!(
        "takes {}, and the disk has {} left: free some, or name a folder on another disk",
        readable(bytes),
        readable(free)
    );
    Err(Error::file(folder, reason))
}

/// Bytes that an ordinary user may still write to the disk of `folder`.
fn free_space(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(folder).ok()?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// A number of bytes as people say it.
fn readable(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_disk_that_is_too_small_is_named_with_its_space() -> Result<()> {
        let folder = tempfile::tempdir()?;
        check_space(folder.path(), 1000)?;
        let error = check_space(folder.path(), u64::MAX).expect_err("no disk is as large");
        let error = error.to_string();
        assert!(error.contains("takes 18446744073.7 GB"), "{error}");
        assert!(error.contains("B left"), "{error}");
        Ok(())
    }
}
