//! Dropout, and residual connections with it.

use candle::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Tensor};

use super::slices;
use crate::{
    Result,
    context::Context,
    kernels::random::{self, Dropout},
};

/// `xs` with values dropped in training, the others scaled to keep the mean.
pub fn dropped(xs: &Tensor, context: &Context) -> Result<Tensor> {
    match context.dropout() {
        None => Ok(xs.clone()),
        Some(mask) if context.uses_kernels(xs.device()) => {
            Ok(xs.contiguous()?.apply_op1(Dropped(mask))?)
        }
        Some(mask) => composite(xs, mask),
    }
}

/// `xs + dropped(ys)`, all `(N, D)`.
pub fn add_dropped(xs: &Tensor, ys: &Tensor, context: &Context) -> Result<Tensor> {
    let mask = context.dropout();
    if context.uses_kernels(xs.device()) {
        return Ok(xs.contiguous()?.apply_op2(&ys.contiguous()?, AddDropped(mask))?);
    }
    match mask {
        None => Ok((xs + ys)?),
        Some(mask) => Ok((xs + composite(ys, mask)?)?),
    }
}

/// The composite form. On the CPU the mask is that of the kernel; another device draws its own,
/// since a mask of the host would take longer to get there than the rest of the layer.
fn composite(xs: &Tensor, mask: Dropout) -> Result<Tensor> {
    if !xs.device().is_cpu() {
        let keep = 1.0 - f64::from(mask.probability);
        let kept = Tensor::rand(0f32, 1f32, xs.shape(), xs.device())?.lt(keep as f32)?;
        return Ok((xs * (kept.to_dtype(DType::F32)? / keep)?)?);
    }
    let mut scale = vec![1.0; xs.elem_count()];
    random::dropout(&mask, &mut scale);
    let scale = Tensor::from_vec(scale, xs.shape(), xs.device())?;
    Ok((xs * scale)?)
}

struct Dropped(Dropout);

impl CustomOp1 for Dropped {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let mut ys = slices::values(xs, layout)?.to_vec();
        random::dropout(&self.0, &mut ys);
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let mut dxs = slices::with_values(dys, <[f32]>::to_vec)?;
        random::dropout(&self.0, &mut dxs);
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

struct AddDropped(Option<Dropout>);

impl CustomOp2 for AddDropped {
    fn name(&self) -> &'static str {
        "add-dropped"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        ys: &CpuStorage,
        ys_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let mut sum = slices::values(xs, layout)?.to_vec();
        let dropout = self.0.unwrap_or_default();
        random::add_dropout(&dropout, slices::values(ys, ys_layout)?, &mut sum);
        Ok((CpuStorage::F32(sum), layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        ys: &Tensor,
        _: &Tensor,
        dsum: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(mask) = self.0 else {
            return Ok((Some(dsum.clone()), Some(dsum.clone())));
        };
        let mut dys = slices::with_values(dsum, <[f32]>::to_vec)?;
        random::dropout(&mask, &mut dys);
        Ok((Some(dsum.clone()), Some(slices::tensor(dys, ys.shape())?)))
    }
}
