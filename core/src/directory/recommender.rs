//! Recommendation models on disk.
//!
//! Besides what every model has: `items.json`, the catalogue with the words that describe it, and
//! `scorers.safetensors` with `blend.json`, the cheap scorers and how all are weighed. A catalogue
//! that came later has these files, and a `config.json`, in a folder `catalogues/NAME.HASH/`; all of
//! its weights are in the file of its expert.

use std::path::Path;

use candle::Device;
use fs_err as fs;

use super::{
    CONFIG, Edit, Files, REGISTER, WeightFormat,
    save::{write_descriptions, write_weights},
    sha256_of, to_bytes, to_json, write_whole,
};
use crate::{
    Error, Result,
    config::{ModelConfig, RecommendationConfig, SegmentGate},
    models::recommendation::RecommendationModel,
    params::ParamStore,
    recommend::{Blend, Catalogue, Profiler, Scorers, behaviour::Categories},
    register::Register,
};

const ITEMS: &str = "items.json";
const BLEND: &str = "blend.json";
const SCORERS: &str = "scorers.safetensors";
/// How the name of an expert's row of a gate ends.
const GATE_ROW: &str = ".gate.weight";

/// A recommendation model with all it needs to run.
#[derive(Debug)]
pub struct LoadedRecommendation {
    /// The model.
    pub model: RecommendationModel,
    /// Its weights.
    pub params: ParamStore,
    /// Its experts.
    pub register: Register,
    /// Its items.
    pub catalogue: Catalogue,
    /// What stands beside the transformer.
    pub blend: Blend,
    /// The cheap scorers.
    pub scorers: Scorers,
}

impl LoadedRecommendation {
    /// What sums histories up for this model.
    pub fn profiler(&self) -> Profiler {
        Profiler {
            categories: Categories::new(&self.catalogue.items),
            percentiles: self.scorers.percentiles(),
        }
    }

    /// The same model with another gate, to see what the learned one is worth. A random gate is drawn
    /// by `seed`.
    ///
    /// # Errors
    /// Fails for a model without segment experts, and for one whose gate did not learn.
    pub fn with_gate(self, gate: SegmentGate, seed: u64) -> Result<Self> {
        let Self { model, params, register, catalogue, blend, scorers } = self;
        let learned = model.config();
        if register.experts.is_empty() || learned.gate != SegmentGate::Learned {
            let reason = "the model has no gate that learned; another one cannot take its place";
            return Err(Error::Invalid(reason.into()));
        }
        let params = match gate {
            SegmentGate::Random => without_gates(&params)?.growing("experts", seed),
            _ => params,
        };
        let config = RecommendationConfig { gate, ..learned.clone() };
        let model = RecommendationModel::new(&config, &register, catalogue.content(), &params)?;
        Ok(Self { model, params, register, catalogue, blend, scorers })
    }
}

/// The weights of a model without those by which segment experts are weighed.
fn without_gates(params: &ParamStore) -> Result<ParamStore> {
    let mut tensors = params.tensors()?;
    tensors.retain(|name, _| !(name.starts_with("experts.") && name.ends_with(GATE_ROW)));
    Ok(ParamStore::from_tensors(params.device(), tensors))
}

impl Files {
    /// Loads a recommendation model with its first catalogue, and checks every file on the way.
    pub fn load_recommendation(&self, device: &Device) -> Result<LoadedRecommendation> {
        let register = self.register()?.of_first_catalogue();
        let config = self.recommendation_config()?;
        let params = ParamStore::from_tensors(device, self.tensors(&register)?);
        self.recommendation(&config, register, params, "")
    }

    /// Loads a recommendation model with the catalogue `name`, one that came later.
    ///
    /// # Errors
    /// Fails when the model has no such catalogue, and says which it has.
    pub fn load_recommendation_of(
        &self,
        name: &str,
        device: &Device,
    ) -> Result<LoadedRecommendation> {
        let whole = self.register()?;
        let (Some(register), Some(folder)) = (whole.of_catalogue(name), folder_of(&whole, name))
        else {
            let known: Vec<&str> = whole.catalogues().collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let reason = format!("has no catalogue `{name}`; those that came later: {known}");
            return Err(self.error(REGISTER, reason));
        };
        let config_name = format!("{folder}{CONFIG}");
        let config = self.read_checked(&config_name, self.digest(&config_name, &register)?)?;
        let text = String::from_utf8_lossy(&config);
        let config = ModelConfig::parse(&text, &self.root().join(&config_name))?;
        let ModelConfig::Recommendation(config) = config else {
            return Err(self.error(&config_name, "is not of a model that recommends"));
        };
        let params = ParamStore::from_tensors(device, self.tensors(&register)?);
        self.recommendation(&config, register, params, &folder)
    }

    /// The configuration of a recommendation model.
    ///
    /// # Errors
    /// Fails when the model does something else.
    pub fn recommendation_config(&self) -> Result<RecommendationConfig> {
        match self.config()? {
            ModelConfig::Recommendation(config) => Ok(config),
            _ => Err(self.error(CONFIG, "is not of a model that recommends")),
        }
    }

    /// Makes the model of `register` from the weights in `params`; its catalogue lies in `folder`.
    pub(super) fn recommendation(
        &self,
        config: &RecommendationConfig,
        register: Register,
        params: ParamStore,
        folder: &str,
    ) -> Result<LoadedRecommendation> {
        let [items, blend_name, scorers_name] =
            [ITEMS, BLEND, SCORERS].map(|name| format!("{folder}{name}"));
        let catalogue: Catalogue = self.json(&items, &register)?;
        let sizes = [
            ("num_items", config.num_items, catalogue.items.len()),
            ("num_features", config.num_features, catalogue.features.len()),
            ("num_user_features", config.num_user_features, catalogue.user_features.len()),
            ("num_kinds", config.num_kinds, catalogue.kinds.len()),
        ];
        if let Some((name, wanted, found)) = sizes.into_iter().find(|(_, a, b)| a != b) {
            let reason = format!("has {found} where `{CONFIG}` says {name} {wanted}");
            return Err(self.error(&items, reason));
        }
        let blend: Blend = self.json(&blend_name, &register)?;
        blend.check().map_err(|reason| self.error(&blend_name, reason))?;
        let scorers = self.read_checked(&scorers_name, self.digest(&scorers_name, &register)?)?;
        let scorers = Scorers::from_tensors(&self.parse(&scorers_name, &scorers)?)?;
        let content = catalogue.content();
        let model = RecommendationModel::new(config, &register, content, &params)?;
        Ok(LoadedRecommendation { model, params, register, catalogue, blend, scorers })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str, register: &Register) -> Result<T> {
        let content = self.read_checked(name, self.digest(name, register)?)?;
        serde_json::from_slice(&content).map_err(|error| self.error(name, error.to_string()))
    }

    fn digest<'a>(&self, name: &str, register: &'a Register) -> Result<&'a str> {
        let digest = register.files.get(name).map(String::as_str);
        digest.ok_or_else(|| self.error(REGISTER, format!("does not name `{name}`")))
    }
}

/// Where the files of the catalogue `name` are, with a slash at the end.
fn folder_of(register: &Register, name: &str) -> Option<String> {
    let start = format!("catalogues/{name}.");
    let file = register.files.keys().find(|file| file.starts_with(&start))?;
    file.rsplit_once('/').map(|(folder, _)| format!("{folder}/"))
}

/// What is written besides the weights.
#[derive(Debug, Clone, Copy)]
pub struct RecommendationParts<'a> {
    /// Shape of the model.
    pub config: &'a RecommendationConfig,
    /// Its experts.
    pub register: &'a Register,
    /// Its items.
    pub catalogue: &'a Catalogue,
    /// What stands beside the transformer.
    pub blend: &'a Blend,
    /// The cheap scorers.
    pub scorers: &'a Scorers,
}

impl Edit {
    /// Writes the files of the catalogue `name` into a folder with a hash in its name, and notes
    /// them in `register`; those that it had are noted no more.
    pub fn write_catalogue(
        &self,
        register: &mut Register,
        name: &str,
        parts: RecommendationParts<'_>,
    ) -> Result<()> {
        let config = ModelConfig::Recommendation(parts.config.clone());
        let files = [
            (CONFIG, to_json(&config)?),
            (ITEMS, to_json(parts.catalogue)?),
            (BLEND, to_json(parts.blend)?),
            (SCORERS, to_bytes(&parts.scorers.to_tensors()?)?),
        ];
        let digests: Vec<String> = files.iter().map(|(_, content)| sha256_of(content)).collect();
        let digest = sha256_of(digests.concat().as_bytes());
        let folder = format!("catalogues/{name}.{}", &digest[..12]);
        fs::create_dir_all(self.folder().join(&folder))?;
        forget_catalogue(register, name);
        for ((file, content), digest) in files.iter().zip(digests) {
            let path = format!("{folder}/{file}");
            write_whole(&self.folder().join(&path), content)?;
            register.files.insert(path, digest);
        }
        Ok(())
    }

    /// Writes the files of the catalogue `old` once more under the name `new`, and notes them.
    pub fn copy_catalogue(&self, register: &mut Register, old: &str, new: &str) -> Result<()> {
        let start = format!("catalogues/{old}.");
        let files: Vec<_> = register.files.clone().into_iter().collect();
        for (path, digest) in files {
            let Some(rest) = path.strip_prefix(&start) else { continue };
            let content = self.files().read_checked(&path, &digest)?;
            let to = format!("catalogues/{new}.{rest}");
            let place = self.folder().join(&to);
            fs::create_dir_all(place.parent().unwrap_or(self.folder()))?;
            write_whole(&place, &content)?;
            register.files.insert(to, digest);
        }
        forget_catalogue(register, old);
        Ok(())
    }
}

/// Takes the files of a catalogue out of the register.
pub fn forget_catalogue(register: &mut Register, name: &str) {
    let start = format!("catalogues/{name}.");
    register.files.retain(|file, _| !file.starts_with(&start));
}

/// Writes a recommendation model to `folder`, its weights in `format`; the register comes last.
pub fn save_recommendation(
    folder: &Path,
    parts: RecommendationParts<'_>,
    params: &ParamStore,
    format: WeightFormat,
) -> Result<Register> {
    fs::create_dir_all(folder.join("experts"))?;
    let mut register = parts.register.clone();
    write_weights(folder, &mut register, params, format)?;
    let files = [
        (ITEMS, to_json(parts.catalogue)?),
        (BLEND, to_json(parts.blend)?),
        (SCORERS, to_bytes(&parts.scorers.to_tensors()?)?),
    ];
    for (name, content) in files {
        register.files.insert(name.into(), sha256_of(&content));
        write_whole(&folder.join(name), &content)?;
    }
    let config = ModelConfig::Recommendation(parts.config.clone());
    write_descriptions(folder, &config, &mut register)?;
    Ok(register)
}
