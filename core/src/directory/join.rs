//! Copies of one dense model, each trained further on its own texts, joined into one with experts
//! (Branch-Train-MiX, Sukhbaatar et al. 2024, section 3.2).
//!
//! The feed-forward networks become the experts of a Mixtral router, one from each copy; all other
//! weights are averaged. The router starts by chance, so the model is to be trained further. Copies that
//! are equal make a model that translates as they do, because the weights of the experts sum to one.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle::{DType, Device, Tensor};
use fs_err as fs;

use super::{Files, SHARED, save::write_descriptions, sha256_of, to_bytes, write_whole};
use crate::{
    Error, Result,
    config::{ModelConfig, MoeConfig, TranslationConfig},
    moe::{Routing, routers::MixtralConfig},
    params::{Init, ParamStore},
    register::{ExpertEntry, ExpertKind, Register},
};

/// Experts that a token visits.
const TOP_K: usize = 2;

/// Writes the `copies` to the folder `out` as one model with an expert from each of them in every
/// layer; `seed` is that of the router.
///
/// # Errors
/// Fails when there are fewer than two, or they are no dense models of one shape and vocabulary.
pub fn join_copies(copies: &[Files], out: &Path, seed: u64) -> Result<Register> {
    let invalid = |reason: String| Err(Error::Invalid(reason));
    let [first, others @ ..] = copies else { return invalid("there is no model to join".into()) };
    if others.is_empty() {
        return invalid("name at least two copies of a model".into());
    }
    let (config, mut register) = (first.translation_config()?, first.register()?);
    for copy in copies {
        let own = copy.register()?;
        if copy.translation_config()? != config || own.routes != register.routes {
            let (one, other) = (first.root().display(), copy.root().display());
            return invalid(format!("`{one}` and `{other}` are no copies of one model"));
        }
        if vocabulary_sums(&own) != vocabulary_sums(&register) {
            return invalid(format!("`{}` has another vocabulary", copy.root().display()));
        }
        if config.moe.is_some() || !own.experts.is_empty() {
            return invalid(format!("`{}` has experts already", copy.root().display()));
        }
    }
    let config = with_experts(config);
    let layers = config.moe_layers();
    let mut models = Vec::new();
    for copy in copies {
        models.push(copy.tensors(&copy.register()?)?);
    }
    fs::create_dir_all(out.join("experts"))?;
    for (i, model) in models.iter_mut().enumerate() {
        let name = format!("free.{i}");
        let content = to_bytes(&take_networks(&layers, model))?;
        let mut entry = ExpertEntry::new(name.clone(), ExpertKind::Free, &layers, config.d_ff);
        entry.sha256 = sha256_of(&content);
        entry.file = format!("experts/{name}.{}.safetensors", &entry.sha256[..12]);
        write_whole(&out.join(&entry.file), &content)?;
        register.experts.push(entry);
        register.routes.iter_mut().for_each(|route| route.group.push(name.clone()));
    }
    let mut shared = averaged(&models)?;
    let gates = ParamStore::new(&Device::Cpu, seed);
    let spread = Init::Normal(0.1 / (config.d_model as f32).sqrt());
    for layer in &layers {
        let vb = gates.root().pp(layer).pp("router").pp("gate");
        let gate = vb.get((copies.len(), config.d_model), "weight", spread)?;
        shared.insert(gate.name().into(), gate.tensor()?.detach());
    }
    let content = to_bytes(&shared)?;
    register.shared_sha256 = sha256_of(&content);
    write_whole(&out.join(SHARED), &content)?;
    let tokenizer = (!register.tokenizer_sha256.is_empty()).then_some(super::TOKENIZER);
    for name in register.files.keys().map(String::as_str).chain(tokenizer) {
        write_whole(&out.join(name), &first.read(name)?)?;
    }
    write_descriptions(out, &ModelConfig::Translation(config), &mut register)?;
    Ok(register)
}

/// The sums of the files that a vocabulary is made of.
fn vocabulary_sums(register: &Register) -> (&String, &BTreeMap<String, String>) {
    (&register.tokenizer_sha256, &register.files)
}

/// The shape of the joined model: every layer holds experts.
fn with_experts(dense: TranslationConfig) -> TranslationConfig {
    let rule = MixtralConfig { top_k: TOP_K, ..MixtralConfig::default() };
    let moe = MoeConfig {
        encoder_freq: 1,
        decoder_freq: 1,
        top_k: TOP_K,
        shared_d_ff: 0,
        routing: Some(Routing::Mixtral(rule)),
    };
    TranslationConfig { moe: Some(moe), ..dense }
}

/// The networks of all layers, taken out of a model, under the names of an expert's file.
fn take_networks(
    layers: &[String],
    model: &mut BTreeMap<String, Tensor>,
) -> HashMap<String, Tensor> {
    let mut networks = HashMap::new();
    for layer in layers {
        let prefix = format!("{layer}.feed_forward.");
        let names: Vec<String> =
            model.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
        for name in names {
            if let Some(value) = model.remove(&name) {
                networks.insert(format!("{layer}.{}", &name[prefix.len()..]), value);
            }
        }
    }
    networks
}

/// The mean of each weight, in the type in which the first model has it.
fn averaged(models: &[BTreeMap<String, Tensor>]) -> Result<HashMap<String, Tensor>> {
    let mut means = HashMap::new();
    let [first, others @ ..] = models else { return Ok(means) };
    for (name, value) in first {
        let mut sum = value.to_dtype(DType::F32)?;
        for other in others {
            let missing = || Error::Weight { name: name.clone(), reason: "is missing".into() };
            sum = (sum + other.get(name).ok_or_else(missing)?.to_dtype(DType::F32)?)?;
        }
        let mean = (sum / models.len() as f64)?.to_dtype(value.dtype())?;
        means.insert(name.clone(), mean);
    }
    Ok(means)
}
