//! Dense feed-forward networks made into experts (sparse upcycling, Komatsuzaki et al. 2022).
//!
//! In every layer that is made sparse, the network becomes the shared expert and each of the experts, all
//! with half of its down-projection. The weights of the experts that a token visits sum to one, so
//! `½ E(x) + Σ wᵢ · ½ E(x) = E(x)`: the model translates as before, and learns from there.

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
    params::{Init, ParamStore},
    register::{ExpertEntry, ExpertKind, Register},
};

/// How a model is made sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upcycling {
    /// Experts of every sparse layer.
    pub experts: usize,
    /// Experts that a token visits besides the shared one; fewer than all.
    pub top_k: usize,
    /// One in so many layers of the encoder is made sparse; 0 for none.
    pub encoder_freq: usize,
    /// The same for the decoder.
    pub decoder_freq: usize,
    /// Seed of the gates.
    pub seed: u64,
}

impl Default for Upcycling {
    fn default() -> Self {
        Self { experts: 8, top_k: 2, encoder_freq: 2, decoder_freq: 2, seed: 1 }
    }
}

impl Upcycling {
    /// Writes the model in `files`, which has no experts yet, to the folder `out` as one with experts.
    ///
    /// # Errors
    /// Fails when the model has experts, or fewer layers or experts are asked for than fit.
    pub fn write(&self, files: &Files, out: &Path) -> Result<Register> {
        let config = self.config(&files.translation_config()?)?;
        let mut register = self.register(files.register()?, &config)?;
        let shared = files.read_checked(SHARED, &register.shared_sha256)?;
        let mut shared = files.parse(SHARED, &shared)?;
        let layers = config.moe_layers();
        let mut networks = BTreeMap::new();
        for layer in &layers {
            networks.insert(layer.clone(), take_network(layer, &mut shared)?);
        }
        let width = config.d_model;
        let gates = ParamStore::new(&Device::Cpu, self.seed);
        let spread = Init::Normal(0.1 / (width as f32).sqrt());
        fs::create_dir_all(out.join("experts"))?;
        for entry in register.experts.iter_mut().filter(|e| e.kind == ExpertKind::Free) {
            let mut own = HashMap::new();
            for (layer, network) in &networks {
                for (name, value) in network {
                    own.insert(format!("{layer}.{name}"), value.clone());
                }
                let gate =
                    gates.root().pp(&entry.name).pp(layer).get(width, "gate.weight", spread)?;
                own.insert(format!("{layer}.gate.weight"), gate.tensor()?.detach());
            }
            let content = to_bytes(&own)?;
            entry.sha256 = sha256_of(&content);
            entry.file = format!("experts/{}.{}.safetensors", entry.name, &entry.sha256[..12]);
            write_whole(&out.join(&entry.file), &content)?;
        }
        for (layer, network) in networks {
            for (name, value) in network {
                shared.insert(format!("{layer}.shared.{name}"), value);
            }
        }
        let content = to_bytes(&shared)?;
        register.shared_sha256 = sha256_of(&content);
        write_whole(&out.join(SHARED), &content)?;
        let tokenizer = (!register.tokenizer_sha256.is_empty()).then_some(super::TOKENIZER);
        for name in register.files.keys().map(String::as_str).chain(tokenizer) {
            write_whole(&out.join(name), &files.read(name)?)?;
        }
        write_descriptions(out, &ModelConfig::Translation(config), &mut register)?;
        Ok(register)
    }

    fn config(&self, dense: &TranslationConfig) -> Result<TranslationConfig> {
        let refused = |reason: &str| Err(Error::Invalid(reason.into()));
        if dense.moe.is_some() {
            return refused("the model has experts already: only a dense one is made sparse");
        }
        if self.top_k == 0 || self.experts <= self.top_k {
            return refused("there must be more experts than a token visits, and it visits one");
        }
        let moe = MoeConfig {
            encoder_freq: self.encoder_freq,
            decoder_freq: self.decoder_freq,
            top_k: self.top_k,
            shared_d_ff: dense.d_ff,
            routing: None,
        };
        let config = TranslationConfig { moe: Some(moe), ..dense.clone() };
        match config.moe_layers().is_empty() {
            true => refused("no layer would be made sparse: the model has fewer layers"),
            false => Ok(config),
        }
    }

    fn register(&self, mut register: Register, config: &TranslationConfig) -> Result<Register> {
        if !register.experts.is_empty() {
            let reason = "experts were added to the model: make it sparse before that";
            return Err(Error::Invalid(reason.into()));
        }
        let names: Vec<String> = (0..self.experts).map(|i| format!("free.{i}")).collect();
        for name in &names {
            let layers = config.moe_layers();
            let entry = ExpertEntry::new(name.clone(), ExpertKind::Free, &layers, config.d_ff);
            register.experts.push(entry);
        }
        register.routes.iter_mut().for_each(|route| route.group.clone_from(&names));
        Ok(register)
    }
}

/// The network of a dense layer, taken out of `shared`, with half of its down-projection.
fn take_network(
    layer: &str,
    shared: &mut HashMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>> {
    let prefix = format!("{layer}.feed_forward.");
    let names: Vec<String> =
        shared.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    let mut network = BTreeMap::new();
    for name in names {
        let Some(value) = shared.remove(&name) else { continue };
        let own = &name[prefix.len()..];
        // Whole numbers stay, and their scales are halved; halving is exact in every type of float.
        let value = match own.starts_with("down.") && value.dtype() != DType::U8 {
            true => (value.to_dtype(DType::F32)? * 0.5)?.to_dtype(value.dtype())?,
            false => value,
        };
        network.insert(own.to_string(), value);
    }
    match network.is_empty() {
        true => Err(Error::Weight { name: prefix, reason: "is missing".into() }),
        false => Ok(network),
    }
}
