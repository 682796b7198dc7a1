//! Folders of models, of which those are loaded that somebody asks for.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use anyhow::bail;
use clap::Args;
use dragoman_core::{
    config::ModelConfig,
    directory::Files,
    on_demand::{ModelMemory, OnDemand},
    register::{Register, Route},
    translate::Translate,
    translator::{Translator, TranslatorOptions},
    translators::Translators,
};
use dragoman_import::{Request, argos_pair, import};
use dragoman_objects::{RemoteFolder, is_address};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::RemoteArgs;

/// Which folders, and how much of them is kept in memory.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CollectionArgs {
    /// Folder of model directories, each loaded when it is asked for, or its address in an object store; may be
    /// repeated
    #[arg(long = "models", value_name = "FOLDER", env = "DRAGOMAN_MODELS", value_delimiter = ',')]
    folders: Vec<PathBuf>,

    /// Folder of Argos packages, such as `~/.local/share/argos-translate/packages`; each is imported
    /// when it is first asked for
    #[arg(long, value_name = "FOLDER", env = "DRAGOMAN_ARGOS", value_delimiter = ',')]
    argos: Vec<PathBuf>,

    /// MiB of models from `--models` and `--argos` kept in memory; the least recently used make room
    /// [default: all]
    #[arg(long, value_name = "MIB", env = "DRAGOMAN_MODEL_MEMORY")]
    model_memory: Option<u32>,

    /// Models that are asked first, by the names of their folders; `opus-*` stands for several
    /// [default: models of one direction before those of many languages]
    #[arg(long, value_name = "NAME", env = "DRAGOMAN_MODEL_ORDER", value_delimiter = ',')]
    model_order: Vec<String>,

    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// The models in some folders.
#[derive(Clone)]
pub(crate) struct Collection {
    args: CollectionArgs,
    options: TranslatorOptions,
    memory: ModelMemory,
}

/// A model of a collection.
struct Member {
    /// Name of its folder, or of its package.
    name: String,
    /// Where it is, and of which version.
    key: String,
    register: Register,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    /// A package, and where it is imported to.
    Argos(PathBuf, PathBuf),
    /// In an object store, and the cache that it is brought into.
    Remote(RemoteFolder, PathBuf),
}

impl CollectionArgs {
    /// Whether there is no folder.
    pub(crate) fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.argos.is_empty()
    }
}

impl Collection {
    /// The collection that `args` name, none of whose models is loaded.
    pub(crate) fn new(args: &CollectionArgs, options: TranslatorOptions) -> Self {
        let memory = ModelMemory::new(args.model_memory.map(|mib| u64::from(mib) << 20));
        Self { args: args.clone(), options, memory }
    }

    /// The first folder of models.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.local_folders().next()
    }

    fn local_folders(&self) -> impl Iterator<Item = &Path> {
        self.args.folders.iter().map(PathBuf::as_path).filter(|folder| !is_address(folder))
    }

    /// Whether some of its folders are in object stores.
    pub(crate) fn has_addresses(&self) -> bool {
        self.args.folders.iter().any(|folder| is_address(folder))
    }

    /// The models in object stores, each with what changes with its version.
    fn remote_models(&self) -> anyhow::Result<Vec<(RemoteFolder, String)>> {
        let mut models = Vec::new();
        for address in self.args.folders.iter().filter(|folder| is_address(folder)) {
            models.extend(RemoteFolder::open(&address.to_string_lossy())?.models()?);
        }
        Ok(models)
    }

    /// What changes when a model in an object store comes, goes or changes.
    ///
    /// # Errors
    /// Fails when a store does not list its models.
    pub(crate) fn remote_state(&self) -> anyhow::Result<Vec<String>> {
        let models = self.remote_models()?;
        Ok(models.iter().map(|(folder, version)| key_of(folder, version)).collect())
    }

    /// Whether it has no folders.
    pub(crate) fn is_empty(&self) -> bool {
        self.args.is_empty()
    }

    /// Its models in the order in which they are asked. One that cannot be read is left out, with a
    /// warning.
    ///
    /// # Errors
    /// Fails when a folder cannot be read.
    pub(crate) fn models(&self) -> anyhow::Result<Vec<Arc<dyn Translate>>> {
        let mut members = self.members()?;
        let order = |member: &Member| {
            let is_named = |pattern: &String| matches(pattern, &member.name);
            let wish = self.args.model_order.iter().position(is_named).unwrap_or(usize::MAX);
            let is_many = member.register.routes.iter().any(|route| !route.between.is_empty());
            let is_argos = matches!(member.place, Place::Argos(..));
            (wish, is_many, is_argos, member.name.clone())
        };
        members.sort_by_cached_key(order);
        self.memory.retain(|name| members.iter().any(|member| member.key == name));
        let model = |member: Member| -> Arc<dyn Translate> {
            let Member { name, key, register, place } = member;
            let options = self.options;
            let open = move || open(&name, &place, options);
            Arc::new(OnDemand::new(key, register, &self.memory, Box::new(open)))
        };
        Ok(members.into_iter().map(model).collect())
    }

    /// What changes when a model comes, goes or changes.
    pub(crate) fn state(&self) -> Vec<String> {
        let (folders, packages) = (self.entries(self.local_folders()), self.entries(self.argos()));
        let registers = folders.unwrap_or_default().into_iter().map(|f| f.join("experts.json"));
        let packages = packages.unwrap_or_default().into_iter();
        registers.chain(packages).filter(|path| path.exists()).map(|path| version(&path)).collect()
    }

    fn members(&self) -> anyhow::Result<Vec<Member>> {
        let mut members = Vec::new();
        for (folder, version) in self.remote_models()? {
            match remote_member(&folder, &version, self.args.remote.cache()?) {
                Ok(Some(member)) => members.push(member),
                Ok(None) => info!("`{}` recommends: name it with `--model`", folder.address()),
                Err(error) => warn!("`{}` is left out: {error:#}", folder.address()),
            }
        }
        for folder in self.entries(self.local_folders())? {
            if !folder.join("config.json").is_file() || !folder.join("experts.json").is_file() {
                continue;
            }
            match member(&folder) {
                Ok(Some(member)) => members.push(member),
                Ok(None) => info!("`{}` recommends: name it with `--model`", folder.display()),
                Err(error) => warn!("`{}` is left out: {error:#}", folder.display()),
            }
        }
        for package in self.entries(self.argos())? {
            match self.package(&package) {
                Ok(member) => members.extend(member),
                Err(error) => warn!("`{}` is left out: {error:#}", package.display()),
            }
        }
        Ok(members)
    }

    fn argos(&self) -> impl Iterator<Item = &Path> {
        self.args.argos.iter().map(PathBuf::as_path)
    }

    /// What is in the folders, sorted.
    fn entries<'a>(&self, folders: impl Iterator<Item = &'a Path>) -> anyhow::Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for folder in folders {
            for entry in fs_err::read_dir(folder)? {
                let path = entry?.path();
                let is_hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
                if !path.file_name().is_some_and(is_hidden) {
                    entries.push(path);
                }
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// An Argos package; none if it is something else.
    fn package(&self, path: &Path) -> anyhow::Result<Option<Member>> {
        let is_file = path.extension().is_some_and(|ending| ending == "argosmodel");
        if !path.is_dir() && !is_file {
            return Ok(None);
        }
        let Some((source, target)) = argos_pair(path)? else { return Ok(None) };
        let key = match path.is_dir() {
            true => version(&path.join("model").join("model.bin")),
            false => version(path),
        };
        let digest = format!("{:x}", Sha256::digest(&key));
        let imported =
            self.args.remote.cache()?.join(format!("{source}-{target}.{}", &digest[..12]));
        // What was imported may have learned since.
        let register = match imported.join("experts.json").is_file() {
            true => Files::Folder(imported.clone()).register()?,
            false => {
                let name = format!("{source}-{target}");
                let route = Route { name, source, target, ..Route::default() };
                Register { routes: vec![route], ..Register::default() }
            }
        };
        let place = Place::Argos(path.into(), imported);
        Ok(Some(Member { name: name_of(path), key, register, place }))
    }
}

/// The translation models in `folders`, and behind them those of the collection, as one; the bundled
/// one where there is none.
pub(crate) fn translator_of(
    folders: &[PathBuf],
    collection: &Collection,
    options: TranslatorOptions,
) -> anyhow::Result<Arc<dyn Translate>> {
    let open = |files: &Files| -> anyhow::Result<Arc<dyn Translate>> {
        Ok(Arc::new(super::open(files, options)?))
    };
    let mut all = Vec::new();
    for folder in folders {
        all.push(open(&Files::Folder(folder.clone()))?);
    }
    all.extend(collection.models()?);
    match all.len() {
        0 if collection.is_empty() => open(&super::files(None)?),
        0 => anyhow::bail!("no model that translates is in the folders that were named"),
        1 => Ok(all.remove(0)),
        _ => Ok(Arc::new(Translators::new(all))),
    }
}

/// The model in `folder`; none if it does not translate.
fn member(folder: &Path) -> anyhow::Result<Option<Member>> {
    let files = Files::Folder(folder.into());
    let ModelConfig::Translation(_) = files.config()? else { return Ok(None) };
    let key = version(&folder.join("experts.json"));
    let register = files.register()?;
    let place = Place::Folder(folder.into());
    Ok(Some(Member { name: name_of(folder), key, register, place }))
}

/// The model in an object store, of which only the register is read; none if it does not translate.
fn remote_member(
    folder: &RemoteFolder,
    version: &str,
    cache: PathBuf,
) -> anyhow::Result<Option<Member>> {
    let (ModelConfig::Translation(_), register) = folder.read()? else { return Ok(None) };
    let (name, key) = (folder.name().to_owned(), key_of(folder, version));
    Ok(Some(Member { name, key, register, place: Place::Remote(folder.clone(), cache) }))
}

/// Where a model is, and of which version.
fn key_of(folder: &RemoteFolder, version: &str) -> String {
    format!("{} {version}", folder.address())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file with its size and time: what is written anew has another.
fn version(path: &Path) -> String {
    let metadata = fs_err::metadata(path).ok();
    let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
    let time = metadata.and_then(|metadata| metadata.modified().ok());
    let time = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    format!("{}@{}.{size}", path.display(), time.unwrap_or_default().as_nanos())
}

/// Whether a name is the one that `pattern` says, or begins with what stands before its `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

/// Loads a model; a package is imported first if it was not.
fn open(
    name: &str,
    place: &Place,
    options: TranslatorOptions,
) -> dragoman_core::Result<Translator> {
    let failed = |error| dragoman_core::Error::Invalid(format!("`{name}`: {error:#}"));
    let folder = match place {
        Place::Folder(folder) => folder.clone(),
        Place::Argos(package, folder) => {
            imported(package, folder).map_err(failed)?;
            folder.clone()
        }
        Place::Remote(folder, cache) => {
            folder.fetch(cache).map_err(|error| failed(error.into()))?
        }
    };
    let translator = Translator::open(&Files::Folder(folder), options)?;
    info!("loaded `{name}`: {} MiB", translator.bytes().div_ceil(1 << 20));
    Ok(translator)
}

/// Imports a package into `folder` unless it was.
fn imported(package: &Path, folder: &Path) -> anyhow::Result<()> {
    let is_there = || folder.join("experts.json").is_file();
    if is_there() {
        return Ok(());
    }
    info!("importing `{}` into `{}`", package.display(), folder.display());
    match import(package, &Request::default(), folder) {
        Err(_) if is_there() => Ok(()), // another process was faster
        Err(error) => bail!("importing: {error}"),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_whole_or_begins_as_asked_for() {
        assert!(matches("opus-*", "opus-en-de") && matches("m2m", "m2m"));
        assert!(!matches("opus-*", "argos") && !matches("m2m", "m2m100"));
    }
}
