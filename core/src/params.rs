//! The weights of a model by name, each with the place where its gradient gathers.
//!
//! Our CPU operations write the gradients of weights straight into [`Param`]: accumulation over
//! micro-batches costs nothing, and a frozen weight costs no work at all (candle computes the
//! gradient of every argument, tracked or not). Composite paths leave their gradients in candle's
//! [`GradStore`]; [`ParamStore::collect`] moves them here.
//!
//! A weight that only serves may stay where it is [`Stored`]: it is read when it is first used, and
//! a matrix is packed without a copy in float32 beside it.

mod stored;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use candle::backprop::GradStore;
use candle::{
    CpuStorage, DType, Device, InplaceOp1, Layout, Shape, Storage, StorageRef, Tensor, Var,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    kernels::packed::{PackedMatrix, Packing},
    memory::{ExpertMemory, Unit, Use},
};

pub use stored::{Container, Stored};

/// One named weight; clones share it.
#[derive(Debug, Clone)]
pub struct Param(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    shape: Shape,
    /// The value; a stored one comes here when somebody wants more than its packed form.
    var: OnceLock<Var>,
    stored: Option<Serving>,
    trainable: AtomicBool,
    /// Counts updates, so that packed copies know when they are stale.
    version: AtomicU64,
    /// Sum of gradients since the last step; empty until the first.
    grad: Mutex<Vec<f32>>,
    /// Whether a gradient came since the last step; if not, `grad` is left over from before. Only
    /// changed by who holds `grad`.
    has_grad: AtomicBool,
    packed: Mutex<Option<(u64, Arc<PackedMatrix>)>>,
}

/// A weight that is read when it is used.
#[derive(Debug)]
struct Serving {
    stored: Stored,
    /// Where its packed form is kept if it is a matrix of an expert.
    memory: Option<(ExpertMemory, Unit)>,
}

/// How a weight starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Normal with this standard deviation.
    Normal(f32),
}

impl Init {
    /// Glorot & Bengio 2010 (eq. 16), with a normal distribution.
    pub fn xavier(fan_in: usize, fan_out: usize) -> Self {
        Self::Normal((2.0 / (fan_in + fan_out) as f32).sqrt())
    }
}

impl Param {
    fn new(name: &str, value: Tensor) -> Result<Self> {
        let var = OnceLock::from(Var::from_tensor(&value)?);
        Ok(Self::from_parts(name, value.shape().clone(), var, None))
    }

    fn stored(name: &str, serving: Serving) -> Self {
        let shape = serving.stored.shape().clone();
        Self::from_parts(name, shape, OnceLock::new(), Some(serving))
    }

    fn from_parts(name: &str, shape: Shape, var: OnceLock<Var>, stored: Option<Serving>) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            shape,
            var,
            trainable: AtomicBool::new(stored.is_none()),
            stored,
            version: AtomicU64::new(0),
            grad: Mutex::default(),
            has_grad: AtomicBool::new(false),
            packed: Mutex::default(),
        }))
    }

    /// The value, read if it was not.
    fn var(&self) -> Result<&Var> {
        if let Some(var) = self.0.var.get() {
            return Ok(var);
        }
        let Some(serving) = &self.0.stored else {
            return Err(self.error("has no value"));
        };
        let var = Var::from_tensor(&self.read(serving)?)?;
        Ok(self.0.var.get_or_init(|| var))
    }

    fn read(&self, serving: &Serving) -> Result<Tensor> {
        serving.stored.read().map_err(|error| self.error(&format!("cannot be read: {error}")))
    }

    fn error(&self, reason: &str) -> Error {
        Error::Weight { name: self.name().into(), reason: reason.into() }
    }

    /// Path of the weight, such as `encoder.layers.2.attention.out.weight`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Shape of the weight.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// Number of values.
    pub fn elem_count(&self) -> usize {
        self.shape().elem_count()
    }

    /// The value as a tensor: tracked by candle when trainable, else detached.
    ///
    /// # Errors
    /// Fails when the value is stored and cannot be read.
    pub fn tensor(&self) -> Result<Tensor> {
        let var = self.var()?;
        Ok(match self.is_trainable() {
            true => var.as_tensor().clone(),
            false => var.as_detached_tensor(),
        })
    }

    /// Whether training may change this weight.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Ordering::Relaxed)
    }

    /// Freezes the weight, or frees it.
    pub fn set_trainable(&self, trainable: bool) {
        self.0.trainable.store(trainable, Ordering::Relaxed);
    }

    /// Replaces the value; the shape stays.
    pub fn set(&self, value: &Tensor) -> Result<()> {
        if value.shape() != self.shape() {
            let reason = format!("has shape {:?}, not {:?}", self.shape(), value.shape());
            return Err(self.error(&reason));
        }
        self.var()?.set(&value.to_dtype(DType::F32)?.contiguous()?)?;
        self.0.version.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The value, which lies on the CPU; nobody changes it while it is held.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        let (storage, _) = self.var()?.storage_and_layout();
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Values(storage)),
            _ => Err(Error::Invalid(format!("weight `{}` is not on the CPU", self.name()))),
        }
    }

    /// Runs `f` on the value, which lies on the CPU.
    pub fn with_value<R>(&self, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
        Ok(f(self.values()?.as_slice()))
    }

    /// The gradient gathered so far, zeros if nothing came yet; nobody changes it while it is
    /// held.
    pub(crate) fn grad(&self) -> MutexGuard<'_, Vec<f32>> {
        let (mut grad, is_left_over) = self.grad_to_overwrite();
        if is_left_over {
            grad.fill(0.0);
        }
        grad
    }

    /// The gradient, and whether it is left over from before: then whoever asks overwrites all of
    /// it, which saves filling it with zeros and reading them again.
    pub(crate) fn grad_to_overwrite(&self) -> (MutexGuard<'_, Vec<f32>>, bool) {
        let mut grad = self.lock_grad();
        let is_left_over = !self.0.has_grad.swap(true, Ordering::Relaxed);
        if grad.is_empty() {
            grad.resize(self.elem_count(), 0.0);
        }
        (grad, is_left_over)
    }

    /// Runs `f` on the gradient gathered so far; zeros if nothing came yet.
    pub fn with_grad<R>(&self, f: impl FnOnce(&mut [f32]) -> R) -> R {
        f(&mut self.grad())
    }

    /// Runs `f` on the gradient if the weight is trainable, else on nothing.
    pub fn with_trainable_grad<R>(&self, f: impl FnOnce(Option<&mut [f32]>) -> R) -> R {
        match self.is_trainable() {
            true => self.with_grad(|grad| f(Some(grad))),
            false => f(None),
        }
    }

    /// Whether a gradient arrived since the last [`Param::clear_grad`].
    pub fn has_grad(&self) -> bool {
        self.0.has_grad.load(Ordering::Relaxed)
    }

    /// Forgets the gradient; its memory is kept for the next one.
    pub fn clear_grad(&self) {
        let _held = self.lock_grad();
        self.0.has_grad.store(false, Ordering::Relaxed);
    }

    /// Lets `f` change the value, given the gradient; both lie on the CPU.
    ///
    /// # Errors
    /// Fails when the value lies on another device.
    pub fn update(&self, f: impl FnMut(&mut [f32], &[f32]) + Send) -> Result<()> {
        let grad = self.grad();
        self.var()?.inplace_op1(&Update { f: Mutex::new(f), grad: &grad })?;
        self.0.version.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The value packed for inference as an `(N, K)` matrix; kept until the value changes, or in the
    /// memory of experts.
    pub fn packed(&self, packing: impl Into<Packing>) -> Result<Arc<PackedMatrix>> {
        self.packed_for(packing.into(), Use::Pass)
    }

    /// [`Param::packed`] before a pass asks for it.
    pub(crate) fn packed_ahead(&self, packing: Packing) -> Result<Arc<PackedMatrix>> {
        self.packed_for(packing, Use::Ahead)
    }

    fn packed_for(&self, packing: Packing, by: Use) -> Result<Arc<PackedMatrix>> {
        let memory = self.0.stored.as_ref().and_then(|serving| serving.memory.as_ref());
        if let Some((memory, unit)) = memory {
            return memory.get((unit, self.name()), (packing, by), || self.pack(packing));
        }
        let version = self.0.version.load(Ordering::Relaxed);
        let mut packed = self.0.packed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*packed {
            Some((of, matrix)) if *of == version && matrix.packing() == packing => {
                Ok(Arc::clone(matrix))
            }
            _ => {
                let matrix = Arc::new(self.pack(packing)?);
                *packed = Some((version, Arc::clone(&matrix)));
                Ok(matrix)
            }
        }
    }

    /// Packs the value; one that is stored leaves no other copy.
    fn pack(&self, packing: Packing) -> Result<PackedMatrix> {
        let (rows, columns) = self.shape().dims2()?;
        if let (None, Some(serving)) = (self.0.var.get(), &self.0.stored) {
            let value = self.read(serving)?;
            let values = value.flatten_all()?.to_vec1::<f32>()?;
            return Ok(PackedMatrix::new(&values, rows, columns, packing));
        }
        self.with_value(|value| PackedMatrix::new(value, rows, columns, packing))
    }

    fn lock_grad(&self) -> MutexGuard<'_, Vec<f32>> {
        self.0.grad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value on the CPU, held for reading.
pub(crate) struct Values<'a>(StorageRef<'a>);

impl Values<'_> {
    pub(crate) fn as_slice(&self) -> &[f32] {
        match &*self.0 {
            Storage::Cpu(CpuStorage::F32(values)) => values,
            _ => &[], // ruled out where it is made
        }
    }
}

/// Hands the storage of a value to a closure.
struct Update<'a, F> {
    f: Mutex<F>,
    grad: &'a [f32],
}

impl<F: FnMut(&mut [f32], &[f32])> InplaceOp1 for Update<'_, F> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> candle::Result<()> {
        let CpuStorage::F32(values) = storage else {
            candle::bail!("weights are float32");
        };
        let mut f = self.f.lock().unwrap_or_else(PoisonError::into_inner);
        f(values, self.grad);
        Ok(())
    }
}

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
    params: Mutex<BTreeMap<String, Param>>,
}

impl ParamStore {
    /// An empty store whose weights will start from `seed`: each from its own name, so that the
    /// order in which layers are made does not matter.
    pub fn new(device: &Device, seed: u64) -> Self {
        let params = Mutex::default();
        Self { device: device.clone(), seed, loaded: None, fresh: None, params }
    }

    /// A store whose weights are `tensors`; asking for another one is an error.
    pub fn from_tensors(device: &Device, tensors: BTreeMap<String, Tensor>) -> Self {
        let read = |(name, tensor)| (name, Source::Read(tensor));
        let loaded = Some(Mutex::new(tensors.into_iter().map(read).collect()));
        Self { device: device.clone(), seed: 0, loaded, fresh: None, params: Mutex::default() }
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
        Self { device: self.device.clone(), seed: self.seed, loaded: None, fresh: None, params }
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
        Self { device: Device::Cpu, seed: 0, loaded, fresh: None, params: Mutex::default() }
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A builder of layers at the root of the names.
    pub fn root(&self) -> Builder<'_> {
        Builder { store: self, prefix: String::new() }
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
            let Some(var) = param.0.var.get() else { continue };
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

    fn param(&self, name: &str, shape: Shape, init: Init) -> Result<Param> {
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

/// Makes the weights of a layer under a common prefix, like candle's `VarBuilder`.
#[derive(Debug, Clone)]
pub struct Builder<'a> {
    store: &'a ParamStore,
    prefix: String,
}

impl Builder<'_> {
    /// The builder of the part called `name`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { store: self.store, prefix: self.path(&name.to_string()) }
    }

    /// The weight called `name` here.
    pub fn get(&self, shape: impl Into<Shape>, name: &str, init: Init) -> Result<Param> {
        self.store.param(&self.path(name), shape.into(), init)
    }

    /// Where the weights lie.
    pub fn device(&self) -> &Device {
        &self.store.device
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }
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
    fn an_update_sees_the_gradient_and_changes_the_value() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 0);
        let param = store.root().get(3, "w", Init::Ones)?;
        param.with_grad(|grad| grad[1] = 2.0);
        param.update(|value, grad| value.iter_mut().zip(grad).for_each(|(v, g)| *v -= g))?;
        assert_eq!(param.with_value(<[f32]>::to_vec)?, [1.0, -1.0, 1.0]);
        Ok(())
    }

    #[test]
    fn what_a_step_left_over_counts_no_more() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 0);
        let param = store.root().get(2, "w", Init::Ones)?;
        param.with_grad(|grad| grad.fill(3.0));
        param.clear_grad();
        assert!(!param.has_grad());
        let (mut grad, is_left_over) = param.grad_to_overwrite();
        assert!(is_left_over);
        grad[0] = 1.0;
        drop(grad);
        assert!(param.has_grad() && !param.grad_to_overwrite().1);
        param.clear_grad();
        assert_eq!(param.with_grad(|grad| grad.to_vec()), [0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn a_missing_weight_is_named() {
        let store = ParamStore::from_tensors(&Device::Cpu, BTreeMap::new());
        let error = store.root().pp("decoder").get(3, "w", Init::Ones).expect_err("no weights");
        assert_eq!(error.to_string(), "weight `decoder.w`: is missing");
    }
}
