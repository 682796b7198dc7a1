//! Zip archives, read without unpacking them; paths that climb are refused.

use std::{
    borrow::Cow,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use flate2::{Crc, read::DeflateDecoder};
use fs_err::File;
use zip::{CompressionMethod, ZipArchive};

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

    /// Copies the content of the file called `name` to `out`, and checks its sum.
    pub fn copy(&self, name: &str, out: &mut impl std::io::Write) -> Result<()> {
        let damaged =
            |reason: String| Error::file(&self.path, format!("its file `{name}` {reason}"));
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let index = zip.index_for_name(name).ok_or_else(|| damaged("is missing".into()))?;
        let raw = zip.by_index_raw(index).map_err(|error| damaged(error.to_string()))?;
        let (method, sum) = (raw.compression(), raw.crc32());
        let mut content: Box<dyn Read + '_> = match method {
            CompressionMethod::STORE => Box::new(raw),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(raw)),
            other => return Err(damaged(format!("is packed by {other}, which is not known"))),
        };
        let (mut crc, mut buffer) = (Crc::new(), vec![0; 1 << 16]);
        loop {
            let count = content
                .read(&mut buffer)
                .map_err(|error| damaged(format!("is damaged: {error}")))?;
            if count == 0 {
                break;
            }
            crc.update(&buffer[..count]);
            out.write_all(&buffer[..count])?;
        }
        match crc.sum() == sum {
            true => Ok(()),
            false => Err(damaged("is damaged: its sum differs".into())),
        }
    }
}
