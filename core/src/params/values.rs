//! The storage of a weight on the CPU, to read and to change in place.

use std::sync::{Mutex, PoisonError};

use candle::{CpuStorage, InplaceOp1, Layout, Storage, StorageRef};

/// A value on the CPU, held for reading.
pub(crate) struct Values<'a>(StorageRef<'a>);

impl<'a> Values<'a> {
    pub(super) fn new(storage: StorageRef<'a>) -> Self {
        Self(storage)
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        match &*self.0 {
            Storage::Cpu(CpuStorage::F32(values)) => values,
            _ => &[], // ruled out where it is made
        }
    }
}

/// Hands the storage of a value to a closure.
pub(super) struct Update<'a, F> {
    f: Mutex<F>,
    grad: &'a [f32],
}

impl<'a, F> Update<'a, F> {
    pub(super) fn new(f: F, grad: &'a [f32]) -> Self {
        Self { f: Mutex::new(f), grad }
    }
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
