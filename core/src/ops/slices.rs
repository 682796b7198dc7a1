//! Plain slices out of candle's storages, and back.

use candle::{CpuStorage, Layout, Shape, Storage, Tensor, op::BackpropOp};

/// The values of a contiguous float32 argument of a custom operation.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle::Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else { candle::bail!("expected float32 values") };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle::bail!("expected a contiguous tensor"),
    }
}

/// Runs `f` on the values of a float32 tensor on the CPU.
pub(crate) fn with_values<R>(xs: &Tensor, f: impl FnOnce(&[f32]) -> R) -> candle::Result<R> {
    let xs = xs.contiguous()?;
    let (storage, layout) = xs.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(values(storage, layout)?)),
        _ => candle::bail!("expected a tensor on the cpu"),
    }
}

/// A tensor on the CPU that takes `values` over.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> candle::Result<Tensor> {
    let storage = Storage::Cpu(CpuStorage::F32(values));
    Ok(Tensor::from_storage(storage, shape, BackpropOp::none(), false))
}

/// Adds every row of `rows` `(N, D)` to `sum` `(D,)`, in their order.
pub(super) fn add_rows(rows: &[f32], sum: &mut [f32]) {
    for row in rows.chunks_exact(sum.len()) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}
