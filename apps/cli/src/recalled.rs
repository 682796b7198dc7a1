//! Translations that people accepted: of the memory in a store, or of a file.

mod remembering;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

#[cfg(feature = "server")]
use anyhow::Context;
use anyhow::bail;
use dragoman_data::corpus::Corpus;
#[cfg(feature = "server")]
use dragoman_store::{MemoryOf, Store};

pub(crate) use remembering::Remembering;

/// Where translations are looked for.
pub(crate) enum Recalled {
    /// The memory that all share, in a store.
    #[cfg(feature = "server")]
    Memory(Store),
    /// A file, and what was read of it for each pair of languages.
    File(PathBuf, Mutex<HashMap<(String, String), HashMap<String, String>>>),
}

impl Recalled {
    /// Opens `place`: a file, or the folder of a store; without one the store of the user.
    pub(crate) fn open(place: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(file) = place.filter(|place| place.is_file()) {
            return Ok(Self::File(file.to_owned(), Mutex::default()));
        }
        #[cfg(feature = "server")]
        return Self::of_store(place);
        #[cfg(not(feature = "server"))]
        match place {
            Some(place) => bail!("there is no file `{}`", place.display()),
            None => bail!("this build has no store; name a file, as `--memory=FILE`"),
        }
    }

    /// Opens the store in the folder `place`, or without a name that of the user.
    #[cfg(feature = "server")]
    fn of_store(place: Option<&Path>) -> anyhow::Result<Self> {
        let folder = match place {
            None => {
                std::env::var_os("DRAGOMAN_STORE").map_or_else(default_store, |it| Ok(it.into()))?
            }
            Some(place) => place.to_owned(),
        };
        if !folder.is_dir() && !Store::is_address(&folder) {
            bail!(
                "there is no memory in `{}`; `dragoman memory import` makes one",
                folder.display()
            );
        }
        let store = Store::open(&folder).with_context(|| {
            let folder = Store::shown(&folder);
            let folder = folder.display();
            format!(
                "opening the store `{folder}`; while a server has it open, let the server translate"
            )
        })?;
        Ok(Self::Memory(store))
    }

    /// The translation of exactly this text.
    pub(crate) fn find(
        &self,
        source: &str,
        target: &str,
        text: &str,
    ) -> anyhow::Result<Option<String>> {
        match self {
            #[cfg(feature = "server")]
            Self::Memory(store) => {
                let of = MemoryOf { owner: "", source, target };
                Ok(store.recall_exact(of, text)?)
            }
            Self::File(file, read) => {
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                let pair = (source.to_owned(), target.to_owned());
                if !read.contains_key(&pair) {
                    read.insert(pair.clone(), units(file, source, target)?);
                }
                Ok(read.get(&pair).and_then(|units| units.get(text.trim()).cloned()))
            }
        }
    }
}

/// Which store a command is about.
#[cfg(feature = "server")]
#[derive(Debug, clap::Args)]
pub(crate) struct StorePlace {
    /// Folder of the store [default: in the user's data directory], or the address of a database,
    /// `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(
        long,
        value_name = "PLACE",
        env = "DRAGOMAN_STORE",
        hide_env_values = true,
        global = true
    )]
    store: Option<PathBuf>,
}

#[cfg(feature = "server")]
impl StorePlace {
    /// The place that was named, or the store of the user.
    pub(crate) fn or_default(self) -> anyhow::Result<PathBuf> {
        self.store.map_or_else(default_store, Ok)
    }
}

/// A folder of the user's data directory.
#[cfg(feature = "server")]
pub(crate) fn default_store() -> anyhow::Result<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "dragoman")
        .context("this user has no home; name a folder with `--store DIR`")?;
    Ok(folders.data_dir().join("store"))
}

/// The pairs of a file; of two translations of a text the last counts.
fn units(file: &Path, source: &str, target: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut units = HashMap::new();
    for line in Corpus::new(file, source, target).lines()? {
        if let Ok(pair) = line?.pair
            && !pair.target.trim().is_empty()
        {
            units.insert(pair.source.trim().to_owned(), pair.target.trim().to_owned());
        }
    }
    Ok(units)
}
