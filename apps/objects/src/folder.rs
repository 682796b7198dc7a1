//! A model directory in a store, and its versions in the cache.
//!
//! ```text
//! CACHE/sha256/HASH                      files, each once
//! CACHE/remote/NAME.ADDRESS/VERSION/     a version of a model: a model directory of links to them
//! CACHE/remote/NAME.ADDRESS/latest       which version came last
//! ```

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use dragoman_core::{
    config::ModelConfig,
    directory::{Files, names_of, write_whole},
    register::Register,
};
use fs_err as fs;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    blobs::{Blobs, Failed},
    store,
};

const REGISTER: &str = "experts.json";
const CONFIG: &str = "config.json";
const LATEST: &str = "latest";

/// Folder of objects that are found by their hash, beside those of a model.
const BY_HASH: &str = "sha256";

/// Versions of a model that are kept: a server may be about to leave the last one.
const KEPT: usize = 3;

/// A model directory, or a folder of them, in an object store.
#[derive(Debug, Clone)]
pub struct RemoteFolder {
    address: String,
    store: Arc<dyn ObjectStore>,
    key: Key,
}

impl RemoteFolder {
    /// The folder at `address`; nothing is asked of its store yet.
    ///
    /// # Errors
    /// Fails when the address is of no store, or its settings in the environment are incomplete.
    pub fn open(address: &str) -> Result<Self> {
        let address = address.trim_end_matches('/').to_owned();
        let (store, key) = store::open(&address)?;
        Ok(Self { address, store, key })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The last part of its address.
    pub fn name(&self) -> &str {
        self.address.rsplit('/').next().unwrap_or_default()
    }

    /// The model directories in this folder, each with what [`version`](Self::version) says of it.
    ///
    /// # Errors
    /// Fails when the store does not list them.
    pub fn models(&self) -> Result<Vec<(Self, String)>> {
        let list = wait(self.store.list_with_delimiter(Some(&self.key)));
        let list = list.map_err(|error| Error::of_object(self.address.clone(), &error))?;
        let mut models = Vec::new();
        for key in list.common_prefixes {
            let name = key.filename().unwrap_or_default();
            let address = format!("{}/{name}", self.address);
            let folder = Self { address, store: Arc::clone(&self.store), key };
            match folder.head(REGISTER) {
                Ok((version, _)) => models.push((folder, version)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(folder.failed(REGISTER, &error)),
            }
        }
        Ok(models)
    }

    /// What changes when the register is replaced.
    ///
    /// # Errors
    /// Fails when the store does not say.
    pub fn version(&self) -> Result<String> {
        let head = self.head(REGISTER).map_err(|error| self.failed(REGISTER, &error))?;
        Ok(head.0)
    }

    /// The configuration and the register of the model.
    ///
    /// # Errors
    /// Fails when the store does not give them, or they are not those of a model.
    pub fn read(&self) -> Result<(ModelConfig, Register)> {
        let register = self.parse(&self.text(REGISTER)?)?;
        let config = self.config_of(&register)?;
        let path = PathBuf::from(self.address_of(CONFIG));
        let config = ModelConfig::parse(&config, &path);
        let config = config.map_err(|source| Error::Model { path, source })?;
        Ok((config, register))
    }

    /// The folder of the model's present version in `cache`, which it is brought into unless it is there.
    ///
    /// # Errors
    /// Fails when the store does not give a file, or gives another one than the register names.
    pub fn fetch(&self, cache: &Path) -> Result<PathBuf> {
        let text = self.text(REGISTER)?;
        let home = self.home(cache);
        let version = hash(text.as_bytes());
        let folder = home.join(&version);
        if !folder.is_dir() {
            fs::create_dir_all(&home)?;
            let blobs = Blobs::new(cache.join(BY_HASH))?;
            let register = self.parse(&text)?;
            let making = tempfile::Builder::new().prefix(".").tempdir_in(&home)?;
            for name in names_of(&register) {
                self.bring(&blobs, digest_of(&register, name), name, making.path())?;
            }
            write_whole(&making.path().join(REGISTER), text.as_bytes()).map_err(model(&folder))?;
            Files::Folder(making.path().into()).config().map_err(model(&folder))?;
            if let Err(error) = fs::rename(making.path(), &folder)
                && !folder.is_dir()
            {
                return Err(error.into()); // not that another process was faster
            }
            tracing::info!("`{}` is in the cache as {}", self.address, folder.display());
            // Best effort: what cannot be removed now is removed after the next version.
            let _ = prune(&home, &version).and_then(|()| blobs.prune());
        }
        write_whole(&home.join(LATEST), version.as_bytes()).map_err(model(&folder))?;
        Ok(folder)
    }

    /// The version that was fetched last, for when the store cannot be reached.
    pub fn cached(&self, cache: &Path) -> Option<PathBuf> {
        let home = self.home(cache);
        let version = fs::read_to_string(home.join(LATEST)).ok()?;
        Some(home.join(version.trim())).filter(|folder| folder.is_dir())
    }

    /// Where the versions of this model are.
    fn home(&self, cache: &Path) -> PathBuf {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name: String = self.name().chars().filter(|c| is_plain(*c)).collect();
        cache.join("remote").join(format!("{name}.{}", hash(self.address.as_bytes())))
    }

    fn parse(&self, register: &str) -> Result<Register> {
        let path = PathBuf::from(self.address_of(REGISTER));
        let register = Register::parse(register, &path);
        register.map_err(|source| Error::Model { path, source })
    }

    /// The configuration that `register` names.
    fn config_of(&self, register: &Register) -> Result<String> {
        let Some(sha256) = digest_of(register, CONFIG) else {
            return self.text(CONFIG);
        };
        let is_named = |text: &Result<String>| matches!(text, Ok(text) if sha256_of(text.as_bytes()) == sha256);
        let present = self.text(CONFIG);
        if is_named(&present) {
            return present;
        }
        // Another version may be about to replace this one, or this one another.
        let by_hash = self.text(&format!("{BY_HASH}/{sha256}"));
        if is_named(&by_hash) {
            return by_hash;
        }
        present?;
        Err(Error::Digest { address: self.address_of(CONFIG), sha256: sha256.into() })
    }

    /// Brings the file `name` into the folder `to`, through the cache where the register has its digest.
    fn bring(&self, blobs: &Blobs, sha256: Option<&str>, name: &str, to: &Path) -> Result<()> {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap_or(to))?;
        let Some(sha256) = sha256 else {
            return Ok(fs::write(&path, self.text(name)?)?);
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if sha256.len() != 64 || !sha256.bytes().all(is_hex) {
            let reason = format!("the register has no sha256 of `{name}`, but `{sha256}`");
            return Err(Error::Object { address: self.address_of(REGISTER), reason });
        }
        let blob = match blobs.find(sha256) {
            Some(blob) => blob,
            None => self.download(blobs, sha256, name)?,
        };
        if fs::hard_link(&blob, &path).is_err() {
            fs::copy(&blob, &path)?; // a file system without links
        }
        Ok(())
    }

    fn download(&self, blobs: &Blobs, sha256: &str, name: &str) -> Result<PathBuf> {
        let by_hash = format!("{BY_HASH}/{sha256}");
        let size = |name: &str| self.head(name).map(|(_, size)| size);
        // A name with the hash in it is of no other file.
        let of_hash = if name.contains(&sha256[..12]) { None } else { Some(size(&by_hash)) };
        let (name, size) = match of_hash {
            Some(Ok(size)) => (by_hash.as_str(), size),
            Some(Err(error)) if !Error::is_absence(&error) => {
                return Err(self.failed(&by_hash, &error));
            }
            _ => (name, size(name).map_err(|error| self.failed(name, &error))?),
        };
        let fetched = blobs.fetch(sha256, size, |range| self.part(name, range));
        fetched.map_err(|failed| match failed {
            Failed::Source(error) => self.failed(name, &error),
            Failed::Digest => {
                Error::Digest { address: self.address_of(name), sha256: sha256.into() }
            }
            Failed::Cache(error) => error.into(),
        })
    }

    /// A part of an object; all that follows, too, from a server that sends no parts.
    fn part(&self, name: &str, range: Range<u64>) -> object_store::Result<Vec<u8>> {
        let key = self.key_of(name);
        match wait(self.store.get_range(&key, range.clone())) {
            Ok(bytes) => Ok(bytes.into()),
            Err(object_store::Error::NotSupported { .. }) => {
                let whole = wait(async { self.store.get(&key).await?.bytes().await })?;
                let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(whole.len());
                Ok(whole[start..].to_vec())
            }
            Err(error) => Err(error),
        }
    }

    /// Which object is called `name`, and its size.
    fn head(&self, name: &str) -> object_store::Result<(String, u64)> {
        let key = self.key_of(name);
        let found = wait(self.store.head(&key))?;
        let (tag, time, size) = (found.e_tag.unwrap_or_default(), found.last_modified, found.size);
        Ok((format!("{tag} {time:?} {size}"), size))
    }

    fn text(&self, name: &str) -> Result<String> {
        let key = self.key_of(name);
        let bytes = wait(async { self.store.get(&key).await?.bytes().await });
        let bytes = bytes.map_err(|error| self.failed(name, &error))?;
        String::from_utf8(bytes.into()).map_err(|_| Error::Object {
            address: self.address_of(name),
            reason: "it is not UTF-8 text".into(),
        })
    }

    fn key_of(&self, name: &str) -> Key {
        name.split('/').fold(self.key.clone(), |key, part| key.join(part))
    }

    fn address_of(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    fn failed(&self, name: &str, error: &object_store::Error) -> Error {
        Error::of_object(self.address_of(name), error)
    }
}

/// The sha256 that `register` has of its file `name`, hexadecimal; one of an older program has none of
/// `config.json`.
fn digest_of<'a>(register: &'a Register, name: &str) -> Option<&'a str> {
    match name {
        CONFIG => Some(register.config_sha256.as_str()).filter(|sha256| !sha256.is_empty()),
        "shared.safetensors" => Some(&register.shared_sha256),
        "tokenizer.json" => Some(&register.tokenizer_sha256),
        _ => {
            let expert = register.experts.iter().find(|expert| expert.file == name);
            let of_expert = expert.map(|expert| &expert.sha256);
            of_expert.or_else(|| register.files.get(name)).map(String::as_str)
        }
    }
}

/// Runs requests on a thread and a runtime of their own, because they block, and waits for them.
fn wait<T: Send>(
    work: impl Future<Output = object_store::Result<T>> + Send,
) -> object_store::Result<T> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
        store: "thread",
        source,
    };
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.map_err(|error| failed(error.into()))?.block_on(work)
        };
        let crashed = |_| Err(failed("the request crashed; the log says where".into()));
        scope.spawn(run).join().unwrap_or_else(crashed)
    })
}

/// Removes versions but the newest ones and `present`.
fn prune(home: &Path, present: &str) -> io::Result<()> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && !name.starts_with('.') && name != present {
            versions.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    versions.sort();
    let old = versions.len().saturating_sub(KEPT - 1);
    versions.iter().take(old).try_for_each(|(_, path)| fs::remove_dir_all(path))
}

fn model(folder: &Path) -> impl Fn(dragoman_core::Error) -> Error {
    let path = folder.to_owned();
    move |source| Error::Model { path: path.clone(), source }
}

fn sha256_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The beginning of the sha256 of something.
fn hash(bytes: &[u8]) -> String {
    let mut digest = sha256_of(bytes);
    digest.truncate(12);
    digest
}
