//! Starts a new model from the weights of another, which may be smaller.
//!
//! The new model may have more languages, placeholders at the end of its vocabulary, and experts
//! that the other lacks: these begin as copies of experts that it has.

use std::{collections::BTreeMap, path::Path};

use candle::{Device, Tensor};
use dragoman_core::{
    config::ModelConfig,
    directory::Files,
    params::{Param, ParamStore},
    tokenizer::Tokenizer,
};

use super::TrainConfig;
use crate::{Error, Result};

/// Sets `params` to the weights of the model in `dir`; a checkpoint, if there is one, comes after.
///
/// # Errors
/// Fails when the model in `dir` has another shape, when `tokenizer` is not its tokenizer or an
/// extension of it, and when an expert is new and `config.parents` does not name its parent.
pub(super) fn warm_start(
    dir: &Path,
    config: &TrainConfig,
    tokenizer: &Tokenizer,
    params: &ParamStore,
) -> Result<()> {
    let files = Files::Folder(dir.into());
    let refuse = |reason: String| Error::Config { path: dir.into(), reason };
    let mut wanted = config.model.clone();
    let loaded = files.load_translation(&Device::Cpu)?;
    wanted.vocab_size = loaded.vocabulary.size();
    check_shape(&files.config()?, &ModelConfig::Translation(wanted)).map_err(refuse)?;
    if !loaded.vocabulary.tokenizer().is_some_and(|old| tokenizer.extends(old)) {
        return Err(refuse(
            "`start_from` names a model with another tokenizer than the corpus: pack the corpus \
             with `[tokenizer] from` set to the model's `tokenizer.json`"
                .into(),
        ));
    }
    let weights = loaded.params.tensors()?;
    let start = |param: Param| Ok((param.name().to_string(), value(&param, config, &weights)?));
    let values: BTreeMap<String, Tensor> = params.iter().map(start).collect::<Result<_>>()?;
    Ok(params.set_all(&values)?)
}

/// Says which settings of `[model]` differ.
fn check_shape(have: &ModelConfig, want: &ModelConfig) -> Result<(), String> {
    if have == want {
        return Ok(());
    }
    let fields = |config| {
        let json = serde_json::to_value(config).expect("a config is plain data");
        json.as_object().cloned().unwrap_or_default()
    };
    let (have, want) = (fields(have), fields(want));
    let differing: Vec<String> = (want.iter())
        .filter(|(name, value)| have.get(*name) != Some(value))
        .map(|(name, value)| {
            let other = have.get(name).map_or("nothing".into(), ToString::to_string);
            format!("`{name}` is {value} in `[model]` and {other} there")
        })
        .collect();
    Err(format!("`start_from` names a model of another shape: {}", differing.join(", ")))
}

/// What `param` begins with.
fn value(
    param: &Param,
    config: &TrainConfig,
    weights: &BTreeMap<String, Tensor>,
) -> Result<Tensor> {
    let missing = |reason: String| {
        Error::Core(dragoman_core::Error::Weight { name: param.name().into(), reason })
    };
    let name = parent_of(param.name(), config, weights).map_err(missing)?;
    let value = &weights[&name];
    let (have, want) = (value.dims(), param.shape().dims());
    match (have, want) {
        _ if have == want => Ok(value.clone()),
        ([rows, width], [more, same]) if rows < more && width == same => {
            // Rows of the vocabulary that are new keep their random start.
            let fresh = param.tensor()?.detach().to_device(&Device::Cpu)?;
            let fresh = fresh.narrow(0, *rows, more - rows)?;
            Ok(Tensor::cat(&[value, &fresh], 0)?)
        }
        _ => Err(missing(format!("has shape {have:?} in `start_from`, not {want:?}"))),
    }
}

/// The name of the weight that the weight called `name` begins as a copy of.
fn parent_of(
    name: &str,
    config: &TrainConfig,
    weights: &BTreeMap<String, Tensor>,
) -> Result<String, String> {
    if weights.contains_key(name) {
        return Ok(name.into());
    }
    let in_expert = |expert: &String| {
        name.strip_prefix("experts.")?.strip_prefix(expert.as_str())?.strip_prefix('.')
    };
    let found = config.parents.iter().find_map(|(expert, parent)| {
        in_expert(expert).map(|rest| format!("experts.{parent}.{rest}"))
    });
    match found {
        Some(parent) if weights.contains_key(&parent) => Ok(parent),
        Some(parent) => Err(format!("has no parent: `start_from` has no weight `{parent}`")),
        None => Err("is not in `start_from`; if it belongs to a new expert, name the expert that \
                     it begins as a copy of, such as `\"pair.en-it\" = \"pair.en-es\"` in `[parents]`"
            .into()),
    }
}
