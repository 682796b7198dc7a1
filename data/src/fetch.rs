//! A register of public sources, and downloads that can be trusted a second time.
//!
//! The first download of a file records its size and SHA-256 in `fetched.json`; every later run
//! checks against that record. A download that breaks off goes on where it stopped.

mod download;
mod register;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use register::{SOURCES, Source};

use crate::{Error, Result, pack::sha256_of};

/// Where downloads go and come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetcher {
    /// The folder for the files and their record, `fetched.json`.
    pub dir: PathBuf,
    /// Fetch from here instead of the register's hosts, keeping the path: a mirror, or a test.
    pub base: Option<String>,
    /// Whether to draw a progress bar on the terminal.
    pub progress: bool,
}

/// What is known about a downloaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Where it came from.
    pub url: String,
    /// Licence of the data.
    pub licence: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, in hexadecimal, as computed after the first download.
    pub sha256: String,
}

type Record = BTreeMap<String, Fetched>;

impl Fetcher {
    /// Fetches into `dir`, with a progress bar.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), base: None, progress: true }
    }

    /// Fetches the source `name` (`ml-100k`, `tatoeba/de-en`) unless it is there, and returns the
    /// path of its file.
    pub fn fetch(&self, name: &str) -> Result<PathBuf> {
        let (source, pair) = Source::find(name)?;
        let file = source.file(pair.as_deref());
        self.fetch_file(&file, &source.url(pair.as_deref()), source.licence)
    }

    /// Fetches the file at `url`, which is under `licence`, as `file` below the folder, unless it is
    /// there, and returns its path.
    pub fn fetch_file(&self, file: &str, url: &str, licence: &str) -> Result<PathBuf> {
        let path = self.dir.join(file);
        let mut record = self.record()?;
        if path.exists() {
            return self.check(&path, record.get(file)).map(|()| path);
        }
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }

        let part = download::download(&self.rebase(url), &path, self.progress)?;
        let fetched = Fetched {
            url: url.to_owned(),
            licence: licence.to_owned(),
            bytes: fs_err::metadata(&part)?.len(),
            sha256: sha256_of(&part)?,
        };
        match record.get(file) {
            Some(known) if (known.bytes, &known.sha256) != (fetched.bytes, &fetched.sha256) => {
                fs_err::remove_file(&part)?;
                return Err(self.changed(&path, known));
            }
            Some(_) => {}
            None => {
                record.insert(file.to_owned(), fetched);
                self.save(&record)?;
            }
        }
        fs_err::rename(&part, &path)?;
        Ok(path)
    }

    /// Fetches the file at `url` anew, as `file` below the folder: it changes over time, so nothing is
    /// recorded of it.
    pub fn fetch_current(&self, file: &Path, url: &str) -> Result<PathBuf> {
        fs_err::create_dir_all(&self.dir)?;
        let path = self.dir.join(file);
        let part = download::download(&self.rebase(url), &path, self.progress)?;
        fs_err::rename(&part, &path)?;
        Ok(path)
    }

    /// What was downloaded into the folder so far.
    pub fn record(&self) -> Result<BTreeMap<String, Fetched>> {
        let path = self.dir.join("fetched.json");
        if !path.exists() {
            return Ok(Record::new());
        }
        serde_json::from_str(&fs_err::read_to_string(&path)?).map_err(|error| Error::Fetch {
            what: path.display().to_string(),
            reason: format!("the record of downloads is damaged: {error}"),
        })
    }

    fn save(&self, record: &Record) -> Result<()> {
        let json = serde_json::to_string_pretty(record).expect("a record is plain data");
        let part = self.dir.join("fetched.json.part");
        fs_err::write(&part, json)?;
        Ok(fs_err::rename(part, self.dir.join("fetched.json"))?)
    }

    /// Compares a file with its record; a file without one is not ours.
    fn check(&self, path: &Path, known: Option<&Fetched>) -> Result<()> {
        let Some(known) = known else {
            return Err(Error::Fetch {
                what: path.display().to_string(),
                reason: "the file is there, but was not downloaded by this command; move it away"
                    .into(),
            });
        };
        let same_size = fs_err::metadata(path)?.len() == known.bytes;
        match same_size && sha256_of(path)? == known.sha256 {
            true => Ok(()),
            false => Err(self.changed(path, known)),
        }
    }

    fn changed(&self, path: &Path, known: &Fetched) -> Error {
        let Fetched { bytes, sha256, .. } = known;
        Error::Fetch {
            what: path.display().to_string(),
            reason: format!(
                "it is not the file that was first downloaded ({bytes} bytes, SHA-256 \
                 {sha256:.12}…); to accept the new one, delete it and its entry in `{}`",
                self.dir.join("fetched.json").display()
            ),
        }
    }

    fn rebase(&self, url: &str) -> String {
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        match (&self.base, path) {
            (Some(base), Some((_, path))) => format!("{}/{path}", base.trim_end_matches('/')),
            _ => url.to_owned(),
        }
    }
}
