//! Zip archives, read without unpacking them; paths that climb are refused.

use std::{
    borrow::Cow,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use flate2::{Crc, read::DeflateDecoder};
use fs_err::File;
use zip::{CompressionMethod, ZipArchive, read::ZipFile};

use crate::{Error, Result};

/// An archive, open for reading.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    names: Vec<String>,
    zip: Mutex<ZipArchive<File>>,
}

impl Archive {
    /// Opens the archive at `path`, and looks at the name of every file in it.
    ///
    /// # Errors
    /// Fails when it is no zip, or a name in it is absolute or leads out of the folder.
    pub fn open(path: &Path) -> Result<Self> {
        let zip = ZipArchive::new(File::open(path)?)
            .map_err(|error| Error::file(path, format!("is no zip archive: {error}")))?;
        let names: Vec<String> = zip
            .file_names()
            .map(|name| name.map(Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::file(path, format!("is damaged: {error}")))?;
        let climbs = |name: &&String| {
            let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
            name.contains('\\') || !Path::new(name.as_str()).components().all(plain)
        };
        if let Some(name) = names.iter().find(climbs) {
            let reason = format!("holds `{name}`, a path that leads out of its folder: refused");
            return Err(Error::file(path, reason));
        }
        Ok(Self { path: path.into(), names, zip: Mutex::new(zip) })
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The content of the file called `name`.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.copy(name, &mut content)?;
        Ok(content)
    }

    /// Bytes of the file called `name`, unpacked.
    pub fn size(&self, name: &str) -> Result<u64> {
        self.with(name, |raw| Ok(raw.size()))
    }

    /// Reads the file called `name` from its byte `skipped` on; its sum is not checked.
    pub(crate) fn part<T>(
        &self,
        name: &str,
        skipped: u64,
        read: impl FnOnce(&mut dyn Read) -> std::io::Result<T>,
    ) -> Result<T> {
        self.with(name, |raw| {
            let mut content = unpacked(raw).map_err(|reason| self.damaged(name, &reason))?;
            let read = std::io::copy(&mut content.by_ref().take(skipped), &mut std::io::sink())
                .and_then(|_| read(&mut content));
            read.map_err(|error| self.damaged(name, &format!("is damaged: {error}")))
        })
    }

    /// Copies the content of the file called `name` to `out`, and checks its sum.
    pub fn copy(&self, name: &str, out: &mut impl std::io::Write) -> Result<()> {
        self.with(name, |raw| {
            let sum = raw.crc32();
            let mut content = unpacked(raw).map_err(|reason| self.damaged(name, &reason))?;
            let (mut crc, mut buffer) = (Crc::new(), vec![0; 1 << 16]);
            loop {
                let count = content
                    .read(&mut buffer)
                    .map_err(|error| self.damaged(name, &format!("is damaged: {error}")))?;
                if count == 0 {
                    break;
                }
                crc.update(&buffer[..count]);
                out.write_all(&buffer[..count])?;
            }
            match crc.sum() == sum {
                true => Ok(()),
                false => Err(self.damaged(name, "is damaged: its sum differs")),
            }
        })
    }

    fn with<T>(
        &self,
        name: &str,
        f: impl FnOnce(ZipFile<'_, File>) -> Result<T>,
    ) -> Result<T> {
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let index = zip.index_for_name(name).ok_or_else(|| self.damaged(name, "is missing"))?;
        let raw = zip.by_index_raw(index);
        f(raw.map_err(|error| self.damaged(name, &error.to_string()))?)
    }

    fn damaged(&self, name: &str, reason: &str) -> Error {
        Error::file(&self.path, format!("its file `{name}` {reason}"))
    }
}

/// The content of a file as it was before it was packed.
fn unpacked<'a>(raw: ZipFile<'a, File>) -> Result<Box<dyn Read + 'a>, String> {
    match raw.compression() {
        CompressionMethod::STORE => Ok(Box::new(raw)),
        CompressionMethod::DEFLATE => Ok(Box::new(DeflateDecoder::new(raw))),
        other => Err(format!("is packed by {other}, which is not known")),
    }
}
