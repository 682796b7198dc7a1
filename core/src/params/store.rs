//! All weights of a model, by name.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use candle::{DType, Device, Shape, Tensor, backprop::GradStore};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::{
    builder::{Builder, Init},
    param::{Param, Serving},
    stored::Stored,
};
use crate::{
    Error, Result,
    collective::ExpertOwners,
    kernels::packed::Packing,
    memory::{ExpertMemory, Unit},
};

/// A weight that a file holds.
#[derive(Debug)]
enum Source {
    /// It was read.
    Read(Tensor),
    /// It will be read when it is used.
    Stored(Serving),
}

impl Source {
    fn shape(&self) -> &Shape {
        match self {
            Self::Read(tensor) => tensor.shape(),
            Self::Stored(serving) => serving.stored.shape(),
        }
    }
}

/// All weights of a model, in the order of their names.
#[derive(Debug)]
pub struct ParamStore {
    device: Device,
    seed: u64,
    /// Weights of files, waiting to be asked for; absent while a new model is made.
    loaded: Option<Mutex<BTreeMap<String, Source>>>,
    /// Weights below this path may start by chance although others are loaded.
    fresh: Option<String>,
    /// Where the weights of experts are, if not all are here.
    owners: Option<ExpertOwners>,
    params: Mutex<BTreeMap<String, Param>>,
}

impl ParamStore {
    /// An empty store whose weights will start from `seed`: each from its own name, so that the
    /// order in which layers are made does not matter.
    pub fn new(device: &Device, seed: u64) -> Self {
        let params = Mutex::default();
        Self { device: device.clone(), seed, loaded: None, fresh: None, owners: None, params }
    }

    /// The same, without the weights of experts that other ranks have.
    #[must_use]
    pub fn without_others(self, owners: &ExpertOwners) -> Self {
        Self { owners: Some(owners.clone()), ..self }
    }

    /// A store whose weights are `tensors`; asking for another one is an error.
    pub fn from_tensors(device: &Device, tensors: BTreeMap<String, Tensor>) -> Self {
        let read = |(name, tensor)| (name, Source::Read(tensor));
        let loaded = Some(Mutex::new(tensors.into_iter().map(read).collect()));
        let (device, params) = (device.clone(), Mutex::default());
        Self { device, seed: 0, loaded, fresh: None, owners: None, params }
    }

    /// The same, where weights below `path` that are not among the tensors start from `seed`.
    #[must_use]
    pub fn growing(self, path: &str, seed: u64) -> Self {
        Self { fresh: Some(format!("{path}.")), seed, ..self }
    }

    /// A store of those weights that `keep` wants; both share them.
    #[must_use]
    pub fn subset(&self, keep: impl Fn(&Param) -> bool) -> Self {
        let params = self.iter().filter(keep).map(|param| (param.name().to_string(), param));
        let params = Mutex::new(params.collect());
        let (device, seed) = (self.device.clone(), self.seed);
        Self { device, seed, loaded: None, fresh: None, owners: None, params }
    }

    /// A store for serving on the CPU, whose weights are read when they are used; the packed
    /// matrices of experts, which come with the unit they belong to, are kept in `memory`. None
    /// can be trained.
    pub fn from_stored(
        weights: BTreeMap<String, (Stored, Option<Unit>)>,
        memory: &ExpertMemory,
    ) -> Self {
        let source = |(name, (stored, unit)): (String, (Stored, Option<Unit>))| {
            let is_matrix = stored.shape().rank() == 2;
            let unit = unit.filter(|_| is_matrix);
            let memory = unit.map(|unit| (memory.clone(), unit));
            (name, Source::Stored(Serving { stored, memory }))
        };
        let loaded = Some(Mutex::new(weights.into_iter().map(source).collect()));
        let (device, params) = (Device::Cpu, Mutex::default());
        Self { device, seed: 0, loaded, fresh: None, owners: None, params }
    }

    /// Memory that the weights take once all of them have been used, with matrices in `packing`; those
    /// of experts take no more than the budget of `memory`.
    pub(crate) fn serving_bytes(&self, packing: Packing, memory: &ExpertMemory) -> u64 {
        let (mut experts, mut others) = (0, 0);
        for param in self.iter() {
            let sum = if param.is_of_expert() { &mut experts } else { &mut others };
            *sum += param.serving_bytes(packing);
        }
        others + experts.min(memory.budget() as u64)
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A builder of layers at the root of the names.
    pub fn root(&self) -> Builder<'_> {
        Builder::new(self)
    }

    /// Weights in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = Param> + use<> {
        self.lock().values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// The weight called `name`.
    pub fn get(&self, name: &str) -> Option<Param> {
        self.lock().get(name).cloned()
    }

    /// Forgets all gradients.
    pub fn zero_grads(&self) {
        self.iter().for_each(|param| param.clear_grad());
    }

    /// Adds the gradients that candle gathered to ours.
    pub fn collect(&self, grads: &GradStore) -> Result<()> {
        for param in self.iter().filter(Param::is_trainable) {
            let Some(var) = param.held() else { continue };
            let Some(grad) = grads.get(var.as_tensor()) else { continue };
            let grad = grad.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
            param.with_grad(|sum| sum.iter_mut().zip(&grad).for_each(|(sum, g)| *sum += g));
        }
        Ok(())
    }

    /// Copies of all values, on the CPU, by name.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let copy = |param: Param| {
            let value = param.var()?.as_detached_tensor().to_device(&Device::Cpu)?;
            Ok((param.name().to_string(), value.copy()?))
        };
        self.iter().map(copy).collect()
    }

    /// Writes all values to a safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors()?.into_iter().collect();
        Ok(candle::safetensors::save(&tensors, path)?)
    }

    /// Sets the values found in `tensors`; every weight of the store must be there.
    pub fn set_all(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        for param in self.iter() {
            let value = tensors.get(param.name()).ok_or_else(|| Error::Weight {
                name: param.name().into(),
                reason: "is missing from the file".into(),
            })?;
            param.set(&value.to_device(&self.device)?)?;
        }
        Ok(())
    }

    /// Number of values in all weights.
    pub fn elem_count(&self) -> usize {
        self.iter().map(|param| param.elem_count()).sum()
    }

    pub(super) fn param(&self, name: &str, shape: Shape, init: Init) -> Result<Param> {
        if let Some(param) = self.get(name) {
            return Ok(param);
        }
        let is_fresh = self.fresh.as_ref().is_some_and(|path| name.starts_with(path));
        let loaded = self.loaded.as_ref();
        let source = loaded.map(|l| l.lock().unwrap_or_else(PoisonError::into_inner).remove(name));
        let param = match source {
            Some(source) if source.is_some() || !is_fresh => {
                let error = |reason| Error::Weight { name: name.into(), reason };
                let source = source.ok_or_else(|| error("is missing".into()))?;
                if *source.shape() != shape {
                    let reason = format!("has shape {:?}, not {shape:?}", source.shape());
                    return Err(error(reason));
                }
                match source {
                    Source::Read(value) => {
                        Param::new(name, value.to_dtype(DType::F32)?.to_device(&self.device)?)?
                    }
                    Source::Stored(serving) => Param::stored(name, serving),
                }
            }
            _ if self.owners.as_ref().is_some_and(|owners| owners.is_away(name)) => {
                Param::away(name, shape)
            }
            _ => {
                let start = self.start(name, &shape, init);
                Param::new(name, Tensor::from_vec(start, shape, &self.device)?)?
            }
        };
        self.lock().insert(name.into(), param.clone());
        Ok(param)
    }

    fn start(&self, name: &str, shape: &Shape, init: Init) -> Vec<f32> {
        let count = shape.elem_count();
        match init {
            Init::Zeros => vec![0.0; count],
            Init::Ones => vec![1.0; count],
            Init::Normal(std) => {
                let mut hash = Sha256::new_with_prefix(self.seed.to_le_bytes());
                hash.update(name);
                normal(ChaCha8Rng::from_seed(hash.finalize().into()), count, std)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Param>> {
        self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Normal values by the method of Box and Muller.
fn normal(mut rng: ChaCha8Rng, count: usize, std: f32) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        let radius = (-2.0 * (1.0 - u).ln()).sqrt() * f64::from(std);
        let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
        values.extend([(radius * cos) as f32, (radius * sin) as f32]);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_starts_from_its_name_and_the_seed() -> Result<()> {
        let values = |seed, name: &str| -> Result<Vec<f32>> {
            let store = ParamStore::new(&Device::Cpu, seed);
            store.root().pp("a").get((4, 8), name, Init::Normal(0.5))?.with_value(<[f32]>::to_vec)
        };
        assert_eq!(values(1, "w")?, values(1, "w")?);
        assert_ne!(values(1, "w")?, values(2, "w")?);
        assert_ne!(values(1, "w")?, values(1, "v")?);
        Ok(())
    }

    #[test]
    fn normal_values_have_their_spread() {
        let values = normal(ChaCha8Rng::seed_from_u64(3), 10_001, 2.0);
        let mean = values.iter().sum::<f32>() / 10_001.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 10_001.0;
        assert!(mean.abs() < 0.1 && (variance - 4.0).abs() < 0.2, "{mean} {variance}");
    }

    #[test]
    fn a_missing_weight_is_named() {
        let store = ParamStore::from_tensors(&Device::Cpu, BTreeMap::new());
        let error = store.root().pp("decoder").get(3, "w", Init::Ones).expect_err("no weights");
        assert_eq!(error.to_string(), "weight `decoder.w`: is missing");
    }
}
