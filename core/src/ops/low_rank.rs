//! What a low-rank change of a feed-forward network adds to it (LoRA, Hu et al. 2022).

use std::sync::OnceLock;

use candle::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

use super::{
    experts::{ExpertParams, activate},
    linear::{add_weight_gradient, matmul_t},
    slices,
};
use crate::{
    Result,
    context::Context,
    kernels::activation::Activation,
    kernels::{
        matmul::{self, Epilogue, Precision},
        packed::Packing,
        parallel,
    },
    params::Param,
};

/// A network `down · act(up · x + bias)` and a change of both its matrices.
#[derive(Debug, Clone)]
pub struct LowRankParams {
    /// The network, which has no gate.
    pub base: ExpertParams,
    /// `A` `(R, D)` and `B` `(F, R)`: the matrix becomes `up + B·A`.
    pub up: [Param; 2],
    /// `A` `(R, F)` and `B` `(D, R)`: the matrix becomes `down + B·A`.
    pub down: [Param; 2],
}

/// Maps `xs` `(N, D)` to the difference that the change makes to the network, of the same shape.
///
/// Where both `B` are zero, so is the difference, exactly.
pub fn low_rank(
    xs: &Tensor,
    params: &LowRankParams,
    activation: Activation,
    context: &Context,
) -> Result<Tensor> {
    if !context.uses_kernels(xs.device()) {
        return composite(xs, params, activation, context.precision);
    }
    let is_training = context.is_training();
    let (precision, packing) = (context.precision, context.packing);
    let (params, saved) = (params.clone(), OnceLock::new());
    let op = LowRank { params, activation, precision, packing, is_training, saved };
    Ok(xs.contiguous()?.apply_op1(op)?)
}

/// The composite form.
fn composite(
    xs: &Tensor,
    params: &LowRankParams,
    activation: Activation,
    precision: Precision,
) -> Result<Tensor> {
    let LowRankParams { base, up, down } = params;
    let low = |xs: &Tensor, [a, b]: &[Param; 2]| -> Result<Tensor> {
        Ok(matmul_t(&matmul_t(xs, &a.tensor()?, precision)?, &b.tensor()?, precision)?)
    };
    let mut hidden = matmul_t(xs, &base.up.tensor()?, precision)?; // (N, F)
    if let Some(bias) = &base.up_bias {
        hidden = hidden.broadcast_add(&bias.tensor()?)?;
    }
    let before = activate(&hidden, activation)?;
    let after = activate(&(hidden + low(xs, up)?)?, activation)?;
    let moved = matmul_t(&(&after - before)?, &base.down.tensor()?, precision)?; // (N, D)
    Ok((moved + low(&after, down)?)?)
}

/// The kernel form.
struct LowRank {
    params: LowRankParams,
    activation: Activation,
    precision: Precision,
    /// That of the network; its change is small, and kept as it is multiplied.
    packing: Packing,
    is_training: bool,
    saved: OnceLock<Saved>,
}

/// What the backward pass needs of the forward pass.
struct Saved {
    /// `up · x + bias`, `(N, F)`.
    before: Vec<f32>,
    /// The same with the change, `(N, F)`.
    after: Vec<f32>,
    /// `A · x` of the upper change, `(N, R)`.
    up: Vec<f32>,
    /// `A · act(after)` of the lower change, `(N, R)`.
    down: Vec<f32>,
}

impl LowRank {
    /// `xs · wᵀ + bias`, by packed weights where they do not change.
    fn times(&self, xs: &[f32], weight: &Param, bias: Option<&Param>) -> Result<Vec<f32>> {
        let &[outs, ins] = weight.shape().dims() else { unreachable!("weights are matrices") };
        let rows = xs.len() / ins;
        let mut ys = vec![0.0; rows * outs];
        let bias = bias.map(Param::values).transpose()?;
        let epilogue = Epilogue { bias: bias.as_ref().map(|b| b.as_slice()), ..Epilogue::NONE };
        if self.is_training && weight.is_trainable() {
            let dims = (rows, outs, ins);
            weight.with_value(|w| {
                matmul::matmul_nt(self.precision, xs, w, &mut ys, dims, &epilogue);
            })?;
        } else {
            let LowRankParams { base, .. } = &self.params;
            let is_base = [&base.up, &base.down].iter().any(|own| own.name() == weight.name());
            let packing = if is_base { self.packing } else { self.precision.into() };
            weight.packed(packing)?.matmul_nt(xs, &mut ys, &epilogue);
        }
        Ok(ys)
    }

    /// Adds `dys · w` to `dxs`, or sets it.
    fn times_back(&self, dys: &[f32], weight: &Param, dxs: &mut [f32], adds: bool) -> Result<()> {
        let &[outs, ins] = weight.shape().dims() else { unreachable!("weights are matrices") };
        let dims = (dys.len() / outs, ins, outs);
        weight.with_value(|w| matmul::matmul_nn(self.precision, dys, w, dxs, dims, adds))
    }

    /// `act(after)` and what it is more than `act(before)`.
    fn activated(&self, before: &[f32], after: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut activated, mut moved) = (after.to_vec(), before.to_vec());
        self.activation.apply(&mut activated);
        self.activation.apply(&mut moved);
        zip(&mut moved, &activated, |before, after| *before = after - *before);
        (activated, moved)
    }

    fn forward(&self, xs: &[f32]) -> Result<Vec<f32>> {
        let LowRankParams { base, up: [up_a, up_b], down: [down_a, down_b] } = &self.params;
        let before = self.times(xs, &base.up, base.up_bias.as_ref())?;
        let up = self.times(xs, up_a, None)?;
        let mut after = self.times(&up, up_b, None)?;
        zip(&mut after, &before, |sum, x| *sum += x);
        let (activated, moved) = self.activated(&before, &after);
        let mut ys = self.times(&moved, &base.down, None)?;
        let down = self.times(&activated, down_a, None)?;
        zip(&mut ys, &self.times(&down, down_b, None)?, |sum, x| *sum += x);
        if self.is_training {
            self.saved.get_or_init(|| Saved { before, after, up, down });
        }
        Ok(ys)
    }

    /// The gradient of `xs`; those of the weights gather in their own buffers.
    fn backward(&self, xs: &[f32], dys: &[f32]) -> Result<Vec<f32>> {
        let LowRankParams { base, up: [up_a, up_b], down: [down_a, down_b] } = &self.params;
        let unsaved = || crate::Error::Invalid("a backward pass without its forward pass".into());
        let saved = self.saved.get().ok_or_else(unsaved)?;
        let (activated, moved) = self.activated(&saved.before, &saved.after);
        let learn = |weight: &Param, dys: &[f32], xs: &[f32]| {
            add_weight_gradient(self.precision, weight, dys, xs);
        };
        let grad = |dys: &[f32], weight: &Param| -> Result<Vec<f32>> {
            let mut dxs =
                vec![0.0; dys.len() / weight.shape().dims()[0] * weight.shape().dims()[1]];
            self.times_back(dys, weight, &mut dxs, false)?;
            Ok(dxs)
        };

        let d_down = grad(dys, down_b)?; // (N, R)
        learn(down_b, dys, &saved.down);
        learn(down_a, &d_down, &activated);
        learn(&base.down, dys, &moved);

        let mut d_before = grad(dys, &base.down)?; // (N, F), with the sign to come
        let mut d_after = d_before.clone();
        self.times_back(&d_down, down_a, &mut d_after, true)?;
        self.activation.backward(&saved.after, &mut d_after);
        self.activation.backward(&saved.before, &mut d_before);
        zip(&mut d_before, &d_after, |before, after| *before = after - *before);

        let d_up = grad(&d_after, up_b)?; // (N, R)
        learn(up_b, &d_after, &saved.up);
        learn(up_a, &d_up, xs);
        learn(&base.up, &d_before, xs);
        if let Some(bias) = base.up_bias.as_ref().filter(|bias| bias.is_trainable()) {
            bias.with_grad(|sum| slices::add_rows(&d_before, sum));
        }
        let mut dxs = grad(&d_before, &base.up)?;
        self.times_back(&d_up, up_a, &mut dxs, true)?;
        Ok(dxs)
    }
}

/// Elements that one task changes.
const CHUNK: usize = 16 * 1024;

/// Runs `f` on each pair of elements.
fn zip(xs: &mut [f32], others: &[f32], f: impl Fn(&mut f32, f32) + Sync + Send) {
    parallel::for_each_chunk(xs, CHUNK, others.len(), |i, xs| {
        xs.iter_mut().zip(&others[i * CHUNK..]).for_each(|(x, other)| f(x, *other));
    });
}

impl CustomOp1 for LowRank {
    fn name(&self) -> &'static str {
        "low rank"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let ys = self.forward(slices::values(xs, layout)?).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let dxs = slices::with_values(xs, |xs| {
            slices::with_values(dys, |dys| self.backward(xs, dys).map_err(candle::Error::wrap))
        })???;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use candle::{Device, Var};

    use super::*;
    use crate::{
        context::Training,
        params::{Init, ParamStore},
    };

    const TOKENS: usize = 5;
    const D_MODEL: usize = 6;
    const D_FF: usize = 9;
    const RANK: usize = 2;

    fn params(store: &ParamStore) -> Result<LowRankParams> {
        let vb = store.root();
        let get = |shape: (usize, usize), name: &str| vb.get(shape, name, Init::Normal(0.7));
        Ok(LowRankParams {
            base: ExpertParams {
                up: get((D_FF, D_MODEL), "base.up")?,
                up_bias: Some(vb.get(D_FF, "base.up_bias", Init::Normal(0.5))?),
                gate: None,
                down: get((D_MODEL, D_FF), "base.down")?,
                down_bias: None,
            },
            up: [get((RANK, D_MODEL), "up.a")?, get((D_FF, RANK), "up.b")?],
            down: [get((RANK, D_FF), "down.a")?, get((D_MODEL, RANK), "down.b")?],
        })
    }

    /// The difference, its gradient with regard to the tokens, and those of all weights, by name.
    fn run(activation: Activation, composite: bool) -> Result<Vec<(String, Vec<f32>)>> {
        let store = ParamStore::new(&Device::Cpu, 3);
        let params = params(&store)?;
        let values: Vec<f32> = (0..TOKENS * D_MODEL).map(|i| (i as f32 * 0.7).sin()).collect();
        let xs = Var::from_tensor(&Tensor::from_vec(values, (TOKENS, D_MODEL), &Device::Cpu)?)?;
        let training = Training { seed: 1, step: 1, dropout: 0.0, expert_dropout: 0.0 };
        let mut context = Context::training(Precision::F32, training);
        context.composite = composite;
        let ys = low_rank(&xs, &params, activation, &context)?;
        let scale: Vec<f32> = (0..TOKENS * D_MODEL).map(|i| (i as f32).cos()).collect();
        let scale = Tensor::from_vec(scale, (TOKENS, D_MODEL), &Device::Cpu)?;
        let grads = (&ys * scale)?.sum_all()?.backward()?;
        store.collect(&grads)?;
        let dxs = grads.get(&xs).expect("it was followed");
        let mut found = vec![
            ("ys".to_string(), ys.flatten_all()?.to_vec1()?),
            ("dxs".to_string(), dxs.flatten_all()?.to_vec1()?),
        ];
        for param in store.iter() {
            found.push((param.name().to_string(), param.with_grad(|grad| grad.to_vec())));
        }
        Ok(found)
    }

    fn assert_close(name: &str, ours: &[f32], theirs: &[f32]) {
        assert_eq!(ours.len(), theirs.len(), "{name}");
        assert!(theirs.iter().any(|x| *x != 0.0), "{name} is zero");
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{name}: {a} and {b}");
        }
    }

    #[test]
    fn the_kernel_and_the_composite_agree_in_values_and_all_gradients() -> Result<()> {
        for activation in [
            Activation::Relu,
            Activation::Gelu,
            Activation::Silu,
            Activation::GeluTanh,
            Activation::GeluSigmoid,
        ] {
            let (ours, theirs) = (run(activation, false)?, run(activation, true)?);
            assert_eq!(ours.len(), 2 + 7, "with all weights");
            for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
                assert_close(name, ours, theirs);
            }
        }
        Ok(())
    }
}
