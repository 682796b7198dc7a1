//! Loads a model with an expert more than it has on disk.

use std::collections::BTreeMap;

use candle::{DType, Device, Tensor};

use super::{Files, Loaded, LoadedRecommendation, weight_name};
use crate::{
    Error, Result,
    config::RecommendationConfig,
    models::recommendation::RecommendationModel,
    params::{Init, ParamStore},
    recommend::{Blend, Catalogue, Scorers},
    register::{ExpertEntry, ExpertKind, Register, Route},
    tokenizer::Tokenizer,
};

/// A catalogue that comes to a recommendation model.
#[derive(Debug, Clone)]
pub struct NewCatalogue {
    /// Its expert.
    pub entry: ExpertEntry,
    /// Its route, whose group ends with the expert.
    pub route: Route,
    /// The shape of the model with its tables.
    pub config: RecommendationConfig,
    /// Its items.
    pub catalogue: Catalogue,
    /// Its cheap scorers.
    pub scorers: Scorers,
}

/// How weights are made that have no file yet.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// Where they lie, as do the others.
    pub device: &'a Device,
    /// What chance follows from.
    pub seed: u64,
}

impl Files {
    /// Loads the model with one more expert, `new`, which has no file yet, and the routes that come
    /// with it.
    ///
    /// An expert of a group starts as a copy of its parent, its gate rows included; a wider one has
    /// more inner units, whose outputs start at zero. One that is added starts with a
    /// down-projection of zeros. A new language's tag starts as that of the parent's target. So the
    /// first output is the parent's, and what is left to chance follows from the seed.
    pub fn load_with(
        &self,
        new: &ExpertEntry,
        routes: &[Route],
        fresh: Fresh<'_>,
    ) -> Result<Loaded> {
        let Fresh { device, seed } = fresh;
        let mut register = self.register()?;
        let mut tensors = self.tensors(&register)?;
        if new.kind != ExpertKind::Domain {
            let parent = self.parent(new, &register)?.clone();
            copy_parent(&parent, new, seed, &mut tensors)?;
            if new.tag.is_some() {
                let row = self.tag_row(&parent, &register, &tensors)?;
                tensors.insert(weight_name(&new.name, "tag.weight"), row);
            }
        }
        register.experts.push(new.clone());
        register.routes.extend(routes.iter().cloned());
        register.check().map_err(Error::Invalid)?;
        let params = ParamStore::from_tensors(device, tensors)
            .growing(&format!("experts.{}", new.name), seed);
        self.load(register, params)
    }

    /// Loads a recommendation model with one more segment expert, `new`, which has no file yet, and
    /// the route that comes with it: a copy of its parent, its gate rows included.
    pub fn load_recommendation_with(
        &self,
        new: &ExpertEntry,
        route: &Route,
        fresh: Fresh<'_>,
    ) -> Result<LoadedRecommendation> {
        let Fresh { device, seed } = fresh;
        let config = self.recommendation_config()?;
        let mut register = self.register()?.of_first_catalogue();
        let mut tensors = self.tensors(&register)?;
        let parent = self.parent(new, &register)?.clone();
        copy_parent(&parent, new, seed, &mut tensors)?;
        register.experts.push(new.clone());
        register.routes.push(route.clone());
        register.check().map_err(Error::Invalid)?;
        self.recommendation(&config, register, ParamStore::from_tensors(device, tensors), "")
    }

    /// Loads a recommendation model with a catalogue that has no files yet: its tables and its
    /// expert, which stands beside those of all users, follow from the seed.
    pub fn load_new_catalogue(
        &self,
        new: NewCatalogue,
        fresh: Fresh<'_>,
    ) -> Result<LoadedRecommendation> {
        let Fresh { device, seed } = fresh;
        let NewCatalogue { entry, route, config, catalogue, scorers } = new;
        let mut whole = self.register()?;
        let (name, short) = (entry.name.clone(), entry.short_name().to_string());
        whole.experts.push(entry);
        whole.routes.push(route);
        whole.check().map_err(Error::Invalid)?;
        let register = whole.of_catalogue(&short).unwrap_or_default();
        let mut old = register.clone();
        old.experts.retain(|expert| expert.name != name);
        let tensors = self.tensors(&old)?;
        let params =
            ParamStore::from_tensors(device, tensors).growing(&format!("experts.{name}"), seed);
        let model = RecommendationModel::new(&config, &register, catalogue.content(), &params)?;
        let blend = Blend::default();
        Ok(LoadedRecommendation { model, params, register, catalogue, blend, scorers })
    }

    fn parent<'a>(&self, new: &ExpertEntry, register: &'a Register) -> Result<&'a ExpertEntry> {
        let name = new.parent.as_deref().unwrap_or_default();
        let parent = register.expert(name).filter(|parent| !parent.kind.is_of_domain());
        parent.ok_or_else(|| {
            let reason =
                format!("`{}` needs an expert of a group as its parent, not `{name}`", new.name);
            Error::Invalid(reason)
        })
    }

    /// The embedding `(1, D)` of the tag that `parent` translates into.
    fn tag_row(
        &self,
        parent: &ExpertEntry,
        register: &Register,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<Tensor> {
        if let Some(row) = tensors.get(&weight_name(&parent.name, "tag.weight")) {
            return Ok(row.clone());
        }
        let tokenizer = Tokenizer::from_bytes(&self.read(super::TOKENIZER)?)?;
        let route = register.routes.iter().find(|route| route.group.contains(&parent.name));
        let tag = route.and_then(|route| tokenizer.language_tag(&route.target));
        let embedding = tensors.get("embedding.weight");
        match (tag, embedding) {
            (Some(tag), Some(embedding)) => Ok(embedding.narrow(0, tag as usize, 1)?.copy()?),
            _ => Err(Error::Invalid(format!("`{}` has no tag to start from", parent.name))),
        }
    }
}

/// Copies the parent's weights of all layers that both cover.
fn copy_parent(
    parent: &ExpertEntry,
    new: &ExpertEntry,
    seed: u64,
    tensors: &mut BTreeMap<String, Tensor>,
) -> Result<()> {
    if new.d_ff < parent.d_ff {
        let reason = format!(
            "`{}` is {} wide, less than its parent `{}` with {}: it could not start as a copy",
            new.name, new.d_ff, parent.name, parent.d_ff
        );
        return Err(Error::Invalid(reason));
    }
    let prefix = weight_name(&parent.name, "");
    let own: Vec<(String, Tensor)> = (tensors.iter())
        .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.into(), value.clone())))
        .collect();
    for layer in parent.layers.iter().filter(|layer| new.layers.contains(layer)) {
        for (name, value) in &own {
            if name.strip_prefix(layer.as_str()).is_some_and(|rest| rest.starts_with('.')) {
                let value = widened(name, value, new.d_ff - parent.d_ff, seed)?;
                tensors.insert(weight_name(&new.name, name), value);
            }
        }
    }
    Ok(())
}

/// The weight with `more` inner units, which put nothing out yet.
fn widened(name: &str, value: &Tensor, more: usize, seed: u64) -> Result<Tensor> {
    let value = value.to_dtype(DType::F32)?;
    if more == 0 {
        return Ok(value);
    }
    let fresh = |shape: (usize, usize), init: Init| -> Result<Tensor> {
        let store = ParamStore::new(value.device(), seed);
        Ok(store.root().get(shape, name, init)?.tensor()?.detach())
    };
    if name.ends_with(".up.weight") {
        let width = value.dim(1)?;
        return Ok(Tensor::cat(&[&value, &fresh((more, width), Init::xavier(width, more))?], 0)?);
    }
    if name.ends_with(".down.weight") {
        return Ok(Tensor::cat(&[&value, &fresh((value.dim(0)?, more), Init::Zeros)?], 1)?);
    }
    if name.ends_with(".up.bias") {
        let zeros = Tensor::zeros(more, DType::F32, value.device())?;
        return Ok(Tensor::cat(&[&value, &zeros], 0)?);
    }
    Ok(value)
}
