//! The feed-forward networks of experts, each on the rows that visit it.

mod packed;

use std::sync::{MutexGuard, OnceLock};

use candle::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};

use super::{linear::matmul_t, slices};
use crate::{
    Result,
    context::Context,
    kernels::activation::Activation,
    kernels::{
        ffn::{
            ExpertGrads, ExpertWeights, FfnInput, Gradients, GroupedFfn, PackedExpert, PackedFfn,
            Saved,
        },
        matmul::Precision,
        packed::Packing,
    },
    params::{Param, Values},
};

use packed::Packed;

pub use crate::kernels::visits::Visits;

/// The weights of one expert, `down(act(up(x)))`, or with a gate `down(act(gate(x)) ∘ up(x))`
/// (SwiGLU, Shazeer 2020).
#[derive(Debug, Clone)]
pub struct ExpertParams {
    /// `(F, D)`.
    pub up: Param,
    /// `(F,)`.
    pub up_bias: Option<Param>,
    /// `(F, D)`; absent in an expert without a gate.
    pub gate: Option<Param>,
    /// `(D, F)`.
    pub down: Param,
    /// `(D,)`.
    pub down_bias: Option<Param>,
}

impl ExpertParams {
    /// All weights of the expert.
    pub fn all(&self) -> impl Iterator<Item = &Param> {
        let Self { up, up_bias, gate, down, down_bias } = self;
        let options = [up_bias.as_ref(), gate.as_ref(), down_bias.as_ref()];
        [up, down].into_iter().chain(options.into_iter().flatten())
    }

    /// The weights that are packed for inference.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = &Param> {
        [&self.up, &self.down].into_iter().chain(self.gate.as_ref())
    }

    /// Whether training may change any of them.
    pub fn learns(&self) -> bool {
        self.all().any(Param::is_trainable)
    }
}

/// One of something for each weight of an expert.
struct Each<T> {
    up: T,
    up_bias: Option<T>,
    gate: Option<T>,
    down: T,
    down_bias: Option<T>,
}

impl<T> Each<T> {
    fn new<'a>(
        expert: &'a ExpertParams,
        mut f: impl FnMut(&'a Param) -> Result<T>,
    ) -> Result<Self> {
        Ok(Self {
            up: f(&expert.up)?,
            up_bias: expert.up_bias.as_ref().map(&mut f).transpose()?,
            gate: expert.gate.as_ref().map(&mut f).transpose()?,
            down: f(&expert.down)?,
            down_bias: expert.down_bias.as_ref().map(&mut f).transpose()?,
        })
    }
}

/// Maps `xs` `(N, D)` to `Σₛ weights[n, s] · E_{visits(n, s)}(xs[n])`, `(N, D)`; without
/// `weights`, `(N, S)`, each visit counts one.
pub fn experts(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    context: &Context,
) -> Result<Tensor> {
    if !context.uses_kernels(xs.device()) {
        return composite(xs, weights, visits, experts, activation, context.precision);
    }
    let packed = !is_followed(xs) && !weights.is_some_and(is_followed);
    let op = Experts::new(experts, activation, context, packed).on(visits.clone());
    let xs = xs.contiguous()?;
    match weights {
        Some(weights) => Ok(xs.apply_op2(&weights.contiguous()?, op)?),
        None => Ok(xs.apply_op1(op)?),
    }
}

/// Whether gradients may be asked for with regard to `xs`, or what it was made of.
fn is_followed(xs: &Tensor) -> bool {
    xs.track_op()
}

/// The composite form: a loop over the experts.
fn composite(
    xs: &Tensor,
    weights: Option<&Tensor>,
    visits: &Visits,
    experts: &[ExpertParams],
    activation: Activation,
    precision: Precision,
) -> Result<Tensor> {
    let device = xs.device();
    let flat = weights.map(|weights| weights.flatten_all()).transpose()?; // (N·S,)
    let mut ys = xs.zeros_like()?;
    for (e, expert) in experts.iter().enumerate() {
        let visit = visits.of_expert(e);
        let n = visit.len();
        if n == 0 {
            continue;
        }
        let rows = Tensor::from_slice(&visits.tokens()[visit.clone()], n, device)?;
        let tokens = xs.index_select(&rows, 0)?; // (n, D)
        let up = project(&tokens, &expert.up, expert.up_bias.as_ref(), precision)?; // (n, F)
        let inner = match &expert.gate {
            None => activate(&up, activation)?,
            Some(gate) => (activate(&project(&tokens, gate, None, precision)?, activation)? * up)?,
        };
        let mut out = project(&inner, &expert.down, expert.down_bias.as_ref(), precision)?; // (n, D)
        if let Some(flat) = &flat {
            let places = Tensor::from_slice(&visits.positions()[visit], n, device)?;
            out = out.broadcast_mul(&flat.index_select(&places, 0)?.unsqueeze(1)?)?;
        }
        ys = ys.index_add(&rows, &out, 0)?;
    }
    Ok(ys)
}

fn project(
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

pub(crate) fn activate(xs: &Tensor, activation: Activation) -> candle::Result<Tensor> {
    match activation {
        Activation::Relu => xs.relu(),
        Activation::Gelu => xs.gelu_erf(),
        Activation::Silu => xs.silu(),
        Activation::GeluTanh => xs.gelu(),
        Activation::GeluSigmoid => xs * candle_nn::ops::sigmoid(&(xs * 1.702)?)?,
    }
}

/// The kernel form: one grouped operation.
pub(super) struct Experts {
    visits: Visits,
    experts: Vec<ExpertParams>,
    activation: Activation,
    precision: Precision,
    packing: Packing,
    /// Whether only results are wanted, so that weights can be packed once for many passes.
    packed: bool,
    /// What the backward pass needs of the forward pass.
    saved: OnceLock<Saved>,
}

impl Experts {
    /// The operation without rows; `packed` says that only results are wanted.
    pub(super) fn new(
        experts: &[ExpertParams],
        activation: Activation,
        context: &Context,
        packed: bool,
    ) -> Self {
        Self {
            visits: Visits::new(&[], 0, 1, experts.len()),
            experts: experts.to_vec(),
            activation,
            precision: context.precision,
            packing: context.packing,
            packed,
            saved: OnceLock::new(),
        }
    }

    /// The same operation on the rows of `visits`.
    pub(super) fn on(&self, visits: Visits) -> Self {
        Self { visits, experts: self.experts.clone(), saved: OnceLock::new(), ..*self }
    }

    /// Runs `f` on the kernel, with the weights locked against changes.
    fn with_kernel<R>(&self, f: impl FnOnce(&GroupedFfn<'_>) -> R) -> candle::Result<R> {
        let values: Result<Vec<Each<Values<'_>>>> =
            self.experts.iter().map(|expert| Each::new(expert, Param::values)).collect();
        let values = values.map_err(candle::Error::wrap)?;
        let experts: Vec<ExpertWeights<'_>> = values
            .iter()
            .map(|values| ExpertWeights {
                up: values.up.as_slice(),
                up_bias: values.up_bias.as_ref().map(Values::as_slice),
                gate: values.gate.as_ref().map(Values::as_slice),
                down: values.down.as_slice(),
                down_bias: values.down_bias.as_ref().map(Values::as_slice),
            })
            .collect();
        let d_model = self.experts.first().map_or(1, |expert| expert.up.shape().dims()[1]);
        let (precision, activation) = (self.precision, self.activation);
        Ok(f(&GroupedFfn { precision, activation, d_model, experts: &experts }))
    }

    /// Weights of visits that count one each.
    pub(super) fn ones(&self) -> Vec<f32> {
        vec![1.0; self.visits.num_tokens() * self.visits.num_slots()]
    }

    /// The sums of the answers, of the shape of `xs`.
    pub(super) fn forward(&self, xs: &[f32], weights: &[f32]) -> candle::Result<Vec<f32>> {
        let mut ys = vec![0.0; xs.len()];
        let input = FfnInput { xs, visits: &self.visits, weights };
        if self.packed {
            self.infer(&input, &mut ys).map_err(candle::Error::wrap)?;
            return Ok(ys);
        }
        let saved = self.with_kernel(|kernel| kernel.forward(&input, &mut ys))?;
        self.saved.get_or_init(|| saved);
        Ok(ys)
    }

    /// The forward pass over weights packed once; experts without visits are not packed.
    fn infer(&self, input: &FfnInput<'_>, ys: &mut [f32]) -> Result<()> {
        let mut held = Vec::with_capacity(self.experts.len());
        for (e, expert) in self.experts.iter().enumerate() {
            let is_visited = !self.visits.of_expert(e).is_empty();
            held.push(is_visited.then(|| Packed::new(expert, self.packing)).transpose()?);
        }
        let experts: Vec<Option<PackedExpert<'_>>> =
            held.iter().map(|held| held.as_ref().map(Packed::borrow)).collect();
        let d_model = self.experts.first().map_or(1, |expert| expert.up.shape().dims()[1]);
        PackedFfn { activation: self.activation, d_model, experts: &experts }.forward(input, ys);
        Ok(())
    }

    /// Gradients of `xs` and `weights`; those of the experts are added to what these gathered.
    pub(super) fn backward(
        &self,
        xs: &[f32],
        weights: &[f32],
        dys: &[f32],
    ) -> candle::Result<(Vec<f32>, Vec<f32>)> {
        let Some(saved) = self.saved.get() else {
            candle::bail!("experts: backward before forward");
        };
        let (mut dxs, mut dweights) = (vec![0.0; xs.len()], vec![0.0; weights.len()]);
        let is_visited = |e: usize| !self.visits.of_expert(e).is_empty();
        let of = |(e, expert)| Held::new(expert, is_visited(e));
        let mut held: Vec<Option<Held<'_>>> = self.experts.iter().enumerate().map(of).collect();
        let mut grads: Vec<Option<ExpertGrads<'_>>> = held
            .iter_mut()
            .map(|held| {
                let Held { overwrite, grads } = held.as_mut()?;
                let Each { up, up_bias, gate, down, down_bias } = grads;
                Some(ExpertGrads {
                    overwrite: *overwrite,
                    up,
                    up_bias: up_bias.as_mut().map(|grad| &mut grad[..]),
                    gate: gate.as_mut().map(|grad| &mut grad[..]),
                    down,
                    down_bias: down_bias.as_mut().map(|grad| &mut grad[..]),
                })
            })
            .collect();
        let input = FfnInput { xs, visits: &self.visits, weights };
        self.with_kernel(|kernel| {
            let gradients = Gradients { xs: &mut dxs, weights: &mut dweights, experts: &mut grads };
            kernel.backward(&input, saved, dys, gradients);
        })?;
        Ok((dxs, dweights))
    }
}

/// Gradients of one expert, locked while they are added to.
struct Held<'a> {
    overwrite: bool,
    grads: Each<MutexGuard<'a, Vec<f32>>>,
}

impl<'a> Held<'a> {
    /// Where the gradients of an expert gather; none if it is frozen or has no visits, and nothing
    /// is spent on it.
    fn new(expert: &'a ExpertParams, is_visited: bool) -> Option<Self> {
        if !expert.learns() || !is_visited {
            return None;
        }
        // What one of the matrices has gathered, the others add to as well.
        let overwrite = !expert.matrices().any(Param::has_grad);
        let matrix = |param: &'a Param| match overwrite {
            true => param.grad_to_overwrite().0,
            false => param.grad(),
        };
        let grads = Each {
            up: matrix(&expert.up),
            up_bias: expert.up_bias.as_ref().map(Param::grad),
            gate: expert.gate.as_ref().map(matrix),
            down: matrix(&expert.down),
            down_bias: expert.down_bias.as_ref().map(Param::grad),
        };
        Some(Self { overwrite, grads })
    }
}

impl CustomOp1 for Experts {
    fn name(&self) -> &'static str {
        "feed-forward"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> candle::Result<(CpuStorage, Shape)> {
        let ys = self.forward(slices::values(xs, layout)?, &self.ones())?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, dys: &Tensor) -> candle::Result<Option<Tensor>> {
        let (dxs, _) = slices::with_values(xs, |xs| {
            slices::with_values(dys, |dys| self.backward(xs, &self.ones(), dys))
        })???;
        Ok(Some(slices::tensor(dxs, xs.shape())?))
    }
}

impl CustomOp2 for Experts {
    fn name(&self) -> &'static str {
        "experts"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle::Result<(CpuStorage, Shape)> {
        let weights = slices::values(weights, weights_layout)?;
        let ys = self.forward(slices::values(xs, layout)?, weights)?;
        Ok((CpuStorage::F32(ys), layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        dys: &Tensor,
    ) -> candle::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dxs, dweights) = slices::with_values(xs, |xs| {
            slices::with_values(weights, |weights| {
                slices::with_values(dys, |dys| self.backward(xs, weights, dys))
            })
        })????;
        let dweights = slices::tensor(dweights, weights.shape())?;
        Ok((Some(slices::tensor(dxs, xs.shape())?), Some(dweights)))
    }
}
