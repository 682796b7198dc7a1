//! An expert as one file, with all that another copy of its model needs to take it up.
//!
//! It is a safetensors file: the weights, and in its metadata, as JSON, the register's entry (with what
//! it was trained on), the routes that come with it, and the hashes of the model that it belongs to.

use std::{collections::HashMap, path::Path};

use candle::{DType, Device, Tensor};
use dragoman_core::{
    directory::{Edit, Files, write_whole},
    register::{ExpertEntry, ExpertKind, Register, Route},
};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::plan::{Kind, check_new};
use crate::{Error, Result, checkpoint::Tensors};

/// The key in the metadata.
const KEY: &str = "dragoman.expert";

/// What the metadata says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provenance {
    entry: ExpertEntry,
    /// Routes whose group has the expert; none for a domain.
    #[serde(default)]
    routes: Vec<Route>,
    /// sha256 of the shared weights that the expert was trained beside.
    shared_sha256: String,
    /// sha256 of the tokenizer; empty in a model that recommends.
    #[serde(default)]
    tokenizer_sha256: String,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::Expert(reason.into())
}

/// Writes the expert `name` into `file`.
///
/// # Errors
/// Refuses a catalogue, which is more than one file, and an expert that all routes share.
pub fn export(files: &Files, name: &str, file: &Path) -> Result<()> {
    let register = files.register()?;
    let Some(entry) = register.expert(name).cloned() else {
        let known: Vec<&str> = register.experts.iter().map(|e| e.name.as_str()).collect();
        return Err(refuse(format!("no expert `{name}`; this model has {}", known.join(", "))));
    };
    if matches!(entry.kind, ExpertKind::Catalogue | ExpertKind::Free) {
        return Err(refuse(format!(
            "`{name}` cannot be taken out alone: only experts of a domain, a pair or a group of users"
        )));
    }
    if file.exists() {
        return Err(refuse(format!("there is a file `{}` already", file.display())));
    }
    let uses = |route: &&Route| route.group.contains(&entry.name);
    let provenance = Provenance {
        routes: register.routes.iter().filter(uses).cloned().collect(),
        shared_sha256: register.shared_sha256.clone(),
        tokenizer_sha256: register.tokenizer_sha256.clone(),
        entry: entry.clone(),
    };
    let content = files.read(&entry.file)?;
    let tensors = SafeTensors::deserialize(&content).map_err(|e| damaged(&entry.file, &e))?;
    let metadata = HashMap::from([(KEY.to_string(), serde_json::to_string(&provenance)?)]);
    let bytes = safetensors::serialize(tensors.tensors(), Some(metadata))
        .map_err(|error| damaged(&entry.file, &error))?;
    Ok(write_whole(file, &bytes)?)
}

/// Adds the expert in `file` to the model that `edit` holds, and returns its entry.
///
/// # Errors
/// Refuses an expert of another model, one whose name, route or language is taken, and a damaged file.
pub fn import(edit: Edit, file: &Path) -> Result<ExpertEntry> {
    let content = fs_err::read(file)?;
    let name = file.display().to_string();
    let (_, header) = SafeTensors::read_metadata(&content).map_err(|e| damaged(&name, &e))?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let Some(text) = text else {
        return Err(refuse(format!(
            "`{name}` is no exported expert: `dragoman expert export NAME FILE` makes one"
        )));
    };
    let provenance: Provenance = serde_json::from_str(text)
        .map_err(|error| refuse(format!("what `{name}` says about itself is damaged: {error}")))?;
    let register = edit.register();
    check(&provenance, register)?;
    let tensors: Tensors = candle::safetensors::load_buffer(&content, &Device::Cpu)?
        .into_iter()
        .collect::<std::collections::BTreeMap<String, Tensor>>();

    let Provenance { mut entry, routes, .. } = provenance;
    let sha256 = entry.sha256.clone();
    let dtype = match entry.kind {
        ExpertKind::Retrieval => DType::F32,
        _ => edit.files().dtype()?,
    };
    edit.write_expert(&mut entry, &tensors, dtype)?;
    let mut register = register.clone();
    register.experts.push(entry.clone());
    register.routes.extend(routes);
    if entry.sha256 != sha256 {
        edit.discard(&register)?;
        return Err(refuse(format!("the weights in `{name}` are damaged: their hash is another")));
    }
    edit.commit(&register)?;
    Ok(entry)
}

/// Says why the expert cannot come to a model with this register.
fn check(provenance: &Provenance, register: &Register) -> Result<()> {
    let Provenance { entry, routes, shared_sha256, tokenizer_sha256 } = provenance;
    let (theirs, ours) = (shared_sha256, &register.shared_sha256);
    if theirs != ours || *tokenizer_sha256 != register.tokenizer_sha256 {
        return Err(refuse(format!(
            "`{}` was trained for another model: its shared weights are {theirs:.12}…, those of this \
             one {ours:.12}…; train it here with `dragoman expert add`",
            entry.name
        )));
    }
    check_new(&entry.name, &Kind::of(&entry.name)?, register)?;
    if let Some(route) = routes.iter().find(|r| register.routes.iter().any(|o| o.name == r.name)) {
        return Err(refuse(format!("this model has a route `{}` already", route.name)));
    }
    if let Some(tag) = &entry.tag {
        let tags = register.experts.iter().filter_map(|expert| expert.tag.as_ref());
        if let Some(other) = tags.into_iter().find(|o| o.id == tag.id || o.language == tag.language)
        {
            return Err(refuse(format!(
                "the tag that `{}` has for `{}` is that of `{}` here",
                entry.name, tag.language, other.language
            )));
        }
    }
    let mut with = register.clone();
    with.experts.push(entry.clone());
    with.routes.extend(routes.iter().cloned());
    with.check().map_err(refuse)
}

fn damaged(name: &str, error: &dyn std::fmt::Display) -> Error {
    refuse(format!("`{name}` is damaged: {error}"))
}
