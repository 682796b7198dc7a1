//! Layer norm and root mean square norm.

use std::sync::OnceLock;

use candle::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};

use super::slices;
use crate::{
    Result,
    context::Context,
    kernels::norm::{Norm, NormGrads, RowStats},
    params::Param,
};

/// Layer norm (Ba et al. 2016) of every row of `xs` `(N, D)`, with `weight` and `bias` `(D,)`; without a
/// bias root mean square norm (Zhang and Sennrich 2019).
pub fn norm(
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    epsilon: f32,
    context: &Context,
) -> Result<Tensor> {
    if context.uses_kernels(xs.device()) {
        let (weight, bias) = (weight.clone(), bias.cloned());
        let op = RowNorm { weight, bias, epsilon, stats: OnceLock::new() };
        return Ok(xs.contiguous()?.apply_op1(op)?);
    }
    let Some(bias) = bias else {
        let square = xs.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = xs.broadcast_div(&(square + f64::from(epsilon))?.sqrt()?)?;
        return Ok(scaled.broadcast_mul(&weight.tensor()?)?);
    };
    let mean = xs.mean_keepdim(D::Minus1)?;
    let centred = xs.broadcast_sub(&mean)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let scaled = centred.broadcast_div(&(variance + f64::from(epsilon))?.sqrt()?)?;
    Ok(scaled.broadcast_mul(&weight.tensor()?)?.broadcast_add(&bias.tensor()?)?)
}

struct RowNorm {
    weight: Param,
    bias: Option<Param>,
    epsilon: f32,
    /// Statistics of the forward pass.
    stats: OnceLock<RowStats>,
}

impl RowNorm {
    fn with_norm<R>(&self, f: impl FnOnce(Norm<'_>) -> R) -> candle::Result<R> {
        let both = self.weight.with_value(|weight| match &self.bias {
            Some(bias) => bias.with_value(|bias| f(Norm::new(weight, bias, self.epsilon))),
            None => Ok(f(Norm::root_mean_square(weight, self.epsilon))),
        });
        both.and_then(|inner| inner).map_err(candle::Error::wrap)
    }
}

impl CustomOp1 for RowNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let xs = slices::values(xs, layout)?;
        let mut ys = vec![0.0; xs.len()];
        let stats = self.with_norm(|norm| norm.forward(xs, &mut ys))?;
        self.stats.get_or_init(|| stats);
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let Some(stats) = self.stats.get() else {
            candle::bail!("layer norm: backward before forward");
        };
        let mut dxs = vec![0.0; xs.elem_count()];
        slices::with_values(dys, |dys| {
            slices::with_values(xs, |xs| {
                self.with_norm(|norm| {
                    self.weight.with_trainable_grad(|dweight| {
                        let backward = |dbias: Option<&mut [f32]>| {
                            let grads = NormGrads { dxs: &mut dxs, dweight, dbias };
                            norm.backward(xs, dys, stats, grads);
                        };
                        match &self.bias {
                            Some(bias) => bias.with_trainable_grad(backward),
                            None => backward(None),
                        }
                    });
                })
            })
        })???;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}
