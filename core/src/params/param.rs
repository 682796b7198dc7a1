//! One weight: its value, its gradient, and its packed form.

use std::borrow::Cow;
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use candle::{CpuStorage, DType, Device, Shape, Storage, Tensor, Var};

use super::{
    stored::{HeldRows, Stored},
    values::{Update, Values},
};
use crate::{
    Error, Result,
    kernels::packed::{PackedMatrix, Packing},
    memory::{ExpertMemory, Unit, Use, Wanted},
};

/// One named weight; clones share it.
#[derive(Debug, Clone)]
pub struct Param(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    shape: Shape,
    /// The value; a stored one is loaded here when more than its packed form is needed.
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
    /// A stored matrix of which rows are wanted, in the numbers in which it is stored.
    rows: OnceLock<HeldRows>,
}

/// A weight that is read when it is used.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) stored: Stored,
    /// Where its packed form is kept if it is a matrix of an expert.
    pub(super) memory: Option<(ExpertMemory, Unit)>,
}

impl Param {
    pub(super) fn new(name: &str, value: Tensor) -> Result<Self> {
        let var = OnceLock::from(Var::from_tensor(&value)?);
        Ok(Self::from_parts(name, value.shape().clone(), var, None))
    }

    pub(super) fn stored(name: &str, serving: Serving) -> Self {
        let shape = serving.stored.shape().clone();
        Self::from_parts(name, shape, OnceLock::new(), Some(serving))
    }

    /// A weight that another rank has: only its name and its shape are here.
    pub(super) fn away(name: &str, shape: Shape) -> Self {
        let param = Self::from_parts(name, shape, OnceLock::new(), None);
        param.set_trainable(false);
        param
    }

    /// Whether the weight is on this rank.
    pub fn is_here(&self) -> bool {
        self.0.stored.is_some() || self.held().is_some()
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
            rows: OnceLock::new(),
        }))
    }

    /// The value, if it is in memory.
    pub(super) fn held(&self) -> Option<&Var> {
        self.0.var.get()
    }

    /// The value, read if it was not.
    pub(super) fn var(&self) -> Result<&Var> {
        if let Some(var) = self.0.var.get() {
            return Ok(var);
        }
        let Some(serving) = &self.0.stored else {
            return Err(self.error("is on another rank"));
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

    /// The value, which lies on the CPU; it cannot change while it is held.
    pub(crate) fn values(&self) -> Result<Values<'_>> {
        let (storage, _) = self.var()?.storage_and_layout();
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Values::new(storage)),
            _ => Err(Error::Invalid(format!("weight `{}` is not on the CPU", self.name()))),
        }
    }

    /// Runs `f` on the value, which lies on the CPU.
    pub fn with_value<R>(&self, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
        Ok(f(self.values()?.as_slice()))
    }

    /// A copy of the value, row by row, from whatever device it lies on.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        let value = self.var()?.as_detached_tensor();
        Ok(value.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?)
    }

    /// Rows of a matrix that lies on the CPU, by their numbers, one after another. One that is stored
    /// is kept in the numbers in which it is stored.
    ///
    /// # Errors
    /// Fails when the weight is stored and cannot be read, or has no such row.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let (count, width) = self.shape().dims2()?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= count) {
            return Err(self.error(&format!("has {count} rows, and none is number {id}")));
        }
        let mut values = Vec::with_capacity(ids.len() * width);
        match (&self.0.stored, self.held()) {
            (Some(serving), None) => {
                let held = self.held_rows(serving)?;
                for &id in ids {
                    values.extend(held.row(id as usize)?);
                }
            }
            _ => self.with_value(|value| {
                for &id in ids {
                    values.extend_from_slice(&value[id as usize * width..][..width]);
                }
            })?,
        }
        Ok(values)
    }

    fn held_rows(&self, serving: &Serving) -> Result<&HeldRows> {
        if let Some(rows) = self.0.rows.get() {
            return Ok(rows);
        }
        let error = |error| self.error(&format!("cannot be read: {error}"));
        let rows = serving.stored.hold().map_err(error)?;
        Ok(self.0.rows.get_or_init(|| rows))
    }

    /// Whether the value is read from a file when it is wanted.
    pub(crate) fn is_stored(&self) -> bool {
        self.0.stored.is_some() && self.held().is_none()
    }

    /// Whether it is read from a file that holds integers with a scale for each row.
    pub(crate) fn is_stored_in_integers(&self) -> bool {
        self.0.stored.as_ref().is_some_and(|serving| serving.stored.is_in_integers())
    }

    /// Whether its packed form is kept in the memory of experts.
    pub(super) fn is_of_expert(&self) -> bool {
        self.0.stored.as_ref().is_some_and(|serving| serving.memory.is_some())
    }

    /// Memory that the weight takes while it serves: a matrix its packed form, embeddings besides the
    /// rows as they are stored, and all else its values.
    pub(super) fn serving_bytes(&self, packing: Packing) -> u64 {
        let count = self.elem_count() as u64;
        if self.shape().rank() != 2 || self.name().ends_with("positions") {
            return 4 * count;
        }
        let packed = count * packing.bytes() as u64;
        let stored = self.0.stored.as_ref().map_or(0, |serving| serving.stored.len() as u64);
        match self.name() {
            "source_embedding.weight" => stored,
            "embedding.weight" => packed + stored,
            _ => packed,
        }
    }

    /// The gradient gathered so far, zeros if nothing came yet; it cannot change while it is
    /// held.
    pub(crate) fn grad(&self) -> MutexGuard<'_, Vec<f32>> {
        let (mut grad, is_left_over) = self.grad_to_overwrite();
        if is_left_over {
            grad.fill(0.0);
        }
        grad
    }

    /// The gradient, and whether it is left over from before: then the caller overwrites all of
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
        self.var()?.inplace_op1(&Update::new(f, &grad))?;
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
        let packing = packing.for_width(self.shape().dims().last().copied().unwrap_or(0));
        let memory = self.0.stored.as_ref().and_then(|serving| serving.memory.as_ref());
        if let Some((memory, unit)) = memory {
            return memory
                .get(&Wanted { unit, name: self.name(), packing, by }, || self.pack(packing));
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

    /// Packs the value; one that is stored leaves no other copy, and is read a part at a time.
    fn pack(&self, packing: Packing) -> Result<PackedMatrix> {
        let (rows, columns) = self.shape().dims2()?;
        if let (None, Some(serving)) = (self.0.var.get(), &self.0.stored) {
            let error = |error| self.error(&format!("cannot be read: {error}"));
            let reader = serving.stored.reader().map_err(error)?;
            let read = |rows| reader.rows(rows).map(Cow::Owned).map_err(error);
            return PackedMatrix::from_rows((rows, columns), packing, read);
        }
        self.with_value(|value| PackedMatrix::new(value, rows, columns, packing))
    }

    fn lock_grad(&self) -> MutexGuard<'_, Vec<f32>> {
        self.0.grad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Init, ParamStore};
    #[test]
    fn an_update_sees_the_gradient_and_changes_the_value() -> Result<()> {
        let store = ParamStore::new(&Device::Cpu, 0);
        let param = store.root().get(3, "w", Init::Ones)?;
        param.with_grad(|grad| grad[1] = 2.0);
        param.update(|value, grad| value.iter_mut().zip(grad).for_each(|(v, g)| *v -= g))?;
        assert_eq!(param.with_value(<[f32]>::to_vec)?, [1.0, -1.0, 1.0]);
        assert_eq!(param.to_vec()?, [1.0, -1.0, 1.0]);
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
}
