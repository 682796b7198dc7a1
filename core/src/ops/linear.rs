//! `x · Wᵀ + b`.

use candle::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

use super::slices;
use crate::{
    Result,
    context::Context,
    kernels::{
        counters,
        matmul::{self, Epilogue, Precision},
        packed::Packing,
        scratch::Scratch,
    },
    params::Param,
};

/// Maps `xs` `(N, in)` to `(N, out)`, with `weight` `(out, in)` and `bias` `(out,)`.
pub fn linear(
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    context: &Context,
) -> Result<Tensor> {
    linear_as((context.precision, context.packing), xs, weight, bias, context)
}

/// Runs `f` on what [`linear`] gives, in a buffer that the next call uses again: fresh memory for a large
/// result costs more than the product. For inference alone.
pub fn with_product(
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    context: &Context,
    f: &mut dyn FnMut(&[f32]),
) -> Result<()> {
    if !context.uses_kernels(xs.device()) || context.is_training() {
        return Ok(slices::with_values(&linear(xs, weight, bias, context)?, f)?);
    }
    let matrix = weight.packed(context.packing)?;
    let bias = bias.map(Param::values).transpose()?;
    let epilogue = Epilogue { bias: bias.as_ref().map(|bias| bias.as_slice()), ..Epilogue::NONE };
    let mut product = Scratch::words(xs.dim(0)? * matrix.n());
    slices::with_values(xs, |xs| matrix.matmul_nt(xs, product.floats_mut(), &epilogue))?;
    f(product.floats());
    Ok(())
}

/// The same with products in this precision: gates choose in float32 whatever the rest of the
/// model does (Switch, Fedus et al. 2021, section 2.4).
pub fn linear_in(
    precision: Precision,
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    context: &Context,
) -> Result<Tensor> {
    linear_as((precision, precision.into()), xs, weight, bias, context)
}

fn linear_as(
    (precision, packing): (Precision, Packing),
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    context: &Context,
) -> Result<Tensor> {
    if !context.uses_kernels(xs.device()) {
        return composite(xs, weight, bias, precision);
    }
    let op = Linear {
        weight: weight.clone(),
        bias: bias.cloned(),
        precision,
        packing,
        packed: !(context.is_training() && weight.is_trainable()),
    };
    Ok(xs.contiguous()?.apply_op1(op)?)
}

/// The composite form.
fn composite(
    xs: &Tensor,
    weight: &Param,
    bias: Option<&Param>,
    precision: Precision,
) -> Result<Tensor> {
    let ys = matmul_t(xs, &weight.tensor()?, precision)?;
    match bias {
        Some(bias) => Ok(ys.broadcast_add(&bias.tensor()?)?),
        None => Ok(ys),
    }
}

/// `xs · wᵀ` by candle's product, for `xs` `(N, K)` and `w` `(M, K)`.
pub(super) fn matmul_t(xs: &Tensor, w: &Tensor, precision: Precision) -> candle::Result<Tensor> {
    match precision {
        Precision::F32 => xs.matmul(&w.t()?),
        Precision::Bf16 => {
            let (xs, w) = (xs.to_dtype(DType::BF16)?, w.to_dtype(DType::BF16)?);
            xs.matmul(&w.t()?)?.to_dtype(DType::F32)
        }
    }
}

/// Adds `dysᵀ · xs`, what `ys = xs · wᵀ` means for the gradient of `w`, unless the weight is frozen.
pub(super) fn add_weight_gradient(precision: Precision, weight: &Param, dys: &[f32], xs: &[f32]) {
    if weight.is_trainable() {
        counters::count_weight_gradients(1);
        let dims = weight.shape().dims();
        let (mut grad, is_left_over) = weight.grad_to_overwrite();
        let dims = (dims[0], dims[1], xs.len() / dims[1]);
        matmul::matmul_tn(precision, dys, xs, &mut grad, dims, !is_left_over);
    }
}

/// The kernel form; a weight that does not change is packed once.
struct Linear {
    weight: Param,
    bias: Option<Param>,
    precision: Precision,
    packing: Packing,
    packed: bool,
}

impl Linear {
    fn sizes(&self, inputs: &[f32]) -> (usize, usize, usize) {
        let dims = self.weight.shape().dims();
        (inputs.len() / dims[1], dims[0], dims[1])
    }

    fn forward(&self, xs: &[f32], bias: Option<&[f32]>) -> Result<Vec<f32>> {
        let (rows, outs, ins) = self.sizes(xs);
        let mut ys = vec![0.0; rows * outs];
        let epilogue = Epilogue { bias, ..Epilogue::NONE };
        if self.packed {
            self.weight.packed(self.packing)?.matmul_nt(xs, &mut ys, &epilogue);
        } else {
            let dims = (rows, outs, ins);
            self.weight.with_value(|w| {
                matmul::matmul_nt(self.precision, xs, w, &mut ys, dims, &epilogue);
            })?;
        }
        Ok(ys)
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let xs = slices::values(xs, layout)?;
        let (rows, outs, _) = self.sizes(xs);
        let ys = match &self.bias {
            Some(bias) => bias.with_value(|bias| self.forward(xs, Some(bias))),
            None => Ok(self.forward(xs, None)),
        };
        let ys = ys.and_then(|ys| ys).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(ys), (rows, outs).into()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let dxs = slices::with_values(dys, |dys| {
            slices::with_values(xs, |xs| {
                let (rows, outs, ins) = self.sizes(xs);
                add_weight_gradient(self.precision, &self.weight, dys, xs);
                if let Some(bias) = self.bias.as_ref().filter(|bias| bias.is_trainable()) {
                    bias.with_grad(|grad| slices::add_rows(dys, grad));
                }
                let mut dxs = vec![0.0; rows * ins];
                self.weight.with_value(|w| {
                    let dims = (rows, ins, outs);
                    matmul::matmul_nn(self.precision, dys, w, &mut dxs, dims, false);
                })?;
                Ok::<_, crate::Error>(dxs)
            })
        })??;
        let dxs = dxs.map_err(candle::Error::wrap)?;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}
