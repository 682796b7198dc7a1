//! Files of models by their sha256: what several models or versions have in common is there once.
//!
//! A file gets its name when its sha256 is what was asked for. Until then it is `HASH.part`, locked by who
//! fetches it; who comes after a process that broke off goes on where that one stopped.

use std::{
    fs::TryLockError,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use fs_err::{self as fs, File};
use sha2::{Digest, Sha256};

/// Bytes that are fetched at a time.
const PART: u64 = 8 << 20;

/// How long a file that no model has is kept.
const UNUSED: Duration = Duration::from_secs(3600);

/// How often a lock is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The files of a cache.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    folder: PathBuf,
}

/// Why a file did not come.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    Source(E),
    /// It came, and is another file.
    Digest,
    Cache(io::Error),
}

impl<E> From<io::Error> for Failed<E> {
    fn from(error: io::Error) -> Self {
        Self::Cache(error)
    }
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The path of the file with `sha256`, if it is there.
    pub(crate) fn find(&self, sha256: &str) -> Option<PathBuf> {
        Some(self.folder.join(sha256)).filter(|path| path.is_file())
    }

    /// Fetches the file with `sha256`, of which there are `size` bytes, by its parts.
    pub(crate) fn fetch<E>(
        &self,
        sha256: &str,
        size: u64,
        part: impl Fn(Range<u64>) -> Result<Vec<u8>, E>,
    ) -> Result<PathBuf, Failed<E>> {
        let path = self.folder.join(sha256);
        let partial = self.folder.join(format!("{sha256}.part"));
        let mut file = open_alone(&partial)?;
        if path.is_file() {
            return Ok(path); // another process was faster
        }
        let resumed = file.metadata()?.len();
        let is_whole = fill(&mut file, sha256, size, &part)?
            || resumed > 0 && {
                file.set_len(0)?; // what was there may have been of another file
                fill(&mut file, sha256, size, &part)?
            };
        if !is_whole {
            fs::remove_file(&partial)?;
            return Err(Failed::Digest);
        }
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        Ok(path)
    }

    /// Removes the files that no version of a model has and that came a while ago: a younger one may be on
    /// its way into a version.
    pub(crate) fn prune(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let metadata = fs::metadata(&path)?;
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if path.extension().is_none() && links(&metadata) == 1 && age > UNUSED {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// Opens `path`, and waits until nobody else has it.
fn open_alone(path: &Path) -> io::Result<File> {
    loop {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(LOOK);
                continue;
            }
            // A file system without locks: two processes may fetch the same bytes.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
        // Who held it may have given it its name, or removed it.
        if is_same(&file, path) {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let key = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if key(one.clone()) == key(other.clone()))
}

#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> bool {
    path.exists()
}

/// How many names a file has.
#[cfg(unix)]
fn links(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn links(_: &std::fs::Metadata) -> u64 {
    u64::MAX // unknown: everything stays
}

/// Fetches what `file` lacks of `size` bytes; whether it has the `sha256` then.
fn fill<E>(
    file: &mut File,
    sha256: &str,
    size: u64,
    part: &impl Fn(Range<u64>) -> Result<Vec<u8>, E>,
) -> Result<bool, Failed<E>> {
    if file.metadata()?.len() > size {
        file.set_len(0)?;
    }
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
    }
    while length < size {
        let end = size.min(length + PART);
        let bytes = part(length..end).map_err(Failed::Source)?;
        if bytes.is_empty() || bytes.len() as u64 > size - length {
            return Ok(false);
        }
        file.write_all(&bytes)?;
        hasher.update(&bytes);
        length += bytes.len() as u64;
    }
    Ok(format!("{:x}", hasher.finalize()) == sha256)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn sha256_of(bytes: &[u8]) -> String {
        format!("{:x}", Sha256::digest(bytes))
    }

    fn bytes(range: Range<u64>) -> Vec<u8> {
        range.map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn a_fetch_that_broke_off_goes_on_and_one_that_went_wrong_begins_again() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let blobs = Blobs::new(folder.path().into())?;
        let size = 2 * PART + 7;
        let sha256 = sha256_of(&bytes(0..size));
        let asked = AtomicUsize::new(0);
        let breaking = |range: Range<u64>| {
            asked.fetch_add(1, Ordering::Relaxed);
            if range.start == PART { Err("broken") } else { Ok(bytes(range)) }
        };
        let broken = blobs.fetch(&sha256, size, breaking);
        assert!(matches!(broken, Err(Failed::Source("broken"))));
        assert_eq!((blobs.find(&sha256), asked.load(Ordering::Relaxed)), (None, 2));
        let whole = |range: Range<u64>| {
            assert_ne!(range.start, 0, "the first part is there");
            Ok::<_, &str>(bytes(range))
        };
        let Ok(path) = blobs.fetch(&sha256, size, whole) else { panic!("not fetched") };
        assert_eq!(fs::read(&path)?, bytes(0..size));

        let other = sha256_of(&bytes(1..9));
        fs::write(folder.path().join(format!("{other}.part")), b"xyz")?;
        let part = |range: Range<u64>| Ok::<_, &str>(bytes(range.start + 1..range.end + 1));
        let Ok(path) = blobs.fetch(&other, 8, part) else { panic!("not fetched") };
        assert_eq!(fs::read(&path)?, bytes(1..9));
        Ok(())
    }

    #[test]
    fn bytes_that_are_not_those_asked_for_never_get_the_name() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let blobs = Blobs::new(folder.path().into())?;
        let sha256 = sha256_of(b"right");
        for wrong in [&b"wrong"[..], b"", b"longer than that"] {
            let part = |_| Ok::<_, &str>(wrong.to_vec());
            assert!(matches!(blobs.fetch(&sha256, 5, part), Err(Failed::Digest)));
            assert_eq!(fs::read_dir(folder.path())?.count(), 0);
        }
        Ok(())
    }

    #[test]
    fn who_comes_second_waits_and_fetches_nothing() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let blobs = Blobs::new(folder.path().into())?;
        let sha256 = sha256_of(b"right");
        let asked = AtomicUsize::new(0);
        let part = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
            Ok::<_, &str>(b"right".to_vec())
        };
        std::thread::scope(|scope| {
            let fetches = [(); 4].map(|()| scope.spawn(|| blobs.fetch(&sha256, 5, part).is_ok()));
            assert!(fetches.into_iter().all(|fetch| fetch.join().is_ok_and(|is_ok| is_ok)));
        });
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn what_no_model_has_is_removed() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let blobs = Blobs::new(folder.path().join("sha256"))?;
        for name in ["used", "unused", "new", "half.part"] {
            let file = File::create(folder.path().join("sha256").join(name))?;
            if name != "new" {
                file.file().set_modified(std::time::SystemTime::now() - 2 * UNUSED)?;
            }
        }
        fs::hard_link(folder.path().join("sha256/used"), folder.path().join("model"))?;
        blobs.prune()?;
        assert_eq!(blobs.find("unused"), None);
        assert!(blobs.find("used").is_some() && blobs.find("new").is_some());
        assert!(folder.path().join("sha256/half.part").exists());
        Ok(())
    }
}
