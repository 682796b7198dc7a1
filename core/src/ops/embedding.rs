//! Token embeddings.

use candle::{CpuStorage, CustomOp1, Layout, Shape, Tensor, Var};

use super::{select::select, slices};
use crate::{
    Result,
    context::Context,
    kernels::embedding::{Embedding, Positions},
    params::Param,
};

/// `√D · weight[id] + sinusoids[position]` for every id, `(N, D)` (Vaswani et al. 2017, section
/// 3.4), with `weight` `(V, D)` and `sinusoids` `(P, D)`.
pub fn embed(
    ids: &[u32],
    positions: &[u32],
    weight: &Param,
    sinusoids: &Tensor,
    context: &Context,
) -> Result<Tensor> {
    let (device, width) = (sinusoids.device(), sinusoids.dim(1)?);
    let scale = (width as f64).sqrt();
    if !context.uses_kernels(device) {
        let places = sinusoids.index_select(&Tensor::new(positions, device)?, 0)?; // (N, D)
        let rows = select(&weight.tensor()?, ids.to_vec())?;
        return Ok(((rows * scale)? + places)?);
    }
    let (ids, positions) = (ids.to_vec(), positions.to_vec());
    let op = Embed { ids, positions, scale: scale as f32, weight: weight.clone() };
    match context.is_training() {
        // Ids are nothing that candle could follow back: this makes it follow the result.
        true => Ok(Var::from_tensor(sinusoids)?.apply_op1(op)?),
        false => Ok(sinusoids.apply_op1(op)?),
    }
}

struct Embed {
    ids: Vec<u32>,
    positions: Vec<u32>,
    scale: f32,
    weight: Param,
}

impl Embed {
    fn kernel<'a>(&'a self, weight: &'a [f32], sinusoids: Option<&'a [f32]>) -> Embedding<'a> {
        let places = &self.positions;
        let positions = sinusoids.map(|table| Positions { table, places });
        let d_model = self.weight.shape().dims()[1];
        Embedding { table: weight, d_model, scale: self.scale, positions }
    }
}

impl CustomOp1 for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let (sinusoids, width) = (slices::values(xs, layout)?, layout.dims()[1]);
        let mut ys = vec![0.0; self.ids.len() * width];
        let done = self.weight.with_value(|weight| {
            self.kernel(weight, Some(sinusoids)).forward(&self.ids, &mut ys);
        });
        done.map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(ys), (self.ids.len(), width).into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        if self.weight.is_trainable() {
            let done = slices::with_values(dys, |dys| {
                self.weight.with_value(|weight| {
                    self.weight.with_grad(|grad| {
                        self.kernel(weight, None).backward(&self.ids, dys, grad);
                    });
                })
            })?;
            done.map_err(candle::Error::wrap)?;
        }
        Ok(None)
    }
}
