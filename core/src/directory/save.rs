//! Files of a model directory, written whole or not at all.

use std::{collections::BTreeMap, io::Write, path::Path};

use candle::{DType, Device, Tensor};
use fs_err as fs;

use super::{CONFIG, REGISTER, SHARED, TOKENIZER, sha256_of};
use crate::{
    Error, Result,
    config::{ModelConfig, TranslationConfig},
    params::{Bits, Param, ParamStore, quantise},
    register::{ExpertEntry, ExpertKind, Register},
    vocabulary::Vocabulary,
};

/// What is written of a translation model besides the weights.
#[derive(Clone, Copy)]
pub struct TranslationParts<'a> {
    /// Shape of the model.
    pub config: &'a TranslationConfig,
    /// Its experts and routes.
    pub register: &'a Register,
    /// Its vocabulary.
    pub vocabulary: &'a dyn Vocabulary,
}

/// The numbers in which weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// Four bytes a weight.
    F32,
    /// Two bytes a weight.
    F16,
    /// One byte a weight of a matrix, with a float16 scale for each row; other weights in float16.
    Int8,
}

impl WeightFormat {
    /// The type of the weights that are stored as floats.
    fn floats(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 | Self::Int8 => DType::F16,
        }
    }

    /// A safetensors file of `tensors`.
    fn bytes(self, tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
        let as_floats = |(name, value): (String, Tensor)| {
            let value =
                if value.dtype().is_float() { value.to_dtype(self.floats())? } else { value };
            Ok((name, value))
        };
        let stored = match self {
            Self::F32 | Self::F16 => tensors.clone(),
            Self::Int8 => quantise(tensors, Bits::Eight)?,
        };
        to_bytes(&stored.into_iter().map(as_floats).collect::<Result<BTreeMap<_, _>>>()?)
    }
}

/// Writes a translation model to `folder`, its weights in `format`; the register comes last.
///
/// Files that `register` does not name are left alone, so that a server that still reads the
/// register before this one finds what it names.
pub fn save_translation(
    folder: &Path,
    parts: TranslationParts<'_>,
    params: &ParamStore,
    format: WeightFormat,
) -> Result<Register> {
    let TranslationParts { config, register, vocabulary } = parts;
    fs::create_dir_all(folder.join("experts"))?;
    let mut register = register.clone();
    write_weights(folder, &mut register, params, format)?;
    write_vocabulary(folder, &mut register, vocabulary)?;
    write_descriptions(folder, &ModelConfig::Translation(config.clone()), &mut register)?;
    Ok(register)
}

/// Writes the configuration, notes its sum in `register`, and writes that last of all.
pub(super) fn write_descriptions(
    folder: &Path,
    config: &ModelConfig,
    register: &mut Register,
) -> Result<()> {
    let content = to_json(config)?;
    register.config_sha256 = sha256_of(&content);
    write_whole(&folder.join(CONFIG), &content)?;
    write_whole(&folder.join(REGISTER), &to_json(register)?)
}

/// Writes the files of the vocabulary, and notes their sums in `register`.
fn write_vocabulary(
    folder: &Path,
    register: &mut Register,
    vocabulary: &dyn Vocabulary,
) -> Result<()> {
    for (name, content) in vocabulary.files() {
        write_whole(&folder.join(&name), &content)?;
        match name == TOKENIZER {
            true => register.tokenizer_sha256 = vocabulary.sha256().into(),
            false => drop(register.files.insert(name, sha256_of(&content))),
        }
    }
    Ok(())
}

/// Writes the shared weights and the experts, and notes their names and sums in `register`.
pub(super) fn write_weights(
    folder: &Path,
    register: &mut Register,
    params: &ParamStore,
    format: WeightFormat,
) -> Result<()> {
    let mut shared = BTreeMap::new();
    let mut experts: BTreeMap<String, BTreeMap<String, Tensor>> = BTreeMap::new();
    for param in params.iter() {
        let value = param.tensor()?.detach().to_device(&Device::Cpu)?;
        match expert_of(&param, register) {
            Some((expert, name)) => {
                experts.entry(expert).or_default().insert(name, value);
            }
            None => {
                shared.insert(param.name().to_string(), value);
            }
        }
    }
    let content = format.bytes(&shared)?;
    register.shared_sha256 = sha256_of(&content);
    write_whole(&folder.join(SHARED), &content)?;
    let has_weights = |entry: &&mut ExpertEntry| entry.kind != ExpertKind::Retrieval;
    for entry in register.experts.iter_mut().filter(has_weights) {
        let content = format.bytes(experts.entry(entry.name.clone()).or_default())?;
        entry.sha256 = sha256_of(&content);
        entry.file = format!("experts/{}.{}.safetensors", entry.name, &entry.sha256[..12]);
        write_whole(&folder.join(&entry.file), &content)?;
    }
    Ok(())
}

/// The expert that a weight belongs to, and its name in the expert's file.
fn expert_of(param: &Param, register: &Register) -> Option<(String, String)> {
    let path = param.name().strip_prefix("experts.")?;
    let within = |name: &str| path.strip_prefix(name)?.strip_prefix('.').map(String::from);
    register.experts.iter().find_map(|e| Some((e.name.clone(), within(&e.name)?)))
}

pub(super) fn to_bytes<'a>(
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<Vec<u8>> {
    // Sorted, so that equal weights make equal files.
    let sorted: BTreeMap<&String, &Tensor> = tensors.into_iter().collect();
    safetensors::serialize(sorted, None)
        .map_err(|error| Error::Invalid(format!("weights cannot be written: {error}")))
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Invalid(format!("a description cannot be written: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes `path` as a whole or not at all: through a file beside it, fsync and rename.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::File::create(&part)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    if let Err(error) = written {
        fs::remove_file(&part).ok(); // on a full disk, what is there of it is in the way
        return Err(error.into());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
