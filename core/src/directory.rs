//! The model directory: where training and serving meet.
//!
//! ```text
//! model/
//!   config.json                kind and shape
//!   tokenizer.json
//!   shared.safetensors         all that is not an expert
//!   experts.json               the register: experts, routes, and the sha256 of every file
//!   experts/NAME.HASH.safetensors
//! ```
//!
//! Expert files never change. The register is replaced by fsync and rename, last of all, and is
//! the only commit point: a reader finds complete files.

mod edit;
mod grow;
mod join;
mod prune;
mod quality;
mod lexicon;
mod recommender;
mod retrieval;
mod save;
mod summed;
mod upcycle;
mod vocabulary;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use candle::{DType, Device, Tensor};
use fs_err as fs;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    config::{ModelConfig, TranslationConfig},
    detector::DomainDetector,
    lexicon::Lexicon,
    memory::{ExpertMemory, Unit},
    models::translation::TranslationModel,
    params::{Container, ParamStore, Stored, restored},
    register::{ExpertEntry, ExpertKind, Register},
    vocabulary::{TOKENIZER_FILE as TOKENIZER, Vocabulary},
};

pub use crate::params::{Bits, quantise};
pub use edit::Edit;
pub use grow::{Fresh, NewCatalogue};
pub use join::join_copies;
pub use recommender::{
    LoadedRecommendation, RecommendationParts, forget_catalogue, save_recommendation,
};
pub use save::{TranslationParts, WeightFormat, save_translation, write_whole};
pub use upcycle::Upcycling;

use save::{to_bytes, to_json};
use summed::Summed;

const CONFIG: &str = "config.json";
const SHARED: &str = "shared.safetensors";
const REGISTER: &str = "experts.json";
/// How the names of files of weights end.
const WEIGHTS: &str = ".safetensors";

/// Where the files of a model are read from.
#[derive(Debug, Clone)]
pub enum Files {
    /// A folder on disk.
    Folder(PathBuf),
    /// Files inside the binary, by their path in the model directory.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

/// A translation model with all it needs to run.
#[derive(Debug)]
pub struct Loaded {
    /// The model.
    pub model: TranslationModel,
    /// Its weights.
    pub params: ParamStore,
    /// Its experts and routes.
    pub register: Register,
    /// Its tokens.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// What tells the texts of its domains from others.
    pub detectors: Vec<DomainDetector>,
    /// What it knows of single words, if anything.
    pub lexicon: Option<Lexicon>,
}

impl Files {
    /// The folder, or a name for what is inside the binary.
    pub fn root(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Embedded(_) => Path::new("(bundled model)"),
        }
    }

    /// The content of `name`.
    ///
    /// # Errors
    /// Fails when the file is missing or cannot be read.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        match self {
            Self::Folder(path) => match fs::read(path.join(name)) {
                Ok(content) => Ok(content.into()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(self.missing(name))
                }
                Err(error) => Err(error.into()),
            },
            Self::Embedded(files) => match files.iter().find(|(path, _)| *path == name) {
                Some((_, content)) => Ok((*content).into()),
                None => Err(self.missing(name)),
            },
        }
    }

    fn missing(&self, name: &str) -> Error {
        self.error(name, "is missing: this is no complete model directory")
    }

    fn error(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::Model { path: self.root().join(name), reason: reason.into() }
    }

    fn read_text(&self, name: &str) -> Result<String> {
        String::from_utf8(self.read(name)?.into_owned())
            .map_err(|_| self.error(name, "is not UTF-8 text"))
    }

    /// The content of `name`, if its sha256 is what the register says.
    fn read_checked(&self, name: &str, sha256: &str) -> Result<Cow<'static, [u8]>> {
        let content = self.read(name)?;
        self.check_sum(name, &sha256_of(&content), sha256)?;
        Ok(content)
    }

    fn check_sum(&self, name: &str, found: &str, sha256: &str) -> Result<()> {
        if found == sha256 {
            return Ok(());
        }
        let reason = format!(
            "is not the file that `{REGISTER}` names (its sha256 differs): truncated, altered, or \
             of another model; restore it from where the model came from"
        );
        Err(self.error(name, reason))
    }

    /// The configuration of the model.
    pub fn config(&self) -> Result<ModelConfig> {
        ModelConfig::parse(&self.read_text(CONFIG)?, &self.root().join(CONFIG))
    }

    /// The configuration of a translation model.
    ///
    /// # Errors
    /// Fails when the model does something else.
    pub fn translation_config(&self) -> Result<TranslationConfig> {
        match self.config()? {
            ModelConfig::Translation(config) => Ok(config),
            _ => Err(self.error(CONFIG, "is not of a model that translates")),
        }
    }

    /// The register of the model.
    pub fn register(&self) -> Result<Register> {
        Register::parse(&self.read_text(REGISTER)?, &self.root().join(REGISTER))
    }

    /// Loads the model as another register than its own describes it.
    pub fn load_as(&self, register: Register, device: &Device) -> Result<Loaded> {
        let tensors = self.tensors(&register)?;
        self.load(register, ParamStore::from_tensors(device, tensors))
    }

    /// Loads a translation model, and checks every file on the way.
    pub fn load_translation(&self, device: &Device) -> Result<Loaded> {
        self.load_as(self.register()?, device)
    }

    /// Makes the model of `register` from the weights in `params`.
    fn load(&self, register: Register, params: ParamStore) -> Result<Loaded> {
        let config = self.translation_config()?;
        let vocabulary = self.vocabulary(&config, &register)?;
        let model = TranslationModel::new(&config, &register, &params)?;
        let detector = |expert: &ExpertEntry| {
            let vb = params.root().pp("experts").pp(&expert.name).pp("detector");
            Some(DomainDetector::new(&expert.name, expert.detector?, &vb))
        };
        let detectors = register.experts.iter().filter_map(detector).collect::<Result<_>>()?;
        let lexicon = self.lexicon(&register)?;
        Ok(Loaded { model, params, register, vocabulary, detectors, lexicon })
    }

    /// Opens a translation model for serving on the CPU: every file is checked, but weights stay
    /// where they are until they are used, and packed experts are kept in `memory`.
    pub fn open_translation(&self, memory: &ExpertMemory) -> Result<Loaded> {
        let register = self.register()?;
        let weights = self.stored(&register)?;
        self.load(register, ParamStore::from_stored(weights, memory))
    }

    /// Where all weights are, under the names that the model knows them by, and for those of
    /// experts the unit of memory they belong to.
    fn stored(&self, register: &Register) -> Result<BTreeMap<String, (Stored, Option<Unit>)>> {
        let mut weights = BTreeMap::new();
        for (name, stored) in self.index(SHARED, &register.shared_sha256)? {
            weights.insert(name, (stored, None));
        }
        for expert in &register.experts {
            for (name, stored) in self.expert_index(expert)? {
                let within = |layer: &&String| {
                    name.strip_prefix(layer.as_str()).is_some_and(|rest| rest.starts_with('.'))
                };
                let layer = expert.layers.iter().find(within).cloned();
                let unit = layer.map(|layer| Unit { expert: expert.name.clone(), layer });
                weights.insert(weight_name(&expert.name, &name), (stored, unit));
            }
        }
        Ok(weights)
    }

    /// The weights in the file of one expert, where they are: of a retrieval expert only those that
    /// are no entries.
    fn expert_index(&self, expert: &ExpertEntry) -> Result<BTreeMap<String, Stored>> {
        let mut index = self.index(&expert.file, &expert.sha256)?;
        if expert.kind == ExpertKind::Retrieval {
            index.retain(|name, _| name.starts_with(retrieval::DETECTOR));
        }
        Ok(index)
    }

    /// What the safetensors file `name` holds, if its sha256 is what the register says. Of a file on
    /// disk only the header stays in memory.
    fn index(&self, name: &str, sha256: &str) -> Result<BTreeMap<String, Stored>> {
        let (container, head, size) = match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let summed = Summed::of(&path);
                let summed = summed.map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => self.missing(name),
                    _ => error.into(),
                })?;
                self.check_sum(name, &summed.sha256, sha256)?;
                (Container::File(path), Cow::Owned(summed.head), summed.size)
            }
            Self::Embedded(_) => match self.read_checked(name, sha256)? {
                Cow::Borrowed(content) => {
                    (Container::Memory(content), Cow::Borrowed(content), content.len())
                }
                Cow::Owned(_) => return Err(self.missing(name)),
            },
        };
        Stored::index(container, &head, size).map_err(|error| self.error(name, error.to_string()))
    }

    /// All weights, under the names that the model knows them by.
    fn tensors(&self, register: &Register) -> Result<BTreeMap<String, Tensor>> {
        let shared = self.read_checked(SHARED, &register.shared_sha256)?;
        let mut tensors = restored(self.parse(SHARED, &shared)?.into_iter().collect())?;
        for expert in &register.experts {
            let own = match expert.kind {
                ExpertKind::Retrieval => {
                    let read = |(name, stored): (String, Stored)| Ok((name, stored.read()?));
                    self.expert_index(expert)?.into_iter().map(read).collect::<Result<_>>()?
                }
                _ => self.expert_tensors(expert)?,
            };
            let own = own.into_iter();
            tensors.extend(own.map(|(name, value)| (weight_name(&expert.name, &name), value)));
        }
        Ok(tensors)
    }

    /// The weights in the file of one expert, under the names they have there.
    pub fn expert_tensors(&self, expert: &ExpertEntry) -> Result<BTreeMap<String, Tensor>> {
        let content = self.read_checked(&expert.file, &expert.sha256)?;
        restored(self.parse(&expert.file, &content)?.into_iter().collect())
    }

    /// Writes the files that `register` names, as they are, into the folder `out`, and the register
    /// at last.
    pub fn copy_to(&self, out: &Path, register: &Register) -> Result<Register> {
        for name in names_of(register) {
            write_file(out, name, &self.read(name)?)?;
        }
        write_whole(&out.join(REGISTER), &to_json(register)?)?;
        Ok(register.clone())
    }

    /// Writes this translation model into the folder `out`, its weights in `format`; retrieval experts
    /// as they are, for the model that is written: its states differ from theirs by rounding alone.
    ///
    /// # Errors
    /// Fails when the model does not translate.
    pub fn write_as(&self, out: &Path, format: WeightFormat) -> Result<Register> {
        let config = self.translation_config()?;
        let Loaded { params, register, vocabulary, .. } = self.load_translation(&Device::Cpu)?;
        let vocabulary = &*vocabulary;
        for name in names_of(&register).filter(|name| !name.ends_with(WEIGHTS)) {
            write_file(out, name, &self.read(name)?)?;
        }
        for expert in register.experts.iter().filter(|e| e.kind == ExpertKind::Retrieval) {
            write_file(out, &expert.file, &self.read(&expert.file)?)?;
        }
        let parts = TranslationParts { config: &config, register: &register, vocabulary };
        let mut written = save_translation(out, parts, &params, format)?;
        let own = Some(register.shared_sha256.clone());
        for expert in written.experts.iter_mut().filter(|e| e.base == own) {
            expert.base = Some(written.shared_sha256.clone());
        }
        write_whole(&out.join(REGISTER), &to_json(&written)?)?;
        Ok(written)
    }

    /// The type in which the weights are stored; of those that are whole numbers, that of the others.
    pub fn dtype(&self) -> Result<DType> {
        let shared = self.parse(SHARED, &self.read(SHARED)?)?;
        let floats = shared.values().map(Tensor::dtype).find(DType::is_float);
        Ok(floats.unwrap_or(DType::F32))
    }

    fn parse(&self, name: &str, content: &[u8]) -> Result<HashMap<String, Tensor>> {
        candle::safetensors::load_buffer(content, &Device::Cpu)
            .map_err(|error| self.error(name, format!("is not a safetensors file: {error}")))
    }
}

/// Every file that `register` stands for but itself, by its place in the model directory.
pub fn names_of(register: &Register) -> impl Iterator<Item = &str> {
    let tokenizer = (!register.tokenizer_sha256.is_empty()).then_some(TOKENIZER);
    [CONFIG, SHARED].into_iter().chain(tokenizer).chain(register.file_names())
}

/// Writes the file `name` of a model directory in `out`.
fn write_file(out: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = out.join(name);
    fs::create_dir_all(path.parent().unwrap_or(out))?;
    write_whole(&path, content)
}

/// What the weight called `name` in the file of an expert is called in the model.
fn weight_name(expert: &str, name: &str) -> String {
    format!("experts.{expert}.{name}")
}

fn sha256_of(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

#[cfg(test)]
mod tests;
