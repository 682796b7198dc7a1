//! Recommendation models on disk.
//!
//! Besides what every model has: `items.json`, the catalogue with the words that describe it, and
//! `scorers.safetensors` with `blend.json`, the cheap scorers and how all are weighed.

use std::path::Path;

use candle::{DType, Device};
use fs_err as fs;

use super::{CONFIG, Files, REGISTER, sha256_of, to_bytes, to_json, write_weights, write_whole};
use crate::{
    Result,
    config::{ModelConfig, RecommendationConfig},
    models::recommendation::RecommendationModel,
    params::ParamStore,
    recommend::{Blend, Catalogue, Profiler, Scorers, behaviour::Categories},
    register::Register,
};

const ITEMS: &str = "items.json";
const BLEND: &str = "blend.json";
const SCORERS: &str = "scorers.safetensors";

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
}

impl Files {
    /// Loads a recommendation model, and checks every file on the way.
    pub fn load_recommendation(&self, device: &Device) -> Result<LoadedRecommendation> {
        let register = self.register()?;
        let config = self.recommendation_config()?;
        let params = ParamStore::from_tensors(device, self.tensors(&register)?);
        self.recommendation(&config, register, params)
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

    /// Makes the model of `register` from the weights in `params`.
    pub(super) fn recommendation(
        &self,
        config: &RecommendationConfig,
        register: Register,
        params: ParamStore,
    ) -> Result<LoadedRecommendation> {
        let catalogue: Catalogue = self.json(ITEMS, &register)?;
        let sizes = [
            ("num_items", config.num_items, catalogue.items.len()),
            ("num_features", config.num_features, catalogue.features.len()),
            ("num_user_features", config.num_user_features, catalogue.user_features.len()),
            ("num_kinds", config.num_kinds, catalogue.kinds.len()),
        ];
        if let Some((name, wanted, found)) = sizes.into_iter().find(|(_, a, b)| a != b) {
            let reason = format!("has {found} where `{CONFIG}` says {name} {wanted}");
            return Err(self.error(ITEMS, reason));
        }
        let blend: Blend = self.json(BLEND, &register)?;
        blend.check().map_err(|reason| self.error(BLEND, reason))?;
        let scorers = self.read_checked(SCORERS, self.digest(SCORERS, &register)?)?;
        let scorers = Scorers::from_tensors(&self.parse(SCORERS, &scorers)?)?;
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

/// Writes a recommendation model to `folder`, its weights in `dtype`; the register comes last.
pub fn save_recommendation(
    folder: &Path,
    parts: RecommendationParts<'_>,
    params: &ParamStore,
    dtype: DType,
) -> Result<Register> {
    fs::create_dir_all(folder.join("experts"))?;
    let mut register = parts.register.clone();
    write_weights(folder, &mut register, params, dtype)?;
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
    write_whole(&folder.join(CONFIG), &to_json(&config)?)?;
    write_whole(&folder.join(REGISTER), &to_json(&register)?)?;
    Ok(register)
}
