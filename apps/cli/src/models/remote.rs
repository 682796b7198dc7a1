//! Models that are named by an address in an object store.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use directories::ProjectDirs;
use dragoman_objects::{RemoteFolder, is_address};
use tracing::warn;

/// Where models of object stores are kept, and how often their stores are asked for another version.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RemoteArgs {
    /// Folder for models from object stores, and for what is imported from Argos packages [default: in the
    /// user's cache directory]
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_MODEL_CACHE")]
    model_cache: Option<PathBuf>,

    /// Seconds from one look at the register of a model in an object store to the next [default: 30]
    #[arg(long, value_name = "SECONDS", env = "DRAGOMAN_MODEL_POLL", value_parser = seconds)]
    model_poll: Option<Duration>,
}

impl RemoteArgs {
    /// The folder for models.
    pub(crate) fn cache(&self) -> anyhow::Result<PathBuf> {
        match &self.model_cache {
            Some(folder) => Ok(folder.clone()),
            None => default_cache(),
        }
    }

    /// The folder of the model that `place` names: an address is brought into the cache.
    pub(crate) fn fetched(&self, place: &Path) -> anyhow::Result<PathBuf> {
        match remote(place)? {
            Some(folder) => Ok(folder.fetch(&self.cache()?)?),
            None => Ok(place.to_owned()),
        }
    }

    /// As [`fetched`](Self::fetched); where the store does not give it, the version that came last.
    pub(crate) fn fetched_or_cached(&self, place: &Path) -> anyhow::Result<PathBuf> {
        self.fetched(place).or_else(|error| match self.cached(place)? {
            Some(version) => {
                let place = place.display();
                warn!("the version of `{place}` that came last is used: {error:#}");
                Ok(version)
            }
            None => Err(error),
        })
    }

    /// As [`fetched`](Self::fetched), without asking the store where a version is there.
    pub(crate) fn cached_or_fetched(&self, place: &Path) -> anyhow::Result<PathBuf> {
        self.cached(place)?.map_or_else(|| self.fetched(place), Ok)
    }

    fn cached(&self, place: &Path) -> anyhow::Result<Option<PathBuf>> {
        match remote(place)? {
            Some(folder) => Ok(folder.cached(&self.cache()?)),
            None => Ok(None),
        }
    }

    /// How often to look.
    pub(crate) fn poll(&self) -> Duration {
        self.model_poll.unwrap_or(Duration::from_secs(30))
    }
}

/// The folder of the model that `place` names, for commands without flags for the cache.
pub(crate) fn local(place: &Path) -> anyhow::Result<PathBuf> {
    let model_cache = std::env::var_os("DRAGOMAN_MODEL_CACHE").map(PathBuf::from);
    RemoteArgs { model_cache, model_poll: None }.fetched_or_cached(place)
}

/// What an address names; none of a folder.
fn remote(place: &Path) -> anyhow::Result<Option<RemoteFolder>> {
    let address = place.to_str().filter(|_| is_address(place));
    Ok(address.map(RemoteFolder::open).transpose()?)
}

fn default_cache() -> anyhow::Result<PathBuf> {
    let folders = ProjectDirs::from("", "", "dragoman")
        .context("this user has no home; name a folder with `--model-cache DIR`")?;
    Ok(folders.cache_dir().join("models"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "it is no number of seconds".into())
}
